"""The AWS API on a port of this machine: moto's server, with the functions that run in it."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import ThreadedWSGIServer

from .account import DEFAULT_REGION
from .clock import Clock
from .control import Control
from .gateway import Gateway, local_path
from .imds import PREFIX as METADATA
from .imds import Metadata
from .mail import Outbox
from .moto_patches import moto_patches
from .refusals import Refusals
from .role_calls import RoleCalls

if TYPE_CHECKING:
    from collections.abc import Callable

    from .functions import Functions
    from .time_travel import TimeTravel

_only_one = threading.Lock()


class PortTakenError(OSError):
    """A requested port is not free; the message names it."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(
            error.errno,
            f"cannot serve AWS on {host} port {port}: {error.strerror or error}; "
            "free the port, or choose another one",
        )
        self.port = port


class MotoServer:
    """AWS's API with empty accounts at `endpoint`, from entering the context until leaving it.

    moto keeps its state in this process: there is one server at a time, and each starts empty.
    Without `run_functions`, functions can be deployed but not invoked. `refusals` are those of EC2,
    `outbox` has the e-mails sent by SES. Close the `Functions` before the server: a request may
    wait for one of them.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, region: str = DEFAULT_REGION
    ) -> None:
        self.host = host
        self.port = port
        self.region = region
        self.refusals = Refusals()
        self.outbox = Outbox()
        self._clock = Clock()
        self._functions: Functions | None = None
        self._time_travel: TimeTravel | None = None
        self._offered: dict[tuple[str, str], Callable[[dict[str, Any]], object]] = {}
        self._running: ExitStack | None = None

    @property
    def clock(self) -> Clock:
        """The time that counts here: that of the functions, if there are any."""
        return self._clock if self._functions is None else self._functions.clock

    @property
    def endpoint(self) -> str:
        """The URL for AWS_ENDPOINT_URL."""
        return f"http://{self.host}:{self.port}"

    def local_url(self, aws_url: str) -> str:
        """Return where this server offers the REST API that is at `aws_url` on AWS.

        Chalice prints `https://API-ID.execute-api.REGION.amazonaws.com/STAGE/`.
        """
        return self.endpoint + local_path(aws_url)

    def metadata_url(self, instance_id: str) -> str:
        """Return where this server offers what an instance finds at `http://169.254.169.254`."""
        return f"{self.endpoint}{METADATA}/{instance_id}"

    def run_functions(self, functions: Functions) -> None:
        """Run functions that are invoked through the API, or by events in it, with `functions`."""
        self._functions = functions

    def travel_with(self, time_travel: TimeTravel) -> None:
        """Let other processes of this machine advance the clock."""
        self._time_travel = time_travel

    def offer(self, method: str, what: str, action: Callable[[dict[str, Any]], object]) -> None:
        """Add an action to the control API, see `Control`."""
        self._offered[method, what] = action

    def start(self) -> None:
        """Bind the port and serve. PortTakenError if another program has the port."""
        if not _only_one.acquire(blocking=False):
            raise RuntimeError("moto already serves in this process; stop that server first")
        with ExitStack() as stack:
            stack.callback(_only_one.release)
            _forget_everything()
            stack.callback(_forget_everything)
            stack.enter_context(
                moto_patches(
                    self._required_functions, lambda: self.clock, self.refusals, self.outbox
                )
            )
            server = self._bind()
            self.port = server.port
            thread = threading.Thread(target=_serve, args=(server,), name="moto", daemon=True)
            thread.start()
            stack.callback(_stop, server, thread)
            self._running = stack.pop_all()

    def stop(self) -> None:
        """Stop serving, forget all state, and leave moto as it was. May be called again."""
        if self._running is not None:
            running, self._running = self._running, None
            running.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _required_functions(self) -> Functions:
        if self._functions is None:
            raise RuntimeError("this server runs no functions: call run_functions first")
        return self._functions

    def _time(self) -> float:
        return self.clock.time()

    def _bind(self) -> _Server:
        # werkzeug ends the whole program when it cannot bind, so it gets a bound socket.
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((self.host, self.port))
            except OSError as error:
                raise PortTakenError(self.host, self.port, error) from error
            listener.listen()
            moto = DomainDispatcherApplication(create_backend_app)
            control = Control(
                RoleCalls(moto, self.region),
                self._required_functions,
                self.refusals,
                self.outbox,
                lambda: self._time_travel,
                self._offered,
            )
            app = Gateway(Metadata(control, self.region), self._required_functions)
            server = _Server(self.host, self.port, app, _Handler, fd=listener.fileno())
            server.now = self._time
            return server


class _Server(ThreadedWSGIServer):
    """Ends the connections that clients keep open, and waits for its threads, when closed."""

    daemon_threads = False
    block_on_close = True
    now = staticmethod(time.time)

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as inherited
        self._connections: set[socket.socket] = set()
        super().__init__(*args, **kwargs)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as inherited
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as inherited
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                continue  # its thread closed it meanwhile


class _Handler(MotoRequestHandler):
    server: _Server

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Date answers by the local cloud's clock, by which pages reckon."""
        return super().date_time_string(self.server.now() if timestamp is None else timestamp)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log no requests: the demo prints what matters."""


def _serve(server: _Server) -> None:
    server.serve_forever(poll_interval=0.05)


def _stop(server: _Server, thread: threading.Thread) -> None:
    server.shutdown()
    server.hang_up()
    thread.join()


def _forget_everything() -> None:
    BackendDict.reset()
    reset_model_data()
