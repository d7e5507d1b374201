"""app.py, imported as Lambda does: with a stage's variables around it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.world import ACCOUNT, REGION, REQUIRED, Context

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    import pytest

PROJECT = Path(__file__).parent.parent
STAGE = REQUIRED | {"AWS_REGION": REGION}
MEETINGS = {
    "FEATURES": "meetings",
    "AMI_ID": "ami-0123456789abcdef0",
    "SECURITY_GROUP_IDS": "sg-0123456789abcdef0",
    "ALLOWED_ORIGINS": "https://app.example.com",
}
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:elephant-test"

FEATURES = ("meetings", "notifications", "invitations")
SHARED = {*FEATURES, "settings", "client", "clock", "sleep", "instances", "table", "ending"}
"""What a container has besides handlers."""


def load_app(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> ModuleType:
    """Import app.py again, with these variables until the test is over."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("app", PROJECT / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def gateway_event(method: str, route: str, path: str, **members: object) -> dict[str, Any]:
    """Make the event that API Gateway makes of a request, with null for what it lacks."""
    return {
        "headers": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"httpMethod": method, "resourcePath": route, "path": path},
        "body": None,
        "isBase64Encoded": False,
    } | members


def invoke(app: ModuleType, function: str, event: object) -> Any:  # noqa: ANN401 (its answer)
    """Invoke a function as Lambda does, and return its answer."""
    return getattr(app, function)(event, Context(invoked_function_arn=f"{ARN}-{function}"))


def built(app: ModuleType) -> set[str]:
    """Name the handlers that were built."""
    found = vars(app.container)
    features = [vars(found[name]) for name in FEATURES if name in found]
    handlers = set(found).union(*features) - SHARED
    return {name for name in handlers if not name.startswith("_")}
