"""Cancelling and ending a meeting for the operator: the claim, and the wait for the terminator."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from chalicelib.clock import time_at
from chalicelib.meeting_row.meeting import Status
from chalicelib.meeting_row.table import RowChangedError, RowFullError, decide_again
from chalicelib.meetings.changes import decide_cancellation
from chalicelib.meetings.launch_plan import is_begun
from chalicelib.meetings.lifetime import is_in_progress, is_over
from ops.meeting_list import MeetingListError

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.meeting_row.meeting import Meeting
    from ops.meeting_list import MeetingList

CANCEL: Final = "cancel"
END: Final = "end"

PAUSE: Final = 2.0
LOOKS: Final = 30
"""So it waits for about a minute; the terminator takes seconds."""


def require_right_word(meeting: Meeting, action: str) -> None:
    """Raise MeetingListError if people are in a meeting to cancel, or it has not begun to end."""
    if is_over(meeting):
        return
    if action == CANCEL and is_in_progress(meeting):
        raise MeetingListError(
            f"{meeting.id!r} is in progress: to end it for its people, use `end`"
        )
    if action == END and not is_begun(meeting) and meeting.status in {None, Status.SCHEDULED}:
        raise MeetingListError(f"{meeting.id!r} has not begun: to call it off, use `cancel`")


def claim_end(
    meetings: MeetingList, meeting_id: str, action: str, clock: Callable[[], float] = time.time
) -> Meeting:
    """Write the claim that ends a meeting, and return the row; one that is over stays as it is.

    Raises MeetingListError: nothing was written.
    """

    def decide() -> Meeting:
        meeting = meetings.find(meeting_id)
        require_right_word(meeting, action)
        update = decide_cancellation(meeting, time_at(clock()))
        return meetings.table.update_row(update) if update else meeting

    try:
        return decide_again(decide)
    except RowChangedError as error:
        raise MeetingListError(f"{meeting_id!r} is changing right now: repeat this") from error
    except RowFullError as error:
        raise MeetingListError(
            f"the row of {meeting_id!r} has no room for it ({error}); it is ended when its time is "
            "over, or at once if you terminate its desktops"
        ) from error


def wait_for_end(
    meetings: MeetingList, meeting_id: str, pause: Callable[[float], object]
) -> Meeting:
    """Wait until the terminator has ended it, a minute at most; return the row as it is then."""
    meeting = meetings.find(meeting_id)
    for _ in range(LOOKS):
        if meeting.status == Status.TERMINATED:
            break
        pause(PAUSE)
        meeting = meetings.find(meeting_id)
    return meeting
