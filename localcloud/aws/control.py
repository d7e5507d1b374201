"""Switches for another process, beside AWS's own API."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from .schedules import Schedules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .functions import Functions

CONTROL_PATH = "/__standin__/"


class Control:
    """A WSGI application: answers what lies below ``/__standin__/``, the rest goes to `otherwise`.

    * ``schedules``: POST fires every schedule now and answers the names of the functions invoked.
    """

    def __init__(
        self, otherwise: Callable[..., Iterable[bytes]], functions: Callable[[], Functions]
    ) -> None:
        self._otherwise = otherwise
        self._functions = functions

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request, as WSGI wants it."""
        if not environ.get("PATH_INFO", "").startswith(CONTROL_PATH):
            return self._otherwise(environ, start_response)
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        action = (request.method, request.path.removeprefix(CONTROL_PATH))
        if action != ("POST", "schedules"):
            said = {"error": f"below {CONTROL_PATH} there is: POST schedules"}
            return _json(said, HTTPStatus.NOT_FOUND)
        return _json(Schedules(self._functions()).fire())


def _json(content: object, status: int = HTTPStatus.OK) -> Response:
    return Response(json.dumps(content), status, mimetype="application/json")
