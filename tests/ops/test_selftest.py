"""The self-test waits and judges, leaves nothing behind, and its report names nobody."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from chalicelib.dns.provider import UnavailableError
from localcloud.aws import ACCOUNT_ID, DEFAULT_REGION
from ops.account import AwsError
from ops.cli_selftest import ended_in_order
from ops.selftest.dns_walk import period_of
from ops.selftest.facts import Facts
from ops.selftest.instance import TestInstance
from ops.selftest.meeting_walk import first_key
from ops.selftest.promises import Outcome, Pace, Promises
from ops.selftest.report import document, redacted
from ops.stages import Stage
from tests.ops.played import refusal
from tests.ops.projects import account

if TYPE_CHECKING:
    from collections.abc import Iterator

REMEDY = "look at the logs"
VARIABLES = {
    "DOMAIN_ROOT": "example.com",
    "ZONE_ID": "0" * 32,
    "SECRET_ARN": "token",
    "OWNER": "elephant:prod",
}
STAGE = Stage("prod", ACCOUNT_ID, DEFAULT_REGION, VARIABLES)


@dataclass
class Waited:
    """Promises on a clock that only sleeping advances."""

    time: float = 0.0
    said: list[str] = field(default_factory=list)

    @property
    def promises(self) -> Promises:
        return Promises(Pace(lambda: self.time, self.sleep), self.said.append, self.end)

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def end(self, outcome: Outcome) -> None:
        self.said.append("kept" if outcome.is_kept else "broken")


def test_a_promise_is_waited_for_though_a_service_fails_meanwhile() -> None:
    def look() -> str:
        if waited.time < 3:
            raise UnavailableError("Cloudflare is down")
        return "" if waited.time > 6 else "not yet"

    waited = Waited()
    promises = waited.promises

    assert promises.wait("a record", look, 60, REMEDY)

    assert promises.outcomes == [Outcome("a record", is_kept=True, seconds=9.0)]
    assert waited.said == ["a record", "kept"]
    assert promises.all_kept


def test_what_is_not_so_in_time_is_broken_and_says_what_was_found_and_where_to_look() -> None:
    waited = Waited()
    promises = waited.promises

    assert not promises.wait("a record", lambda: "there are 2", 10, REMEDY)

    assert promises.outcomes == [
        Outcome("a record", is_kept=False, seconds=10.0, found="there are 2", remedy=REMEDY)
    ]
    assert not promises.all_kept


def test_without_any_promise_nothing_is_proven() -> None:
    assert not Waited().promises.all_kept


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("cron(0 * * * ? *)", 900)],
)
def test_a_sweep_is_waited_for_as_long_as_its_schedule_says(schedule: str, seconds: int) -> None:
    assert period_of(schedule) == seconds


NAMES = {
    "example.com": "ZONE",
    "d.example.com": "DOMAIN",
    "elephant:prod": "OWNER",
    "": "TABLE",
    "acme": "NAME",
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("i-0123456789abcdef0.d.example.com", "i-….DOMAIN"),
        ("WWW.EXAMPLE.COM at 203.0.113.7", "WWW.ZONE at ADDRESS"),
        ("arn:aws:iam::111122223333:role/x of 111122223333", "arn:… of ACCOUNT"),
        ("GET /zones/0123456789abcdef0123456789abcdef", "GET /zones/ID"),
        ("https://abc.execute-api/prod?key=x failed", "URL failed"),
        ("with the owner elephant:prod", "with the owner OWNER"),
        (
            "the logs of elephant-acme-sweep; elephant doctor acme",
            "the logs of elephant-NAME-sweep; elephant doctor NAME",
        ),
        ("subnet-0123456789abcdef0 with sg-0123456789", "subnet-… with sg-…"),
        ("AKIAIOSFODNN7EXAMPLE of ops@example.org", "KEY of E-MAIL"),
        ("ec2-198-51-100-4.us-west-2.compute.amazonaws.com at 2001:db8::7", "HOST at ADDRESS"),
        ("acmeology is no stage; 12:30", "acmeology is no stage; 12:30"),
    ],
)
def test_the_report_names_nothing_of_the_stage(text: str, shown: str) -> None:
    assert redacted(text, NAMES) == shown
    outcome = Outcome("a record", is_kept=False, seconds=1.26, found=text, remedy=REMEDY)
    found = document([outcome], {"question": text}, {"about": text}, NAMES, is_whole=True)
    assert found["promises"][0] == {
        "promise": "a record",
        "is_kept": False,
        "seconds": 1.3,
        "found": shown,
        "remedy": REMEDY,
    }
    assert (found["facts"], found["about"]) == ({"question": shown}, {"about": shown})


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_run_that_was_cut_short_proves_nothing(*, is_whole: bool) -> None:
    found = document(
        [Outcome("a record", is_kept=True, seconds=1.0)], {}, {}, {}, is_whole=is_whole
    )
    assert found["kept"] is is_whole


def test_sigterm_ends_it_like_ctrl_c_so_that_everything_is_removed() -> None:
    for each in (signal.SIGTERM, signal.SIGHUP):
        with ended_in_order(), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(each)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_without_a_key_nothing_can_be_booked() -> None:
    with pytest.raises(AwsError, match="elephant keys NAME add"):
        first_key({})


@pytest.fixture
def instance() -> Iterator[TestInstance]:
    with mock_aws():
        made = TestInstance(STAGE, account(), "run-1")
        made._sleep = lambda _: None
        yield made


def test_an_instance_whose_launch_was_not_answered_is_terminated_all_the_same(
    instance: TestInstance,
) -> None:
    instance.launch()
    launched, instance.id = instance.id, ""

    assert instance.remove() == [launched]

    assert instance.remove() == []
    instance.id = launched
    assert instance.look().state == "terminated"


def test_an_instance_that_ec2_does_not_show_yet_is_terminated_once_it_does(
    instance: TestInstance,
) -> None:
    instance.launch()
    shown, hidden = instance.id, iter([True, False])
    ec2 = instance._ec2

    class Late:
        """Knows nothing of the instance at first."""

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (of botocore)
            return getattr(ec2, name)

        def terminate_instances(self, **request: object) -> None:
            if next(hidden):
                raise refusal("InvalidInstanceID.NotFound", operation="TerminateInstances")
            ec2.terminate_instances(**request)

    instance._ec2, waited = Late(), Waited()
    instance._sleep = waited.sleep

    assert instance.remove() == [shown]

    assert instance.look().state == "terminated"
    assert waited.time > 0


def test_an_instance_is_looked_for_if_its_launch_was_cut_off(instance: TestInstance) -> None:
    instance.launch()
    launched, instance.id, waited = instance.id, "", Waited()
    instance._sleep = waited.sleep
    ec2, hidden = instance._ec2, iter([True, False])

    class Late:
        """Finds nothing by its tag at first."""

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (of botocore)
            return getattr(ec2, name)

        def get_paginator(self, name: str) -> Any:  # noqa: ANN401
            return Nothing() if next(hidden) else ec2.get_paginator(name)

    instance._ec2 = Late()

    assert instance.remove() == [launched]

    assert waited.time > 0


class Nothing:
    """Pages of nothing."""

    def paginate(self, **_: object) -> list[dict[str, Any]]:
        return [{"Reservations": []}]


def test_no_other_instance_is_touched(instance: TestInstance) -> None:
    other = TestInstance(STAGE, account(), "run-2")
    other.launch()

    assert instance.remove() == []

    assert other.look().state == "running"


def test_where_the_type_does_not_exist_another_is_asked_for(instance: TestInstance) -> None:
    subnets = instance._ec2.describe_subnets()["Subnets"]
    for each in subnets:
        instance._ec2.delete_subnet(SubnetId=each["SubnetId"])

    with pytest.raises(AwsError, match="--subnet, or another type"):
        instance.launch()


def test_an_instance_that_ec2_forgot_is_gone(instance: TestInstance) -> None:
    instance.id = "i-0123456789abcdef0"
    facts = Facts()
    facts.note_instance(instance.look())
    assert facts.answers == {"EC2 shows of an instance that is gone": "no address and no tags"}
