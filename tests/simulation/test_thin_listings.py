"""A listing of EC2 that lacks instances, without an error, must not empty the zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation import ending
from tests.simulation.fleet import Fleet
from tests.simulation.names import SETTINGS, is_ours
from tests.simulation.stage import Stage
from tests.simulation.traces import Traces

if TYPE_CHECKING:
    from tests.simulation.invocation import Invocation

WHOLE = settings(max_examples=25, deadline=None, print_blob=True)


def settled(desktops: int) -> Stage:
    """Make a stage in which so many desktops have had their records for long."""
    stage = Stage()
    fleet = Fleet(stage)
    for number in range(desktops):
        stage.people.schedule(f"m{number}")
        fleet.launch(f"m{number}", "teacher")
    stage.events.clear()
    sweep(stage)
    stage.clock.advance(SETTINGS.grace.total_seconds() + 60)
    assert count(stage) == desktops
    return stage


def sweep(stage: Stage) -> Invocation:
    run = stage.functions.invoke(None)
    stage.settle()
    stage.promises.check()
    return run


def count(stage: Stage) -> int:
    return sum(map(is_ours, stage.cloudflare.store.records))


def hide(stage: Stage, hidden: int) -> None:
    stage.ec2.hidden = set(list(stage.ec2.hosts)[:hidden])


@WHOLE
@given(desktops=st.integers(11, 40), data=st.data())
def test_what_a_listing_by_tag_lacks_is_looked_for_by_id(
    desktops: int, data: st.DataObject
) -> None:
    stage = settled(desktops)
    hide(stage, data.draw(st.integers(1, desktops), "hidden"))

    run = sweep(stage)

    assert run.error is None
    assert count(stage) == desktops
    assert not list(ending.problems(stage, Traces.of(stage)))


@WHOLE
@given(desktops=st.integers(11, 40), data=st.data())
def test_where_ec2_denies_what_runs_few_records_go_and_no_meeting_ends(
    desktops: int, data: st.DataObject
) -> None:
    """As in a wrong account; the records and links come back, a status would not."""
    stage = settled(desktops)
    hidden = data.draw(st.integers(1, desktops), "hidden")
    hide(stage, hidden)
    stage.ec2.hides_all = True

    run = sweep(stage)

    is_few = hidden <= SETTINGS.delete_limit or hidden * 100 <= desktops * SETTINGS.delete_percent
    assert run.error is None
    assert count(stage) == (desktops - hidden if is_few else desktops)

    stage.ec2.hidden.clear()
    sweep(stage)
    assert count(stage) == desktops
    assert not list(ending.problems(stage, Traces.of(stage)))
