"""Even if the safety net fails, no desktop of a meeting is left running for good."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from chalicelib.meeting_row.table import Meetings
from tests.meetings.launches import ID
from tests.world import TABLE

if TYPE_CHECKING:
    from tests.meetings.ends import Ends


def test_it_is_said_once_a_run_and_only_if_there_is_something_to_say(ends: Ends) -> None:
    ends.meeting(ID, -20)
    others = ends.meeting("another", -5)
    ends.pass_time(30)

    ends.oversee()
    ends.world.terminate(*others)
    ends.oversee()

    ((outcome, fields, counts),) = ends.world.reports.lines
    assert (outcome, fields["action"], fields["meetings"]) == ("succeeded", "overseen", ["another"])
    assert counts == {"Overdue": 1, "Warnings": 1}


@pytest.mark.parametrize(
    ("ago", "attributes"),
    [
        (-5, {"status": "DNS_WRITTEN"}),
        (23, {"status": "HEALTHY"}),
        (100, {"status": "IN_PROGRESS"}),
        (100, {"status": "HEALTHY", "joined_at": "2026-11-21T15:00:00Z"}),
        (189, {"status": "IN_PROGRESS"}),
        (190, {"status": "IN_PROGRESS"}),
    ],
)
def test_a_meeting_is_left_alone_while_it_may_go_on_and_ten_minutes_longer(
    ends: Ends, ago: float, attributes: dict[str, str]
) -> None:
    """For as long it is left to the safety net."""
    ends.meeting(ID, ago - 30, **attributes)
    ends.pass_time(30)

    assert ends.oversee() == ((ID,) if ago == 190 else ())
    assert len(ends.booked()) == (ago == 190)


@pytest.mark.parametrize("ago", [0, 5, 10, 15])
def test_a_meeting_that_somebody_waited_for_lately_is_still_the_safety_nets(
    ends: Ends, ago: float
) -> None:
    """Whenever in the last minutes that was: its end came due no earlier than that."""
    ends.meeting(ID, 60, student_waiting_at=ends.starts(30 - ago))
    ends.pass_time(30)

    assert ends.oversee() == ()

    ends.pass_time(16 - ago)
    assert ends.oversee() == (ID,)


def test_desktops_without_a_row_are_overdue_when_they_are_older_than_any_meeting(
    ends: Ends,
) -> None:
    desktop = ends.desktop("teacher", "nobody's")
    ends.pass_time(189)
    assert ends.oversee() == ()

    ends.pass_time(1)
    assert ends.oversee() == ("nobody's",)
    ends.play()
    assert ends.state(desktop) == "terminated"


@pytest.mark.parametrize("status", ["LAUNCHED", "IN_PROGRESS", "TERMINATED"])
def test_a_meeting_that_is_just_being_ended_is_no_reason_to_call_a_person(
    ends: Ends, status: str
) -> None:
    """It was claimed a moment ago, and EC2 may list its desktops for a moment more."""
    desktops = ends.meeting(ID, -5, status=status, termination_reason="SUCCESS")
    ends.pass_time(30)

    assert ends.oversee() == (ID,)

    ((_, fields, counts),) = ends.world.reports.lines
    assert counts == {"Overdue": 0, "Warnings": 0}
    assert (fields["meetings"], "warnings" in fields) == ([ID], False)
    # and if its end was cut short, it is finished all the same
    ends.play()
    assert ends.outcome() == ("TERMINATED", "SUCCESS")
    assert set(ends.states(*desktops)) == {"terminated"}


def test_a_desktop_that_was_just_started_is_left_to_who_started_it(ends: Ends) -> None:
    """A launch that finds its meeting over ends what it started, and its retries do."""
    ends.meeting(ID, -10, status="TERMINATED", termination_reason="LAUNCH_FAILED")
    ends.pass_time(9)
    assert ends.oversee() == ()

    ends.pass_time(1)
    assert ends.oversee() == (ID,)


def test_instances_of_no_meeting_or_another_project_cost_one_call(ends: Ends) -> None:
    ends.world.launch(Project="Elephant")
    ends.world.launch(Project="Giraffe", MeetingID=ID)
    ends.pass_time(1000)

    assert ends.oversee() == ()
    assert ends.world.aws_calls == ["DescribeInstances"]


@pytest.mark.parametrize("operation", ["DescribeInstances", "BatchGetItem"])
def test_a_read_that_fails_books_nothing_and_is_raised(ends: Ends, operation: str) -> None:
    ends.meeting(ID, -5)
    ends.pass_time(30)
    ends.world.fail(operation, "InternalError")

    with pytest.raises(ClientError):
        ends.oversee()

    assert ends.booked() == {}
    ((outcome, _, counts),) = ends.world.reports.lines
    assert outcome.startswith("failed: ")
    assert counts == {"Failed": 1}


def test_a_row_that_could_not_be_read_decides_nothing_and_keeps_no_other_from_its_look(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not pass for a meeting without a row, whose desktops are too old by then."""
    ends.meeting(ID, -5)
    ends.meeting("unread", -5)
    ends.pass_time(200)
    read = Meetings(ends.world.app_dynamodb, TABLE).rows_of([ID])
    read = replace(read, unread={"unread": "throttled"}, errors=(RuntimeError("throttled"),))
    monkeypatch.setattr(Meetings, "rows_of", lambda *_, **__: read)

    with pytest.raises(RuntimeError, match="throttled"):
        ends.oversee()

    (name,) = ends.booked()
    assert name.startswith(f"safety-{ID}-")
