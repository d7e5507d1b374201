"""What surrounds a desktop's agent: instance metadata, the API, Secrets Manager, DCV, commands."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections import defaultdict
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.servers import QuietHandler, QuietServer, serve_tls, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

AGENT: Final = Path(__file__).parents[2] / "desktop/linux/elephant-desktop"
INSTANCE: Final = "i-0123456789abcdef0"
REGION: Final = "us-west-2"
SECRET: Final = "elephant/test/dcv"
LIMIT: Final = 120
"""Seconds after which a test gives up; nothing takes so long."""

PAIR: Final = {
    "dcv.pem": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----",
    "dcv.key": "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----",
}
COMMANDS: Final = {
    "dcv": """
case "$1" in
describe-session)
  [ -e session ] || exit 1
  printf '{"id": "elephant", "num-of-connections": %s}' "$(cat connections)" ;;
list-sessions) printf '[{"num-of-connections": %s}, {}]' "$(cat connections)" ;;
*) touch session ;;
esac""",
    "systemctl": '[ "$1" != restart ] || rm -f session',
    "poweroff": "",
}


@dataclass(frozen=True)
class Call:
    """A request to the API, whose signature was right."""

    route: str
    query: str
    body: bytes
    access_key: str


class World:
    """Everything outside the agent, on this machine; each attribute may be changed at any time."""

    def __init__(self, directory: Path) -> None:
        assert shutil.which("jq"), "install jq: the agent needs it"
        self.root = directory / "root"
        self.commands = directory / "commands"
        self.calls: list[Call] = []
        self.unsigned: list[str] = []
        """Requests whose signature was wrong."""
        self.metadata = {
            "instance-id": INSTANCE,
            "placement/region": REGION,
            "tags/instance/MeetingID": "m-1",
            "tags/instance/Role": "teacher",
            "iam/security-credentials/": "the-role",
        }
        self.credential_life = timedelta(hours=6)
        self.credentials_given = 0
        self.secret: object = json.dumps(PAIR)
        self.room_url: str | None = "https://meet.example/m-1"
        self.answers: dict[str, list[tuple[int, dict[str, str]]]] = defaultdict(list)
        """By route: what is answered next, with these headers, instead of what would be."""
        self.over = False
        self.ends_in = [timedelta(hours=1)]
        """When the meeting ends; of several the first is left behind by each question."""
        self._changed = threading.Condition()
        self._server = QuietServer(_handler(self))
        self._dcv = QuietServer(_Dcv)
        serve_tls(self._dcv, directory)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.metadata["tags/instance/elephant:api"] = f"{self.url}/api"
        self._make_commands()
        for folder in ("etc/elephant/start.d", "etc/elephant/finish.d", "etc/dcv"):
            (self.root / folder).mkdir(parents=True)
        self.configure()

    @contextmanager
    def running(self) -> Iterator[World]:
        """Serve."""
        with serving(self._server), serving(self._dcv):
            yield self

    def configure(self, **values: str) -> None:
        """Write desktop.conf as the installer does."""
        own = {"CERTIFICATE_SECRET": SECRET, "DCV_PORT": str(self._dcv.server_port)}
        lines = [f"{name}={value}\n" for name, value in (own | values).items()]
        (self.root / "etc/elephant/desktop.conf").write_text("".join(lines))

    def hook(self, name: str, script: str) -> None:
        """Write a hook, such as `finish.d/10-upload`."""
        _script(self.root / "etc/elephant" / name, script)

    def connect(self, count: int | str) -> None:
        """Let so many clients be connected to DCV."""
        (self.commands / "connections").write_text(str(count))

    def command(self, name: str, script: str) -> None:
        """Write a command, which logs its arguments."""
        log = f'cd "{self.commands}"\nprintf "%s\\n" "$*" >>{name}.log\n'
        _script(self.commands / name, log + script)

    def ran(self, command: str) -> list[str]:
        """Return the arguments of each run of a command."""
        log = self.commands / f"{command}.log"
        return log.read_text().splitlines() if log.exists() else []

    def state(self, name: str) -> Path:
        """Name a file of the agent's state."""
        return self.root / "var/lib/elephant" / INSTANCE / name

    def made(self, route: str) -> list[Call]:
        """Return the calls of a route, such as `GET /desktop`."""
        return [call for call in self.calls if call.route == route]

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until it is so; looked at after each request."""
        with self._changed:
            assert self._changed.wait_for(condition, LIMIT)

    def take(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer a request."""
        path, _, query = target.partition("?")
        with self._changed:
            self._changed.notify_all()
            if path.startswith("/latest/"):
                return self._tell(method, path.removeprefix("/latest/"), headers)
            service = "secretsmanager" if path == "/secrets/" else "execute-api"
            key = self._signer(method, target, headers, body, service)
            if key is None:
                self.unsigned.append(f"{method} {target}")
                error = {"x-amzn-ErrorType": "InvalidSignatureException"}
                return 403, {"message": "The signature does not match"}, error
            if service == "secretsmanager":
                return self._secret(headers, body)
            self.calls.append(Call(f"{method} {path.removeprefix('/api')}", query, body, key))
            return self._api(self.calls[-1].route, headers)

    def _api(self, route: str, headers: Mapping[str, str]) -> Answer:
        if self.answers[route]:
            status, extra = self.answers[route].pop(0)
            return status, {"message": f"a {status}"}, extra
        if self.over:
            return 410, {"message": "it has ended", "status": "TERMINATED"}, {}
        if route.startswith("POST") and headers.get("Content-Type") != "application/json":
            return 415, {}, {}
        if route.startswith("GET") and len(self.ends_in) > 1:
            self.ends_in.pop(0)
        ends_at = f"{datetime.now(UTC) + self.ends_in[0]:%FT%TZ}"
        answer = {"meeting_id": "m-1", "role": "teacher", "room_url": self.room_url}
        return 200, answer | {"ends_at": ends_at}, {}

    def _tell(self, method: str, path: str, headers: Mapping[str, str]) -> Answer:
        if path == "api/token":
            return (200 if method == "PUT" else 405), "the-token", {}
        if headers.get("X-aws-ec2-metadata-token") != "the-token":
            return 401, "", {}
        name = path.removeprefix("meta-data/")
        if name == "iam/security-credentials/the-role":
            self.credentials_given += 1
            return 200, self._credentials(self.credentials_given), {}
        return (200, self.metadata[name], {}) if name in self.metadata else (404, "", {})

    def _credentials(self, number: int) -> dict[str, str]:
        return {
            "AccessKeyId": f"ASIA{number}",
            "SecretAccessKey": f"secret/+{number}",
            "Token": f"token/+=={number}",
            "Expiration": f"{datetime.now(UTC) + self.credential_life:%FT%TZ}",
        }

    def _signer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, service: str
    ) -> str | None:
        """Return the access key that signed a request, None if AWS would refuse it."""
        parsed = re.fullmatch(
            rf"AWS4-HMAC-SHA256 Credential=ASIA(\d+)/\d{{8}}/{REGION}/{service}/aws4_request, ?"
            r"SignedHeaders=([^,]+), ?Signature=(\w+)",
            headers.get("Authorization", ""),
        )
        if not parsed:
            return None
        number, names, signature = parsed.groups()
        own = self._credentials(int(number))
        if headers.get("X-Amz-Security-Token") != own["Token"]:
            return None
        signed = {name: headers[name] for name in names.split(";")}
        request: Any = AWSRequest(method, f"{self.url}{target}", signed, body)
        request.context["timestamp"] = headers["X-Amz-Date"]
        credentials = Credentials(own["AccessKeyId"], own["SecretAccessKey"])
        signer: Any = SigV4Auth(credentials, service, REGION)
        text = signer.string_to_sign(request, signer.canonical_request(request))
        right = signer.signature(text, request) == signature
        return own["AccessKeyId"] if right else None

    def _secret(self, headers: Mapping[str, str], body: bytes) -> Answer:
        assert headers["X-Amz-Target"] == "secretsmanager.GetSecretValue"
        assert json.loads(body) == {"SecretId": SECRET}
        if self.secret is None:
            return 400, {"__type": "ResourceNotFoundException", "message": "there is none"}, {}
        return 200, {"Name": SECRET, "SecretString": self.secret}, {}

    def _make_commands(self) -> None:
        self.commands.mkdir()
        self.connect(0)
        for name, script in COMMANDS.items():
            self.command(name, script)


class Agent:
    """The agent, as a process of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._log = world.root / "journal"
        environment = os.environ | {
            "ELEPHANT_ROOT": str(world.root),
            "ELEPHANT_IMDS": world.url,
            "ELEPHANT_SECRETS": f"{world.url}/secrets",
            "ELEPHANT_POLL_SECONDS": "0.1",
            **{f"ELEPHANT_{each.upper()}": str(world.commands / each) for each in COMMANDS},
        }
        with self._log.open("a") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own)
                [AGENT], env=environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def journal(self) -> str:
        """What it has logged, over all starts."""
        return self._log.read_text()

    def ended(self) -> int:
        """Wait until it ends by itself; return its status."""
        return self._process.wait(LIMIT)

    def stop(self, number: int = signal.SIGKILL) -> None:
        """End it, with everything that it has started, as systemd does."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
        self._process.wait(LIMIT)


Answer = tuple[int, object, dict[str, str]]


class _Dcv(QuietHandler):
    def take(self, body: bytes) -> None:
        del body
        self.answer(200, b"DCV")


def _handler(world: World) -> type[QuietHandler]:
    class Handler(QuietHandler):
        do_PUT = QuietHandler.do_GET  # noqa: N815 (the base class's way)

        def take(self, body: bytes) -> None:
            headers: Any = self.headers
            status, answer, extra = world.take(self.command, self.path, headers, body)
            text = answer if isinstance(answer, str) else json.dumps(answer)
            self.answer(status, text.encode(), **extra)

    return Handler


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(0o755)


@contextmanager
def agents(world: World) -> Iterator[Callable[[], Agent]]:
    """Offer starting the agent; those that still run are stopped at the end."""
    with ExitStack() as stack:

        def start() -> Agent:
            agent = Agent(world)
            stack.callback(agent.stop)
            return agent

        yield start
