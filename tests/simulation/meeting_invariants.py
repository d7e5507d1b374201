"""What must hold of meetings: of changes of their rows by the feature, and of answers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from tests.simulation import letter_invariants, people_invariants, trust_invariants
from tests.simulation.agents import Question, Report
from tests.simulation.callers import ENTER, JSON, WAIT, Booking, Pass, Visit, document_of
from tests.simulation.names import (
    AHEAD,
    BEGUN,
    CONFIRMED,
    DESKTOP_LIMIT,
    IDS,
    INVITE,
    JOINED,
    LAUNCH,
    LIFE,
    LONGEST,
    MINUTE,
    PRESENCE,
    RANKS,
    REASON,
    ROLES,
    SAFETY_NET,
    SHORTEST,
    TERMINATOR,
)
from tests.simulation.people import Asking
from tests.simulation.record_invariants import LONGEST_LAG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.meetings.http import Answer
    from tests.simulation.dynamodb import Item
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.stage import Stage

_BOOKED, _BOOKED_BEFORE, _CONFLICT, _LATER = 201, 200, 409, 503
_READY, _ENTERED, _WAIT, _UNKNOWN = 200, 303, 202, 404
_TOO_LATE: Final = 400
LEASE: Final = "launch_lease"
_LAUNCH_OWN: Final = frozenset({LEASE, "launch_begun_at", *(f"{role}_subnet_id" for role in ROLES)})
_DATA: Final = frozenset(f"{role}_session_data" for role in ROLES)
_REASONS: Final = {
    LAUNCH: {"LAUNCH_FAILED", DESKTOP_LIMIT},
    SAFETY_NET: {
        *("NEVER_HEALTHY", "NO_SHOW_TIMEOUT", "PARTIAL_NO_SHOW_TIMEOUT"),
        *("15_MIN_SUCCESS", "MAX_LENGTH_TIMEOUT"),
    },
    TERMINATOR: {"SUCCESS"},
}


def problems(stage: Stage, run: Invocation, row: str, before: Item, after: Item) -> Iterator[str]:
    if isinstance(run.event, Booking):
        yield from _booked(run.event, row, before, after)
    elif isinstance(run.event, Asking):
        yield from people_invariants.problems(stage, run, row, before, after)
    elif isinstance(run.event, Report):
        yield from trust_invariants.report_problems(stage, run, row, before, after)
    elif isinstance(run.event, Question):
        yield from trust_invariants.entry_problems(stage, run, row, before, after)
    elif isinstance(run.event, Visit):
        yield from _joined(stage, run, row, before, after)
    elif run.function == INVITE:
        yield from letter_invariants.wrote_problems(row, before, after)
    elif not (before and after):
        yield f"{'removed' if before else 'made'} the row {row}"
    else:
        if row not in stage.invariants.meetings_of(run):
            yield f"changed {row}"
        yield from _led(stage, run, row, before, after)


def _booked(booking: Booking, row: str, before: Item, after: Item) -> Iterator[str]:
    """Look at what a request does: it makes, confirms or takes back its own row, and no other."""
    if (after or before).text("teacher_name") != booking.order.teacher:
        yield f"wrote the row {row} of another request"
    if not before:
        if after.status != "SCHEDULED" or after.is_over:
            yield f"made the row {row} as {after}"
    elif not after:
        if CONFIRMED in before:
            yield f"removed the row {row}, which was confirmed"
    elif not before.changed(after) <= {CONFIRMED, REASON, "status"}:
        yield f"changed {before.changed(after)} of {row}"
    elif REASON in after and CONFIRMED in after:
        yield f"took back {row}, which was confirmed"


def _joined(stage: Stage, run: Invocation, row: str, before: Item, after: Item) -> Iterator[str]:
    """Look at what a visit does: it writes its ticket, or else that the meeting has begun."""
    visit: Visit = run.event
    if not (before and after) or row != visit.meeting:
        yield f"wrote {row}"
    elif visit.how not in {JSON, WAIT, ENTER}:
        yield f"wrote {row}, though somebody only looked at the page"
    elif before.changed(after) == {f"{visit.role}_waiting_at"}:
        if before.is_over or before.has_begun:
            yield f"wrote that somebody waits for {row}, which was {before.status}"
    elif visit.how == WAIT:
        yield f"wrote {row}, though the page said that it only waits"
    elif stage.signs_in:
        yield from trust_invariants.offer_problems(stage, run, row, before, after)
    elif not before.changed(after) <= {"status", JOINED} or after.status != "IN_PROGRESS":
        yield f"changed {before.changed(after)} of {row}"
    elif before.status != "HEALTHY" or before.is_over:
        yield f"let somebody in to {row}, which was {before.status}, {before.get(REASON)}"
    else:
        yield from trust_invariants.gate_problems(row, visit.role, before)


def _led(stage: Stage, run: Invocation, row: str, before: Item, after: Item) -> Iterator[str]:
    """Look at what the others do: note what they start, claim the end, say when it is there."""
    for name in sorted(before.changed(after)):
        if name == "ended_at" and REASON in before.changed(after):
            continue
        if name == REASON:
            yield from _claimed(stage, run, row, before, after)
        elif name == "status":
            yield from _moved(stage, run, row, before, after)
        elif name in _DATA and name not in after:
            yield from _emptied(stage, run, row, before)
        elif run.function != LAUNCH or name not in {*_LAUNCH_OWN, *IDS}:
            yield f"changed {name} of {row}"
        elif before.is_over and name != LEASE:
            yield f"changed {name} of {row}, which is over"
        elif name in IDS:
            yield from _noted(stage, row, name, before, after)
        elif name == BEGUN and row not in stage.actors.touched:
            yield from _began(stage, row, before, after)


def _began(stage: Stage, row: str, before: Item, after: Item) -> Iterator[str]:
    """Look at the beginning of a launch: it comes once, and in time."""
    ahead = after.meet_time - stage.clock.now
    if before.is_begun:
        yield f"began the launch of {row} again"
    if not -after.length - MINUTE <= ahead <= AHEAD + 2 * MINUTE:
        yield f"began the launch of {row} {ahead} s before its start"


def _emptied(stage: Stage, run: Invocation, row: str, before: Item) -> Iterator[str]:
    """Look at the removal of what a side has left, which makes room for the end of a meeting."""
    is_ending = before.is_claimed or (
        run.function == SAFETY_NET and stage.invariants.is_over_by_time(run, row, before)
    )
    if row not in run.learnt.crowded or not is_ending:
        yield f"removed data from {row}"


def _claimed(stage: Stage, run: Invocation, row: str, before: Item, after: Item) -> Iterator[str]:
    now, reason = stage.clock.now, after.text(REASON)
    if before.is_claimed:
        yield f"claimed {row}, which was over"
    if reason not in _REASONS[run.function]:
        yield f"claimed {row} as {reason}"
    is_early = now < before.meet_time + SHORTEST - MINUTE and run.function != LAUNCH
    if is_early and not stage.invariants.is_worn_out(run, row):
        yield f"claimed {row} too early, as {reason}"
    if reason == DESKTOP_LIMIT:
        yield from people_invariants.too_many_problems(stage, run, row, before)
    if run.function == TERMINATOR and not all(before.session_data):
        yield f"claimed {row} without all data"
    if before.has_begun and "NO_SHOW" in str(reason):
        yield f"claimed {row} as {reason} though somebody is there"
    waited = [before.text(f"{role}_waiting_at") for role in ROLES]
    seen = [datetime.fromisoformat(each).timestamp() for each in waited if each]
    is_lately = bool(seen) and now <= max(seen) + PRESENCE
    offers = stage.invariants.offers.items()
    is_lately |= any(of == row and now <= at + LIFE for (of, _), (_, at) in offers)
    if is_lately and "NO_SHOW" in str(reason) and now < before.ends_at:
        yield f"claimed {row} as {reason} though somebody waited: {before}"
    was_healthy = RANKS.get(before.status, len(RANKS)) >= RANKS["HEALTHY"]
    has_moved = stage.invariants.moved.get(row, 0.0) >= (run.started or 0.0)
    is_late = now >= before.ends_at  # then the status does not matter any more
    is_wrong = reason == ("NEVER_HEALTHY" if was_healthy else "NO_SHOW_TIMEOUT")
    if is_wrong and not (has_moved and is_late):
        yield f"claimed {row} as {reason}, which was {before.status}"


def _moved(stage: Stage, run: Invocation, row: str, before: Item, after: Item) -> Iterator[str]:
    new = after.status
    if new == "LAUNCHED" and run.function == LAUNCH:
        if before.is_over or not all(name in after for name in IDS):
            yield f"moved {row} to {new} from {before}"
        return
    if new != "TERMINATED":
        yield f"moved {row} to {new}"
        return
    if REASON not in after:
        yield f"moved {row} to {new} without a reason"
    seen_for_sure = (run.started or 0.0) - LONGEST_LAG
    noted = {before.text(name) for name in IDS}
    for host in stage.ec2.desktops_of(row):
        is_listed = host.id in noted or host.id not in stage.ec2.hidden
        if is_listed and host.launched_at <= seen_for_sure:
            yield f"moved {row} to {new} while {host.id} is {host.view}"


def _noted(stage: Stage, row: str, name: str, before: Item, after: Item) -> Iterator[str]:
    host = stage.ec2.hosts.get(after.text(name) or "")
    role = IDS[name]
    if name in before:
        yield f"changed {name} of {row} from {before[name]} to {after[name]}"
    if (row, role) not in {view.assignment for _, view in host.past} if host else {}:
        yield f"noted {host and host.id} as the {role} of {row}"
    if host and host.view.is_gone and len(host.past) == 1:
        yield f"noted {host.id}, which never was"


# Answers of the API, at the moment at which they are given


def answer_problems(stage: Stage, run: Invocation) -> Iterator[str]:
    """Say what is wrong with an answer, and let whoever asked have it."""
    if isinstance(run.event, Booking):
        stage.callers.was_answered(run.event, run.result)
        yield from _of_booking(stage, run, run.event, run.result)
    elif isinstance(run.event, Asking):
        yield from people_invariants.answer_problems(stage, run)
    elif isinstance(run.event, Report):
        yield from trust_invariants.answered_report(stage, run)
    elif isinstance(run.event, Question):
        yield from trust_invariants.answered_question(stage, run)
    else:
        yield from _of_visit(stage, run, run.event, run.result)


def _of_booking(stage: Stage, run: Invocation, booking: Booking, answer: Answer) -> Iterator[str]:
    order = booking.order
    stage.invariants.seen[f"booking {answer.status}"] += 1
    is_booked = answer.status in {_BOOKED, _BOOKED_BEFORE}
    if is_booked and booking.is_same:
        meeting = document_of(answer)["meeting_id"]
        yield from _stands(stage, meeting, order.teacher)
        if answer.status == _BOOKED:
            yield from people_invariants.room_problems(stage, run, meeting, order.caller)
    elif is_booked:
        if order.booked and not order.booked.keys() & stage.actors.touched:
            yield f"booked another meeting under the key {order.key}"
    elif answer.status == _CONFLICT and "limit" in document_of(answer):
        start = order.meet_time + (0 if booking.is_same else 7 * MINUTE)
        length = order.minutes * MINUTE if order.minutes else LONGEST
        span = start - AHEAD, start + length
        yield from people_invariants.no_room_problems(stage, run, None, span, order.caller)
    elif answer.status != _LATER and not _may_refuse(stage, booking, answer.status):
        yield f"answered {answer.status} to {booking.request.body!r}: {answer.body}"


def _may_refuse(stage: Stage, booking: Booking, status_code: int) -> bool:
    """Return True if a request may be refused as wrong: it is late, or its key was used."""
    if status_code == _CONFLICT:
        return booking.order.key is not None
    return status_code == _TOO_LATE and stage.clock.now >= booking.order.meet_time


def _stands(stage: Stage, meeting: str, teacher: str) -> Iterator[str]:
    """Check that a meeting that was promised is one."""
    item = stage.dynamodb.row(meeting)
    if not item and meeting in stage.actors.touched:
        return
    is_made = CONFIRMED in item or item.status != "SCHEDULED"
    if item.text("teacher_name") != teacher or not is_made:
        yield f"booked {meeting}, whose row is {item}"
        return
    known = stage.scheduler.planned.keys() | stage.scheduler.past
    missing = set(item.schedules) - known
    if missing and not item.is_over:
        yield f"booked {meeting} without {missing}"


def _of_visit(stage: Stage, run: Invocation, visit: Visit, answer: Answer) -> Iterator[str]:
    stage.invariants.seen[f"visit {answer.status}"] += 1
    item = stage.dynamodb.row(visit.meeting)
    link = answer.headers.get("Location")
    if answer.status == _READY and visit.how in {JSON, WAIT}:
        link = document_of(answer)["dcv_url"]
    if answer.status == _UNKNOWN and item:
        yield f"knew no {visit.meeting}"
    if answer.status not in {_READY, _ENTERED, _WAIT, _UNKNOWN, _LATER}:
        yield f"answered {answer.status}: {answer.body}"
    if link is None:
        return
    if visit.how == WAIT:
        yield f"sent somebody in who only waited for {visit.meeting}"
    link, _, ticket = link.partition("/?authToken=")
    yield from _sent_in(stage, run, link, ticket)
    if (visit.meeting, link) not in stage.invariants.linked:
        yield f"sent the {visit.role} of {visit.meeting} to {link}"
    host = stage.ec2.hosts.get(_instance_in(link))
    roles = {each and each.tag("Role") for _, each in host.past} if host else set()
    if visit.role not in roles:
        yield f"sent the {visit.role} of {visit.meeting} to {link}, which serves {roles}"


def _sent_in(stage: Stage, run: Invocation, link: str, ticket: str) -> Iterator[str]:
    visit: Visit = run.event
    item, now = stage.dynamodb.row(visit.meeting), stage.clock.now
    if not stage.signs_in:
        stage.callers.was_let_in(visit.meeting, visit.role)
        if not (item.has_begun or item.is_over or visit.meeting in stage.actors.touched):
            yield f"sent somebody to {visit.meeting}, which is {item.status}"
        return
    text = ticket.removesuffix("#elephant")
    if text in {"", ticket} or text in str(item):
        yield f"sent somebody to {visit.meeting} without a ticket that is a secret"
    stage.callers.was_offered(Pass(visit, text, _instance_in(link), run.started or now, now))


def _instance_in(link: str) -> str:
    return link.removeprefix("https://").partition(".")[0]
