"""The local cloud's clock, and what deployed code takes for now."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from localcloud.aws.clock import Clock
from localcloud.aws.functions import Functions
from localcloud.aws.server import MotoServer

from .conftest import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = 3600.0

LOOK = """
    import calendar, datetime, time
    from datetime import date, datetime as Datetime, timezone

    def handler(event, context):
        utc = timezone.utc
        return {
            "time": time.time(),
            "time_ns": time.time_ns() / 1e9,
            "gmtime": calendar.timegm(time.gmtime()),
            "localtime": time.mktime(time.localtime()),
            "strftime": int(time.strftime("%s")),
            "now": Datetime.now(utc).timestamp(),
            "naive": Datetime.now().replace(tzinfo=utc).timestamp(),
            "utcnow": datetime.datetime.utcnow().replace(tzinfo=utc).timestamp(),
            "today": Datetime.today().replace(tzinfo=utc).timestamp(),
        } if event == "now" else remaining(context) if event == "remaining" else kinds()

    def remaining(context):
        return context.get_remaining_time_in_millis()

    class Mine(Datetime):
        pass

    def kinds():
        made = Datetime.fromisoformat("2026-11-21T15:30:00+00:00")
        parts = [made.date(), date.today(), made - made, time.gmtime(0).tm_year, str(made)]
        import zoneinfo, botocore.session, json, logging
        real = Datetime.__mro__[1](2026, 1, 1)
        return [
            isinstance(made, Datetime), isinstance(real, Datetime), isinstance(made.date(), date),
            isinstance(real, date), not isinstance("x", Datetime), not isinstance(real, Mine),
            issubclass(Mine, Datetime), issubclass(type(real), Datetime),
            not issubclass(type(real), Mine), isinstance(Mine.now(), Mine),
            made.astimezone(zoneinfo.ZoneInfo("Europe/Berlin")).hour == 16,
            str(made) == "2026-11-21 15:30:00+00:00", time.gmtime(0).tm_year == 1970,
            time.strftime("%Y", time.gmtime(0)) == "1970",
            date.today() == Datetime.now().date(),
        ]
"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """Make a cloud whose functions have its time for their own."""
    with (
        MotoServer() as server,
        Functions(server.endpoint, time_scale=0.0001, clock=Clock()) as functions,
    ):
        server.run_functions(functions)
        cloud = Cloud(server, functions)
        functions.on_finished(cloud.finished.append)
        cloud.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")
        yield cloud


@pytest.fixture(scope="module")
def look(cloud: Cloud) -> str:
    return cloud.function(LOOK)


def between(before: float, moment: float, after: float) -> bool:
    return before - 1.001 <= moment <= after + 1.001  # some of the ways to ask tell whole seconds


def test_it_never_goes_back() -> None:
    clock = Clock()
    clock.skip(HOUR)
    clock.reach(datetime.now(UTC))
    assert clock.ahead == HOUR
    with pytest.raises(ValueError, match="time does not go back"):
        clock.skip(-1)


def test_deployed_code_takes_its_time_for_now_however_it_asks(cloud: Cloud, look: str) -> None:
    for _ in range(2):
        before = cloud.functions.clock.time()
        told = cloud.functions.invoke(look, "now").result
        after = cloud.functions.clock.time()
        assert [way for way, moment in told.items() if not between(before, moment, after)] == []
        cloud.functions.clock.skip(40 * 86400)


def test_dates_and_times_are_otherwise_what_they_are(cloud: Cloud, look: str) -> None:
    invocation = cloud.functions.invoke(look, "kinds")
    assert invocation.error is None
    assert set(invocation.result) == {True}


def test_what_lambdas_wait_is_shortened_by_is_skipped(cloud: Cloud) -> None:
    name = cloud.function("import time\ndef handler(e, c): raise ValueError(time.time())")
    cloud.functions.invoke_async(name)
    cloud.functions.wait_idle(100)
    first, second, third = (
        float(json.loads(attempt.payload)["errorMessage"]) for attempt in cloud.attempts(name)
    )
    assert 60 <= second - first < 80
    assert 120 <= third - second < 140
