"""What must hold of those whom nobody trusts: desktops, and whoever shows a ticket.

Whatever a desktop does, no other meeting's row changes, nor another role's attributes: it says of
itself that it is healthy, that somebody is connected, and what its session has left. A ticket lets
in whoever has it once within a minute, to the desktop for which it was made, and again while
somebody was connected there lately; that alone begins a meeting.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tests.simulation.agents import DESCRIBE, FINISHED, HEALTHY, REFUSED
from tests.simulation.callers import document_of
from tests.simulation.names import JOINED, LIFE, RANKS, RECONNECT, ROLES, instance_linked
from tests.simulation.record_invariants import LONGEST_LAG
from tests.world import OWNER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.meetings.http import Answer
    from tests.simulation.agents import Question, Report
    from tests.simulation.callers import Pass
    from tests.simulation.dynamodb import Item
    from tests.simulation.ec2 import Host
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.stage import Stage

_OK, _BAD, _FORBIDDEN, _GONE, _TOO_LARGE, _LATER = 200, 400, 403, 410, 413, 503
_NOT_KNOWN, _NO_ADDRESS = 404, 409
_AGAIN: Final = {DESCRIBE: _LATER, HEALTHY: _NO_ADDRESS, FINISHED: _LATER}
_WRITES: Final = {
    DESCRIBE: {"connected_at"},
    HEALTHY: {"healthy_desktop"},
    FINISHED: {"session_data"},
}
"""What each report may write, after the role's name."""


# Desktops


def report_problems(
    stage: Stage, run: Invocation, row: str, before: Item, after: Item
) -> Iterator[str]:
    report: Report = run.event
    host = stage.ec2.hosts.get(report.speaker or "")
    if host is None:
        yield f"wrote {row} for {report.request.caller_arn}"
        return
    ours = {role for of, role in _assignments(host, run) if of == row}
    role = next((each for each in ours if before.text(f"{each}_ec2_id") == host.id), None)
    changed = before.changed(after)
    if role is None:
        yield f"let {host.id}, which is {host.view}, change {changed} of {row}: {before}"
        return
    own = {f"{role}_{name}" for name in _WRITES[report.route]}
    if not changed <= own | ({"status"} if report.route == HEALTHY else set()):
        yield f"let the {role} of {row} change {changed} by {report.route}"
    if before.is_claimed or not after:
        yield f"let the {role} change {changed} of {row}, which is over"
    match report.route:
        case "healthy":
            yield from _became_healthy(row, role, before, after)
        case "finished":
            data = f"{role}_session_data"
            if before.text(data) or not isinstance(json.loads(after.text(data) or "0"), dict):
                yield f"replaced {before.get(data)} of {row} by {after.get(data)}"
        case _:
            stage.invariants.connected[row, role] = (run.started or 0.0, stage.clock.now)


def _became_healthy(row: str, role: str, before: Item, after: Item) -> Iterator[str]:
    yield from gate_problems(row, role, after)
    if before.status != after.status and not before.rank < after.rank == RANKS["HEALTHY"]:
        yield f"let the {role} move {row} from {before.status} to {after.status}"


def _assignments(host: Host, run: Invocation) -> set[tuple[str, str]]:
    """Return what an instance of this stage has served as, as far as EC2 may have shown it."""
    lately = host.since((run.started or 0.0) - LONGEST_LAG)
    ours = [view for view in lately if view.is_project and view.tag("elephant:owner") == OWNER]
    return {view.assignment for view in ours if view.assignment and view.assignment[1] in ROLES}


def answered_report(stage: Stage, run: Invocation) -> Iterator[str]:
    report, answer = run.event, run.result
    stage.invariants.seen[f"{report.route} {answer.status}"] += 1
    host = stage.ec2.hosts.get(report.speaker or "")
    served = _assignments(host, run) if host else set()
    if answer.status == _OK:
        document = document_of(answer)
        if host is None or (document["meeting_id"], document["role"]) not in served:
            yield f"told {report.request.caller_arn} of {document}"
        if report.route == FINISHED and report.request.body in REFUSED:
            yield f"took {report.request.body[:99]!r}"
    elif answer.status in {_BAD, _TOO_LARGE}:
        if report.route != FINISHED or report.request.body not in REFUSED:
            yield f"answered {answer.status} to {report}"
    elif answer.status == _FORBIDDEN and host:
        yield from _forbade(stage, host, served)
    elif answer.status == _GONE and host:
        item = stage.dynamodb.row(host.view.meeting)
        if item and not item.is_over and not host.view.is_gone and len(served) == 1:
            yield f"sent {host.id} away from {host.view.meeting}, which is not over: {item}"
    elif answer.status not in {_FORBIDDEN, _NOT_KNOWN, _LATER, _AGAIN[report.route]}:
        yield f"answered {answer.status} to {report}"
    stage.agents.was_answered(report, answer)


def _forbade(stage: Stage, host: Host, served: set[tuple[str, str]]) -> Iterator[str]:
    """Check that no desktop is refused for good that has its role, or may yet have it."""
    for row, role in served:
        item = stage.dynamodb.row(row)
        is_its_own = item and item.text(f"{role}_ec2_id") in {None, host.id}
        if is_its_own and len(served) == 1 and row not in stage.actors.touched:
            yield f"refused {host.id}, the {role} of {row}"


# Tickets


def offer_problems(
    stage: Stage, run: Invocation, row: str, before: Item, after: Item
) -> Iterator[str]:
    """Look at what a visit writes that is offered a ticket."""
    role = run.event.role
    yield from gate_problems(row, role, before)
    stage.invariants.offers[row, role] = run.event, stage.clock.now
    own = {f"{role}_{name}" for name in ("ticket_hash", "ticket_at", "waiting_at")}
    if not before.changed(after) <= own:
        yield f"changed {before.changed(after)} of {row} for a ticket"
    if before.is_over or RANKS.get(before.status, len(RANKS)) < RANKS["HEALTHY"]:
        yield f"offered a ticket for {row}, which is {before.status}"


def gate_problems(row: str, role: str, item: Item) -> Iterator[str]:
    """Check that only the role's own desktop, to which its link leads, opens its door."""
    linked = instance_linked(item.links.get(role))
    if linked is None or item.text(f"{role}_healthy_desktop") != linked:
        yield f"opened the {role}'s door of {row}: {item}"


def entry_problems(
    stage: Stage, run: Invocation, row: str, before: Item, after: Item
) -> Iterator[str]:
    question: Question = run.event
    ticket = question.ticket
    if ticket is None or row != ticket.visit.meeting:
        yield f"wrote {row} for {question}"
        return
    role, changed = ticket.visit.role, before.changed(after)
    own = {f"{role}_entered_hash", f"{role}_entered_at"}
    if before.text(f"{role}_ec2_id") != question.instance_id or before.is_over:
        yield f"let the {role} of {row} in to {question.instance_id}: {before}"
    if f"{role}_ticket_hash" in changed:
        own |= {"status", JOINED, f"{role}_ticket_hash", f"{role}_ticket_at"}
        own |= {f"{role}_entered_before_hash"}
        yield from _used(stage, run, ticket)
        if JOINED not in after or 0 <= after.rank != RANKS["IN_PROGRESS"]:
            yield f"let the {role} in, and {row} is {after.status}"
    else:
        yield f"wrote {row} for {ticket}, which was used before"
    if not changed <= own:
        yield f"changed {changed} of {row} for a ticket of the {role}"
    stage.invariants.connected[row, role] = (run.started or 0.0, stage.clock.now)


def _used(stage: Stage, run: Invocation, ticket: Pass) -> Iterator[str]:
    if (run.started or 0.0) > ticket.answered_at + LIFE:
        yield f"let somebody in by {ticket}, which has expired"
    if stage.invariants.entered.get(ticket.door) is ticket:
        yield f"let somebody in by {ticket} twice"
    if stage.invariants.offers[ticket.door][0] is not ticket.visit:
        yield f"let somebody in by {ticket}, which a newer one has replaced"
    entered = stage.invariants.entered
    if before := entered.get((*ticket.door, "before")):
        before.replaced_at = stage.clock.now
    if ticket.door in entered:
        entered[*ticket.door, "before"] = entered[ticket.door]
    entered[ticket.door] = ticket


def _used_again(stage: Stage, run: Invocation, ticket: Pass) -> Iterator[str]:
    if not _is_used(stage, ticket) and (run.started or 0.0) > ticket.replaced_at:
        yield f"let somebody in by {ticket}, which two newer ones have replaced"
    _, seen_at = stage.invariants.connected.get(ticket.door, (0.0, 0.0))
    if (run.started or 0.0) > seen_at + RECONNECT:
        yield f"let somebody in by {ticket}, which was used, and nobody was connected since"


def _is_used(stage: Stage, ticket: Pass) -> bool:
    """Return True if the ticket is the one that was used last at its desktop, or the one before."""
    entered = stage.invariants.entered
    return ticket in (entered.get(ticket.door), entered.get((*ticket.door, "before")))


def answered_question(stage: Stage, run: Invocation) -> Iterator[str]:
    question: Question = run.event
    answer: Answer = run.result
    ticket = question.ticket
    if answer.status != _OK:
        stage.invariants.seen[f"sign-in {answer.status}"] += 1
        is_excused = answer.status in {_BAD, _TOO_LARGE} and ticket is None
        if answer.status != _LATER and not is_excused:
            yield f"answered {answer.status} to {question}"
        return
    is_in = 'result="yes"' in answer.body
    stage.invariants.seen["let in" if is_in else "turned away"] += 1
    if is_in and ticket is None:
        yield f"let somebody in by {question.request.body!r}"
    elif is_in and ticket:
        yield from _used_again(stage, run, ticket)
        row = ticket.visit.meeting
        noted = stage.dynamodb.row(row).text(f"{ticket.visit.role}_ec2_id")
        if question.instance_id != ticket.instance_id and row not in stage.actors.touched:
            yield f"let somebody in to {question.instance_id} by {ticket}, though {noted} is theirs"
        ends = stage.invariants.over_since.get(row), stage.invariants.removed.get(row)
        if any(end is not None and end < (run.started or 0.0) for end in ends):
            yield f"let somebody in by {ticket}, whose meeting was over"
        stage.callers.was_let_in(*ticket.door)
    elif ticket and _opens(stage, ticket, question.instance_id):
        yield f"turned away {ticket}: {answer.body}"


def _opens(stage: Stage, ticket: Pass, instance_id: str) -> bool:
    """Return True if a ticket opens a desktop for sure: then a person is not to be kept out."""
    now, door, invariants = stage.clock.now, ticket.door, stage.invariants
    item = stage.dynamodb.row(door[0])
    if door[0] in stage.actors.touched or item.is_over or instance_id != ticket.instance_id:
        return False
    if item.text(f"{door[1]}_session_data"):
        return False
    if _is_used(stage, ticket):
        return now < invariants.connected[door][0] + RECONNECT - 1
    return invariants.offers[door][0] is ticket.visit and now < ticket.asked_at + LIFE - 1
