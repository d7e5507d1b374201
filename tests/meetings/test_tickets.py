"""A ticket opens one desktop: for a minute, and after its use while somebody was just connected."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from chalicelib.meeting_row.meeting import Meeting, RowUpdate
from chalicelib.meetings.lifetime import End, LookAgain, verdict
from chalicelib.meetings.tickets import (
    LIFE,
    RECONNECT,
    NoEntryError,
    Ticket,
    admit,
    connection_file,
    entrance,
    offer,
)
from tests.world import link

if TYPE_CHECKING:
    from collections.abc import Mapping

A, B = "i-0123456789abcdef0", "i-0123456789abcdef1"
NOW = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
ROW = {"status": "HEALTHY", "student_ec2_id": A, "student_ec2_link": link(A)}
TICKET = Ticket.new("m1", "student")
GUESS = Ticket.new("m1", "student")
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def meeting(**texts: str) -> Meeting:
    return Meeting("m1", {name: {"S": text} for name, text in (ROW | texts).items()})


def after(before: Meeting, update: RowUpdate | None) -> Meeting:
    assert update
    item = {**before.item, **{name: {"S": text} for name, text in update.texts.items()}}
    return Meeting("m1", {name: item[name] for name in item if name not in update.removes})


def offered(ticket: Ticket = TICKET, **texts: str) -> Meeting:
    row = meeting(**texts)
    return after(row, offer(row, ticket, NOW))


def used(at: datetime = NOW) -> Meeting:
    return after(offered(), admit(offered(), TICKET, A, at))


def at(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def test_whoever_has_been_given_a_ticket_is_no_no_show() -> None:
    start = at(NOW - timedelta(minutes=15))
    for row, expected in ((meeting(meet_time=start), End), (offered(meet_time=start), LookAgain)):
        assert isinstance(verdict(row, [], NOW, timedelta(minutes=45)), expected)


def test_the_first_use_of_a_ticket_begins_the_meeting_and_uses_it_up() -> None:
    update = admit(offered(), TICKET, A, NOW)
    assert update
    relied = {"student_ticket_hash", "student_ec2_id", "status", "joined_at", "termination_reason"}
    assert (update.meeting, {*update.relies_on}) == (offered(), relied)
    row = used()
    assert (row.status, row.text("joined_at")) == ("IN_PROGRESS", at(NOW))
    assert not {name for name in row.item if "ticket" in name}


@pytest.mark.parametrize(
    ("status", "joined", "written"),
    [
        ("IN_PROGRESS", at(NOW - LIFE), set()),
        ("HEALTHY", at(NOW - LIFE), {"status"}),
        ("HEALTHY", "", {"status", "joined_at"}),
    ],
)
def test_a_second_person_does_not_begin_it_again(
    status: str, joined: str, written: set[str]
) -> None:
    more = {"joined_at": joined} if joined else {}
    row = offered(TICKET, status=status, **more)
    update = admit(row, TICKET, A, NOW)
    assert update
    assert {*update.texts} == {"student_entered_hash", "student_entered_at"} | written


@pytest.mark.parametrize(
    ("later", "connected", "opens"),
    [
        (timedelta(), None, True),
        (RECONNECT, None, True),
        (RECONNECT + SECOND, None, False),
        (RECONNECT + SECOND, timedelta(minutes=1), True),
        (60 * RECONNECT, 60 * RECONNECT - SECOND, True),
        (60 * RECONNECT, 58 * RECONNECT, False),
    ],
)
def test_a_used_ticket_opens_again_only_shortly_after_somebody_was_connected(
    later: timedelta, connected: timedelta | None, *, opens: bool
) -> None:
    row = used()
    if connected is not None:
        row = Meeting(row.id, {**row.item, "student_connected_at": {"S": at(NOW + connected)}})
    if not opens:
        with pytest.raises(NoEntryError, match="nobody was connected"):
            admit(row, TICKET, A, NOW + later)
        return
    assert admit(row, TICKET, A, NOW + later) is None  # else it would keep itself alive


def test_a_second_person_with_the_link_does_not_lock_out_who_is_connected() -> None:
    row = used()
    row = after(row, offer(row, GUESS, NOW))
    row = after(row, admit(row, GUESS, A, NOW))
    assert admit(row, TICKET, A, NOW + MINUTE) is admit(row, GUESS, A, NOW + MINUTE) is None


OTHERS = Ticket.new("m1", "teacher")
TAMPERED = Ticket("m1", "teacher", TICKET.text)
REFUSED: Mapping[str, tuple[Meeting, Ticket, str, timedelta, str]] = {
    "too late": (offered(), TICKET, A, LIFE + SECOND, "expired"),
    "from a clock that is wrong": (offered(), TICKET, A, -LIFE - SECOND, "expired"),
    "at another desktop": (offered(), TICKET, B, SECOND, "does not open"),
    "of a desktop that was replaced": (offered(student_ec2_id=B), TICKET, A, SECOND, "not open"),
    "of the desktop before": (
        Meeting("m1", {**offered().item, "student_ec2_id": {"S": B}}),
        *(TICKET, B, SECOND, "does not open"),
    ),
    "once its desktop has finished": (
        Meeting("m1", {**offered().item, "student_session_data": {"S": "{}"}}),
        *(TICKET, A, SECOND, "over"),
    ),
    "of the other side": (offered(), OTHERS, A, SECOND, "does not open"),
    "as the other side": (offered(), TAMPERED, A, SECOND, "does not open"),
    "guessed": (offered(), GUESS, A, SECOND, "does not open"),
    "never offered": (meeting(), TICKET, A, SECOND, "does not open"),
    "before a newer one": (offered(GUESS), TICKET, A, SECOND, "does not open"),
    "once it is over": (offered(status="TERMINATED"), TICKET, A, SECOND, "over"),
    "while it is ended": (offered(termination_reason="CANCELLED"), TICKET, A, SECOND, "over"),
    "with a time that is none": (
        Meeting("m1", {**offered().item, "student_ticket_at": {"S": "soon"}}),
        *(TICKET, A, SECOND, "expired"),
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_ticket_opens_nothing(case: tuple[Meeting, Ticket, str, timedelta, str]) -> None:
    row, ticket, instance_id, later, why = case
    with pytest.raises(NoEntryError, match=why) as refusal:
        admit(row, ticket, instance_id, NOW + later)
    assert ticket.text not in str(refusal.value)


@pytest.mark.parametrize("meeting_id", ["m1", "Zoë's", "x" * 255])
def test_a_ticket_names_its_desktop_in_url_safe_text_and_shows_itself_nowhere(
    meeting_id: str,
) -> None:
    ticket = Ticket.new(meeting_id, "teacher")
    assert Ticket.parse(ticket.text) == ticket != Ticket.new(meeting_id, "teacher")
    assert ticket.text.replace(".", "").replace("-", "").replace("_", "").isalnum()
    assert ticket.text not in repr(ticket)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "x",
        "bTE.admin.x",
        "é.student.x",
        "bTE" * 200,
        "=.student.",
        "_w.student.x",
        "bTE!.student.x",
    ],
)
def test_what_is_no_ticket_is_not_looked_up(text: str) -> None:
    with pytest.raises(NoEntryError):
        Ticket.parse(text)


def test_only_a_hash_is_stored_and_only_while_the_desktop_has_its_role() -> None:
    update = offer(meeting(), TICKET, NOW)
    assert TICKET.text not in str(update)
    assert {*update.relies_on} == {"student_ec2_link", "student_ec2_id", "termination_reason"}


def test_browsers_get_an_address_and_native_clients_a_file() -> None:
    assert entrance(link(A), TICKET) == f"{link(A)}/?authToken={TICKET.text}#elephant"
    file = connection_file(link(A), TICKET).split("\r\n")
    host = link(A).removeprefix("https://").removesuffix(":8443")
    wanted = [f"host={host}", "port=8443", "sessionid=elephant", f"authtoken={TICKET.text}"]
    assert file == ["[version]", "format=1.0", "", "[connect]", *wanted, ""]
