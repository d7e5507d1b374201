"""What status and plan show on a terminal."""

from __future__ import annotations

import pytest

from chalicelib.dns.batches import Applied
from chalicelib.watchdog.sweep_result import SHOWN, Repair
from ops.drift import Drift
from ops.drift_listing import plan_listing, repair_listing, status_listing
from tests.surveys import SETTINGS, A, instance, linked, record, row, survey
from tests.world import DOMAIN

OTHER = "elephant:other/us-west-2 managed by Elephant"
UUID = "0b1e4c52-8b7c-4d0e-9d5b-1f2a3c4d5e6f"
LACKING, FINE, SHARED = (f"i-{number:017x}" for number in (1, 2, 3))
RIGHT = record(FINE, meeting=UUID)
THEIRS = record(SHARED, "192.0.2.1", comment=OTHER)
FOREIGN = "1 running instance with a name that has a record of another owner:"

MIXED = Drift(
    survey(
        [instance(FINE, meeting=UUID), instance(LACKING), instance(SHARED, meeting=None)],
        [RIGHT, THEIRS],
        [linked(UUID, teacher=FINE), row(status="LAUNCHED")],
    ),
    SETTINGS,
    "prod",
)
IDLE = Drift(survey(), SETTINGS, "prod")


def test_status_fits_80_columns_with_drift_first_and_the_summary_last() -> None:
    shown = [line.plain for line in status_listing(MIXED, 80)]

    assert max(map(len, shown)) <= 80
    assert shown == [
        "instance             state    address      record       found",
        f"{LACKING}  running  203.0.113.7  none         drift",
        "  meeting: m1 teacher, no link, LAUNCHED",
        "  drift: create at 203.0.113.7",
        "  drift: row m1: teacher_ec2_link set, status DNS_WRITTEN",
        f"{SHARED}  running  203.0.113.7  not ours     warning",
        f"  warning: the record {SHARED}.{DOMAIN} at 192.0.2.1",
        "    belongs to elephant:other/us-west-2; left unchanged",
        f"{FINE}  running  203.0.113.7  203.0.113.7  ok",
        f"  meeting: {UUID} teacher, linked, HEALTHY",
        "3 running, 1 record of ours; 2 to be repaired",
        FOREIGN,
        "  elephant:other/us-west-2",
    ]


def test_status_uses_the_width_that_there_is() -> None:
    shown = [line.plain for line in status_listing(MIXED, 160)]

    assert shown[0].split() == ["instance", "state", "address", "record", "found", "meeting"]
    (fine,) = [line for line in shown if line.startswith(FINE)]
    assert fine.endswith(f"ok       {UUID} teacher, linked, HEALTHY")
    assert shown[-1] == f"{FOREIGN} elephant:other/us-west-2"


def test_one_of_500_that_has_drift_is_the_first() -> None:
    names = [f"i-{number:017x}" for number in range(500)]
    instances = [instance(each, meeting=None) for each in names]
    records = [record(each, meeting=None) for each in names[:-1]]
    drift = Drift(survey(instances, records), SETTINGS, "prod")
    shown = [line.plain for line in status_listing(drift, 80)]

    assert shown[1].startswith(names[-1])
    assert shown[-1] == "500 running, 499 records of ours; 1 to be repaired"
    assert len(shown) == 500 + 3


def test_several_records_of_a_name_are_named() -> None:
    drift = Drift(survey([instance()], [record(), record(content="192.0.2.9")]), SETTINGS, "prod")
    shown = [line.plain for line in status_listing(drift, 80)]

    assert shown[1].split()[:4] == [A, "running", "203.0.113.7", "2"]
    assert "  records: 203.0.113.7, 192.0.2.9" in shown


def test_a_plan_says_what_is_done_to_what_and_why() -> None:
    shown = [line.plain for line in plan_listing(MIXED, 80)]

    assert max(map(len, shown)) <= 80
    assert shown[:7] == [
        "do      to",
        f"create  {LACKING}.{DOMAIN}",
        "  what: at 203.0.113.7  since: running at 203.0.113.7",
        "update  row m1",
        "  what: teacher_ec2_link set, status DNS_WRITTEN  since: matches its desktops",
        f"{SHARED} warning: the record {SHARED}.{DOMAIN}",
        "  at 192.0.2.1 belongs to elephant:other/us-west-2; left unchanged",
    ]
    assert len([line for line in plan_listing(MIXED, 160) if "m1" in line.plain]) == 1


@pytest.mark.parametrize("width", [80, 200])
def test_nothing_to_do_is_a_sentence(width: int) -> None:
    assert [line.plain for line in plan_listing(IDLE, width)] == [
        "Nothing to repair.",
        "0 running, 0 records of ours; no drift",
    ]
    assert [line.plain for line in status_listing(IDLE, width)] == [
        "0 running, 0 records of ours; no drift"
    ]


def test_colours_say_what_is_right_and_what_is_not() -> None:
    styles = {
        span.style: line.plain[span.start : span.end]
        for line in status_listing(MIXED, 80)
        for span in line.spans
    }
    assert (styles["bold red"], styles["yellow"], styles["green"]) == ("drift", "warning", "ok")
    assert next(iter(plan_listing(IDLE, 80))).style == "green"


def test_deletions_that_would_be_held_back_say_how_to_force_them_in_this_stage() -> None:
    records = [record(f"i-{number:017x}", meeting=None) for number in range(11)]
    drift = Drift(survey([], records), SETTINGS, "prod")

    assert "`elephant sweep prod --force`" in drift.unsafe
    assert drift.unsafe.startswith("11 deletions would be held back")


def test_a_sweep_that_did_much_shows_the_first_and_counts_the_rest() -> None:
    names = [f"i-{number:017x}" for number in range(500)]
    found = survey([instance(each, meeting=None) for each in names])
    repair = Repair(found, SETTINGS, Applied(done=list(found.plan.changes)))
    shown = [line.plain for line in repair_listing(repair, "prod", 80)]

    assert shown[0] == f"  create {names[0]}.{DOMAIN} at 203.0.113.7"
    assert shown[SHOWN:] == [f"  and {500 - SHOWN} more", "repaired: 500 created"]
