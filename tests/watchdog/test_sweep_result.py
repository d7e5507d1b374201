"""The result says what was found, what was done, what was not and why, and how old it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.dns.batches import Applied
from chalicelib.meeting_row.meeting import MeetingChange
from chalicelib.watchdog.row_plan import RowWrite
from chalicelib.watchdog.row_writer import RowResults
from chalicelib.watchdog.sweep_result import SHOWN, Repair
from tests.surveys import (
    ADDRESS,
    HOUR,
    SETTINGS,
    A,
    B,
    C,
    ago,
    instance,
    linked,
    record,
    row,
    survey,
)
from tests.world import DOMAIN, link

if TYPE_CHECKING:
    from chalicelib.dns.record import Record
    from chalicelib.ec2.instances import Instance
    from chalicelib.watchdog.survey import Survey

NAME = f"{A}.{DOMAIN}"
NOTHING = survey([instance()], [record()], [linked(teacher=A)])
EVERYTHING = survey(
    [instance(A), instance(B), instance(C, "terminated")], [record(B, "192.0.2.9"), record(C)], []
)
"""One record to create, one to update and one to delete."""


def applied(found: Survey, done: int | None = None) -> Applied:
    return Applied(done=list(found.plan.changes[:done]))


def row_results(meeting_id: str = "m1", **links: str | None) -> RowWrite:
    return RowWrite(MeetingChange(row(meeting_id), links, None, ()), ())


def result(found: Survey, *arguments: Any) -> dict[str, Any]:  # noqa: ANN401
    return Repair(found, SETTINGS, *arguments).to_dict()


# What it says


def test_when_all_is_well_the_result_says_so_and_what_was_looked_at() -> None:
    assert result(NOTHING) == {
        "action": "unchanged",
        "reason": "everything is up to date",
        "running": 1,
        "records": 1,
        "done": {"created": 0, "updated": 0, "deleted": 0, "rows": 0},
        "skipped": 0,
    }


def test_what_was_repaired_is_counted_and_listed() -> None:
    rows = RowResults(done=[row_results("m1", teacher=link(A)), row_results("m2", student=None)])

    found = result(EVERYTHING, applied(EVERYTHING), rows)

    assert (found["action"], found["reason"]) == (
        "repaired",
        "1 created, 1 updated, 1 deleted, 2 rows updated",
    )
    assert found["done"] == {"created": 1, "updated": 1, "deleted": 1, "rows": 2}
    assert found["repaired"] == [
        f"delete {C}.{DOMAIN} at {ADDRESS}",
        f"update {B}.{DOMAIN} from 192.0.2.9 to {ADDRESS}",
        f"create {NAME} at {ADDRESS}",
        "the row 'm1': teacher_ec2_link set",
        "the row 'm2': student_ec2_link removed",
    ]
    assert (found["running"], found["records"], found["skipped"]) == (2, 2, 0)


DELETED, UPDATED, _ = EVERYTHING.plan.changes
CHANGED = "the row 'm1': row 'm1' was changed concurrently"


def test_what_is_left_says_why() -> None:
    found = result(EVERYTHING, Applied(left=[(DELETED, "HTTP 502")]), RowResults(left=[CHANGED]))

    assert (found["action"], found["reason"]) == ("deferred", "2 deferred to the next run")
    assert found["left"] == [f"delete {C}.{DOMAIN} at {ADDRESS}: HTTP 502", CHANGED]
    assert found["skipped"] == 2
    assert json.loads(json.dumps(found)) == found


def test_what_waits_for_the_grace_is_no_work_left_and_says_so() -> None:
    found = result(
        survey(
            [instance(B, "pending")],
            [record(A, age=60), record(B, age=60), record(name=f"www.{DOMAIN}", age=60)],
        )
    )

    assert (found["action"], found["reason"]) == ("unchanged", "3 waiting for more information")
    assert found["waiting"] == [
        f"{B}.{DOMAIN}: pending",
        f"{NAME}: EC2 does not know this instance; its record is within the grace period",
        f"www.{DOMAIN}: no instance has this name; the record is within the grace period",
    ]
    assert found["skipped"] == 3
    assert "left" not in found


def test_what_is_refused_says_why_and_is_a_warning() -> None:
    found = result(EVERYTHING, Applied(done=[UPDATED], refused=[(DELETED, "9003 no")]))

    assert (found["action"], found["reason"]) == (
        "repaired",
        "1 updated, 1 rejected by the DNS provider",
    )
    assert found["refused"] == found["warnings"] == [f"delete {C}.{DOMAIN} at {ADDRESS}: 9003 no"]
    assert found["skipped"] == 0


def test_conflicting_records_are_reported_as_long_as_the_instance_needs_one() -> None:
    conflicting = record(comment="elephant:other x")
    found = result(survey([instance()], [conflicting]))

    warning = f"the record {NAME} at {ADDRESS} belongs to elephant:other; left unchanged"
    assert (found["action"], found["warnings"]) == ("unchanged", [warning])
    assert "warnings" not in result(survey([instance(state="stopped")], [conflicting]))


def test_a_role_that_names_no_attribute_is_reported_when_its_record_changes_only() -> None:
    """It is no drift, and must not sound every minute."""
    odd = instance(role="co-host")
    new, standing = survey([odd], []), survey([odd], [record(role="co-host")])

    assert "cannot name an attribute" in result(new, applied(new))["warnings"][0]
    assert "warnings" not in result(standing)


def test_long_lists_are_cut_and_the_counts_are_not() -> None:
    found = survey([], [record(f"i-{number:08x}", meeting=None) for number in range(50)], [])
    changes = found.plan.changes
    rows = RowResults(done=[row_results(f"m{number}", teacher=None) for number in range(50)])

    done = result(found, applied(found), rows)
    left = result(found, Applied(left=[(change, "later") for change in changes]))
    waiting = result(survey([], [record(f"i-{number:08x}", age=60) for number in range(50)]))
    refused = result(found, Applied(refused=[(change, "no") for change in changes]))

    assert done["reason"] == "50 deleted, 50 rows updated"
    assert len(done["repaired"]) == 2 * SHOWN
    assert (left["skipped"], len(left["left"])) == (50, SHOWN)
    assert (waiting["skipped"], len(waiting["waiting"])) == (50, SHOWN)
    assert refused["reason"] == "50 rejected by the DNS provider"
    assert len(refused["refused"]) == len(refused["warnings"]) == SHOWN


# How old the drift was

WRONG = "192.0.2.9"
STOPPED = instance(state="stopped", age=5000)


AGES: dict[str, tuple[Survey, float]] = {
    "nothing": (NOTHING, 0),
    "launched since": (survey([instance(age=50)]), 50),
    "launched later than now": (survey([instance(age=-100)]), 0),
    "edited since": (survey([instance(age=5000)], [record(content=WRONG, age=70)]), 70),
    "launched again since": (survey([instance(age=60)], [record(content=WRONG, age=7000)]), 60),
    "stopped since": (survey([replace(STOPPED, stopped_at=ago(80))], [record(age=4000)]), 80),
    "stopped, EC2 does not say when": (survey([STOPPED], [record(age=4000)]), 4000),
    "no such instance": (survey([], [record(age=9000)]), 9000),
    "no instance's name": (survey([], [record(name=f"www.{DOMAIN}", age=9000)]), 9000),
    "duplicates": (survey([], [record(age=9000), record(content=WRONG, age=800)]), 800),
    "what waits": (survey([], [replace(record(age=1), created_at=ago(500))]), 500),
    "several": (survey([instance(A, age=50), instance(B, age=500), instance(C, age=5)]), 500),
}
"""How old a drift is; what waits counts since its record was made, of several the oldest."""


@pytest.mark.parametrize(("found", "seconds"), AGES.values(), ids=AGES)
def test_a_drift_is_as_old_as_what_changed_last_though_it_was_not_repaired(
    found: Survey, seconds: float
) -> None:
    left = Applied(left=[(change, "HTTP 502") for change in found.plan.changes])

    assert Repair(found, SETTINGS, left).oldest_drift == seconds
    assert result(found).get("oldest_drift_seconds", 0) == seconds


@pytest.mark.parametrize(
    ("instances", "records", "seconds"),
    [
        (
            [instance(A, age=5 * HOUR), instance(B, role="student", age=60)],
            [record(A, age=5 * HOUR), record(B, role="student", age=50)],
            50,
        ),
        ([], [], 0),
    ],
    ids=["of that desktop alone", "nothing is known of the instance"],
)
def test_what_a_row_lacks_is_a_drift(
    instances: list[Instance], records: list[Record], seconds: float
) -> None:
    found = survey(instances, records, [linked(teacher=A, student=B)])
    row_write = RowWrite(MeetingChange(found.meetings["m1"], {"student": None}, None, ()), (B,))

    assert Repair(found, SETTINGS, Applied(), RowResults(done=[row_write])).oldest_drift == seconds
