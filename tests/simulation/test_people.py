"""At every call of a run: somebody changes the meeting, or does so at every call of another."""

from __future__ import annotations

import pytest

from tests.simulation.callers import Plan
from tests.simulation.names import AHEAD, MINUTE, OFFICE, ROLES, SHORTEST
from tests.simulation.people import CANCEL, LIST, MOVE, PUT_OFF, RESIZE, SHOW
from tests.simulation.scenes import EVERYBODY, LAGGING, MIDDLE, NOBODY, Scene

MOVES = [(PUT_OFF, 12), (PUT_OFF, -3), (MOVE, 12)]
ERRANDS = [*MOVES, (RESIZE, 30), (CANCEL, 0)]
STAYING = Plan(ROLES, None)
PACE = range(1, 34, 3)


def finish(scene: Scene, what: str, minutes: int) -> None:
    """Let everything end, and check that the meeting was cancelled, or launched once."""
    scene.timeline.finish()
    hosts = scene.stage.ec2.hosts.values()
    if what == CANCEL:
        assert scene.row.text("termination_reason") == "CANCELLED"
        return
    assert scene.row.text("termination_reason") == "15_MIN_SUCCESS"
    assert sorted(str(each.past[0][1].tag("Role")) for each in hosts) == sorted(ROLES)
    assert what != RESIZE or scene.row.length == minutes * MINUTE


@pytest.mark.parametrize(("what", "minutes"), ERRANDS)
@pytest.mark.parametrize("calls", MIDDLE[::2])
@pytest.mark.parametrize("is_repeated", [True, False])
def test_a_change_is_killed_and_repeated_or_given_up(
    calls: int, what: str, minutes: int, *, is_repeated: bool
) -> None:
    scene = Scene(EVERYBODY)
    scene.book()
    first = scene.ask(what, minutes, calls)
    scene.kill(first)
    if is_repeated:
        asked = scene.stage.people.repeat(first.event)
        scene.end(asked)
        assert asked.result.status == 200
    finish(scene, what if scene.row.is_claimed else PUT_OFF, minutes)


@pytest.mark.parametrize(("what", "minutes"), ERRANDS)
@pytest.mark.parametrize("calls", PACE)
def test_a_launch_is_going_on_while_its_meeting_is_changed(
    calls: int, what: str, minutes: int
) -> None:
    scene = Scene(EVERYBODY)
    scene.book_and_wait(-AHEAD - 1)
    scene.stage.ec2.lag, scene.stage.ec2.list_lag = LAGGING
    launch = scene.fire("launch", calls, again=True)
    scene.end(scene.ask(what, minutes))
    scene.end(launch)
    finish(scene, what, minutes)


@pytest.mark.parametrize(("what", "minutes"), ERRANDS)
@pytest.mark.parametrize("calls", MIDDLE[3::3])
@pytest.mark.parametrize("of_launch", [5, 8, 1000])
def test_a_change_is_going_on_while_its_meeting_is_launched(
    calls: int, of_launch: int, what: str, minutes: int
) -> None:
    scene = Scene(EVERYBODY)
    scene.book_and_wait(-AHEAD - 1)
    change = scene.ask(what, minutes, calls)
    launches = scene.fire_due("launch", -AHEAD, of_launch)
    scene.end(change)
    for each in launches:
        scene.end(each)
    finish(scene, what if scene.row.is_claimed else PUT_OFF, minutes)


PAIRS = [
    ((PUT_OFF, 12), (MOVE, 25)),
    ((PUT_OFF, 4), (RESIZE, 30)),
    ((RESIZE, 15), (PUT_OFF, 4)),
    ((RESIZE, 20), (RESIZE, 30)),
    ((PUT_OFF, 4), (CANCEL, 0)),
    ((RESIZE, 20), (CANCEL, 0)),
    ((CANCEL, 0), (PUT_OFF, 4)),
    ((CANCEL, 0), (CANCEL, 0)),
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("calls", range(2, 16, 4))
@pytest.mark.parametrize("is_launched", [True, False])
def test_two_people_change_a_meeting_at_once(
    calls: int, first: tuple[str, int], second: tuple[str, int], *, is_launched: bool
) -> None:
    scene = Scene(EVERYBODY)
    scene.book_and_wait(-6 * MINUTE if is_launched else -15 * MINUTE)
    paused = scene.ask(*first, calls)
    scene.end(scene.ask(*second))
    scene.end(paused)
    if not (is_launched or scene.row.is_claimed):
        assert scene.stage.scheduler.planned.keys() == set(scene.row.schedules)
    finish(scene, CANCEL if CANCEL in {first[0], second[0]} else PUT_OFF, 0)


@pytest.mark.parametrize("calls", MIDDLE[1::2])
@pytest.mark.parametrize("is_net_first", [True, False])
@pytest.mark.parametrize("errand", [(RESIZE, 45), (MOVE, 3), (CANCEL, 0)])
@pytest.mark.parametrize(("is_joined", "length"), [(True, 15), (False, 15), (False, 30)])
def test_a_meeting_is_changed_while_the_safety_net_ends_it(
    calls: int, errand: tuple[str, int], length: int, *, is_net_first: bool, is_joined: bool
) -> None:
    scene = Scene(STAYING if is_joined else NOBODY, minutes=length)
    scene.book_and_wait(SHORTEST - 1)
    if is_net_first:
        paused = scene.fire("safety", calls)
        scene.end(scene.ask(*errand))
    else:
        paused = scene.ask(*errand, calls)
        scene.fire_due("safety", SHORTEST)
    scene.end(paused)
    is_over = scene.row.is_claimed
    scene.timeline.play(scene.stage.clock.now + 4 * MINUTE)
    assert scene.running == (0 if is_over else 2)
    scene.timeline.finish()


@pytest.mark.parametrize("calls", MIDDLE[::2])
def test_a_cancelled_meeting_ends_though_its_terminator_is_killed(calls: int) -> None:
    scene = Scene(STAYING)
    scene.book_and_wait(6 * MINUTE)
    scene.stage.stream.waiting.clear()
    scene.end(scene.ask(CANCEL))
    scene.kill(scene.go(scene.stage.stream.hand_over(scene.stage.functions, 10), calls))
    scene.timeline.finish()
    assert scene.row.text("termination_reason") == "CANCELLED"


@pytest.mark.parametrize(("is_seen", "seconds"), [(True, 10), (False, 4 * MINUTE)])
@pytest.mark.parametrize("at", [-8 * MINUTE, 6 * MINUTE, 20 * MINUTE])
def test_a_cancelled_meeting_ends_at_once_or_soon_if_nobody_sees_the_change(
    at: float, seconds: float, *, is_seen: bool
) -> None:
    scene = Scene(STAYING)
    scene.book_and_wait(at)
    scene.stage.stream.waiting.clear()
    scene.end(scene.ask(CANCEL))
    if not is_seen:
        scene.stage.stream.waiting.clear()
    scene.wait(at + seconds)
    assert scene.running == 0
    scene.timeline.finish()


@pytest.mark.parametrize("calls", MIDDLE[::2])
def test_what_is_being_booked_is_no_meeting_yet(calls: int) -> None:
    scene = Scene()
    booking = scene.go(scene.stage.callers.book(scene.order), calls)
    for row in scene.stage.dynamodb.items:
        scene.order.booked[row] = {}
        for what in (SHOW, RESIZE, CANCEL):
            assert scene.ask(what, 20).result.status in {200, 404}
    scene.order.booked.clear()
    scene.end(booking)
    scene.timeline.finish()


@pytest.mark.parametrize(
    ("minutes", "at", "to"), [(15, 9, 20), (20, 9, 45), (30, 16, 18), (45, 16, 29), (30, 26, 45)]
)
def test_a_meeting_in_progress_ends_at_its_last_length(minutes: int, at: int, to: int) -> None:
    scene = Scene(STAYING, minutes=minutes)
    scene.book_and_wait(at * MINUTE)
    assert scene.ask(PUT_OFF, 4).result.status == 409
    scene.end(scene.ask(RESIZE, to))
    scene.wait(to * MINUTE - 1)
    assert scene.running == 2
    scene.wait(to * MINUTE + MINUTE)
    assert scene.running == 0
    assert scene.row.text("termination_reason") == "MAX_LENGTH_TIMEOUT"
    scene.timeline.finish()


def test_a_moved_meeting_leaves_no_schedule_behind() -> None:
    scene = Scene()
    scene.book()
    for minutes in (12, -3, 30):
        scene.end(scene.ask(PUT_OFF, minutes))
        assert scene.stage.scheduler.planned.keys() == set(scene.row.schedules)
    scene.end(scene.ask(CANCEL))
    assert not scene.stage.scheduler.planned.keys() & set(scene.row.schedules)
    scene.timeline.finish()


@pytest.mark.parametrize("what", [LIST, SHOW, MOVE, RESIZE, CANCEL])
def test_another_key_sees_and_changes_nothing(what: str) -> None:
    scene = Scene()
    scene.book()
    before = scene.row.copy()
    people = scene.stage.people
    asked = scene.go(people.ask(OFFICE, what, scene.order, 20), 1000)
    assert asked.result.status == (200 if what == LIST else 404)
    assert scene.row == before
    scene.timeline.finish()


def test_a_meeting_is_launched_as_soon_as_the_one_before_it_has_left_its_desktops() -> None:
    scene = Scene(STAYING, minutes=15, stage="for one meeting")
    scene.book()
    later = scene.stage.callers.order(45 * MINUTE, keyed=True, plan=EVERYBODY, minutes=15)
    scene.end(scene.stage.callers.book(later))
    assert later.meeting
    scene.timeline.finish()
    assert scene.stage.dynamodb.row(later.meeting).text("termination_reason") == "15_MIN_SUCCESS"


def test_a_meeting_is_not_moved_to_where_there_is_no_room() -> None:
    scene = Scene(EVERYBODY, minutes=30, stage="for one meeting")
    scene.book()
    later = scene.stage.callers.order(65 * MINUTE, keyed=True, plan=EVERYBODY, minutes=15)
    scene.end(scene.stage.callers.book(later))
    assert [scene.ask(*each).result.status for each in ((RESIZE, 45), (PUT_OFF, 10))] == [409, 409]
    scene.end(scene.stage.people.ask(later.caller, CANCEL, later))
    assert [scene.ask(*each).result.status for each in ((RESIZE, 45), (PUT_OFF, 10))] == [200, 200]
    scene.timeline.finish()


@pytest.mark.parametrize("calls", MIDDLE[::3])
def test_two_meetings_are_booked_at_once_where_there_is_room_for_one(calls: int) -> None:
    scene = Scene(EVERYBODY, minutes=15, stage="for one meeting")
    scene.stage.dynamodb.index_lag = 5.0
    first = scene.go(scene.stage.callers.book(scene.order, None), calls)
    other = scene.stage.callers.order(25 * MINUTE, keyed=True, plan=EVERYBODY, minutes=15)
    scene.end(scene.stage.callers.book(other, None))
    scene.end(first)
    scene.timeline.finish()
