"""Delivering a letter once: claimed, decided again by the row, sent, and noted in the row."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from chalicelib.clock import time_at
from chalicelib.invitations.letters import (
    Kind,
    Letter,
    Mark,
    Outcome,
    address_of,
    due_letter,
)
from chalicelib.invitations.post import Calendar, RefusedError
from chalicelib.invitations.wording import footer_of, notice_of
from chalicelib.meeting_row.meeting import (
    REASON,
    SEQUENCE,
    Meeting,
    RowUpdate,
    mail_attribute,
)
from chalicelib.meeting_row.table import decide_again
from chalicelib.meetings.calendar import CANCEL, REQUEST, calendar_of
from chalicelib.meetings.links import join_links
from chalicelib.notifications.layout import lay_out
from chalicelib.notifications.once import UnfinishedError
from chalicelib.resource_names import StageNames

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from chalicelib.deadline import LambdaContext
    from chalicelib.invitations.post import Post
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.meetings.stage_secrets import Seeds
    from chalicelib.notifications.once import Once

_PAUSE: Final = 1.0
"""Seconds before a letter that another run may be sending is left to the record's next attempt.

A run that died keeps its claim some seconds longer, and Lambda may make all its attempts in those.
"""
_METHODS: Final = {Kind.INVITATION: REQUEST, Kind.CANCELLATION: CANCEL}


class _NotDueError(Exception):
    """The row has changed: the letter is not due any more."""


class Delivery:
    """Delivers letters; one for each execution environment."""

    def __init__(  # noqa: PLR0913 (its boundaries, each replaced in tests)
        self,
        *,
        table: Meetings,
        seeds: Seeds,
        once: Once,
        post: Post,
        sender: str,
        longest: timedelta,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._seeds = seeds
        self._once = once
        self._post = post
        self._sender = sender
        self._longest = longest
        self._clock = clock
        self._sleep = sleep

    def now(self) -> datetime:
        """Return the current time."""
        return time_at(self._clock())

    def deliver(
        self, meeting_id: str, role: str, letter: Letter, context: LambdaContext
    ) -> Mark | None:
        """Send a letter that seemed due, and note it in the row; return what is noted.

        None if it is not due, by the row as it is now, or an earlier run sent it. A letter that
        SES refuses for good is noted as failed, and no error. Raises UnfinishedError if another
        run is sending it, and what else keeps it from being sent: the next attempt may succeed.
        """
        key = letter.key(meeting_id, role)
        try:
            delivery = self._once.send_once(
                [key], lambda _: self._send(meeting_id, role, letter, context), context
            )
        except _NotDueError:
            return None
        except RefusedError:
            return self._note(meeting_id, role, letter.mark(Outcome.FAILED))
        if not (delivery.sent or delivery.known):
            self._sleep(_PAUSE)
            raise UnfinishedError(f"another run might still be sending {key!r}")
        noted = self._note(meeting_id, role, letter.mark(Outcome.SENT))
        return noted if delivery.sent else None

    def _send(self, meeting_id: str, role: str, letter: Letter, context: LambdaContext) -> str:
        meeting, due = decide_again(lambda: self._intend(meeting_id, role, letter))
        place = StageNames.of(context.invoked_function_arn)
        link = self._link_of(meeting, role, place)
        notice = notice_of(due, meeting, role, link, self._longest)
        return self._post.send_letter(
            address_of(meeting, role),
            lay_out(notice, footer_of(meeting)),
            self._calendar_of(letter, meeting, role, link),
            place.mail_events,
            {
                "meeting": meeting_id,
                "role": role,
                "letter": letter.kind.word,
                "number": str(letter.number),
            },
        )

    def _intend(self, meeting_id: str, role: str, letter: Letter) -> tuple[Meeting, Letter]:
        """Write that the letter is being sent, if it is due, while nothing of that changes.

        So a run that dies with the letter leaves a trace, and who may have been invited hears of a
        cancellation.
        """
        meeting = self._table.read_row(meeting_id)
        due = due_letter(meeting, role, self.now(), self._longest) if meeting else None
        if meeting is None or due != letter:
            raise _NotDueError
        if Mark.of(meeting, role) != due.intent:
            relied = (mail_attribute(role), REASON, SEQUENCE)
            texts = {mail_attribute(role): str(due.intent)}
            meeting = self._table.update_row(RowUpdate(meeting, texts, relied))
        return meeting, due

    def _link_of(self, meeting: Meeting, role: str, place: StageNames) -> str | None:
        def keys_of(meeting_id: str) -> dict[str, str]:
            return self._seeds.join_keys_of(meeting_id, place.seed_secret)

        return join_links(meeting, keys_of)[role]

    def _calendar_of(
        self, letter: Letter, meeting: Meeting, role: str, link: str | None
    ) -> Calendar | None:
        method = _METHODS.get(letter.kind)
        if method is None:
            return None
        text = calendar_of(
            meeting,
            method=method,
            role=role,
            link=link,
            organizer=self._sender,
            attendee=address_of(meeting, role),
            now=self.now(),
            longest=self._longest,
        )
        return Calendar(method, text)

    def _note(self, meeting_id: str, role: str, mark: Mark) -> Mark | None:
        """Write what became of a letter, unless the row says it of this one or a later one."""
        return decide_again(lambda: note_mark(self._table, meeting_id, role, mark))


def note_mark(table: Meetings, meeting_id: str, role: str, mark: Mark) -> Mark | None:
    """Write a mark into the row, unless it has one of this letter or a later one.

    Returns the row's mark; None if there is no row any more. Raises RowChangedError if the mark
    was changed in between.
    """
    meeting = table.read_row(meeting_id)
    if meeting is None:
        return None
    noted = Mark.of(meeting, role)
    is_open = noted is None or noted.outcome is Outcome.SENDING
    if noted and (noted.place > mark.place or (noted.place == mark.place and not is_open)):
        return noted
    write_mark(table, meeting, role, mark)
    return mark


def write_mark(table: Meetings, meeting: Meeting, role: str, mark: Mark) -> None:
    """Write a mark, on condition that the one that was read is unchanged."""
    attribute = mail_attribute(role)
    table.update_row(RowUpdate(meeting, {attribute: str(mark)}, (attribute,)))
