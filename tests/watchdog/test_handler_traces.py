"""What an event must not forget: the record may be all that still leads to a meeting's row."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.dns.provider import UnconfirmedError
from localcloud.cloudflare import Fault, FaultKind
from tests.transports import Noting
from tests.world import DOMAIN, OWNER, RECORDS, Context, World, link, make_event

CONTEXT = Context()
KEYS = ("Project", "MeetingID", "Role")


def untag(world: World, instance_id: str, *keys: str) -> None:
    world.ec2.delete_tags(Resources=[instance_id], Tags=[{"Key": key} for key in keys])


def linked(world: World, **row: str) -> str:
    """Make a desktop with its record and its link, as it is while it runs."""
    instance_id = world.desktop()
    world.put_own(instance_id, world.address(instance_id))
    world.put_row(**({"status": "HEALTHY", "teacher_ec2_link": link(instance_id)} | row))
    return instance_id


@pytest.mark.parametrize("keys", [KEYS, ("Project",), ("MeetingID", "Role")])
@pytest.mark.parametrize("ended", [False, True])
def test_a_row_is_told_before_the_record_that_alone_leads_to_it_goes(
    world: World, keys: tuple[str, ...], *, ended: bool
) -> None:
    """Without the project's tag a retry would take the instance for none of ours."""
    instance_id = linked(world)
    untag(world, instance_id, *keys)
    if ended:
        world.terminate(instance_id)
    else:
        world.ec2.stop_instances(InstanceIds=[instance_id])
    transport = Noting(world.aws_calls)

    result = world.watchdog(transport=transport).handle(make_event(instance_id), CONTEXT)

    assert result["action"] == "deleted"
    assert world.aws_calls[-2] == "UpdateItem"
    assert world.aws_calls[-1].startswith("DELETE ")
    assert world.row() == {"status": "TERMINATED" if ended else "HEALTHY"}


@pytest.mark.parametrize("keys", [KEYS, ("Project",)])
def test_a_retry_finds_the_row_again(world: World, keys: tuple[str, ...]) -> None:
    instance_id = linked(world)
    untag(world, instance_id, *keys)
    watchdog = world.watchdog()
    world.fail("UpdateItem", "InternalServerError")
    with pytest.raises(ClientError):
        watchdog.handle(make_event(instance_id), CONTEXT)
    assert len(world.records()) == 1

    world.recover()
    watchdog.handle(make_event(instance_id), CONTEXT)

    assert (world.standing(), world.row()) == ([], {"status": "HEALTHY"})


@pytest.mark.parametrize("ended", [False, True])
def test_every_meeting_that_a_record_names_is_told(world: World, *, ended: bool) -> None:
    instance_id = linked(world)
    world.put_own(instance_id, "192.0.2.9", meeting="m2")
    world.put_row("m2", status="HEALTHY", teacher_ec2_link=link(instance_id))
    if ended:
        world.terminate(instance_id)
        untag(world, instance_id, *KEYS)

    world.watchdog().handle(make_event(instance_id), CONTEXT)

    assert world.row("m2") == {"status": "TERMINATED" if ended else "HEALTHY"}
    assert ("teacher_ec2_link" in world.row("m1")) is not ended
    assert len(world.records()) == (0 if ended else 1)


def test_a_wrong_role_in_a_comment_does_not_cost_a_running_desktop_its_link(world: World) -> None:
    instance_id = world.desktop("student")
    record = world.put_own(instance_id, world.address(instance_id), role="teacher")
    row = {"status": "HEALTHY", "student_ec2_link": link(instance_id)}
    world.put_row(**row)
    world.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, method="PATCH", times=None))

    with pytest.raises(UnconfirmedError):
        world.watchdog().handle(make_event(instance_id), CONTEXT)

    assert world.row() == row
    assert "UpdateItem" not in world.aws_calls
    assert ("PATCH", f"{RECORDS}/{record.id}") in world.dns_calls


def test_a_pending_desktop_keeps_its_fresh_record(world: World) -> None:
    """Whoever made it saw the desktop run; what EC2 says now may be older than that."""
    instance_id = linked(world)
    before = (world.records(), world.row())
    describe = world.app_ec2.describe_instances

    def pending(**request: object) -> Any:  # noqa: ANN401
        answer = describe(**request)
        answer["Reservations"][0]["Instances"][0]["State"] = {"Code": 0, "Name": "pending"}
        return answer

    world.app_ec2.describe_instances = pending
    watchdog = world.watchdog()

    result = watchdog.handle(make_event(instance_id), CONTEXT)
    assert (result["action"], result["reason"]) == (
        "deferred",
        "deferred to the next sweep: pending",
    )
    assert (world.records(), world.row()) == before

    world.pass_time()
    assert watchdog.handle(make_event(instance_id), CONTEXT)["action"] == "deleted"
    assert world.row() == {"status": "HEALTHY"}


def test_a_record_under_another_domain_is_left_to_the_sweep(world: World) -> None:
    """An event lists the instance's own name alone."""
    instance_id = linked(world)
    elsewhere = world.put_record(f"{instance_id}.old.example.com", comment=f"{OWNER} m=m1 r=x")
    world.terminate(instance_id)

    world.watchdog().handle(make_event(instance_id), CONTEXT)

    assert world.records() == (elsewhere,)
    assert world.dns_calls[0] == ("GET", RECORDS)
    assert dict(world.cloudflare.calls[0].query)["name.exact"] == f"{instance_id}.{DOMAIN}"
