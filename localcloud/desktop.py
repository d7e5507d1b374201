"""A desktop: an instance whose image has the kit, as the agent's process and a stand-in for DCV.

What the agent finds on an instance is in a directory: its configuration, hooks, and commands that
ask the local cloud. Everything else it gets as on AWS: metadata, credentials and API.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import botocore.session
from botocore.utils import InstanceMetadataFetcher

from localcloud.dcv import CommandError, DcvServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

AGENT: Final = Path(__file__).parent.parent / "desktop/linux/elephant-desktop"

TOOLS: Final = ("bash", "curl", "jq")
"""What the agent needs, on a desktop and here."""

HEALTHY: Final = "reported that the desktop is healthy"
"""What the agent logs."""

_STOPS_FOR_GOOD: Final = {0, 3}  # as the service's unit says
_RESTART_SECONDS: Final = 5
_USUAL_POLL_SECONDS: Final = 20
_PATIENCE: Final = 600


class MissingToolError(Exception):
    """This machine lacks a program that the desktops' agent needs."""


def require_tools() -> None:
    """Raise MissingToolError if a desktop could not run here."""
    missing = [each for each in TOOLS if shutil.which(each) is None]
    if missing:
        raise MissingToolError(
            f"the desktops' agent needs {' and '.join(missing)} on this machine: install it, for "
            f"example with `apt-get install {' '.join(missing)}`"
        )


@dataclass(frozen=True)
class Kit:
    """What is in the desktops' image."""

    values: Mapping[str, str] = field(default_factory=dict)
    """What its build had set, such as `SIGN_IN`."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Contents by path, such as `etc/elephant/finish.d/10-upload`."""
    poll_seconds: float = _USUAL_POLL_SECONDS


@dataclass(frozen=True)
class Surroundings:
    """What all desktops of a local cloud have in common."""

    directory: Path
    aws_endpoint: str
    region: str
    command_url: str
    kit: Kit


class Desktop:
    """One instance; it does not run yet."""

    def __init__(
        self,
        instance_id: str,
        tags: Mapping[str, str],
        metadata_url: str,
        surroundings: Surroundings,
        on_line: Callable[[Desktop, str], None],
    ) -> None:
        self.instance_id = instance_id
        self.meeting_id = tags.get("MeetingID", "")
        self.role = tags.get("Role", "")
        self.root = surroundings.directory / instance_id
        self.dcv = DcvServer(self.root, f"the {self.role}'s desktop")
        self.journal: list[str] = []
        """What the agent has logged."""
        self._surroundings = surroundings
        self._metadata_url = metadata_url
        self._on_line = on_line
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._off = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._port: socket.socket | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where its DCV server is on this machine."""
        return self.dcv.host, self.dcv.configuration.web_port

    def boot(self) -> None:
        """Start it, for the first time or again."""
        self._install()
        self._stopping.clear()
        self._off.clear()
        self._thread = threading.Thread(target=self._serve, name=self.instance_id)
        self._thread.start()

    def halt(self) -> None:
        """End it at once, with everything that runs in it. May be called again."""
        self._stopping.set()
        self._kill()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.dcv.stop()
        if self._port is not None:
            self._port.close()
        self._off.set()

    def finish(self) -> None:
        """Do what the person's shortcut does: have the agent finish, report and power off."""
        subprocess.run([AGENT, "finish"], env=self._environment(), check=True)  # noqa: S603 (the kit)

    def client(self, service: str) -> Any:  # noqa: ANN401 (botocore makes the class)
        """Make a client of AWS with what the desktop's metadata says, as a program on it would."""
        around = self._surroundings
        fetcher = InstanceMetadataFetcher(base_url=f"{self._metadata_url}/", env={})
        held = fetcher.retrieve_iam_role_credentials()
        return botocore.session.Session().create_client(
            service,
            region_name=around.region,
            endpoint_url=around.aws_endpoint,
            aws_access_key_id=held["access_key"],
            aws_secret_access_key=held["secret_key"],
            aws_session_token=held["token"],
        )

    def wait_for(self, text: str) -> None:
        """Wait until the agent has logged this text. TimeoutError if that takes long."""
        with self._changed:
            if not self._changed.wait_for(lambda: text in "\n".join(self.journal), _PATIENCE):
                raise TimeoutError(f"{self.instance_id} does not log {text!r}: {self.journal}")

    def wait_until_ended(self) -> None:
        """Wait until it is off. TimeoutError if that takes long."""
        if not self._off.wait(_PATIENCE):
            raise TimeoutError(f"{self.instance_id} still runs: {self.journal}")

    def run_command(self, name: str, arguments: Sequence[str]) -> str:
        """Carry out a command that the agent calls; return its output. CommandError."""
        if name == "dcv":
            return self.dcv.command(arguments)
        if name == "systemctl":
            return self._control_service(arguments)
        raise CommandError(f"{name}: not found")

    def _control_service(self, arguments: Sequence[str]) -> str:
        match arguments:
            case ["start", "dcvserver"]:
                control = self.dcv.start
            case ["restart", "dcvserver"]:
                control = self.dcv.restart
            case _:
                raise CommandError(f"systemctl {' '.join(arguments)}: only dcvserver is here")
        try:
            control()
        except (OSError, ValueError) as error:
            raise CommandError(f"dcvserver did not start: {error}") from error
        return ""

    def _install(self) -> None:
        """Write what is in the image, and the commands."""
        self._port = _own_port()
        port = str(self._port.getsockname()[1])
        values = {**self._surroundings.kit.values, "DCV_PORT": port}
        for folder in ("bin", "etc/dcv", "etc/elephant/start.d", "etc/elephant/finish.d"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in values.items()]
        (self.root / "etc/elephant/desktop.conf").write_text("".join(lines))
        for name, text in self._surroundings.kit.files.items():
            _write(self.root / name, text)
        for name in ("dcv", "systemctl", "poweroff"):
            url = f"{self._surroundings.command_url}/{self.instance_id}/{name}"
            ask = "curl --silent --show-error --fail-with-body --noproxy '*' --data-raw"
            script = f"""exec {ask} "$(printf '%s\\n' "$@")" {url}\n"""
            _write(self.root / "bin" / name, f"#!/bin/sh\n{script}")

    def _serve(self) -> None:
        """Run the agent as systemd does: again after a failure."""
        pause = _RESTART_SECONDS * self._surroundings.kit.poll_seconds / _USUAL_POLL_SECONDS
        while not self._stopping.is_set():
            if self._run_agent() in _STOPS_FOR_GOOD or self._stopping.wait(pause):
                return

    def _run_agent(self) -> int:
        with subprocess.Popen(  # noqa: S603 (the kit)
            [AGENT],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            self._process = process
            if self._stopping.is_set():
                self._kill()
            assert process.stdout is not None  # noqa: S101 (it is a pipe)
            for line in process.stdout:
                with self._changed:
                    self.journal.append(line.rstrip())
                    self._changed.notify_all()
                self._on_line(self, line.rstrip())
            self._kill()  # what it has started and left behind
        return process.returncode

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _environment(self) -> dict[str, str]:
        around, commands = self._surroundings, self.root / "bin"
        own = ("AWS_", "ELEPHANT_")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(own)}
        return kept | {
            "ELEPHANT_ROOT": str(self.root),
            "ELEPHANT_IMDS": self._metadata_url,
            "ELEPHANT_SECRETS": around.aws_endpoint,
            "ELEPHANT_POLL_SECONDS": str(around.kit.poll_seconds),
            "ELEPHANT_DCV": str(commands / "dcv"),
            "ELEPHANT_SYSTEMCTL": str(commands / "systemctl"),
            "ELEPHANT_POWEROFF": str(commands / "poweroff"),
            # For hooks that call AWS: with the desktop's own role, as there.
            "AWS_ENDPOINT_URL": around.aws_endpoint,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{self._metadata_url}/",
            "AWS_REGION": around.region,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }


def _own_port() -> socket.socket:
    """Bind a port that stays this desktop's: all desktops of this machine have one address.

    A connection of another program could otherwise get it before the server listens, or while it
    restarts. The server shares the port, and it alone listens.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    kept.bind(("127.0.0.1", 0))
    return kept


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
