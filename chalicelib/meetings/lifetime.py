"""The decision whether a meeting is over: a verdict from its row, its desktops and the clock.

Pure. The rules at 15 minutes and the reasons are those of Project Elephant's safety net; a meeting
in progress is left alone until both sides are done or its longest time is over. A meeting is not a
no-show either while somebody waits for it, even in a hidden tab.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from chalicelib.clock import format_time, in_minutes
from chalicelib.ec2.instances import OWNER_TAG
from chalicelib.meeting_row.meeting import (
    DURATION,
    MEET_TIME,
    NEVER_HEALTHY,
    REASON,
    ROLES,
    Meeting,
    Status,
)
from chalicelib.meetings.state import (
    JOINED_AT,
    MAX_LENGTH_TIMEOUT,
    NO_SHOW_TIMEOUT,
    PARTIAL_NO_SHOW_TIMEOUT,
    SLACK,
    SUCCESS_AT_15_MINUTES,
    end_of,
    has_all_data,
    has_data,
    is_in_progress,
    is_noted,
    is_over,
    is_within,
    length_of,
    meet_time_of,
    says_why_it_ended,
    waiting_attribute,
)
from chalicelib.settings.meetings import LONGEST_MEETING, SHORTEST_MEETING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.ec2.instances import Instance

_FOR_ABSENCE: Final = frozenset({NO_SHOW_TIMEOUT, PARTIAL_NO_SHOW_TIMEOUT})
"""The reasons for which no meeting is ended while somebody waits."""

LEAD: Final = timedelta(minutes=10)
"""How long before a meeting's start its desktops are launched."""
SOONEST: Final = timedelta(minutes=1)
"""How far ahead schedules are: one in the past never fires, and one that is due now might not."""
PRESENCE: Final = timedelta(minutes=5)
"""How long a visitor counts as present after the page has asked; hidden tabs ask once a minute."""
PRESENCE_FROM: Final = SHORTEST_MEETING - PRESENCE
"""After the start; a presence before that has expired when the meeting could be ended."""
BETWEEN_LOOKS: Final = timedelta(minutes=10)
LONGEST_AHEAD: Final = timedelta(minutes=15)
"""Desktops are launched ten minutes before the start, so never earlier than this."""


@dataclass(frozen=True)
class End:
    """The meeting is over: its desktops are to be terminated for this reason.

    `relies_on` names the attributes whose change may keep it from being over; None means all that
    were read. Once its longest time is over, neither its status nor its data matter.
    """

    reason: str
    why: str
    relies_on: tuple[str, ...] | None = None


@dataclass(frozen=True)
class LookAgain:
    """The meeting may continue; check it again at this time."""

    at: datetime
    why: str


@dataclass(frozen=True)
class Leave:
    """Nothing is left to do, now or later."""

    why: str


Verdict = End | LookAgain | Leave


def is_present(meeting: Meeting, role: str, now: datetime) -> bool:
    """Whether the role's visitor has waited recently."""
    return is_within(meeting, waiting_attribute(role), PRESENCE, now)


def wants_presence(meeting: Meeting, role: str, now: datetime, longest: timedelta) -> bool:
    """Whether to record that the role's visitor waits.

    Only when it can matter, which is late in the wait and until somebody has joined, and at most
    once a minute.
    """
    start, ends_at = meet_time_of(meeting), end_of(meeting, longest)
    if not (start and ends_at) or not start + PRESENCE_FROM <= now < ends_at:
        return False
    if is_over(meeting) or is_in_progress(meeting):
        return False
    return not is_noted(meeting, waiting_attribute(role), now)


def next_look(now: datetime, rhythm: timedelta = BETWEEN_LOOKS) -> datetime:
    """Return when to check again at the latest.

    The times are the same for all runs, so that however often a check is booked, after retries or
    concurrently, there is only one: a chain of checks never splits in two.
    """
    earliest = now + SLACK
    return earliest + rhythm - (earliest - datetime.min.replace(tzinfo=UTC)) % rhythm


def verdict(
    meeting: Meeting | None, desktops: Sequence[Instance], now: datetime, longest: timedelta
) -> Verdict:
    """Decide about a meeting; None means one without a row.

    `desktops` are those that it still has. After its length from its start, which is at most
    `longest`, it is `End`, unless nothing is left to end; before that a meeting in progress
    continues until both sides have left their data, and no absence ends it while a visitor is
    present.

    `End` remains the verdict at every later time if the row is unchanged, with one exception: a
    no-show decided for a time before its visitor's page asked. So a decision for a time in the
    past requires decisions for the time since then as well, in steps of PRESENCE.
    """
    if meeting is not None and not desktops and says_why_it_ended(meeting):
        return Leave(f"it is {Status.TERMINATED}, and no desktop is left")
    if meeting is not None and REASON in meeting.item:
        return End(_reason_of(meeting), "it is being ended")
    start = meet_time_of(meeting) if meeting else None
    if meeting is None or start is None:
        what = "it has no row" if meeting is None else f"the row has no valid {MEET_TIME}"
        patience = longest if meeting else _longest_without_row(desktops, longest)
        return _decide_by_age(what, desktops, now, patience)
    if now < start + SHORTEST_MEETING - SLACK:
        return _decide_early(start, desktops, now, longest)
    return _decide_due(meeting, start, now, length_of(meeting, longest))


def _decide_by_age(
    what: str, desktops: Sequence[Instance], now: datetime, longest: timedelta
) -> Verdict:
    """Decide about a meeting with an unknown start: its desktops show how old it is."""
    if not desktops:
        return Leave(f"{what}, and no desktop is left")
    latest = _oldest(desktops) + longest
    if now >= latest:
        why = f"{what}, and a desktop is older than {in_minutes(longest)}"
        return End(MAX_LENGTH_TIMEOUT, why, (REASON,))
    return _look_again(now, latest, f"{what}, and its desktops may be in use")


def _longest_without_row(desktops: Sequence[Instance], longest: timedelta) -> timedelta:
    """Return how old desktops of a meeting without a row here may become.

    One without an owner tag may be another stage's, which has the row: it is over when it would
    be by the settings of any stage.
    """
    is_surely_ours = all(OWNER_TAG in each.tags for each in desktops)
    return longest if is_surely_ours else LONGEST_AHEAD + LONGEST_MEETING


def _decide_early(
    start: datetime, desktops: Sequence[Instance], now: datetime, longest: timedelta
) -> Verdict:
    """Wait for the start, but not forever: a row's start may be changed while desktops run."""
    due = start + SHORTEST_MEETING
    why = f"it starts at {format_time(start)}"
    if desktops:
        latest = _oldest(desktops) + LONGEST_AHEAD + longest
        if now >= latest:
            what = f"a desktop is older than {in_minutes(longest + LONGEST_AHEAD)}"
            return End(MAX_LENGTH_TIMEOUT, f"{why}, and {what}", (REASON,))
        due = min(due, latest)
    return LookAgain(_at_the_earliest(now, due), why)


def _decide_due(meeting: Meeting, start: datetime, now: datetime, length: timedelta) -> Verdict:
    latest, late = start + length, f"{in_minutes(SHORTEST_MEETING)} after its start"
    if has_all_data(meeting):
        found: Verdict = End(SUCCESS_AT_15_MINUTES, "both sides have finished")
    elif is_in_progress(meeting):
        found = _decide_in_progress("it is in progress", now, latest, length)
    elif meeting.status == Status.TERMINATED:  # nobody has claimed its end: it may be in use
        why = f"its status is {Status.TERMINATED} without a {REASON}, and desktops are left"
        found = _decide_in_progress(why, now, latest, length)
    elif any(has_data(meeting, role) for role in ROLES):
        found = End(PARTIAL_NO_SHOW_TIMEOUT, "one side has finished, and nobody is in it")
    elif meeting.status in Status.HEALTHY.earlier:
        found = End(NEVER_HEALTHY, f"{late} no desktop has reported that it is healthy")
    else:
        found = End(NO_SHOW_TIMEOUT, f"{late} nobody is in it")
    if isinstance(found, End) and now >= latest:
        return replace(found, relies_on=(REASON, MEET_TIME, DURATION, JOINED_AT))
    if isinstance(found, End) and found.reason in _FOR_ABSENCE:
        waiting = [role for role in ROLES if is_present(meeting, role, now)]
        if waiting:
            at = min(next_look(now, PRESENCE), latest)
            return LookAgain(_at_the_earliest(now, at), f"waiting for it: {', '.join(waiting)}")
    return found


def _decide_in_progress(why: str, now: datetime, latest: datetime, length: timedelta) -> Verdict:
    if now >= latest:
        return End(MAX_LENGTH_TIMEOUT, f"it has lasted {in_minutes(length)}, its longest time")
    return _look_again(now, latest, why)


def _look_again(now: datetime, latest: datetime, why: str) -> LookAgain:
    return LookAgain(_at_the_earliest(now, min(next_look(now), latest)), why)


def _at_the_earliest(now: datetime, moment: datetime) -> datetime:
    """Postpone what is too soon to be booked, and round up to whole seconds."""
    moment = max(moment, now + SLACK)
    return moment + timedelta(microseconds=-moment.microsecond % 1_000_000)


def _oldest(desktops: Sequence[Instance]) -> datetime:
    return min(each.launched_at for each in desktops)


def _reason_of(meeting: Meeting) -> str:
    """Return the reason in the row; others may have written something that is not text."""
    return meeting.text(REASON) or "unknown"
