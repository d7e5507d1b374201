"""The stand-in over HTTP and DNS, in threads of the process that starts it."""

from __future__ import annotations

import logging
import time
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, urlsplit

from localcloud.cloudflare.api import DEFAULT_QUOTA, Api
from localcloud.cloudflare.control import CONTROL_PATH, Control
from localcloud.cloudflare.nameserver import DEFAULT_EDGE, Nameserver
from localcloud.cloudflare.sockets import Running, TcpServer
from localcloud.cloudflare.spec import Token, Zone
from localcloud.cloudflare.wire import BASE_PATH, Dropped, Request
from localcloud.ports import PortTakenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from localcloud.cloudflare.faults import FaultPlan
    from localcloud.cloudflare.ratelimit import Quota
    from localcloud.cloudflare.resolve import Edge
    from localcloud.cloudflare.wire import Call, Response

_LOG = logging.getLogger(__name__)


class CloudflareStandIn:
    """A running stand-in: ``with CloudflareStandIn() as cloudflare: …``.

    ``url`` is the base for clients (it ends in ``/client/v4``), ``dns_address`` host and port of
    the nameserver. Port 0 takes any that is free; ``dns_port=None`` leaves DNS out. ``api`` is
    the same Api that can be called without sockets; ``calls`` and ``faults`` are its own.
    A port that is taken raises PortTakenError, which names it. After ``stop`` no thread and no
    socket is left; it can be called twice.
    """

    def __init__(  # noqa: PLR0913 (what a stand-in is made of)
        self,
        zones: Iterable[Zone] = (Zone(),),
        tokens: Iterable[Token] = (Token(),),
        *,
        host: str = "127.0.0.1",
        http_port: int = 0,
        dns_port: int | None = 0,
        quota: Quota = DEFAULT_QUOTA,
        edge: Edge = DEFAULT_EDGE,
        clock: Callable[[], float] = time.time,
        auth_failure_limit: int | None = None,
    ) -> None:
        self.api = Api(
            zones, tokens, quota=quota, clock=clock, auth_failure_limit=auth_failure_limit
        )
        self._host = host
        self._http_port = http_port
        self._dns_port = dns_port
        self._edge = edge
        self._stopping = Event()
        self._server: _HttpServer | None = None
        self._http: Running | None = None
        self._nameserver: Nameserver | None = None
        self._address: tuple[str, int] | None = None

    @property
    def url(self) -> str:
        """The base of the API, as ``base_url`` or ``CLOUDFLARE_API_URL`` want it."""
        return f"{self._origin}{BASE_PATH}"

    @property
    def control_url(self) -> str:
        """The base of the control endpoints, without the last slash."""
        return f"{self._origin}{CONTROL_PATH.removesuffix('/')}"

    @property
    def dns_address(self) -> tuple[str, int]:
        """Host and port of the nameserver, the same for UDP and TCP."""
        if self._nameserver is None:
            raise RuntimeError("the stand-in serves no DNS: it is not started, or without dns_port")
        return self._nameserver.address

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls so far, in the order of execution."""
        return self.api.calls

    @property
    def faults(self) -> FaultPlan:
        """The faults switched on."""
        return self.api.faults

    @property
    def _origin(self) -> str:
        if self._address is None:
            raise RuntimeError("the stand-in has no address before it is started")
        host, port = self._address
        return f"http://{host}:{port}"

    def start(self) -> Self:
        """Start serving; raises PortTakenError without leaving anything behind."""
        self._stopping.clear()
        if self._dns_port is not None:
            self._nameserver = Nameserver(self.api, self._host, self._dns_port, self._edge)
        try:
            self._server = _HttpServer((self._host, self._http_port), self._answering(self.api))
        except OSError as error:
            self.stop()
            raise PortTakenError("HTTP", self._host, self._http_port, error) from error
        self._address = (self._host, int(self._server.server_address[1]))
        self._http = Running(self._server, "standin-http")
        return self

    def serve(self, api: Api) -> None:
        """Serve another API over HTTP from now on; no connection that is open reaches it."""
        self.api.faults.release()
        self.api = api
        if self._server is not None:
            self._server.answering = self._answering(api)
            self._server.disconnect()

    def stop(self) -> None:
        """End every connection, delay and thread, and close the sockets."""
        self._stopping.set()
        self.api.faults.release()
        if self._http is not None:
            self._http.stop()
            self._http = None
        if self._nameserver is not None:
            self._nameserver.stop()
            self._nameserver = None

    def _answering(self, api: Api) -> _Answering:
        return _Answering(api, self._stopping)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class _HttpServer(TcpServer):
    """The control endpoints and the API on one port."""

    def __init__(self, address: tuple[str, int], answering: _Answering) -> None:
        self.answering = answering
        super().__init__(address, _ApiHandler)


class _Answering:
    """Answers requests, and carries out the delays of faults."""

    def __init__(self, api: Api, stopping: Event) -> None:
        self._api = api
        self._control = Control(api)
        self._stopping = stopping

    def answer(self, request: Request) -> Response | Dropped:
        controlled = self._control.handle(request)
        if controlled is not None:
            return controlled
        released = self._api.faults.released
        fault = self._api.fault_for(request)
        if fault is not None and not self._stopping.is_set():
            released.wait(fault.delay_before)
        result = self._api.execute(request, fault)
        if not self._stopping.is_set():
            released.wait(result.delay_after)
        return result


class _ApiHandler(BaseHTTPRequestHandler):
    """HTTP/1.1 with connections kept open, as Cloudflare keeps them."""

    protocol_version = "HTTP/1.1"
    server_version = "cloudflare"
    sys_version = ""
    # One segment an answer: header and body apart would wait for the client's delayed ACK.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _HttpServer

    def setup(self) -> None:
        """Keep to one API for as long as the connection is open."""
        super().setup()
        self._answering = self.server.answering

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(
            method=self.command,
            path=parts.path,
            query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
            headers=dict(self.headers.items()),
            body=self.rfile.read(length),
            client=str(self.client_address[0]),
        )
        result = self._answering.answer(request)
        if isinstance(result, Dropped):
            self.close_connection = True
            return
        self.send_response(result.status)
        for name, value in result.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(result.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(result.body)

    # The base class looks these names up.
    do_GET = do_HEAD = do_POST = _serve  # noqa: N815
    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        """Log where the rest of the program logs, and only for whoever wants to see it."""
        _LOG.debug(format, *args)
