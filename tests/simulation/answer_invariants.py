"""What must hold of every answer of the API, at the moment at which it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.simulation.callers import JSON, RIGHT, WAIT, Booking, Visit, document_of
from tests.simulation.names import CONFIRMED, has_begun, is_over, status, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.meetings.http import Answer
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.stage import Stage

_BOOKED, _BOOKED_BEFORE, _CONFLICT, _LATER = 201, 200, 409, 503
_READY, _ENTERED, _WAIT, _UNKNOWN = 200, 303, 202, 404
_TOO_LATE: Final = 400


def problems(stage: Stage, run: Invocation) -> Iterator[str]:
    """Say what is wrong with an answer, and let whoever asked have it."""
    if isinstance(run.event, Booking):
        stage.callers.was_answered(run.event, run.result)
        yield from _of_booking(stage, run.event, run.result)
    else:
        yield from _of_visit(stage, run.event, run.result)


def _of_booking(stage: Stage, booking: Booking, answer: Answer) -> Iterator[str]:
    order = booking.order
    stage.invariants.seen[f"booking {answer.status}"] += 1
    if answer.status in {_BOOKED, _BOOKED_BEFORE} and booking.is_same:
        meeting = document_of(answer)["meeting_id"]
        # A row that was erased by hand was what a request under way remembered its failure by.
        if len(order.booked) > 1 and not order.booked.keys() & stage.actors.erased:
            yield f"booked {order.teacher} as {sorted(order.booked)}"
        yield from _stands(stage, meeting, order.teacher)
    elif answer.status in {_BOOKED, _BOOKED_BEFORE}:
        if order.booked and not order.booked.keys() & stage.actors.touched:
            yield f"booked another meeting under the key {order.key}"
    elif answer.status == _LATER:
        if order.key is None:
            yield from _is_nothing(stage, order.teacher)
    elif not _may_refuse(stage, booking, answer.status):
        yield f"answered {answer.status} to {booking.request.body!r}: {answer.body}"


def _may_refuse(stage: Stage, booking: Booking, status_code: int) -> bool:
    """Tell whether a request may be told that it is wrong: it comes late, or its key was used."""
    if status_code == _CONFLICT:
        return booking.order.key is not None
    return status_code == _TOO_LATE and stage.clock.now >= booking.order.meet_time


def _stands(stage: Stage, meeting: str, teacher: str) -> Iterator[str]:
    """Check that a meeting that was promised is one."""
    item = stage.dynamodb.items.get(meeting)
    if item is None and meeting in stage.actors.touched:
        return
    is_made = item is not None and (CONFIRMED in item or status(item) != "SCHEDULED")
    if item is None or text(item, "teacher_name") != teacher or not is_made:
        yield f"booked {meeting}, whose row is {item}"
        return
    known = stage.scheduler.planned.keys() | stage.scheduler.past
    missing = {f"launch-{meeting}", f"safety-{meeting}"} - known
    if missing and not is_over(item):
        yield f"booked {meeting} without {missing}"


def _is_nothing(stage: Stage, teacher: str) -> Iterator[str]:
    """Check that nothing looks like the meeting that could not be made."""
    for row, item in stage.dynamodb.items.items():
        if text(item, "teacher_name") == teacher and CONFIRMED in item:
            yield f"answered that {row} was not made, and it is {item}"


def _of_visit(stage: Stage, visit: Visit, answer: Answer) -> Iterator[str]:
    stage.invariants.seen[f"visit {answer.status}"] += 1
    item = stage.dynamodb.items.get(visit.meeting, {})
    link = answer.headers.get("Location")
    if answer.status == _READY and visit.how in {JSON, WAIT}:
        link = document_of(answer)["dcv_url"]
    if visit.shows != RIGHT and answer.status not in {_UNKNOWN, _LATER}:
        yield f"answered {answer.status} to a key that is {visit.shows}"
    if visit.shows == RIGHT and answer.status == _UNKNOWN and item:
        yield f"knew no {visit.meeting}"
    if answer.status not in {_READY, _ENTERED, _WAIT, _UNKNOWN, _LATER}:
        yield f"answered {answer.status}: {answer.body}"
    if link is None:
        return
    if visit.how == WAIT:
        yield f"sent somebody in who only waited for {visit.meeting}"
    stage.callers.was_let_in(visit)
    if (visit.meeting, link) not in stage.invariants.linked_at:
        yield f"sent the {visit.role} of {visit.meeting} to {link}"
    host = stage.ec2.hosts.get(link.removeprefix("https://").partition(".")[0])
    roles = {each and each.tag("Role") for _, each in host.past} if host else set()
    if visit.role not in roles:
        yield f"sent the {visit.role} of {visit.meeting} to {link}, which serves {roles}"
    has_begun_since = has_begun(item) or is_over(item) or visit.meeting in stage.actors.touched
    if not has_begun_since:
        yield f"sent somebody to {visit.meeting}, which is {status(item)}"
