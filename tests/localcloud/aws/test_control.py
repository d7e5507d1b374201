"""Switches of the local AWS for another process."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from .test_passing import one_off, passing, whole  # noqa: F401 (a fixture)
from .test_schedules import ECHO, rule

if TYPE_CHECKING:
    from localcloud.aws.passing import Passing

    from .conftest import Cloud


def call(cloud: Cloud, method: str, what: str, body: object = None) -> Any:  # noqa: ANN401
    url = f"{cloud.server.endpoint}/__standin__/{what}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)  # noqa: S310 (this machine's own port)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def test_schedules_are_fired_from_another_process(cloud: Cloud) -> None:
    function = cloud.function(ECHO)
    rule(cloud, function, "rate(1 day)")
    assert call(cloud, "POST", "schedules") == [function]
    cloud.functions.wait_idle(20)
    (run,) = cloud.attempts(function)
    assert run.result["detail-type"] == "Scheduled Event"


def refused(cloud: Cloud, method: str, what: str, body: object = None) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as raised:
        call(cloud, method, what, body)
    with raised.value as answer:
        return answer.code, json.load(answer)["error"]


@pytest.mark.parametrize(("method", "what"), [("GET", "schedules"), ("POST", "other")])
def test_what_is_not_there_is_answered_with_what_is(cloud: Cloud, method: str, what: str) -> None:
    status, said = refused(cloud, method, what)
    assert status == 404
    assert said.startswith("below /__standin__/ there is: DELETE mails, DELETE refusals, ")


def test_without_a_clock_to_put_forward_none_is(cloud: Cloud) -> None:
    for method in ("GET", "POST"):
        assert refused(cloud, method, "clock") == (
            400,
            "this server has no clock that can be put forward",
        )


def test_time_is_let_pass_from_another_process(
    cloud: Cloud,
    passing: Passing,  # noqa: F811 (the fixture)
) -> None:
    cloud.server.pass_time_with(passing)
    function = cloud.function(ECHO)
    assert call(cloud, "GET", "clock")["next"] is None
    status, said = refused(cloud, "POST", "clock", {})
    assert (status, said.split(":")[0]) == (400, "nothing is scheduled for once")
    due = whole(passing.clock.now()) + timedelta(minutes=10)
    one_off(cloud, function, due, "next")
    assert call(cloud, "GET", "clock")["next"] == due.isoformat()
    told = call(cloud, "POST", "clock", {})
    assert told["invoked"] == [function]
    assert datetime.fromisoformat(told["now"]) >= due
    told = call(cloud, "POST", "clock", {"minutes": 60})
    assert datetime.fromisoformat(told["now"]) >= due + timedelta(hours=1)
    assert refused(cloud, "POST", "clock", {"minutes": "many"})[0] == 400


def test_refusals_are_switched_from_another_process(cloud: Cloud) -> None:
    full = {"code": "InsufficientInstanceCapacity", "zone": "us-west-2a", "times": 1, "skip": 0}
    assert call(cloud, "POST", "refusals", full) == [full]
    assert call(cloud, "GET", "refusals") == [full]
    assert call(cloud, "DELETE", "refusals") == []
    assert refused(cloud, "POST", "refusals", {"code": "NoLuck"})[0] == 400
    assert refused(cloud, "POST", "refusals", {"colour": "red"})[0] == 400


def test_what_was_offered_is_done(cloud: Cloud) -> None:
    cloud.server.offer("POST", "greetings", lambda wanted: {"hello": wanted["name"]})
    assert call(cloud, "POST", "greetings", {"name": "you"}) == {"hello": "you"}
