"""Ending a meeting: claim it, terminate its desktops, then record that in its row.

The order makes it safe. The claim is one conditional write, so whoever joins or launches either
comes before it, and the meeting is not ended, or finds it over. A run that dies in between leaves
a claim without `Status.TERMINATED`, and the next run continues from there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chalicelib.clock import format_time, time_at
from chalicelib.ec2.desktops import TerminationError
from chalicelib.ec2.instances import MEETING_TAG
from chalicelib.meeting_row.meeting import (
    DURATION,
    ENDED_AT,
    MEET_TIME,
    REASON,
    ROLES,
    Meeting,
    RowUpdate,
    Status,
)
from chalicelib.meeting_row.table import RowChangedError, RowFullError
from chalicelib.meetings.state import JOINED_AT, data_attribute, has_data, waiting_attribute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from chalicelib.ec2.desktops import Desktops
    from chalicelib.ec2.instances import Instance, Instances
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.settings.stage import Settings


_LARGE: Final = 4096
"""Characters; nothing that the project writes is this long but the data of a session."""
_KEPT: Final = frozenset({"id", "status", REASON, ENDED_AT})
"""The key, and attributes that are overwritten."""


class EndingError(Exception):
    """EC2 did not accept every termination; the row is not yet Status.TERMINATED. Try again."""


@dataclass(frozen=True)
class Ended:
    """The result: desktops whose termination EC2 accepted, and warnings."""

    instances: tuple[str, ...]
    warnings: tuple[str, ...] = ()


class Ending:
    """Ends meetings; terminates only desktops of the meeting."""

    def __init__(
        self,
        *,
        table: Meetings,
        instances: Instances,
        desktops: Desktops,
        settings: Settings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._instances = instances
        self._desktops = desktops
        self._settings = settings
        self._clock = clock

    def end_meeting(
        self, meeting: Meeting, reason: str, relies_on: tuple[str, ...] | None = None
    ) -> Ended:
        """End a meeting for a reason, or continue an end that was begun, under its own reason.

        The claim relies on these attributes; None means all that a decision depends on. It is
        idempotent: nothing is terminated twice. Raises RowChangedError if the row has changed and
        nobody has claimed it: nothing was terminated, decide again. Raises EndingError if EC2
        refused, after trying every other desktop, and RowFullError if there is no room for the
        claim; for a meeting that is over by time, the desktops are terminated even so, and room
        is made in the row.
        """
        try:
            claimed = self._claim(meeting, reason, relies_on)
        except RowFullError:
            if relies_on is None:
                raise
            ended = self._end(meeting.id, meeting)
            # Both at once: the status may be what leaves no room for a reason.
            texts = claim(reason, time_at(self._clock())) | {"status": Status.TERMINATED}
            self._table.update_row(RowUpdate(self._make_room(meeting, relies_on), texts, relies_on))
            return ended
        ended = self._end(meeting.id, claimed)
        if claimed.status != Status.TERMINATED:
            self._write_status(claimed)
        return ended

    def _write_status(self, claimed: Meeting) -> None:
        update = RowUpdate(claimed, {"status": Status.TERMINATED}, (REASON,))
        try:
            self._table.update_row(update)
        except RowFullError:
            roomy = self._make_room(claimed, (REASON,))
            self._table.update_row(update._replace(meeting=roomy))

    def _make_room(self, meeting: Meeting, relies_on: tuple[str, ...]) -> Meeting:
        filling = _what_fills(meeting)
        if not filling:
            return meeting
        return self._table.update_row(RowUpdate(meeting, {}, relies_on, filling))

    def end_desktops_of(self, meeting_id: str) -> Ended:
        """Terminate the desktops of a meeting without a row. Raises EndingError."""
        return self._end(meeting_id, None)

    def _claim(self, meeting: Meeting, reason: str, relies_on: tuple[str, ...] | None) -> Meeting:
        if REASON in meeting.item:
            return meeting
        relied = _relied_on(meeting) if relies_on is None else relies_on
        update = RowUpdate(meeting, claim(reason, time_at(self._clock())), relied)
        try:
            return self._table.update_row(update)
        except RowChangedError:
            # Also after a successful write whose answer was lost: botocore sends it again.
            now = self._table.read_row(meeting.id)
            if now is None or REASON not in now.item:
                raise
            return now

    def _end(self, meeting_id: str, meeting: Meeting | None) -> Ended:
        """List the desktops after the claim, since none is started after it."""
        tagged = self._instances.of_meeting(meeting_id)
        noted = (meeting.instance_ids if meeting else frozenset()) - {each.id for each in tagged}
        others = [each for each in self._instances.among(noted) if not each.has_ended]
        mine = [each for each in others if self._is_of(each, meeting_id)]
        warnings = tuple(
            f"the row names {each.id}, which is not a desktop of this stage's meeting; left alone"
            for each in others
            if each not in mine
        )
        return Ended(self._terminate(meeting_id, (*tagged, *mine)), warnings)

    def _is_of(self, instance: Instance, meeting_id: str) -> bool:
        """Check by EC2's answer: anyone may have written what is in the row."""
        settings, named = self._settings, instance.tags.get(MEETING_TAG)
        return named == meeting_id and instance.belongs_to(settings.project_tag, settings.owner)

    def _terminate(self, meeting_id: str, desktops: Iterable[Instance]) -> tuple[str, ...]:
        """Terminate each by a separate call: one that EC2 refuses does not protect the others."""
        ended: list[str] = []
        errors: list[TerminationError] = []
        for each in desktops:
            try:
                if self._desktops.terminate_desktop(each.id):
                    ended.append(each.id)
            except TerminationError as error:
                errors.append(error)
        if errors:
            what = "; ".join(map(str, errors))
            raise EndingError(
                f"could not terminate {len(errors)} desktop(s) of meeting "
                f"{meeting_id!r}; {len(ended)} were terminated: {what}"
            ) from errors[0]
        return tuple(ended)


def claim(reason: str, now: datetime) -> dict[str, str]:
    """Return what a row has from when its meeting is being ended."""
    return {REASON: reason, ENDED_AT: format_time(now)}


def _what_fills(meeting: Meeting) -> tuple[str, ...]:
    """Name the attributes that fill a row: others may write attributes of any size."""
    return tuple(
        name
        for name, value in meeting.item.items()
        if name not in _KEPT and len(str(value)) > _LARGE
    )


def _relied_on(meeting: Meeting) -> tuple[str, ...]:
    """Name the attributes on which a decision to end it depends.

    These are its state, its start, the sides that had not finished, and who was not waiting.
    """
    unfinished = (data_attribute(role) for role in ROLES if not has_data(meeting, role))
    times = (JOINED_AT, MEET_TIME, DURATION, *map(waiting_attribute, ROLES))
    return ("status", REASON, *times, *unfinished)
