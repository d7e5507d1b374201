"""Ending a meeting: claimed first, every desktop tried, and TERMINATED only once all are ended."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.meeting_row.table import Meetings, RowChangedError, RowFullError
from chalicelib.meetings.ending import Ended, EndingError
from tests.meetings.ends import CALLS_OF_AN_END, DATA, FAULTS, GONE, LIVE, Ends
from tests.meetings.faults import Died
from tests.meetings.launches import ID
from tests.world import TABLE

if TYPE_CHECKING:
    from chalicelib.meeting_row.meeting import Meeting, RowUpdate

REASON = "NO_SHOW_TIMEOUT"
OTHER = "zyxwvuts87654321"
CLAIM = {"termination_reason", "ended_at"}
DECISIVE = (
    *("student_session_data", "meet_time", "duration_minutes", "status", "joined_at"),
    *("teacher_waiting_at", "student_waiting_at"),
)
BY_TIME = ("termination_reason", "meet_time", "duration_minutes", "joined_at")
"""What the claim relies on once the longest time is over."""


def end(ends: Ends, meeting: str = ID, reason: str = REASON) -> Ended:
    return ends.ending.end_meeting(ends.meeting_read(meeting), reason)


def delete_row(ends: Ends) -> None:
    ends.world.dynamodb.delete_item(TableName=TABLE, Key={"id": {"S": ID}})


def test_a_meeting_is_claimed_its_desktops_are_ended_and_its_row_says_why(ends: Ends) -> None:
    """In this order: the guide did it the other way round."""
    desktops = ends.meeting()

    ended = end(ends)

    assert sorted(ended.instances) == sorted(desktops)
    assert ended.warnings == ()
    assert ends.faults.calls == CALLS_OF_AN_END
    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", REASON)


# What changes before the claim


@pytest.mark.parametrize(
    ("relies_on", "changed", "is_ended"),
    [
        *((None, {name: "something else"}, False) for name in DECISIVE),
        # A side that has finished may write its data again; the watchdog takes links away.
        (None, {"teacher_session_data": "later", "teacher_ec2_link": "https://elsewhere"}, True),
        # Once the longest time is over, a row that changes all the time keeps no desktop.
        (BY_TIME, {"status": "DNS_WRITTEN", "student_session_data": ""}, True),
    ],
)
def test_a_meeting_is_ended_only_if_what_was_decided_by_has_not_changed(
    ends: Ends, relies_on: tuple[str, ...] | None, changed: dict[str, str], *, is_ended: bool
) -> None:
    """Whoever joins before the claim keeps the meeting."""
    desktops = ends.meeting(teacher_session_data=DATA)
    meeting = ends.meeting_read()
    ends.faults.meanwhile["update_item"] = lambda: ends.set(**changed)

    with nullcontext() if is_ended else pytest.raises(RowChangedError):
        ends.ending.end_meeting(meeting, REASON, relies_on)

    assert ends.states(*desktops) == (GONE if is_ended else LIVE)
    assert ends.outcome()[1] == (REASON if is_ended else None)


@pytest.mark.parametrize(("call", "states"), [("update_item", LIVE), ("terminate_instances", GONE)])
def test_a_row_that_is_removed_meanwhile_is_not_made_again(
    ends: Ends, call: str, states: list[str]
) -> None:
    """Without a claim nothing is ended."""
    desktops = ends.meeting()
    ends.faults.meanwhile[call] = lambda: delete_row(ends)

    with pytest.raises(RowChangedError):
        end(ends)

    assert ends.states(*desktops) == states
    assert ends.world.rows() == []


@pytest.mark.parametrize("claimed", [REASON, "SUCCESS"])
def test_a_claim_that_the_row_has_by_then_is_continued_under_its_reason(
    ends: Ends, claimed: str
) -> None:
    """It is another run's, or our own: the client repeats a write whose answer was lost."""
    desktops = ends.meeting()
    ends.faults.meanwhile["update_item"] = lambda: ends.set(termination_reason=claimed)

    assert sorted(end(ends).instances) == sorted(desktops)
    assert ends.outcome() == ("TERMINATED", claimed)


# Which instances are ended


@pytest.mark.parametrize(
    "tags",
    [
        {"MeetingID": OTHER, "Role": "student"},
        {"MeetingID": ID, "Role": "student", "Project": "Giraffe"},
        {"MeetingID": ID, "Role": "student", "Project": ""},
        {"MeetingID": ID, "Role": "student", "owner": "elephant:prod"},
        {"Name": "a build server", "Project": ""},
        {"Name": "a desktop of nobody"},
    ],
)
@pytest.mark.parametrize("attribute", ["student_ec2_id", "student_ec2_link"])
def test_an_instance_that_is_not_the_meetings_is_never_ended(
    ends: Ends, tags: dict[str, Any], attribute: str
) -> None:
    """Anyone who may write to the row, such as its desktops, could name any instance there."""
    teacher = ends.world.desktop("teacher", ID)
    other = ends.world.launch(**tags)
    noted = f"https://{other}.desktops.example.com:8443" if "link" in attribute else other
    ends.world.put_row(ID, status="LAUNCHED", teacher_ec2_id=teacher, **{attribute: noted})

    ended = end(ends)

    assert ended.instances == (teacher,)
    assert ended.warnings == (
        f"the row names {other}, which is not a desktop of this stage's meeting; left alone",
    )
    assert ends.states(teacher, other) == ["terminated", "running"]
    assert ends.outcome() == ("TERMINATED", REASON)


@pytest.mark.parametrize(
    "noted", ["i-00000000000000000", "i-00000000", "none", "", "i-*", "i-0 OR 1=1"]
)
def test_an_id_that_is_gone_or_invalid_protects_no_other_desktop(ends: Ends, noted: str) -> None:
    """The guide ended both in one call, which one bad id made fail, and wrote TERMINATED."""
    desktops = ends.meeting(teacher_ec2_id=noted)

    ended = end(ends)

    assert sorted(ended.instances) == sorted(desktops)
    assert ended.warnings == ()
    assert ends.outcome() == ("TERMINATED", REASON)


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_desktop_that_ended_by_itself_is_not_ended_again_and_no_failure(
    ends: Ends, *, is_listed: bool
) -> None:
    """EC2 may list it still, and no longer know it by the time it is to be ended."""
    teacher, student = ends.meeting()
    if is_listed:
        ends.faults.refused = {("terminate_instances", teacher)}
        ends.faults.code = "InvalidInstanceID.NotFound"
    else:
        ends.world.terminate(teacher)

    assert end(ends) == Ended((student,))
    assert ends.faults.calls.count("terminate_instances") == 1 + is_listed
    assert ends.outcome() == ("TERMINATED", REASON)


def test_a_desktop_that_the_list_does_not_show_yet_is_found_by_the_row(ends: Ends) -> None:
    """EC2's answers follow a launch with some delay, and not all at once."""
    teacher, student = ends.meeting()
    ends.world.ec2.create_tags(Resources=[student], Tags=[{"Key": "MeetingID", "Value": "not yet"}])

    def tag() -> None:
        ends.world.ec2.create_tags(Resources=[student], Tags=[{"Key": "MeetingID", "Value": ID}])
        ends.faults.meanwhile.clear()

    ends.faults.meanwhile["describe_instances"] = lambda: ends.faults.meanwhile.update(
        {"describe_instances": tag}
    )

    assert sorted(end(ends).instances) == sorted((teacher, student))


def test_what_was_left_of_a_terminated_meeting_is_ended_without_a_write(ends: Ends) -> None:
    desktops = ends.meeting(status="TERMINATED", termination_reason="SUCCESS")

    assert sorted(end(ends).instances) == sorted(desktops)
    assert "update_item" not in ends.faults.calls
    assert ends.outcome() == ("TERMINATED", "SUCCESS")


def test_a_meeting_without_a_row_loses_its_desktops_and_gets_no_row(ends: Ends) -> None:
    desktops = [ends.world.desktop(role, ID) for role in ("teacher", "student")]
    other = ends.world.desktop("teacher", OTHER)
    ends.faults.refused = {("terminate_instances", desktops[0])}
    with pytest.raises(EndingError, match=desktops[0]):
        ends.ending.end_desktops_of(ID)
    ends.faults.refused.clear()

    assert ends.ending.end_desktops_of(ID).instances == (desktops[0],)

    assert ends.states(*desktops, other) == [*GONE, "running"]
    assert ends.world.rows() == []


# What fails


@pytest.mark.parametrize("refused", [(0,), (1,), (0, 1)])
def test_the_row_says_terminated_only_once_ec2_has_agreed_to_end_all(
    ends: Ends, refused: tuple[int, ...]
) -> None:
    """Until then it is claimed: nobody is let in, and the next run continues.

    A desktop that EC2 refuses to end protects no other.
    """
    desktops = ends.meeting()
    ends.faults.refused = {("terminate_instances", desktops[each]) for each in refused}
    states = ["running" if each in refused else "terminated" for each in range(2)]

    for ended in (2 - len(refused), 0):
        said = rf"{len(refused)} desktop\(s\).*{ended} were.*{desktops[refused[0]]}"
        with pytest.raises(EndingError, match=said):
            end(ends)
        assert ends.states(*desktops) == states
        assert ends.outcome() == ("HEALTHY", REASON)

    ends.faults.refused.clear()
    left = sorted(desktops[each] for each in refused)
    assert sorted(end(ends, reason="SUCCESS").instances) == left
    assert ends.outcome() == ("TERMINATED", REASON)


@pytest.mark.parametrize("does", FAULTS)
def test_after_a_fault_at_any_call_the_next_try_finishes(ends: Ends, does: str) -> None:
    """And never writes TERMINATED before EC2 has agreed, nor ends a desktop twice needlessly."""
    for position in range(len(CALLS_OF_AN_END)):
        meeting = f"m{position}"
        desktops = ends.meeting(meeting)
        ends.faults.arm(position, does)
        with pytest.raises((Exception, Died)):
            end(ends, meeting)
        live = ends.states(*desktops).count("running")
        if ends.outcome(meeting)[0] == "TERMINATED":
            assert live == 0, position
        if live < len(desktops):
            assert ends.outcome(meeting)[1] == REASON, position

        ends.faults.arm(None)
        ended = end(ends, meeting)

        assert ends.states(*desktops) == GONE, position
        assert ends.outcome(meeting) == ("TERMINATED", REASON), position
        asked = ends.faults.calls.count("terminate_instances")
        assert len(ended.instances) == asked == live, position


# A row without room


FULL = 405_000
"""Bytes that moto lets an item have."""


def fill(ends: Ends) -> None:
    """Leave no room in the row, not for a single character."""
    row = {"id": ID, "teacher_session_data": "", **ends.world.row(ID)}
    taken = sum(len(name) + len(text) for name, text in row.items())
    ends.set(teacher_session_data="x" * (FULL - taken))


@pytest.mark.parametrize("texts", [{}, {"termination_reason": REASON}], ids=["", "claimed"])
def test_a_row_without_room_keeps_no_desktop_once_the_longest_time_is_over(
    ends: Ends, texts: dict[str, str]
) -> None:
    """Before that it is not emptied."""
    desktops = ends.meeting(**texts)
    fill(ends)
    if not texts:
        with pytest.raises(RowFullError):
            end(ends)
        assert ends.states(*desktops) == LIVE

    ends.ending.end_meeting(ends.meeting_read(), REASON, BY_TIME)

    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", REASON)
    assert "teacher_session_data" not in ends.world.row(ID)


def test_a_row_that_its_own_status_fills_is_claimed_and_ended_in_one_write(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be removed from it, and the new status leaves room for the reason."""
    desktops = ends.meeting()
    meeting, write = ends.meeting_read(), Meetings.update_row
    written: list[set[str]] = []

    def full_at_first(table: Meetings, update: RowUpdate) -> Meeting:
        written.append(set(update.texts))
        if len(written) == 1:
            raise RowFullError("the row is full")
        return write(table, update)

    monkeypatch.setattr(Meetings, "update_row", full_at_first)

    ends.ending.end_meeting(meeting, REASON, BY_TIME)

    assert ends.states(*desktops) == GONE
    assert written == [CLAIM, {*CLAIM, "status"}]
