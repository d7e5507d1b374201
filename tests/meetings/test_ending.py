"""Ending a meeting: claimed first, every desktop tried, and TERMINATED only once all are ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.meeting_row.table import Meetings, RowChangedError, RowFullError
from chalicelib.meetings.ending import Ended, EndingError
from tests.meetings.ends import DATA, ID, Died, Ends

if TYPE_CHECKING:
    from botocore.session import Session

    from chalicelib.meeting_row.meeting import Meeting, RowUpdate
    from tests.world import World

REASON = "NO_SHOW_TIMEOUT"
GONE = ["terminated", "terminated"]
LIVE = ["running", "running"]
OTHER = "zyxwvuts87654321"
CALLS = ["update_item", "describe_instances", *["terminate_instances"] * 2, "update_item"]


@pytest.fixture
def ends(world: World, session: Session) -> Ends:
    return Ends(world, session.create_client("scheduler"))


def end(ends: Ends, meeting: str = ID, reason: str = REASON) -> Ended:
    return ends.ending.end_meeting(ends.meeting_read(meeting), reason)


def test_a_meetings_desktops_are_ended_and_its_row_says_why(ends: Ends) -> None:
    desktops = ends.meeting()

    ended = end(ends)

    assert sorted(ended.instances) == sorted(desktops)
    assert ended.warnings == ()
    assert ends.states(*desktops) == GONE
    assert ends.outcome() == ("TERMINATED", REASON)


def test_the_row_is_claimed_before_anything_is_ended(ends: Ends) -> None:
    """And says TERMINATED after everything is: the guide did it the other way round."""
    ends.meeting()

    end(ends)

    assert ends.faults.calls == CALLS


def test_a_desktop_is_ended_that_the_row_was_never_told_of(ends: Ends) -> None:
    """Its launch died before it could say so."""
    lost = ends.world.desktop("teacher", ID)
    ends.world.put_row(ID, status="LAUNCHED")

    assert end(ends).instances == (lost,)


def test_stopped_desktops_are_ended_as_well(ends: Ends) -> None:
    desktops = ends.meeting()
    ends.world.ec2.stop_instances(InstanceIds=list(desktops))

    end(ends)

    assert ends.states(*desktops) == GONE


# What is not ended


def test_whoever_joins_before_the_claim_keeps_the_meeting(ends: Ends) -> None:
    desktops = ends.meeting()
    ends.faults.meanwhile["update_item"] = lambda: ends.set(status="IN_PROGRESS")

    with pytest.raises(RowChangedError):
        end(ends)

    assert ends.states(*desktops) == LIVE
    assert ends.outcome() == ("IN_PROGRESS", None)


@pytest.mark.parametrize(
    "changed",
    [
        *("teacher_session_data", "student_session_data", "meet_time", "status", "joined_at"),
        *("teacher_waiting_at", "student_waiting_at"),
    ],
)
def test_what_was_decided_by_is_still_so_when_the_meeting_is_claimed(
    ends: Ends, changed: str
) -> None:
    desktops = ends.meeting()
    ends.faults.meanwhile["update_item"] = lambda: ends.set(**{changed: "something else"})

    with pytest.raises(RowChangedError):
        end(ends)

    assert ends.states(*desktops) == LIVE
    assert ends.outcome()[1] is None


def test_what_has_no_part_in_the_decision_may_change(ends: Ends) -> None:
    """A side that has finished may write its data again; the watchdog takes links away."""
    ends.meeting(teacher_session_data=DATA)
    ends.faults.meanwhile["update_item"] = lambda: ends.set(
        teacher_session_data="later", teacher_ec2_link="https://elsewhere"
    )

    end(ends)

    assert ends.outcome() == ("TERMINATED", REASON)


def test_a_row_that_is_gone_by_the_claim_ends_nothing(ends: Ends) -> None:
    desktops = ends.meeting()
    meeting = ends.meeting_read()
    ends.world.dynamodb.delete_item(TableName="elephant-meetings", Key={"id": {"S": ID}})

    with pytest.raises(RowChangedError):
        ends.ending.end_meeting(meeting, REASON)

    assert ends.states(*desktops) == LIVE
    assert ends.world.rows() == []


@pytest.mark.parametrize(
    "tags",
    [
        {"MeetingID": OTHER, "Role": "student"},
        {"MeetingID": ID, "Role": "student", "Project": "Giraffe"},
        {"MeetingID": ID, "Role": "student", "Project": ""},
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


def test_an_instance_of_another_project_with_this_meetings_tags_is_not_ended(ends: Ends) -> None:
    ends.meeting()
    other = ends.world.launch(Project="Giraffe", MeetingID=ID, Role="teacher")

    end(ends)

    assert ends.state(other) == "running"


def test_an_id_with_wildcards_ends_no_other_meeting(ends: Ends) -> None:
    desktops = ends.meeting()
    ends.world.put_row("*", status="LAUNCHED")

    assert end(ends, "*").instances == ()
    assert ends.states(*desktops) == LIVE


@pytest.mark.parametrize(
    "noted", ["i-00000000000000000", "i-00000000", "none", "", "i-*", "i-0 OR 1=1"]
)
def test_an_id_that_is_gone_or_none_protects_no_other_desktop(ends: Ends, noted: str) -> None:
    """The guide ended both in one call, which one bad id made fail, and said TERMINATED."""
    teacher, student = ends.meeting(teacher_ec2_id=noted)

    ended = end(ends)

    assert sorted(ended.instances) == sorted((teacher, student))
    assert ended.warnings == ()
    assert ends.outcome() == ("TERMINATED", REASON)


def test_a_desktop_that_ended_by_itself_is_not_ended_again(ends: Ends) -> None:
    teacher, student = ends.meeting()
    ends.world.terminate(teacher)

    ended = end(ends)

    assert ended == Ended((student,))
    assert ends.faults.calls.count("terminate_instances") == 1


def test_a_desktop_that_the_list_does_not_show_yet_is_found_by_the_row(ends: Ends) -> None:
    """EC2's answers follow a launch with some delay, and not all at once."""
    teacher, student = ends.meeting()
    ends.world.ec2.create_tags(Resources=[student], Tags=[{"Key": "MeetingID", "Value": "not yet"}])

    def tag() -> None:
        ends.world.ec2.create_tags(Resources=[student], Tags=[{"Key": "MeetingID", "Value": ID}])
        ends.faults.meanwhile.clear()

    ends.faults.meanwhile["describe_instances"] = lambda: ends.faults.meanwhile.update(
        describe_instances=tag
    )

    assert sorted(end(ends).instances) == sorted((teacher, student))


def test_a_desktop_that_is_gone_by_the_time_it_is_to_be_ended_is_no_failure(ends: Ends) -> None:
    teacher, student = ends.meeting()
    ends.faults.refused = {("terminate_instances", teacher)}
    ends.faults.code = "InvalidInstanceID.NotFound"

    assert end(ends).instances == (student,)
    assert ends.outcome() == ("TERMINATED", REASON)


# What fails


@pytest.mark.parametrize("refused", [0, 1])
def test_a_desktop_that_ec2_refuses_to_end_protects_no_other(ends: Ends, refused: int) -> None:
    desktops = ends.meeting()
    ends.faults.refused = {("terminate_instances", desktops[refused])}

    with pytest.raises(EndingError, match=f"1 desktop.*1 were terminated.*{desktops[refused]}"):
        end(ends)

    assert ends.state(desktops[refused]) == "running"
    assert ends.state(desktops[1 - refused]) == "terminated"
    assert ends.outcome() == ("HEALTHY", REASON)


def test_the_row_says_terminated_only_once_ec2_has_agreed_to_end_all(ends: Ends) -> None:
    """Until then it is claimed: nobody is let in, and whoever comes next goes on."""
    desktops = ends.meeting()
    ends.faults.refused = {("terminate_instances", each) for each in desktops}

    for _ in range(2):
        with pytest.raises(EndingError, match=r"2 desktop\(s\)"):
            end(ends)
        assert ends.outcome() == ("HEALTHY", REASON)

    ends.faults.refused.clear()
    assert sorted(end(ends, reason="SUCCESS").instances) == sorted(desktops)
    assert ends.outcome() == ("TERMINATED", REASON)


def test_a_claim_whose_answer_was_lost_is_known_again(ends: Ends) -> None:
    """The client sends it once more, and is told that the row has changed: by ourselves."""
    desktops = ends.meeting()
    ends.faults.meanwhile["update_item"] = lambda: ends.set(termination_reason=REASON)

    assert sorted(end(ends).instances) == sorted(desktops)
    assert ends.outcome() == ("TERMINATED", REASON)


def test_of_two_that_end_a_meeting_the_first_gives_the_reason(ends: Ends) -> None:
    ends.meeting()
    ends.faults.meanwhile["update_item"] = lambda: ends.set(termination_reason="SUCCESS")

    end(ends)

    assert ends.outcome() == ("TERMINATED", "SUCCESS")


def test_a_status_that_nobody_has_claimed_is_no_claim(ends: Ends) -> None:
    """Somebody wrote TERMINATED meanwhile: it is decided again."""
    desktops = ends.meeting()
    ends.faults.meanwhile["update_item"] = lambda: ends.set(status="TERMINATED")

    with pytest.raises(RowChangedError):
        end(ends)

    assert ends.outcome() == ("TERMINATED", None)
    assert ends.states(*desktops) == ["running", "running"]
    end(ends)
    assert ends.outcome() == ("TERMINATED", REASON)


def fill(ends: Ends) -> None:
    """Leave no room in the row, not for a single character."""
    size = 400 * 1024 - 100
    while True:
        try:
            ends.set(teacher_session_data="x" * size)
        except ClientError:
            size -= 1
        else:
            return


BY_TIME = ("termination_reason", "meet_time", "joined_at")


@pytest.mark.parametrize("claimed", [False, True])
def test_a_row_without_room_keeps_no_desktop_once_the_longest_time_is_over(
    ends: Ends, *, claimed: bool
) -> None:
    texts = {"termination_reason": REASON} if claimed else {}
    desktops = ends.meeting(**texts)
    fill(ends)

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

    def full_at_first(writer: Meetings, update: RowUpdate) -> Meeting:
        written.append(set(update.texts))
        if len(written) == 1:
            raise RowFullError("the row is full")
        return write(writer, update)

    monkeypatch.setattr(Meetings, "update_row", full_at_first)

    ends.ending.end_meeting(meeting, REASON, BY_TIME)

    assert ends.states(*desktops) == GONE
    assert written == [{"termination_reason"}, {"termination_reason", "status"}]


def test_a_row_without_room_is_not_emptied_before_that(ends: Ends) -> None:
    desktops = ends.meeting()
    fill(ends)

    with pytest.raises(RowFullError):
        end(ends)

    assert ends.states(*desktops) == ["running", "running"]


def test_a_row_that_changes_all_the_time_keeps_no_desktop_once_the_longest_time_is_over(
    ends: Ends,
) -> None:
    desktops = ends.meeting()
    meeting = ends.meeting_read()
    ends.faults.meanwhile["update_item"] = lambda: ends.set(
        status="HEALTHY", student_session_data=""
    )

    ends.ending.end_meeting(meeting, REASON, BY_TIME)

    assert ends.states(*desktops) == GONE


def test_what_was_left_of_a_terminated_meeting_is_ended_without_a_write(ends: Ends) -> None:
    desktops = ends.meeting(status="TERMINATED", termination_reason="SUCCESS")

    assert sorted(end(ends).instances) == sorted(desktops)
    assert "update_item" not in ends.faults.calls
    assert ends.outcome() == ("TERMINATED", "SUCCESS")


def test_a_row_that_goes_while_its_desktops_are_ended_is_not_made_again(ends: Ends) -> None:
    desktops = ends.meeting()

    def delete() -> None:
        ends.world.dynamodb.delete_item(TableName="elephant-meetings", Key={"id": {"S": ID}})

    ends.faults.meanwhile["terminate_instances"] = delete

    with pytest.raises(RowChangedError):
        end(ends)

    assert ends.states(*desktops) == GONE
    assert ends.world.rows() == []


@pytest.mark.parametrize("does", ["refused", "lost", "died before", "died after"])
def test_after_a_fault_at_any_call_the_next_try_finishes(ends: Ends, does: str) -> None:
    """And never says TERMINATED before EC2 has agreed, nor ends a desktop twice needlessly."""
    for position in range(len(CALLS)):
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


# A meeting without a row


def test_a_meeting_without_a_row_loses_its_desktops_and_gets_no_row(ends: Ends) -> None:
    desktops = (ends.world.desktop("teacher", ID), ends.world.desktop("student", ID))
    other = ends.world.desktop("teacher", OTHER)

    ended = ends.ending.end_desktops_of(ID)

    assert sorted(ended.instances) == sorted(desktops)
    assert ends.state(other) == "running"
    assert ends.world.rows() == []


def test_without_a_row_a_refusal_fails_as_well(ends: Ends) -> None:
    desktop = ends.world.desktop("teacher", ID)
    ends.faults.refused = {("terminate_instances", desktop)}

    with pytest.raises(EndingError, match=desktop):
        ends.ending.end_desktops_of(ID)
