"""All desktops of a local cloud: each instance of the kit's image, while EC2 says that it runs."""

from __future__ import annotations

import tempfile
import threading
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Self

from localcloud.dcv import CommandError
from localcloud.desktop import Desktop, Kit, Surroundings, require_tools

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.aws import Bridge, MotoServer


ACTIONS: Final = ("finish", "shutdown")
"""What a person does at a desktop: end its part of the meeting, or shut it down."""

_SHUTDOWN_SECONDS: Final = 30
"""How long a shutdown may take, so that the rest of the cloud is done before it ends."""


class Desktops:
    """Starts and ends desktops, from entering the context until leaving it.

    An instance is a desktop if it was started from `image_id`. `settle` waits so long at most until
    nothing is left to be done in the cloud.
    """

    def __init__(  # noqa: PLR0913 (what a desktop is surrounded by)
        self,
        aws: MotoServer,
        bridge: Bridge,
        ec2: Any,  # noqa: ANN401 (botocore makes the class)
        *,
        image_id: str,
        kit: Kit,
        settle: Callable[[float], None],
    ) -> None:
        self._aws = aws
        self._bridge = bridge
        self._ec2 = ec2
        self._image_id = image_id
        self._kit = kit
        self._settle = settle
        self._changes: SimpleQueue[tuple[str, str] | threading.Event | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._held: dict[str, Desktop] = {}
        self._running: set[str] = set()
        self._addresses: dict[str, str] = {}
        self._subscribers: list[Callable[[Desktop, str], None]] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        require_tools()
        with ExitStack() as stack:
            directory = tempfile.TemporaryDirectory(prefix="localcloud-desktops-")
            stack.enter_context(directory)
            commands = _Commands(self)
            stack.callback(commands.close)
            self._surroundings = Surroundings(
                Path(directory.name),
                self._aws.endpoint,
                self._aws.region,
                commands.url,
                self._kit,
            )
            thread = threading.Thread(target=self._follow, name="desktops")
            thread.start()
            stack.callback(thread.join)
            stack.callback(self._changes.put, None)
            self._bridge.on_change(lambda *change: self._changes.put(change))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def running(self) -> list[Desktop]:
        """Return the desktops that run now."""
        self.flush()
        with self._lock:
            return [self._held[each] for each in self._running]

    def on_line(self, subscriber: Callable[[Desktop, str], None]) -> None:
        """Call `subscriber` with each line that an agent logs, in the desktop's thread."""
        self._subscribers.append(subscriber)

    def find(self, instance_id: str) -> Desktop:
        """Return a desktop that was started. LookupError if there is none of this id."""
        self.flush()
        with self._lock:
            found = self._held.get(instance_id)
        if found is None:
            raise LookupError(f"{instance_id} is no desktop")
        return found

    def flush(self) -> None:
        """Return once every instance that has changed so far was started or ended."""
        self._bridge.flush()
        reached = threading.Event()
        self._changes.put(reached)
        reached.wait()

    def origin(self, address: str) -> tuple[str, int] | None:
        """Return where on this machine the desktop with a public address is."""
        with self._lock:
            found = self._addresses.get(address)
            return self._held[found].address if found in self._running else None

    def do(self, desktop: Desktop, what: str) -> None:
        """Do one of ACTIONS, as the person at a desktop might. Raises ValueError for others."""
        if what == "finish":
            desktop.finish()
        elif what == "shutdown":
            self.power_off(desktop.instance_id)
        else:
            raise ValueError(f"a desktop can {' or '.join(ACTIONS)}, not {what!r}")

    def power_off(self, instance_id: str) -> None:
        """Shut down from within; it stops or terminates, depending on how it was launched."""
        with suppress(TimeoutError):
            self._settle(_SHUTDOWN_SECONDS)
        answer = self._ec2.describe_instance_attribute(
            InstanceId=instance_id, Attribute="instanceInitiatedShutdownBehavior"
        )
        if answer["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate":
            self._ec2.terminate_instances(InstanceIds=[instance_id])
        else:
            self._ec2.stop_instances(InstanceIds=[instance_id])

    def _follow(self) -> None:
        """Do with each instance what EC2 has done with it."""
        while (change := self._changes.get()) is not None:
            if isinstance(change, threading.Event):
                change.set()
            elif change[1] == "running":
                self._boot(change[0])
            else:
                self._halt(change[0])
        for instance_id in list(self._running):
            self._halt(instance_id)

    def _boot(self, instance_id: str) -> None:
        answer = self._ec2.describe_instances(InstanceIds=[instance_id])
        (found,) = answer["Reservations"][0]["Instances"]
        if found["ImageId"] != self._image_id or found["State"]["Name"] != "running":
            return
        tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}
        with self._lock:
            desktop = self._held.get(instance_id) or Desktop(
                instance_id,
                tags,
                self._aws.metadata_url(instance_id),
                self._surroundings,
                self._tell,
            )
            self._held[instance_id] = desktop
            self._addresses[str(found.get("PublicIpAddress"))] = instance_id
            self._running.add(instance_id)
        desktop.boot()

    def _halt(self, instance_id: str) -> None:
        with self._lock:
            if instance_id not in self._running:
                return
            self._running.discard(instance_id)
            desktop = self._held[instance_id]
        desktop.halt()

    def _tell(self, desktop: Desktop, line: str) -> None:
        for subscriber in self._subscribers:
            subscriber(desktop, line)


class _Commands(ThreadingHTTPServer):
    """Takes the commands that agents call, as `POST /INSTANCE-ID/COMMAND` of their arguments."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, desktops: Desktops) -> None:
        self.desktops = desktops
        super().__init__(("127.0.0.1", 0), _CommandHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="commands")
        self._thread.start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, *_: object) -> None:
        """Say nothing: whoever called the command was ended with its desktop."""


class _CommandHandler(BaseHTTPRequestHandler):
    server: _Commands

    def do_POST(self) -> None:
        """Carry out a command."""
        _, instance_id, name = self.path.split("/")
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        desktops = self.server.desktops
        status = 200
        try:
            if name == "poweroff":
                desktops.power_off(instance_id)
                text = ""
            else:
                text = desktops.find(instance_id).run_command(name, body.splitlines())
        except (CommandError, LookupError) as error:
            status, text = 500, str(error)
        answer = f"{text}\n".encode() if text else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
