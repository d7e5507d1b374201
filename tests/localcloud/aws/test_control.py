"""Switches of the local AWS for another process."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from .test_schedules import ECHO, rule

if TYPE_CHECKING:
    from .conftest import Cloud


def call(cloud: Cloud, method: str, what: str) -> Any:  # noqa: ANN401
    url = f"{cloud.server.endpoint}/__standin__/{what}"
    request = urllib.request.Request(url, method=method)  # noqa: S310 (this machine's own port)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def test_schedules_are_fired_from_another_process(cloud: Cloud) -> None:
    function = cloud.function(ECHO)
    rule(cloud, function, "rate(1 day)")
    assert call(cloud, "POST", "schedules") == [function]
    cloud.functions.wait_idle(20)
    (run,) = cloud.attempts(function)
    assert run.result["detail-type"] == "Scheduled Event"


@pytest.mark.parametrize(("method", "what"), [("GET", "schedules"), ("POST", "other")])
def test_what_is_not_there_is_answered_with_what_is(cloud: Cloud, method: str, what: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        call(cloud, method, what)
    with refused.value as answer:
        assert answer.code == 404
        assert json.load(answer) == {"error": "below /__standin__/ there is: POST schedules"}
