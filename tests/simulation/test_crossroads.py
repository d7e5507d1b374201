"""At every call of a run: it is killed, or another one that matters comes between."""

from __future__ import annotations

import itertools

import pytest

from tests.simulation.actors import CHURN, ERASE, FILL, NOTE_NEIGHBOURS
from tests.simulation.agents import (
    BODIES,
    DESCRIBE,
    DESKTOP,
    FINISHED,
    HEALTHY,
    ODD_TICKETS,
    ROUTES,
    STRANGERS,
    arn_of,
)
from tests.simulation.callers import ENTER, JSON, Plan
from tests.simulation.ec2 import ZONES
from tests.simulation.names import AHEAD, MINUTE, ROLES, SHORTEST
from tests.simulation.scenes import EVERYBODY, LAGGING, LONG, MIDDLE, Scene


@pytest.mark.parametrize("zone", sorted(ZONES.values()))
@pytest.mark.parametrize("calls", LONG)
def test_a_launch_is_killed_and_then_there_is_room_elsewhere(calls: int, zone: str) -> None:
    scene = Scene(EVERYBODY)
    scene.go_to_launch(zone)
    scene.kill(scene.fire("launch", calls))
    scene.stage.ec2.full = {zone}
    scene.finish_launched()


@pytest.mark.parametrize("zone", sorted(ZONES.values()))
@pytest.mark.parametrize("calls", LONG)
def test_two_launches_at_once_while_zones_fill_and_empty(calls: int, zone: str) -> None:
    scene = Scene(EVERYBODY)
    scene.go_to_launch(zone)
    first = scene.fire("launch", calls, again=True)
    scene.stage.ec2.full = {zone}
    scene.end(scene.fire("launch", 1))
    scene.stage.ec2.full = set()
    scene.end(first)
    scene.finish_launched()


@pytest.mark.parametrize("calls", LONG)
def test_a_late_launch_meets_the_end_of_its_meeting(calls: int) -> None:
    scene = Scene()
    scene.book()
    scene.stage.clock.reach(scene.order.meet_time + SHORTEST)
    scene.stage.ec2.lag, scene.stage.ec2.list_lag = LAGGING
    launch = scene.fire("launch", calls)
    scene.end(scene.fire("safety", 1))
    scene.end(launch)
    scene.timeline.finish()
    assert scene.row.status == "TERMINATED"


@pytest.mark.parametrize("calls", MIDDLE)
@pytest.mark.parametrize("is_visit_first", [True, False])
def test_somebody_joins_while_the_safety_net_decides(calls: int, *, is_visit_first: bool) -> None:
    scene = Scene()
    scene.book_and_wait(SHORTEST - 1)
    if is_visit_first:
        paused = scene.visit(calls)
        scene.end(scene.fire("safety", 1))
    else:
        paused = scene.fire("safety", calls)
        scene.end(scene.visit(1))
    scene.end(paused)
    for ticket in scene.stage.callers.tickets:
        scene.end(scene.stage.agents.ask(ticket.instance_id, ticket))
    is_in = scene.stage.invariants.seen["visit 200"] == 1
    assert (scene.row.status, scene.running) == (("IN_PROGRESS", 2) if is_in else ("TERMINATED", 0))
    scene.timeline.finish()


@pytest.mark.parametrize("calls", MIDDLE)
def test_an_end_is_killed(calls: int) -> None:
    scene = Scene()
    scene.book_and_wait(SHORTEST - 1)
    scene.kill(scene.fire("safety", calls))
    scene.timeline.finish()


@pytest.mark.parametrize("calls", MIDDLE)
def test_the_terminator_is_killed(calls: int) -> None:
    scene = Scene(Plan(ROLES, None))
    scene.book_and_wait(SHORTEST + 1)
    assert scene.running == 2
    for host in scene.stage.ec2.hosts.values():
        scene.end(scene.stage.agents.report(host, FINISHED))
    scene.kill(scene.go(scene.stage.stream.hand_over(scene.stage.functions, 10), calls))
    scene.timeline.finish()
    assert scene.row.text("termination_reason") == "SUCCESS"


@pytest.mark.parametrize("is_repeated", [True, False])
@pytest.mark.parametrize("calls", MIDDLE)
def test_a_booking_is_killed_and_repeated_or_given_up(calls: int, *, is_repeated: bool) -> None:
    scene = Scene(EVERYBODY)
    scene.kill(scene.go(scene.stage.callers.book(scene.order), calls))
    if is_repeated:
        scene.book()
    scene.timeline.finish()


@pytest.mark.parametrize("how", [CHURN, *FILL])
def test_a_desktop_ends_with_its_meeting_however_others_write_to_the_row(how: str) -> None:
    scene = Scene()
    scene.book_and_wait(SHORTEST - MINUTE)
    assert scene.running == 2
    bare = {name: each for name, each in scene.row.items() if not name.endswith("_ec2_link")}
    scene.stage.dynamodb.store(str(scene.order.meeting), bare)  # no link's end makes room
    scene.stage.actors.change_row(0, how)
    scene.timeline.finish()
    assert scene.row.status == "TERMINATED"
    assert scene.row.is_claimed


# Whom nobody trusts


@pytest.mark.parametrize("what", ["end", "shutdown", NOTE_NEIGHBOURS, ERASE, "other tags"])
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("calls", range(1, 8))
def test_a_report_meets_the_end_of_the_right_to_make_it(calls: int, route: str, what: str) -> None:
    scene = Scene(Plan((), None, is_well=route != HEALTHY))
    scene.book_and_wait(SHORTEST - 1)
    stage, [host, *_] = scene.stage, scene.stage.ec2.hosts.values()
    report = scene.go(stage.agents.attack(route, arn_of(host)), calls)
    match what:
        case "end":
            scene.end(scene.fire("safety", 1))
        case "shutdown":
            stage.desktops.end(host)
        case "other tags":
            stage.actors.reassign(host, 1, "student")
        case _:
            stage.actors.change_row(0, what)
    scene.end(report)
    for each in list(stage.ec2.hosts):
        scene.end(stage.agents.attack(route, DESKTOP + each))
    scene.timeline.finish()


@pytest.mark.parametrize("calls", LONG)
def test_a_desktop_that_calls_before_its_row_names_it_is_to_call_again(calls: int) -> None:
    scene = Scene()
    scene.book_and_wait(-AHEAD - 1)
    launch = scene.fire("launch", calls)
    for host in list(scene.stage.ec2.hosts):
        scene.end(scene.stage.agents.attack(HEALTHY, DESKTOP + host))
    scene.end(launch)
    scene.finish_launched()


def test_at_any_time_any_caller_is_answered_as_it_deserves() -> None:
    scene = Scene(EVERYBODY)
    scene.book()
    agents, hosts = scene.stage.agents, scene.stage.ec2.hosts
    for minute in (-AHEAD / MINUTE, -7, -1, 5, 50, 51):
        scene.wait(minute * MINUTE)
        arns = {who.format(each) for who in STRANGERS for each in hosts}
        arns |= {arn_of(each) for each in hosts.values()}
        for route, arn in itertools.product(ROUTES, sorted(arns)):
            for body in BODIES.values() if route == FINISHED else [b""]:
                scene.end(agents.attack(route, arn, body))
    seen = scene.stage.invariants.seen
    assert {seen[f"{FINISHED} {status}"] > 0 for status in (200, 400, 403, 410, 413)} == {True}
    scene.timeline.finish()


@pytest.mark.parametrize("role", ROLES)
def test_a_ticket_opens_its_desktop_for_a_minute_and_then_while_somebody_is_there(
    role: str,
) -> None:
    """Each is shown again and again, at every desktop."""
    scene = Scene()
    scene.book_and_wait(-3 * MINUTE)
    stage, callers = scene.stage, scene.stage.callers
    for seconds in (62, 1, 58, 178, 5, 170, 182, 0, 30 * MINUTE, 0, 30 * MINUTE):
        scene.end(callers.visit(scene.order, role, ENTER))
        for host in [*stage.ec2.hosts] * 2 if seconds == 170 else []:
            stage.clock.advance(seconds / 2)
            scene.end(stage.agents.attack(DESCRIBE, DESKTOP + host))
        stage.clock.advance(seconds)
        for ticket, host in itertools.product(callers.tickets, list(stage.ec2.hosts)):
            scene.end(stage.agents.ask(host, ticket))
        scene.wait(stage.clock.now - scene.order.meet_time)
    for text in ODD_TICKETS:
        scene.end(stage.agents.ask(callers.tickets[-1].instance_id, text))
    assert stage.invariants.seen["let in"]
    scene.timeline.finish()


@pytest.mark.parametrize("calls", range(1, 8))
@pytest.mark.parametrize("is_used", [True, False])
@pytest.mark.parametrize("ends", [True, False])
def test_a_ticket_is_shown_while_another_is_made_or_shown_or_the_meeting_ends(
    calls: int, *, is_used: bool, ends: bool
) -> None:
    scene = Scene()
    scene.book_and_wait(SHORTEST - 1)
    agents, callers, tickets = scene.stage.agents, scene.stage.callers, scene.stage.callers.tickets
    for role in ("student", "teacher"):
        scene.end(callers.visit(scene.order, role, JSON))
    scene.end(agents.ask(tickets[0].instance_id, tickets.pop(0)))
    if is_used:
        scene.end(agents.ask(tickets[0].instance_id, tickets[0]))
        scene.stage.clock.advance(61)  # so that it is noted once more
    asked = scene.go(agents.ask(tickets[0].instance_id, tickets[0], None), calls)
    if ends:
        for host in scene.stage.ec2.hosts.values():
            scene.end(agents.attack(FINISHED, arn_of(host)))
        net = scene.fire("safety", 1)
        while not scene.row.is_claimed:
            scene.go(net, 1)
    scene.visit(20)
    for ticket in tickets[:]:
        scene.end(agents.ask(ticket.instance_id, ticket, None))
    scene.end(asked)
    scene.timeline.finish()


def test_a_desktop_that_reports_all_the_time_ends_with_its_meeting() -> None:
    scene = Scene(Plan(ROLES, None, is_hostile=True))
    scene.book()
    scene.timeline.finish()
    assert scene.row.is_claimed
    assert scene.stage.invariants.seen["raced"]
