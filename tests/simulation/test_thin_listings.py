"""What EC2 does not show, without an error, proves nothing: no meeting ends by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.end_invariants import stage_problems
from tests.simulation.names import SETTINGS, is_ours, text
from tests.simulation.record_invariants import traced_rows
from tests.simulation.stage import Stage
from tests.world import make_event

if TYPE_CHECKING:
    from tests.simulation.lambda_service import Invocation


def settled(desktops: int) -> Stage:
    stage = Stage()
    for number in range(desktops):
        stage.actors.schedule(f"m{number}")
        stage.desktops.launch(f"m{number}", "teacher")
    stage.events.clear()
    sweep(stage)
    stage.clock.advance(SETTINGS.grace.total_seconds() + 60)
    assert count(stage) == desktops
    return stage


def sweep(stage: Stage) -> Invocation:
    """Let a sweep go to its end; no matter what EC2 hides, no promise is broken."""
    run = stage.functions.invoke(None)
    stage.settle()
    stage.invariants.check()
    assert run.error is None
    return run


def count(stage: Stage) -> int:
    return sum(map(is_ours, stage.cloudflare.store.records))


def first(stage: Stage, number: int) -> set[str]:
    return set(list(stage.ec2.hosts)[:number])


def require_all_as_before(stage: Stage, desktops: int) -> None:
    """Let EC2 show everything again: then nothing has been lost."""
    stage.stop_faults()
    sweep(stage)
    assert count(stage) == desktops
    assert not list(stage_problems(stage, traced_rows(stage)))
    assert {text(row, "status") for row in stage.dynamodb.items.values()} == {"DNS_WRITTEN"}


@settings(max_examples=20, deadline=None, print_blob=True)
@given(desktops=st.integers(1, 40), mutes=st.booleans(), data=st.data())
def test_what_a_listing_lacks_is_asked_for_by_id_and_without_a_denial_it_stays(
    desktops: int, data: st.DataObject, *, mutes: bool
) -> None:
    stage = settled(desktops)
    stage.ec2.hidden = first(stage, data.draw(st.integers(1, desktops), "hidden"))
    stage.ec2.mute = set(stage.ec2.hidden) if mutes else set()

    run = sweep(stage)

    assert run.result["action"] == "unchanged"
    require_all_as_before(stage, desktops)


def test_an_event_whose_instance_ec2_denies_while_it_lists_it_ends_no_meeting() -> None:
    stage = settled(1)
    (denied,) = stage.ec2.denied = first(stage, 1)
    stage.functions.invoke(make_event(denied, "stopping"))
    stage.settle()
    stage.invariants.check()

    assert count(stage) == 0
    require_all_as_before(stage, 1)


def test_a_noted_desktop_that_ec2_denies_keeps_its_meeting_open() -> None:
    stage = Stage()
    stage.actors.schedule("m0")
    teacher = stage.desktops.launch("m0", "teacher", noted=True)
    student = stage.desktops.launch("m0", "student", noted=True)
    sweep(stage)
    stage.clock.advance(SETTINGS.grace.total_seconds() + 60)
    stage.desktops.end(student)
    stage.ec2.hidden, stage.ec2.denied = {teacher.id}, {teacher.id}
    for _ in range(3):
        sweep(stage)

    require_all_as_before(stage, 1)
