"""With any fault and any other run: no role gets two desktops, and nothing is left over."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.ec2.subnets import Subnet, in_order
from tests.meetings.launches import (
    BEFORE,
    DIES_AFTER,
    DIES_BEFORE,
    FAULTS,
    ID,
    LOST,
    NO_ROOM,
    TWICE,
    ZONES,
    Cloud,
    Invocation,
    interleave,
    require_promises,
    run_with,
    with_retries,
)

CALLS = [
    "get_item",
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
    "everywhere": [],
    "in the second zone": [NO_ROOM],
    "in the first zone later": [NO_ROOM, ""],
}
"""How the first zone refuses, in words of where there is room."""


def make_cloud(lag: float = 0.0, room: str = "everywhere") -> Cloud:
    """Make a cloud with a meeting that is due; its first zone may be full."""
    cloud = Cloud(lag)
    cloud.put_row()
    cloud.refusals = {first_zone(): list(ROOM[room])}
    return cloud


def first_zone() -> str:
    """Return the zone that the meeting's desktops are tried in first."""
    subnets = [Subnet(f"subnet-{zone}", zone, has_room=True, is_public=True) for zone in ZONES]
    return in_order(subnets, ID, None)[0].removeprefix("subnet-")


def is_whole(cloud: Cloud) -> bool:
    """Tell whether each role has a desktop, and the row names it."""
    row = cloud.row()
    noted = [row.get(f"{role}_ec2_id") for role in ("teacher", "student")]
    return row["status"] == "LAUNCHED" and cloud.living() == noted


def test_a_launch_without_faults_makes_these_calls() -> None:
    cloud = make_cloud()
    run = Invocation(cloud)

    run.run()

    assert run.calls == CALLS
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

        with_retries(cloud, Invocation(cloud, fault_at=position, fault=fault))

        assert is_whole(cloud), (position, cloud.row())
        require_promises(cloud)


@pytest.mark.parametrize(("first", "second"), list(product(FAULTS, (BEFORE, LOST, DIES_AFTER))))
def test_after_a_fault_in_the_retry_as_well_the_next_completes_it(first: str, second: str) -> None:
    for one, two in product(range(len(CALLS)), range(len(CALLS) + 2)):
        cloud = make_cloud(90.0, "in the second zone")
        run = Invocation(cloud, fault_at=one, fault=first)
        run.run()
        cloud.pass_time(60)
        if run.error:
            retry = Invocation(cloud, number=1, fault_at=two, fault=second)
            retry.run()
            cloud.pass_time(120)
            if retry.error:
                Invocation(cloud, number=2).run()

        assert is_whole(cloud), (one, two, cloud.row())
        require_promises(cloud)


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("room", ["everywhere", "in the first zone later"])
def test_two_runs_at_once_start_one_desktop_a_role(lag: float, room: str) -> None:
    """One goes on up to some point, then the other up to some point, then both to their ends."""
    for one, other in product(range(2 * len(CALLS) + 8), repeat=2):
        cloud = make_cloud(lag, room)
        runs = [Invocation(cloud, number=0), Invocation(cloud, number=1)]
        turns = iter([0] * one + [1] * other)

        interleave(runs, lambda alive, turns=turns: min(next(turns, 0), alive - 1))  # type: ignore[misc]

        assert is_whole(cloud), (one, other, cloud.row())
        require_promises(cloud)


@settings(max_examples=300, derandomize=True, database=None)
@given(
    turns=st.lists(st.integers(0, 2), max_size=80),
    faults=st.lists(st.tuples(st.integers(0, 14), st.sampled_from(FAULTS)), min_size=3, max_size=3),
    lag=st.sampled_from(LAGS),
    room=st.sampled_from(sorted(ROOM)),
)
def test_three_runs_with_faults_in_any_order_start_one_desktop_a_role(
    turns: list[int], faults: list[tuple[int, str]], lag: float, room: str
) -> None:
    cloud = make_cloud(lag, room)
    runs = [
        Invocation(cloud, number=number, fault_at=position, fault=fault)
        for number, (position, fault) in enumerate(faults)
    ]
    order = iter(turns)

    interleave(runs, lambda alive: next(order, 0) % alive)
    for pause in (60, 120):
        cloud.pass_time(pause)
        for number, run in enumerate(runs):
            if run.error:
                runs[number] = Invocation(cloud, number=10 * pause + number)
                runs[number].run()

    assert is_whole(cloud), cloud.row()
    require_promises(cloud)


@pytest.mark.parametrize("fault", [*FAULTS, None])
@pytest.mark.parametrize("lag", LAGS)
def test_a_meeting_that_is_ended_while_it_is_launched_leaves_nothing_running(
    fault: str | None, lag: float
) -> None:
    for ended_at, position in product(range(len(CALLS)), range(len(CALLS) + 4) if fault else [0]):
        cloud = make_cloud(lag)

        def end(now: int, cloud: Cloud = cloud, ended_at: int = ended_at) -> None:
            if now == ended_at:
                Invocation(cloud).end_meeting()

        fault_at = position if fault else None
        run = Invocation(cloud, fault_at=fault_at, fault=fault or BEFORE, meanwhile=end)
        with_retries(cloud, run)

        if len(run.calls) > ended_at:
            assert cloud.row()["status"] == "TERMINATED"
            assert cloud.row()["termination_reason"] == "NO_SHOW_TIMEOUT"
            if lag < 60:
                assert cloud.living() == [], (ended_at, position)
        require_promises(cloud)


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("code", ["UnauthorizedOperation", "InvalidAMIID.NotFound"])
@pytest.mark.parametrize("fault", [LOST, DIES_AFTER, DIES_BEFORE, TWICE, None])
def test_a_meeting_whose_second_desktop_cannot_be_started_leaves_nothing_running(
    lag: float, code: str, fault: str | None
) -> None:
    for position in range(20) if fault else [0]:
        cloud = make_cloud(lag)
        student = [code]

        def refuse(now: int, cloud: Cloud = cloud, student: list[str] = student) -> None:
            if cloud.living():
                cloud.refusals = {zone: list(student) for zone in "abc"} if now else {}

        fault_at = position if fault else None
        with_retries(
            cloud, Invocation(cloud, fault_at=fault_at, fault=fault or LOST, meanwhile=refuse)
        )

        if cloud.row()["status"] == "LAUNCHED":  # the fault came before the refusals
            continue
        assert cloud.row()["termination_reason"] == "LAUNCH_FAILED", (position, cloud.row())
        if lag < 60:
            assert cloud.living() == [], position
        require_promises(cloud)


def test_a_claim_at_any_moment_stops_the_launch() -> None:
    """The meeting is being ended, by somebody who died or has not come further yet."""
    for claimed_at in range(1, len(CALLS)):
        cloud = make_cloud()

        def claim(now: int, cloud: Cloud = cloud, claimed_at: int = claimed_at) -> None:
            if now == claimed_at:
                cloud.items[ID]["termination_reason"] = {"S": "NO_SHOW_TIMEOUT"}

        outcome = run_with(cloud, claim).outcome

        is_started = claimed_at >= CALLS.index("run_instances")
        assert outcome["action"] == ("ended" if is_started else "ignored")
        assert cloud.row()["status"] == "TERMINATED"
        assert cloud.living() == [], claimed_at


def test_what_was_just_started_is_ended_at_once_though_ec2_does_not_show_it_yet() -> None:
    cloud = make_cloud(lag=3.0)

    def refuse(_: int) -> None:
        if cloud.machines:
            cloud.refusals = {zone: ["UnauthorizedOperation"] for zone in ZONES}

    assert run_with(cloud, refuse).failure.startswith("LaunchFailedError")
    assert len(cloud.machines) == 1
    assert cloud.living() == []
    assert cloud.row()["status"] == "TERMINATED"


@pytest.mark.parametrize(
    ("call", "fault", "pauses"),
    [
        ("describe_instances", BEFORE, (5, 16)),
        ("run_instances", BEFORE, (5, 16)),
        ("run_instances", DIES_AFTER, (61, 10)),  # a run has a minute
    ],
)
def test_the_next_try_waits_until_all_that_was_asked_for_has_happened_and_no_longer(
    call: str, fault: str, pauses: tuple[float, float]
) -> None:
    """A failed run says when that is; for one that died it is its longest time."""
    cloud = make_cloud()
    Invocation(cloud, fault_at=CALLS.index(call), fault=fault).run()
    runs = [Invocation(cloud, number=number) for number in (1, 2)]
    for pause, run in zip(pauses, runs, strict=True):
        cloud.pass_time(pause)
        run.run()

    assert "another run is launching meeting" in runs[0].failure
    assert runs[1].error is None
    assert is_whole(cloud)


def test_a_lease_that_was_taken_although_its_answer_was_lost_is_the_runs_own() -> None:
    cloud = make_cloud()
    run = Invocation(cloud, fault_at=1, fault=TWICE)

    run.run()

    assert run.error is None
    assert is_whole(cloud)


def test_a_token_used_in_one_zone_starts_another_desktop_in_the_next() -> None:
    """What EC2 documents, and why the row holds the zone: the double keeps to it."""
    cloud = make_cloud()
    Invocation(cloud).run()
    (teacher, _) = cloud.machines
    elsewhere = dict(teacher.request)
    elsewhere["NetworkInterfaces"] = [{"SubnetId": "subnet-zz"}]

    assert cloud.run_instances(teacher.request)["Instances"][0]["InstanceId"] == teacher.id
    assert cloud.run_instances(elsewhere)["Instances"][0]["InstanceId"] != teacher.id
    assert ID in str(teacher.request["ClientToken"])
