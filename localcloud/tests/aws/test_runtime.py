"""The process in which deployed code runs: its environment, time, failures and log."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.aws import Clock, Invocation

if TYPE_CHECKING:
    from .conftest import Cloud

NOW = """
    import calendar, datetime, time
    from datetime import datetime as Datetime, timezone

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
        }
"""
KINDS = """
    import time, zoneinfo
    from datetime import date, datetime as Datetime

    class Mine(Datetime):
        pass

    def handler(event, context):
        made = Datetime.fromisoformat("2026-11-21T15:30:00+00:00")
        real = Datetime.__mro__[1](2026, 1, 1)
        return [
            isinstance(made, Datetime), isinstance(real, Datetime), isinstance(made.date(), date),
            isinstance(real, date), not isinstance("x", Datetime), not isinstance(real, Mine),
            issubclass(Mine, Datetime), issubclass(type(real), Datetime),
            not issubclass(type(real), Mine), isinstance(Mine.now(), Mine),
            made.astimezone(zoneinfo.ZoneInfo("Europe/Berlin")).hour == 16,
            time.gmtime(0).tm_year == 1970, time.strftime("%Y", time.gmtime(0)) == "1970",
            date.today() == Datetime.now().date(),
        ]
"""


def invoke(cloud: Cloud, source: str, event: object = None, **configuration: object) -> Invocation:
    return cloud.functions.invoke(cloud.function(source, **configuration), event)


def test_the_context_is_lambdas(cloud: Cloud) -> None:
    name = cloud.function(
        """
        def handler(event, context):
            return [context.function_name, context.aws_request_id, context.invoked_function_arn,
                    context.get_remaining_time_in_millis()]
        """
    )
    done = cloud.functions.invoke(name)
    *names, remaining = done.result
    arn = f"arn:aws:lambda:us-west-2:123456789012:function:{name}"
    assert names == [name, done.request_id, arn]
    assert 0 < remaining <= 100_000


def test_the_function_sees_lambdas_variables_and_its_own_only(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_TOKEN", "mine")
    monkeypatch.setenv("AWS_PROFILE", "production")
    source = "import os\ndef handler(event, context): return dict(os.environ)"
    variables = {"TABLE": "t", "AWS_LAMBDA_FUNCTION_NAME": "forged"}
    seen = invoke(cloud, source, Environment={"Variables": variables}).result
    assert seen["TABLE"] == "t"
    assert seen["AWS_LAMBDA_FUNCTION_NAME"].startswith("function-")
    assert seen["AWS_ENDPOINT_URL"] == cloud.server.endpoint
    assert seen["AWS_REGION"] == "us-west-2"
    assert not {"CLOUDFLARE_TOKEN", "AWS_PROFILE", "VIRTUAL_ENV"} & set(seen)


def test_packages_come_from_the_zip_or_lambdas_runtime_only(cloud: Cloud) -> None:
    source = """
        import importlib.util as util
        names = ["boto3", "urllib3", "chalice", "requests", "moto", "yaml", "runtime_start"]
        def handler(event, context):
            return [name for name in names if util.find_spec(name)]
    """
    assert invoke(cloud, source).result == ["boto3", "urllib3"]


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("import nothing_like_this", "Runtime.ImportModuleError", "nothing_like_this"),
        ("def other(event, context): pass", "Runtime.HandlerNotFound", "handler"),
        ("def handler(:", "Runtime.UserCodeSyntaxError", "syntax"),
        ("raise LookupError('no TABLE')", "LookupError", "no TABLE"),
        ("import os; os._exit(4)", "Runtime.ExitError", "exit status 4"),
        ("def handler(e, c): raise KeyError('wanted')", "KeyError", "wanted"),
        ("import os\ndef handler(e, c): os._exit(0)", "Runtime.ExitError", "without providing"),
        ("import time\ndef handler(e, c): time.sleep(9999)", "Sandbox.Timedout", "after 1.00 sec"),
    ],
)
def test_a_failure_is_reported_as_lambda_does(
    cloud: Cloud, source: str, kind: str, message: str
) -> None:
    error = invoke(cloud, source, Timeout=1 if kind == "Sandbox.Timedout" else 100).error
    assert error is not None
    assert error.type == kind
    assert message in error.message


def test_everything_printed_is_logged_between_lambdas_own_lines(cloud: Cloud) -> None:
    name = cloud.function(
        """
        import logging, sys
        print("at import")
        def handler(event, context):
            print(event)
            logging.warning("careful")
            print("to stderr", file=sys.stderr)
        """
    )
    log = cloud.functions.invoke(name, "hello").log
    assert log[0].startswith("START RequestId: ")
    assert log[1:3] == ("at import", "hello")
    assert log[3].startswith("[WARNING]")
    assert log[4] == "to stderr"
    assert log[5].startswith("END RequestId: ")
    assert log[6].startswith("REPORT RequestId: ")
    again = cloud.functions.invoke(name, "again").log
    assert "at import" not in again
    found = cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")
    assert tuple(event["message"] for event in found["events"]) == log + again


def test_the_clock_goes_forward_only() -> None:
    clock = Clock()
    moment = datetime.now(UTC) + timedelta(days=1)
    clock.reach(moment)
    assert clock.now() >= moment
    clock.skip(3600)
    ahead = clock.ahead
    clock.reach(datetime.now(UTC))
    assert clock.ahead == ahead > 86400
    assert time.time() + ahead <= clock.time() <= time.time() + ahead
    with pytest.raises(ValueError, match="time does not go back"):
        clock.skip(-1)


def test_deployed_code_has_the_time_of_the_clock_however_it_asks(cloud: Cloud) -> None:
    name, clock = cloud.function(NOW), cloud.functions.clock
    for _ in range(2):
        before = clock.time()
        moments: dict[str, float] = cloud.functions.invoke(name).result
        after = clock.time()  # some ways to ask give whole seconds
        assert [way for way in moments if not before - 1 <= moments[way] <= after + 1] == []
        clock.skip(40 * 86400)


def test_dates_and_times_otherwise_behave_as_usual(cloud: Cloud) -> None:
    assert set(invoke(cloud, KINDS).result) == {True}


def test_the_clock_skips_lambdas_waits_between_attempts(cloud: Cloud) -> None:
    name = cloud.function("import time\ndef handler(e, c): raise ValueError(time.time())")
    cloud.functions.invoke_async(name)
    cloud.functions.wait_idle(600)
    payloads: list[Any] = [json.loads(attempt.payload) for attempt in cloud.attempts(name)]
    first, second, third = (float(each["errorMessage"]) for each in payloads)
    assert second - first >= 60
    assert third - second >= 120
