"""docs/openapi.yaml: valid, with valid examples, and with exactly the routes of app.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
from chalice.app import IAMAuthorizer
from openapi_spec_validator import validate
from openapi_spec_validator.readers import read_from_filename

from tests.application import MEETINGS, STAGE, load_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

DESCRIPTION = dict(read_from_filename(str(Path(__file__).parents[1] / "docs" / "openapi.yaml"))[0])
METHODS = {"get", "post", "patch", "delete", "options"}


def examples(part: object, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the pointer of each schema that has examples beside it, with each of them."""
    if isinstance(part, list):
        for number, each in enumerate(part):
            yield from examples(each, f"{pointer}/{number}")
    elif isinstance(part, dict):
        if "schema" in part:
            found = [each["value"] for each in part.get("examples", {}).values()]
            found += [part["example"]] if "example" in part else []
            yield from ((f"{pointer}/schema", each) for each in found)
        for name, each in part.items():
            yield from examples(each, f"{pointer}/{name.replace('/', '~1')}")


def test_it_is_valid_and_so_are_its_examples() -> None:
    validate(DESCRIPTION)
    found = list(examples(DESCRIPTION))
    for pointer, example in found:
        schema = {**DESCRIPTION, "$ref": f"#{pointer.replace('{', '%7B').replace('}', '%7D')}"}
        jsonschema_rs.Draft202012Validator(schema).validate(example)
    assert len(found) > 20


def test_it_has_each_route_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = load_app(monkeypatch, STAGE | MEETINGS).app.routes
    described = {
        (path, name.upper()): operation
        for path, item in DESCRIPTION["paths"].items()
        for name, operation in item.items()
        if name in METHODS
    }

    assert set(described) == {(path, name) for path, methods in routes.items() for name in methods}
    signed = {key for key, each in described.items() if {"desktop": []} in each.get("security", [])}
    assert signed == {
        (path, name)
        for path, methods in routes.items()
        for name, route in methods.items()
        if isinstance(route.authorizer, IAMAuthorizer)
    }
