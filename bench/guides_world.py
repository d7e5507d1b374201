"""The guide's own code, imported as it is, and a simulated world for it to talk to."""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch
from urllib.parse import parse_qsl

from bench.servers import PROJECT, ROOT
from localcloud.aws import aws_settings
from localcloud.cloudflare import DEFAULT_TOKEN, Api, Quota, Request, Response, Token, Zone
from tests.simulation.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

ROOM: Final = 100_000
_TOO_MANY: Final = 429


@dataclass
class GuidesWorld:
    """What the guide's module talks to: Cloudflare under its quota, and AWS, which always works."""

    clock: Clock = field(default_factory=Clock)
    calls: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        """Set Cloudflare up with room for every record."""
        settings = PROJECT.settings
        zone = Zone(settings.zone_id, settings.domain_root, record_quota=ROOM)
        self.api = Api((zone,), (Token(DEFAULT_TOKEN),), quota=Quota(), clock=self.clock)

    def request(self, method: str, url: str, **options: Any) -> SimpleNamespace:  # noqa: ANN401
        """Stand in for urllib3's call of this name."""
        path, _, query = url.removeprefix("https://api.cloudflare.com").partition("?")
        body = (options.get("body") or "").encode()
        request = Request(method, path, tuple(parse_qsl(query)), options["headers"], body)
        answer = self.api.handle(request)
        if not isinstance(answer, Response):
            raise TypeError(f"no answer to {request}")
        self.calls += 1
        self.refused += answer.status == _TOO_MANY
        return SimpleNamespace(status=answer.status, data=answer.body)

    def describe_instances(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Stand in for the client's call of this name."""
        number = int(request["InstanceIds"][0].removeprefix("i-"), base=16)
        address = f"52.0.{number >> 8}.{number & 255}"
        tags = [{"Key": "Project", "Value": "Elephant"}]
        return {"Reservations": [{"Instances": [{"PublicIpAddress": address, "Tags": tags}]}]}

    def get_secret_value(self, **_: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Stand in for the client's call of this name."""
        return {"SecretString": json.dumps({"CLOUDFLARE_TOKEN": DEFAULT_TOKEN})}


def load_guide(environment: Mapping[str, str] | None = None) -> ModuleType:
    """Import the guide's module under these variables, by default so that it reaches nothing."""
    settings = PROJECT.settings
    variables = environment or {
        **aws_settings("http://127.0.0.1:9"),
        "DOMAIN_ROOT": settings.domain_root,
        "ZONE_ID": settings.zone_id,
        "SECRET_ARN": settings.secret_id,
    }
    spec = importlib.util.spec_from_file_location("guide", ROOT / "bench" / "guide.py")
    if spec is None or spec.loader is None:
        raise ImportError("bench/guide.py is gone")
    module = importlib.util.module_from_spec(spec)
    with patch.dict(os.environ, variables):
        spec.loader.exec_module(module)
    return module
