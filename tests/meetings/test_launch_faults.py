"""With any fault and any other run: no role gets two desktops, and nothing is left over."""

from __future__ import annotations

from itertools import product

import pytest

from chalicelib.ec2.subnets import Subnet, in_order
from tests.meetings.faults import DIED_AFTER, REFUSED, TWICE
from tests.meetings.launches import (
    FAULTS,
    ID,
    Cloud,
    Invocation,
    interleave,
    launch,
    require_promises,
)
from tests.simulation.ec2 import NO_ROOM, ZONES

CALLS = [
    "get_item",
    "describe_instances",  # how many desktops run
    "query",  # and how many will
    "update_item",  # the lease
    "describe_instances",
    "describe_images",
    "describe_subnets",
    "update_item",  # where the teacher's desktop is asked for
    "run_instances",
    "update_item",  # the teacher's desktop
    "update_item",
    "run_instances",
    "update_item",  # the student's, and LAUNCHED
]
LAGS = (0.0, 3.0, 90.0)
"""Not at all; until soon after the run; until after its first retry."""
ROOM: dict[str, list[str]] = {
    "everywhere": [""],
    "in the second zone": [NO_ROOM],
    "in the first zone later": [NO_ROOM, ""],
}
"""How the first zone refuses, in words of where there is room."""


def make_cloud(lag: float = 0.0, room: str = "everywhere") -> Cloud:
    """Make a cloud with a meeting that is due; the zone that it is tried in first may be full."""
    cloud = Cloud(lag)
    cloud.put_row()
    subnets = [Subnet(each, zone, has_room=True, is_public=True) for each, zone in ZONES.items()]
    cloud.refusals = {in_order(subnets, ID, None)[0]: list(ROOM[room])}
    return cloud


def is_whole(cloud: Cloud) -> bool:
    """Tell whether each role has a desktop, and the row names it."""
    row = cloud.row()
    noted = [row.get(f"{role}_ec2_id") for role in ("teacher", "student")]
    return row["status"] == "LAUNCHED" and cloud.living() == noted


def test_a_launch_without_faults_makes_these_calls() -> None:
    cloud = make_cloud()
    assert launch(cloud).calls == CALLS
    assert is_whole(cloud)
    require_promises(cloud)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("room", ROOM)
def test_after_a_fault_at_any_call_the_retry_completes_the_launch(
    fault: str, lag: float, room: str
) -> None:
    for position in range(len(CALLS) + 6):
        cloud = make_cloud(lag, room)

        run = launch(cloud, faults={position: fault})
        for pause in (60, 120):
            if run.error:
                cloud.pass_time(pause)
                run = launch(cloud)

        assert is_whole(cloud), (position, cloud.row())
        require_promises(cloud)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("room", ["everywhere", "in the first zone later"])
def test_two_runs_at_once_start_one_desktop_a_role(lag: float, room: str) -> None:
    """One goes on up to some point, then the other up to some point, then both to their ends."""
    for one, other in product(range(2 * len(CALLS) + 8), repeat=2):
        cloud = make_cloud(lag, room)
        turns = iter([0] * one + [1] * other)

        interleave(
            [Invocation(cloud), Invocation(cloud)],
            lambda alive, turns=turns: min(next(turns, 0), alive - 1),  # type: ignore[misc]
        )

        assert is_whole(cloud), (one, other, cloud.row())
        require_promises(cloud)


@pytest.mark.parametrize("lag", [0.0, 3.0])
def test_a_claim_at_any_moment_stops_the_launch(lag: float) -> None:
    """The meeting is being ended, by somebody who died or has not come further yet.

    What was just started is ended at once, though EC2 does not show it yet.
    """
    for claimed_at in range(1, len(CALLS)):
        cloud = make_cloud(lag)

        outcome = launch(cloud, meanwhile={claimed_at: cloud.claim}).outcome

        is_started = claimed_at >= CALLS.index("run_instances")
        assert outcome["action"] == ("ended" if is_started else "ignored")
        assert cloud.row()["status"] == "TERMINATED"
        assert cloud.living() == [], claimed_at


@pytest.mark.parametrize(
    ("call", "fault", "pauses"),
    [
        ("describe_images", REFUSED, (5, 16)),
        ("run_instances", REFUSED, (5, 16)),
        ("run_instances", DIED_AFTER, (61, 10)),  # a run has a minute
    ],
)
def test_the_next_try_waits_until_all_that_was_asked_for_has_happened_and_no_longer(
    call: str, fault: str, pauses: tuple[float, float]
) -> None:
    """A failed run says when that is; for one that died it is its longest time."""
    cloud = make_cloud()
    launch(cloud, faults={CALLS.index(call): fault})
    cloud.pass_time(pauses[0])
    assert "another run is launching meeting" in launch(cloud).failure
    cloud.pass_time(pauses[1])
    assert launch(cloud).outcome["action"] == "launched"
    assert is_whole(cloud)


def test_a_lease_that_was_taken_although_its_answer_was_lost_is_the_runs_own() -> None:
    cloud = make_cloud()
    assert launch(cloud, faults={CALLS.index("update_item"): TWICE}).outcome["action"] == "launched"
    assert is_whole(cloud)
