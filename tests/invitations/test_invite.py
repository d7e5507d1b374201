"""Each letter is sent once, and what is sent is what the row says at that moment."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.clock import format_time
from chalicelib.invitations.delivery import note_mark
from chalicelib.invitations.letters import Kind, Mark, Outcome
from tests.invitations.harness import LINKS, SENDER, START, STUDENT, TEACHER
from tests.meetings.faults import Died
from tests.meetings.launches import ID
from tests.notifications.harness import run_of

if TYPE_CHECKING:
    from tests.invitations.harness import Invitations
    from tests.world import World

INTENT = ["get_item", "update_item"]
NOTE = ["update_item", "get_item", "update_item"]
CALLS = ["put_item", *INTENT, "send_email", *NOTE]
"""The calls of one letter; the stage's seed is read once and for all."""


def test_each_gets_an_invitation_with_the_own_link_and_a_calendar_object(
    stage: Invitations,
) -> None:
    stage.book()
    assert stage.feed() == []

    assert stage.marks() == ("invitation 0 sent", "invitation 0 sent")
    assert [each.to for each in stage.letters] == [TEACHER, STUDENT]
    for role, got in zip(("teacher", "student"), stage.letters, strict=True):
        assert LINKS[role] in got.text
        assert got.event["URL"] == got.event["LOCATION"] == LINKS[role]
        assert got.method == "REQUEST"
        assert (got.event["UID"], got.event["SEQUENCE"]) == (f"{ID}@elephant", 0)
        assert got.event["ORGANIZER"] == f"mailto:{SENDER}"
        assert got.event["ATTENDEE"] == f"mailto:{got.to}"
        assert got.event["DTSTART"].dt == stage.now() + START
        assert got.event["DTEND"].dt == stage.now() + START + timedelta(hours=1)
    assert not any(LINKS["teacher"] in each.message.as_string() for each in stage.letters[1:])
    result, fields, counts = stage.world.reports.lines[-1]
    assert (result, fields["action"]) == ("succeeded", "notified")
    assert counts == {"Warnings": 0, "Invited": 2, "NotInvited": 0, "Failed": 0}


def test_a_meetings_letters_from_booking_to_cancellation(stage: Invitations) -> None:
    stage.book()
    assert [each.partition(":")[0] for each in stage.follow()] == ["Invitation"] * 2
    stage.pass_time(60)

    moved = format_time(stage.now() + timedelta(days=3))
    assert [each.partition(":")[0] for each in stage.follow(meet_time=moved, sequence="1")] == [
        "New time",
        "New time",
    ]
    assert stage.letter(TEACHER).event["SEQUENCE"] == 1
    stage.pass_time(3 * 24 * 60 - 10)
    assert [each.partition(" ")[0] for each in stage.follow(status="LAUNCHED")] == ["Starts"] * 2
    assert stage.letter(TEACHER).method is None
    assert stage.follow(status="DNS_WRITTEN") == []
    assert len(stage.follow(termination_reason="CANCELLED")) == 2
    assert stage.follow(status="TERMINATED") == []

    cancelled = stage.letter(STUDENT)
    assert cancelled.subject.startswith("Cancelled: meeting with Ada Lovelace")
    assert (cancelled.method, cancelled.event["STATUS"]) == ("CANCEL", "CANCELLED")
    assert (cancelled.event["UID"], cancelled.event["SEQUENCE"]) == (f"{ID}@elephant", 2)
    assert LINKS["student"] not in cancelled.message.as_string()
    assert stage.marks() == ("cancellation 1 sent", "cancellation 1 sent")


def test_who_is_invited_shortly_before_the_start_gets_one_e_mail_instead_of_two(
    stage: Invitations,
) -> None:
    stage.book(meet_time=format_time(stage.now() + timedelta(minutes=12)))

    assert len(stage.follow()) == 2
    assert "ready at the start" in stage.letter(TEACHER).text
    assert stage.marks() == ("reminder 0 sent", "reminder 0 sent")
    assert stage.follow(status="LAUNCHED") == []


@pytest.mark.parametrize("at", range(len(CALLS)))
@pytest.mark.parametrize("does", ["refused", "lost", "died before", "died after"])
def test_a_letter_is_sent_despite_any_one_failure(stage: Invitations, at: int, does: str) -> None:
    """Twice only if SES took it and nobody could know."""
    stage.book(student_email="")
    stage.faults.arm(at, does)

    failed = ["1"]
    for run in range(3):
        with suppress(Died):
            failed = stage.feed(run=str(run)) if failed else []
        stage.faults.dead = False
        stage.pass_time(2)

    assert failed == []
    assert stage.faults.calls[: min(at + 1, len(CALLS))] == CALLS[: at + 1]
    is_unknown = (at, does) in {(3, "lost"), (3, "died after"), (4, "died before")}
    assert len(stage.mails) == 1 + is_unknown
    assert stage.marks() == ("invitation 0 sent", None)


def test_a_run_that_is_sending_is_waited_for(stage: Invitations) -> None:
    """Its letter may fail, and then the other run's record is all that is left of it."""
    stage.book(student_email="")
    results: list[list[str]] = []
    stage.faults.meanwhile["send_email"] = lambda: results.append(stage.feed(run="2"))

    assert stage.feed(run="1") == []

    assert results == [["1"]]
    assert stage.waits == [1.0]  # or all attempts may be over before the other run's time is
    assert stage.feed(run="2") == []
    assert len(stage.mails) == 1


def test_old_and_repeated_records_send_nothing_outdated(stage: Invitations) -> None:
    stage.book()
    old = stage.record()
    stage.change(sequence="1")
    assert stage.feed(old) == []
    assert stage.mails == []
    assert stage.feed(stage.record(2)) == []
    assert stage.feed(stage.record(2), old) == []

    assert [each.event["SEQUENCE"] for each in stage.letters] == [1, 1]


@pytest.mark.parametrize(
    "change", [{"termination_reason": "CANCELLED"}, {"sequence": "1"}, {"status": "IN_PROGRESS"}]
)
def test_what_changes_just_before_it_is_sent_counts(
    stage: Invitations, change: dict[str, str]
) -> None:
    stage.book(student_email="")
    stage.faults.meanwhile["get_item"] = lambda: stage.change(**change)

    assert stage.feed() == []

    assert stage.mails == []
    assert stage.sent() == {}


def test_a_meeting_cancelled_while_its_invitation_is_sent_is_cancelled_for_its_people(
    stage: Invitations,
) -> None:
    stage.book(student_email="")
    stage.faults.meanwhile["send_email"] = lambda: stage.change(termination_reason="CANCELLED")

    stage.feed()

    assert len(stage.follow()) == 1
    assert [each.method for each in stage.letters] == ["REQUEST", "CANCEL"]


def test_an_address_that_ses_refuses_is_noted_and_does_not_keep_the_other_from_its_letter(
    stage: Invitations,
) -> None:
    stage.book(teacher_email="ada@münchen.example", student_email="bøb@example.net")

    assert stage.feed() == []

    assert stage.marks() == ("invitation 0 sent", "invitation 0 failed")
    assert stage.mails[0].destinations[0] == "ada@xn--mnchen-3ya.example"
    assert stage.follow(termination_reason="CANCELLED") != []
    assert stage.marks() == ("cancellation 0 sent", "invitation 0 failed")


def test_one_persons_error_does_not_keep_the_letter_from_the_other(stage: Invitations) -> None:
    stage.book()
    stage.faults.refused = {("put_item", "/teacher/")}

    assert stage.feed() == ["1"]

    assert [each.to for each in stage.letters] == [STUDENT]
    said, fields, counts = stage.world.reports.lines[-1]
    assert said.startswith("failed: An error occurred (InternalError)")
    assert list(fields["failed"]) == ["1"]
    assert (counts["Invited"], counts["Failed"]) == (1, 1)


def test_a_row_that_is_gone_and_records_that_are_none_are_ignored(stage: Invitations) -> None:
    stage.book()
    record = stage.record()
    stage.world.dynamodb.delete_item(TableName="elephant-meetings", Key={"id": {"S": ID}})
    others: list[Any] = [{"eventName": "INSERT"}, None]

    assert stage.feed(record, *others) == []
    assert stage.functions().invitations.invite.handle({"Records": None}, run_of("invite")) == {
        "batchItemFailures": []
    }
    assert stage.mails == []


def test_a_row_that_goes_while_its_letter_is_sent_is_not_noted(stage: Invitations) -> None:
    stage.book(student_email="")
    gone = {"TableName": "elephant-meetings", "Key": {"id": {"S": ID}}}
    stage.faults.meanwhile["send_email"] = lambda: stage.world.dynamodb.delete_item(**gone)

    assert stage.feed() == []
    assert stage.world.rows() == []


def test_a_meeting_whose_links_were_shown_once_is_cancelled_without_one(
    stage: Invitations,
) -> None:
    """Booked by an earlier version: the hashes are those of other keys."""
    stage.book(teacher_key_hash="other", student_email="")

    stage.feed()

    assert "Join the meeting" not in stage.letter(TEACHER).text
    assert stage.letter(TEACHER).event["URL"] == "https://meet.example.org/abc"


@pytest.mark.parametrize("code", ["MessageRejected", "BadRequestException"])
def test_what_ses_refuses_for_good_is_noted_and_not_tried_again(
    stage: Invitations, code: str
) -> None:
    stage.book(student_email="")
    stage.faults.refused, stage.faults.code = {("send_email", "")}, code

    assert stage.follow() == []
    assert stage.marks() == ("invitation 0 failed", None)
    assert stage.world.reports.lines[-2][2]["NotInvited"] == 1
    assert stage.follow(status="LAUNCHED") == []
    stage.faults.refused.clear()
    changed = stage.follow(sequence="1")
    assert [each.partition(":")[0] for each in changed] == ["Invitation"]


@pytest.mark.parametrize("code", ["TooManyRequestsException", "SendingPausedException"])
def test_what_may_pass_is_tried_again(stage: Invitations, code: str) -> None:
    stage.book(student_email="")
    stage.faults.refused, stage.faults.code = {("send_email", "")}, code
    assert stage.feed() == ["1"]
    assert stage.marks() == ("invitation 0 sending", None)

    stage.faults.refused.clear()
    assert stage.feed() == []
    assert stage.marks() == ("invitation 0 sent", None)


def test_a_sender_that_is_not_verified_is_nobodys_bad_address(stage: Invitations) -> None:
    stage.book(student_email="")
    stage.ses.delete_email_identity(EmailIdentity="example.com")

    assert stage.feed() == ["1"]
    assert stage.marks() == ("invitation 0 sending", None)


@pytest.mark.parametrize("does", ["lost", "died after"])
def test_who_may_have_been_invited_hears_of_the_cancellation(stage: Invitations, does: str) -> None:
    """SES took the letter, and the run died before it could note that."""
    stage.book(student_email="")
    stage.faults.arm(CALLS.index("send_email"), does)
    with suppress(Died):
        stage.feed(run="1")
    stage.faults.dead = False

    assert [each.partition(":")[0] for each in stage.follow(termination_reason="CANCELLED")] == [
        "Cancelled"
    ]
    assert stage.marks() == ("cancellation 0 sent", None)


def test_a_meeting_that_is_cancelled_just_before_its_letter_is_sent_invites_nobody(
    stage: Invitations,
) -> None:
    stage.book(student_email="")
    stage.faults.meanwhile["update_item"] = lambda: stage.change(termination_reason="CANCELLED")

    assert stage.feed() == []
    assert stage.mails == []
    assert stage.marks() == (None, None)


def test_nothing_is_noted_of_a_row_that_is_gone(world: World) -> None:
    """It has expired, or somebody has removed it, since the letter was sent."""
    mark = Mark(Kind.INVITATION, 0, Outcome.SENT)

    assert note_mark(world.meetings(), "gone", "teacher", mark) is None


def test_a_later_letter_is_not_replaced_by_an_earlier_one(stage: Invitations) -> None:
    stage.book(teacher_mail="reminder 0 sent")
    mark = Mark(Kind.INVITATION, 0, Outcome.SENT)

    noted = note_mark(stage.world.meetings(), ID, "teacher", mark)

    assert str(noted) == "reminder 0 sent"
    assert stage.marks()[0] == "reminder 0 sent"
