"""The control API of the stand-in, for other processes: faults, quota and past calls.

Paths below ``/__standin__/``, JSON both ways, without credentials. What happens here is no call
of the API: it costs no quota, meets no fault and is not recorded.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from localcloud.cloudflare import wire
from localcloud.cloudflare.faults import Fault
from localcloud.cloudflare.jsonvalue import is_number
from localcloud.cloudflare.ratelimit import Quota

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.cloudflare.api import Api
    from localcloud.cloudflare.jsonvalue import Json, JsonObject
    from localcloud.cloudflare.wire import Request, Response

CONTROL_PATH = "/__standin__/"


class Control:
    """Answers what lies below ``/__standin__/``.

    * ``faults``: GET lists those switched on, POST adds one (or a list), DELETE clears them.
    * ``calls``: GET lists the calls so far, DELETE forgets them.
    * ``quota``: GET shows, PUT sets ``calls``, ``window`` and ``block`` and forgets what is spent.
    * ``zones``: GET lists the zones and their records.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._actions: dict[tuple[str, str], Callable[[Json], Json]] = {
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "calls"): self._calls,
            ("DELETE", "calls"): self._clear_calls,
            ("GET", "quota"): self._quota,
            ("PUT", "quota"): self._set_quota,
            ("GET", "zones"): self._zones,
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
        items = body if isinstance(body, list) else [body]
        self._api.faults.add(*[Fault.from_json(_object(item)) for item in items])
        return self._faults(None)

    def _clear_faults(self, _: Json) -> Json:
        self._api.faults.clear()
        return []

    def _calls(self, _: Json) -> Json:
        return [call.as_json() for call in self._api.calls]

    def _clear_calls(self, _: Json) -> Json:
        self._api.clear_calls()
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

    def _zones(self, _: Json) -> Json:
        with self._api.lock:
            return [
                {
                    "id": store.zone.id,
                    "name": store.zone.name,
                    "status": store.zone.status,
                    "plan": store.zone.plan.value,
                    "records": [record.as_json() for record in store.records],
                }
                for store in self._api.zones
            ]


def _object(value: Json) -> JsonObject:
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, not {value!r}")  # noqa: TRY004 (answered as 400)
    return value


def _number(value: Json, name: str) -> float:
    if not is_number(value):
        raise ValueError(f"{name} must be a number, not {value!r}")
    return value
