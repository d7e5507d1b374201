"""What happens while a sweep runs: another sweep, an event, a person."""

from __future__ import annotations

from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.cloudflare import Fault, FaultKind
from tests.transports import Noting
from tests.world import DOMAIN, OWNER, RECORDS, Context, World, link, make_event

if TYPE_CHECKING:
    from collections.abc import Callable

LIST = ("GET", RECORDS)
CONTEXT = Context()
UNKNOWN = "i-0123456789abcdef0"


@pytest.fixture
def drifted(world: World) -> dict[str, str]:
    """Make a world in which something of every kind is to be done; return the desktops."""
    ids = {meeting: world.desktop(meeting=meeting) for meeting in ("new", "moved", "ended")}
    for meeting in ("moved", "ended"):
        world.put_own(ids[meeting], "192.0.2.9", meeting)
        world.put_row(meeting, status="HEALTHY", teacher_ec2_link=link(ids[meeting]))
    world.terminate(ids["ended"])
    world.put_row("new", status="LAUNCHED")
    world.put_own(UNKNOWN, meeting="gone")
    world.put_row("gone", status="HEALTHY", teacher_ec2_link=link(UNKNOWN))
    world.pass_time()
    return ids


def is_settled(world: World, ids: dict[str, str]) -> bool:
    """Tell whether everything is as it should be, once each, after what a sweep may have left."""
    world.swept()
    assert world.swept()["action"] == "unchanged"
    right = sorted(
        (f"{ids[each]}.{DOMAIN}", world.address(ids[each]), f"{OWNER} m={each} r=teacher")
        for each in ("new", "moved")
    )
    rows = {
        "new": {"status": "DNS_WRITTEN", "teacher_ec2_link": link(ids["new"])},
        "moved": {"status": "HEALTHY", "teacher_ec2_link": link(ids["moved"])},
        "ended": {"status": "TERMINATED"},
        "gone": {"status": "HEALTHY"},  # EC2 does not show its end
    }
    return (world.standing(), {each: world.row(each) for each in world.rows()}) == (right, rows)


# Two sweeps at once


def test_two_sweeps_that_saw_the_same_do_no_harm(world: World, drifted: dict[str, str]) -> None:
    first, second, steps = world.sweep(), world.sweep(), world.steps()
    surveys = first.survey(steps), second.survey(steps)

    done = first.repair(surveys[0], steps)
    again = second.repair(surveys[1], steps)

    assert sum(done.counts.values()) == 7
    assert again.counts["created"] == 0
    assert (again.refused, again.warnings) == ((), ())
    assert is_settled(world, drifted)


def test_sweeps_side_by_side_do_no_harm(world: World, drifted: dict[str, str]) -> None:
    both, results = Barrier(2, timeout=20), list[dict[str, Any]]()

    def wait(note: str) -> None:
        if note.startswith("GET"):
            both.wait()

    sweeps = [world.sweep(transport=Noting([], wait)) for _ in range(2)]
    threads = [
        Thread(target=lambda sweep: results.append(sweep.handle(CONTEXT)), args=(sweep,))
        for sweep in sweeps
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert len(results) == 2
    assert all("refused" not in result for result in results)
    assert is_settled(world, drifted)


def test_a_sweep_that_is_late_does_not_repeat_what_another_did(world: World) -> None:
    """All that it would delete is gone: it finds out in few calls, and needs no other."""
    world.put_ended(200)
    world.pass_time()
    late, steps = world.sweep(), world.steps()
    survey = late.survey(steps)
    world.swept()
    world.forget_calls()

    repair = late.repair(survey, steps)

    assert len(world.dns_calls) <= 1 + 60
    assert repair.refused == ()
    assert repair.counts["deleted"] + len(repair.left) == 200


# An event in between


def event(world: World, instance_id: str) -> Callable[[], object]:
    return lambda: world.watchdog().handle(make_event(instance_id), CONTEXT)


@pytest.mark.parametrize("meeting", ["new", "moved", "ended"])
@pytest.mark.parametrize("moment", ["DescribeInstances", "BatchGetItem", "UpdateItem"])
def test_an_event_in_between_does_no_harm(
    world: World, drifted: dict[str, str], meeting: str, moment: str
) -> None:
    world.meanwhile(moment, event(world, drifted[meeting]))

    result = world.swept()

    assert "refused" not in result
    assert is_settled(world, drifted)


def change(world: World, what: str, instance_id: str) -> None:
    if what == "terminate":
        world.terminate(instance_id)
    else:
        getattr(world.ec2, f"{what}_instances")(InstanceIds=[instance_id])


@pytest.mark.parametrize("moment", ["GET", "BatchGetItem", "POST", "UpdateItem"])
@pytest.mark.parametrize("what", ["stop", "terminate"])
def test_a_desktop_that_goes_meanwhile_has_nothing_left_soon(
    world: World, what: str, moment: str
) -> None:
    """The sweep may write what was right when it looked; the next one takes it back."""
    instance_id = world.desktop()
    world.put_row(status="LAUNCHED")
    went: list[bool] = []

    def go() -> None:
        if not went:
            went.append(True)
            change(world, what, instance_id)
            event(world, instance_id)()

    if moment.isupper():
        transport = Noting([], lambda note: go() if note.startswith(moment) else None)
        world.sweep(transport=transport).handle(CONTEXT)
    else:
        world.meanwhile(moment, go)
        world.swept()

    world.swept()
    assert went
    assert world.standing() == []
    assert "teacher_ec2_link" not in world.row()
    assert (world.row()["status"] == "TERMINATED") is (what == "terminate")
    assert world.swept()["action"] == "unchanged"


def test_a_row_that_others_change_meanwhile_is_left_to_the_next_run(world: World) -> None:
    """The health check's word must not be undone."""
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    world.meanwhile("UpdateItem", lambda: world.put_row(status="HEALTHY"))

    first = world.swept()

    assert first["done"] == {"created": 1, "updated": 0, "deleted": 0, "rows": 0}
    assert first["left"] == ["the row 'm1': row 'm1' was changed concurrently"]
    assert world.row() == {"status": "HEALTHY"}
    assert world.swept()["done"]["rows"] == 1
    assert world.row() == {"status": "HEALTHY", "teacher_ec2_link": link(instance_id)}


def test_a_row_that_is_deleted_meanwhile_is_not_made_again(world: World) -> None:
    world.put_row(status="LAUNCHED")
    world.desktop()
    key = {"id": {"S": "m1"}}
    table = "elephant-meetings"
    world.meanwhile("UpdateItem", lambda: world.dynamodb.delete_item(TableName=table, Key=key))

    assert world.swept()["skipped"] == 1
    assert world.rows() == []


def test_another_owner_who_was_faster_keeps_the_name(world: World) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    comment = "elephant:other m=m1 r=teacher"
    world.meanwhile(
        "DescribeInstances",
        lambda: world.put_record(f"{instance_id}.{DOMAIN}", world.address(instance_id), comment),
    )

    first = world.swept()

    assert first["skipped"] == 1
    assert [each for _, _, each in world.standing()] == [comment]
    assert world.row() == {"status": "LAUNCHED"}
    assert world.swept()["warnings"][0].endswith("belongs to elephant:other; left unchanged")


def test_a_stale_list_is_made_good_by_the_next_run(world: World) -> None:
    """Cloudflare's lists may lag behind: what was just made seems to be missing."""
    instance_id = world.desktop()
    world.swept()
    world.cloudflare.faults.add(Fault(FaultKind.STALE, changes=1))

    first = world.swept()

    assert (first["done"]["created"], first["skipped"]) == (0, 1)
    assert [name for name, _, _ in world.standing()] == [f"{instance_id}.{DOMAIN}"]
    assert world.swept()["action"] == "unchanged"
