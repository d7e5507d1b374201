"""The control API of the stand-in, for other processes: faults and quota.

Paths below `/__standin__/`, with JSON, without credentials. Its calls cost no quota, meet no fault
and are not recorded.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from . import wire
from .faults import Fault
from .jsonvalue import is_number
from .ratelimit import Quota

if TYPE_CHECKING:
    from collections.abc import Callable

    from .api import Api
    from .jsonvalue import Json, JsonObject
    from .wire import Request, Response

CONTROL_PATH = "/__standin__/"


class Control:
    """Answers what lies below `/__standin__/`.

    * `faults`: GET lists those switched on, POST adds one, DELETE clears them.
    * `quota`: GET shows, PUT sets `calls`, `window` and `block` and forgets what is spent.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._actions: dict[tuple[str, str], Callable[[Json], Json]] = {
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "quota"): self._quota,
            ("PUT", "quota"): self._set_quota,
        }

    def handle(self, request: Request) -> Response | None:
        """Answer a request, or return None when it is none for here."""
        if not request.path.startswith(CONTROL_PATH):
            return None
        action = self._actions.get((request.method, request.path.removeprefix(CONTROL_PATH)))
        if action is None:
            choice = ", ".join(f"{method} {name}" for method, name in self._actions)
            return wire.json_response(404, {"error": f"below {CONTROL_PATH} there are: {choice}"})
        try:
            return wire.json_response(200, action(json.loads(request.body or b"null")))
        except ValueError as error:
            return wire.json_response(400, {"error": str(error)})

    def _faults(self, _: Json) -> Json:
        return [fault.as_json() for fault in self._api.faults.faults]

    def _add_faults(self, body: Json) -> Json:
        self._api.faults.add(Fault.from_json(_object(body)))
        return self._faults(None)

    def _clear_faults(self, _: Json) -> Json:
        self._api.faults.clear()
        return []

    def _quota(self, _: Json) -> Json:
        quota = self._api.limiter.quota
        return {"calls": quota.calls, "window": quota.window, "block": quota.block}

    def _set_quota(self, body: Json) -> Json:
        current = cast("JsonObject", self._quota(None))
        given = _object(body)
        unknown = sorted(given.keys() - current.keys())
        if unknown:
            raise ValueError(f"a quota has {', '.join(current)}, not {', '.join(unknown)}")
        wanted = {name: _number(given.get(name, current[name]), name) for name in current}
        quota = Quota(int(wanted["calls"]), wanted["window"], wanted["block"])
        with self._api.lock:
            self._api.limiter.quota = quota
        return self._quota(None)


def _object(value: Json) -> JsonObject:
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, not {value!r}")  # noqa: TRY004 (answered as 400)
    return value


def _number(value: Json, name: str) -> float:
    if not is_number(value):
        raise ValueError(f"{name} must be a number, not {value!r}")
    return value
