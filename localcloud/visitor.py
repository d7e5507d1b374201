"""People who open a desktop's address, through Cloudflare's edge."""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localcloud.cloudflare import Edge

_TIMEOUT: Final = 600
_HEADLINE: Final = re.compile(r"<h1>(.*?)</h1>")
_SCREEN: Final = re.compile(r'EventSource\("([^"]+)"\)')


@dataclass(frozen=True)
class Screen:
    """What somebody sees at a desktop's address."""

    status: int
    headline: str
    stream: str | None = None
    """From where the desktop's screen comes; the visitor is connected while reading it."""


class Visitor:
    """Somebody with a browser, who reaches desktops only as the names of the zone lead to them."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def look(self, url: str) -> Screen:
        """Open an address and read the page."""
        parts = urlsplit(url)
        with self._get(str(parts.hostname), f"{parts.path}?{parts.query}") as answer:
            text = answer.read().decode()
        headline, stream = _HEADLINE.search(text), _SCREEN.search(text)
        return Screen(
            answer.status,
            headline[1].replace("&#x27;", "'") if headline else text.strip(),
            stream[1] if stream else None,
        )

    @contextmanager
    def stay(self, url: str) -> Iterator[Screen]:
        """Open an address and stay connected for as long as the context lasts."""
        screen = self.look(url)
        if screen.stream is None:
            yield screen
            return
        with self._get(str(urlsplit(url).hostname), screen.stream):
            yield screen

    @contextmanager
    def _get(self, host: str, target: str) -> Iterator[HTTPResponse]:
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.load_verify_locations(cadata=self._edge.certificate)
        plain = socket.create_connection(self._edge.address, timeout=_TIMEOUT)
        connection = HTTPConnection(host)
        connection.sock = trusting.wrap_socket(plain, server_hostname=host)
        try:
            connection.request("GET", target)
            with connection.getresponse() as answer:
                yield answer
        finally:
            connection.close()
