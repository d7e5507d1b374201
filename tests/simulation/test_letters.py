"""At every call of the run that sends a meeting's letters: it is killed, or the meeting changes."""

from __future__ import annotations

import pytest

from tests.simulation.aws_edge import AwsFault
from tests.simulation.callers import Plan
from tests.simulation.names import MINUTE, ROLES, WITH_LETTERS
from tests.simulation.people import CANCEL, PUT_OFF
from tests.simulation.scenes import EVERYBODY, Scene

CALLS = range(5, 20)


@pytest.mark.parametrize("calls", CALLS)
def test_each_person_is_invited_though_the_run_is_killed(calls: int) -> None:
    scene = Scene(EVERYBODY, stage=WITH_LETTERS)
    scene.book()
    stage = scene.stage
    scene.kill(scene.go(stage.invitations.hand_over(stage.functions, 10), calls))
    scene.timeline.finish()
    kinds: dict[str, list[str]] = {role: [] for role in ROLES}
    for each in stage.mail.letters:
        kinds[each.tags["role"]].append(each.tags["letter"])
    assert all(set(each) == {"invitation"} for each in kinds.values()), kinds


@pytest.mark.parametrize("calls", CALLS)
def test_a_letter_that_could_not_be_noted_in_the_row_is_not_sent_again(calls: int) -> None:
    scene = Scene(EVERYBODY, stage=WITH_LETTERS)
    scene.book()
    stage = scene.stage
    run = scene.go(stage.invitations.hand_over(stage.functions, 10), calls)
    stage.dynamodb.edge.faults += [AwsFault("InternalServerError", operation="UpdateItem")]
    scene.end(run)
    scene.timeline.finish()


@pytest.mark.parametrize("calls", CALLS)
@pytest.mark.parametrize(("what", "minutes"), [(PUT_OFF, 4), (PUT_OFF, 60), (CANCEL, 0)])
@pytest.mark.parametrize("is_killed", [True, False])
def test_a_meeting_changes_while_people_are_invited(
    calls: int, what: str, minutes: int, *, is_killed: bool
) -> None:
    scene = Scene(EVERYBODY, stage=WITH_LETTERS)
    scene.book()
    stage = scene.stage
    run = scene.go(stage.invitations.hand_over(stage.functions, 10), calls)
    scene.end(scene.ask(what, minutes))
    if is_killed:
        scene.kill(run)
    scene.end(run)
    scene.timeline.finish()


def test_a_meeting_that_is_ended_in_progress_is_not_called_off() -> None:
    scene = Scene(Plan(ROLES, None), stage=WITH_LETTERS)
    scene.book_and_wait(6 * MINUTE)
    assert scene.row.has_begun
    scene.end(scene.ask(CANCEL))
    scene.timeline.finish()
    assert scene.stage.invariants.seen["letter: cancellation"] == 0
