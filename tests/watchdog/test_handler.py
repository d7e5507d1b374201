"""The event path: what an engineer relies on when an instance starts, stops or ends."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from chalicelib.deadline import OutOfTimeError
from chalicelib.dns.provider import WrongZoneError
from localcloud.cloudflare import Fault, FaultKind, When
from tests.transports import Noting, storing
from tests.world import DOMAIN, OWNER, RECORDS, Context, World, link, make_event, make_settings

LIST = ("GET", RECORDS)
CREATE = ("POST", RECORDS)
CONTEXT = Context()
UNKNOWN = "i-0123456789abcdef0"


# Starts


def test_a_started_desktop_gets_record_and_link_which_is_reported_once(world: World) -> None:
    instance_id = world.launched()

    result = world.handle(instance_id)

    name = f"{instance_id}.{DOMAIN}"
    assert result == {
        "instance_id": instance_id,
        "action": "created",
        "reason": f"running at {world.address(instance_id)}",
        "record": name,
        "meeting": "teacher_ec2_link set, status DNS_WRITTEN",
    }
    assert world.standing() == [(name, world.address(instance_id), f"{OWNER} m=m1 r=teacher")]
    (record,) = world.records()
    assert (record.type, record.fields.proxied, record.fields.ttl) == ("A", True, 1)
    assert world.row() == {"status": "DNS_WRITTEN", "teacher_ec2_link": f"https://{name}:8443"}
    assert world.calls == (
        ["DescribeInstances", "GetItem", "GetSecretValue", "UpdateItem"],
        [LIST, CREATE],
    )
    about = {
        "request_id": CONTEXT.aws_request_id,
        "event_id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "event_state": "running",
    }
    assert world.reports.lines == [("succeeded", result | about, {"Created": 1, "Warnings": 0})]


def test_a_late_event_changes_nothing(world: World) -> None:
    """EC2's present answer decides, not the state in the event."""
    instance_id = world.serving()
    assert world.handle(instance_id, "shutting-down")["action"] == "unchanged"
    assert len(world.records()) == 1
    world.terminate(instance_id)
    world.handle(instance_id, "shutting-down")

    assert world.handle(instance_id, "running")["action"] == "unchanged"
    assert (world.standing(), world.row()) == ([], {"status": "TERMINATED"})


# Stops and ends


def test_the_row_waits_until_cloudflare_has_confirmed_the_deletion(world: World) -> None:
    instance_id = world.serving()
    before = world.row()
    world.terminate(instance_id)
    world.cloudflare.faults.add(Fault(FaultKind.RATE_LIMITED, method="DELETE", seconds=300))

    assert world.handle(instance_id, "shutting-down")["action"] == "deferred"

    assert (len(world.records()), world.row()) == (1, before)


# What is ours


def test_an_instance_of_another_project_is_ignored(world: World) -> None:
    instance_id = world.launch(Project="Giraffe", MeetingID="m1", Role="teacher")
    world.put_record(f"{instance_id}.{DOMAIN}", comment="made by hand")
    before = world.records()

    result = world.handle(instance_id)

    assert (result["action"], result["reason"]) == ("ignored", "not tagged Project=Elephant")
    assert world.records() == before
    assert world.dns_calls == [LIST]


def test_another_owners_record_is_reported_never_touched_and_ends_are_written(
    world: World,
) -> None:
    instance_id = world.launched()
    world.put_record(f"{instance_id}.{DOMAIN}", comment=f"{OWNER}1 m=m1 r=teacher")
    before = world.records()

    result = world.handle(instance_id)

    assert result["action"] == "ignored"
    assert result["warnings"] == [
        f"the record {instance_id}.{DOMAIN} at 192.0.2.200 belongs to {OWNER}1; left unchanged"
    ]
    assert (world.records(), world.row()) == (before, {"status": "LAUNCHED"})
    assert world.dns_calls == [LIST]
    world.terminate(instance_id)
    assert world.handle(instance_id, "shutting-down")["action"] == "updated"
    assert (world.records(), world.row()) == (before, {"status": "TERMINATED"})


# Rows to which only the record leads

KEYS = ("Project", "MeetingID", "Role")


@pytest.mark.parametrize("keys", [KEYS, ("Project",), ("MeetingID", "Role")])
@pytest.mark.parametrize("ended", [False, True])
def test_a_row_is_updated_before_the_record_that_alone_leads_to_it_goes(
    world: World, keys: tuple[str, ...], *, ended: bool
) -> None:
    """Without the project's tag a retry would ignore the instance."""
    instance_id = world.serving()
    world.untag(instance_id, *keys)
    (world.terminate if ended else world.stop)(instance_id)

    result = world.watchdog(transport=Noting(world.aws_calls)).handle(
        make_event(instance_id), CONTEXT
    )

    assert result["action"] == "deleted"
    assert world.aws_calls[-2] == "UpdateItem"
    assert world.aws_calls[-1].startswith("DELETE ")
    assert world.row() == {"status": "TERMINATED" if ended else "HEALTHY"}


def test_a_desktop_that_is_given_to_another_meeting_leaves_the_first(world: World) -> None:
    world.put_row("m2", status="LAUNCHED")
    instance_id = world.serving()
    world.ec2.create_tags(Resources=[instance_id], Tags=[{"Key": "MeetingID", "Value": "m2"}])

    assert world.handle(instance_id)["action"] == "updated"

    assert world.row("m1") == {"status": "HEALTHY"}
    assert world.row("m2").keys() == {"status", "teacher_ec2_link"}
    assert world.standing()[0][2] == f"{OWNER} m=m2 r=teacher"


# What is not known


def test_an_instance_that_ec2_does_not_know_is_left_to_the_sweep(world: World) -> None:
    """Not yet, perhaps; a fresh record outlives it."""
    world.put_own(UNKNOWN)

    result = world.handle(UNKNOWN)

    assert result["action"] == "deferred"
    assert result["reason"].startswith("deferred to the next sweep: EC2 does not know this")
    assert len(world.records()) == 1


def test_a_failed_description_deletes_nothing_and_is_reported_once(world: World) -> None:
    instance_id = world.serving()
    world.fail("DescribeInstances", "UnauthorizedOperation")

    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        world.handle(instance_id, "shutting-down")

    assert len(world.records()) == 1
    assert {method for method, _ in world.dns_calls} <= {"GET"}
    ((kind, fields, counts),) = world.reports.lines
    assert "UnauthorizedOperation" in kind
    assert (fields["instance_id"], counts["Failed"]) == (instance_id, 1)


# Cloudflare's answers


def test_a_write_of_unknown_outcome_is_looked_up_before_it_is_repeated(world: World) -> None:
    instance_id = world.launched()
    world.cloudflare.faults.add(Fault(FaultKind.DROP, when=When.AFTER, method="POST"))

    assert world.handle(instance_id)["action"] == "created"

    assert len(world.records()) == 1
    assert world.dns_calls == [LIST, CREATE, LIST]
    assert world.row()["status"] == "DNS_WRITTEN"


def test_another_owner_who_was_faster_is_not_taken_for_us(world: World) -> None:
    instance_id = world.launched()
    world.cloudflare.faults.add(Fault(FaultKind.STALE, changes=1))
    comment = "elephant:other m=m1 r=teacher"
    world.put_record(f"{instance_id}.{DOMAIN}", world.address(instance_id), comment)

    result = world.handle(instance_id)

    assert (result["action"], len(result["warnings"])) == ("ignored", 1)
    assert world.row() == {"status": "LAUNCHED"}
    assert world.dns_calls == [LIST, CREATE, LIST]
    assert world.reports.lines[0][2] == {"Ignored": 1, "Warnings": 1}


def test_a_record_that_is_stored_with_another_ttl_is_linked_with_a_warning(world: World) -> None:
    """Its name and address are right, and trying again would store the same."""
    instance_id = world.launched()

    watchdog = world.watchdog(transport=storing(ttl=60))
    result = watchdog.handle(make_event(instance_id), CONTEXT)

    assert result["action"] == "created"
    assert result["warnings"] == [
        f"Cloudflare stored {instance_id}.{DOMAIN} with ttl 60 instead of 1"
    ]
    assert world.row()["teacher_ec2_link"] == link(instance_id)


def test_the_wrong_zone_keeps_no_misplaced_record_though_the_answer_was_lost(world: World) -> None:
    settings = make_settings(DOMAIN_ROOT="desktops.example.org")
    world.cloudflare.faults.add(Fault(FaultKind.DROP, when=When.AFTER, method="POST"))

    with pytest.raises(WrongZoneError, match=r"example\.org\.example\.com.* set ZONE_ID"):
        world.watchdog(settings).handle(make_event(world.desktop()), CONTEXT)

    assert world.records() == ()


# The token, the quota and the deadline


def test_below_half_of_the_quota_the_work_is_left_without_a_call(world: World) -> None:
    world.limit_calls(4)
    assert world.handle(world.desktop())["action"] == "created"
    assert world.handle(world.desktop())["action"] == "deferred"
    world.forget_calls()

    result = world.handle(world.desktop())

    assert result["action"] == "deferred"
    reason = "deferred to the next sweep: Cloudflare's quota is kept for others"
    assert result["reason"].startswith(reason)
    assert world.calls == ([], [])
    assert len(world.records()) == 1


def test_a_run_out_of_time_begins_nothing(world: World) -> None:
    with pytest.raises(OutOfTimeError):
        world.watchdog().handle(make_event(world.desktop()), Context(milliseconds=500))

    assert world.calls == ([], [])


# Odd input


@pytest.mark.parametrize("event", [{}, make_event(UNKNOWN, source="aws.s3")])
def test_what_is_no_event_of_ours_is_ignored_without_a_call(world: World, event: object) -> None:
    result = world.watchdog().handle(event, CONTEXT)

    assert (result["action"], result["instance_id"]) == ("ignored", None)
    assert world.calls == ([], [])
    ((kind, fields, counts),) = world.reports.lines
    assert (kind, fields["reason"]) == ("succeeded", result["reason"])
    assert counts == {"Ignored": 1, "Warnings": 0}


def test_a_role_that_names_no_attribute_gets_dns_and_a_warning(world: World) -> None:
    row = {"status": "LAUNCHED", "jitsi_url": "https://meet.example.com/x"}
    world.put_row(**row)

    result = world.handle(world.desktop("jitsi_url = :url, student"))

    assert result["action"] == "created"
    assert "cannot name an attribute of a row" in result["warnings"][0]
    assert json.loads(json.dumps(result)) == result
    assert world.row() == row
    assert world.standing()[0][2].startswith(f"{OWNER} ")


def test_an_instance_without_a_meeting_gets_dns_alone(world: World) -> None:
    instance_id = world.launch()

    result = world.handle(instance_id)

    assert result["action"] == "created"
    assert "meeting" not in result
    assert world.standing() == [
        (f"{instance_id}.{DOMAIN}", world.address(instance_id), f"{OWNER} managed by Elephant")
    ]
    assert "GetItem" not in world.aws_calls


def test_a_stage_without_a_table_does_dns_alone(world: World) -> None:
    watchdog = world.watchdog(make_settings(TABLE_NAME=""))

    assert watchdog.handle(make_event(world.launched()), CONTEXT)["action"] == "created"

    assert world.row() == {"status": "LAUNCHED"}
    assert sorted(world.aws_calls) == ["DescribeInstances", "GetSecretValue"]


def test_a_row_is_never_created(world: World) -> None:
    result = world.handle(world.desktop())

    assert result["action"] == "created"
    assert result["meeting"] == "there is no row 'm1'; none is created"
    assert world.rows() == []
