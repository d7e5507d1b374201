"""The control API of the local AWS, for other processes."""

from __future__ import annotations

import json
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from werkzeug.wrappers import Request, Response

from .refusals import Refusal
from .schedules import Schedules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .functions import Functions
    from .mail import Outbox
    from .refusals import Refusals
    from .time_travel import TimeTravel

CONTROL_PATH: Final = "/__standin__/"


class Control:
    """A WSGI application: answers what lies below `/__standin__/`, the rest goes to `otherwise`.

    * `schedules`: POST fires every scheduled rule now and answers the names of the functions
      invoked.
    * `clock`: GET answers the time, and when the next one-off schedule is due. POST of
      `{"minutes": 10}` lets that time pass, of `{}` the time until that schedule has fired;
      it answers the names of the functions invoked as well.
    * the actions added by `MotoServer.offer`, by method and name.
    * `mails`: GET answers the e-mails that were sent, oldest first; DELETE forgets them.
    * `refusals`: what EC2 refuses to start. POST of ``{"code": "InsufficientInstanceCapacity",
      "zone": "us-west-2a", "times": 1}`` adds one, DELETE switches all off.
    """

    def __init__(  # noqa: PLR0913, PLR0917 (what there is to be controlled)
        self,
        otherwise: Callable[..., Iterable[bytes]],
        functions: Callable[[], Functions],
        refusals: Refusals,
        outbox: Outbox,
        time_travel: Callable[[], TimeTravel | None],
        offered: Mapping[tuple[str, str], Callable[[dict[str, Any]], object]],
    ) -> None:
        self._otherwise = otherwise
        self._functions = functions
        self._refusals = refusals
        self._outbox = outbox
        self._time_travel = time_travel
        self._offered = offered
        self._actions: dict[tuple[str, str], Callable[[dict[str, Any]], object]] = {
            ("POST", "schedules"): self._fire,
            ("GET", "clock"): self._show_time,
            ("POST", "clock"): self._pass_time,
            ("GET", "mails"): self._list_mails,
            ("DELETE", "mails"): self._forget_mails,
            ("GET", "refusals"): self._list_refusals,
            ("POST", "refusals"): self._refuse,
            ("DELETE", "refusals"): self._refuse_nothing,
        }

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request, as WSGI wants it."""
        if not environ.get("PATH_INFO", "").startswith(CONTROL_PATH):
            return self._otherwise(environ, start_response)
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        asked = (request.method, request.path.removeprefix(CONTROL_PATH))
        action = self._actions.get(asked) or self._offered.get(asked)
        if action is None:
            choices = ", ".join(
                " ".join(each) for each in sorted({**self._actions, **self._offered})
            )
            error = {"error": f"below {CONTROL_PATH} there is: {choices}"}
            return _json(error, HTTPStatus.NOT_FOUND)
        try:
            return _json(action(json.loads(request.get_data() or b"{}")))
        except (ValueError, TypeError) as error:
            return _json({"error": str(error)}, HTTPStatus.BAD_REQUEST)

    def _fire(self, _: dict[str, Any]) -> object:
        return Schedules(self._functions()).fire()

    def _show_time(self, _: dict[str, Any]) -> dict[str, object]:
        time_travel = self._required_time_travel()
        following = time_travel.one_offs.next_time()
        return {
            "now": time_travel.clock.now().isoformat(timespec="seconds"),
            "next": None if following is None else following.isoformat(timespec="seconds"),
        }

    def _pass_time(self, wanted: dict[str, Any]) -> dict[str, object]:
        time_travel = self._required_time_travel()
        if "minutes" in wanted:
            minutes = timedelta(minutes=float(wanted["minutes"]))
            invoked: tuple[str, ...] | None = time_travel.until(time_travel.clock.now() + minutes)
        else:
            invoked = time_travel.to_next()
        if invoked is None:
            raise ValueError("no one-off schedule is pending: give the minutes to advance")
        return self._show_time(wanted) | {"invoked": list(invoked)}

    def _list_mails(self, _: dict[str, Any]) -> object:
        return [mail.as_json() for mail in self._outbox.mails]

    def _forget_mails(self, wanted: dict[str, Any]) -> object:
        self._outbox.clear()
        return self._list_mails(wanted)

    def _list_refusals(self, _: dict[str, Any]) -> object:
        return [refusal.as_json() for refusal in self._refusals.on]

    def _refuse(self, wanted: dict[str, Any]) -> object:
        self._refusals.add(Refusal(**wanted))
        return self._list_refusals(wanted)

    def _refuse_nothing(self, wanted: dict[str, Any]) -> object:
        self._refusals.clear()
        return self._list_refusals(wanted)

    def _required_time_travel(self) -> TimeTravel:
        time_travel = self._time_travel()
        if time_travel is None:
            raise ValueError("this server's clock cannot be advanced")
        return time_travel


def _json(content: object, status: int = HTTPStatus.OK) -> Response:
    return Response(json.dumps(content), status, mimetype="application/json")
