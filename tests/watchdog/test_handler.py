"""The event path: what an engineer relies on when an instance starts, stops or ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.cloudflare.client import TokenRefusedError
from chalicelib.deadline import OutOfTimeError
from chalicelib.dns.provider import (
    NameOccupiedError,
    RejectedError,
    UnavailableError,
    UnconfirmedError,
    WrongZoneError,
)
from chalicelib.secrets import SecretError
from localcloud.cloudflare import DEFAULT_ZONE_ID, Fault, FaultKind, When
from tests.transports import Tampering
from tests.world import DOMAIN, OWNER, RECORDS, SECRET, Context, World, make_event, make_settings

LIST = ("GET", RECORDS)
CREATE = ("POST", RECORDS)
CONTEXT = Context()
UNKNOWN = "i-0123456789abcdef0"


def change(record_id: str, method: str) -> tuple[str, str]:
    return (method, f"{RECORDS}/{record_id}")


# Starts


def test_a_started_desktop_gets_its_record_and_its_meeting_is_told(world: World) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()

    result = world.watchdog().handle(make_event(instance_id), CONTEXT)

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


def test_the_row_is_told_only_after_cloudflare_confirmed(world: World) -> None:
    world.put_row(status="LAUNCHED")
    world.cloudflare.faults.add(
        Fault(FaultKind.REFUSED, method="POST", status=400, code=9999, message="no", times=None)
    )

    with pytest.raises(RejectedError, match="9999 no"):
        world.watchdog().handle(make_event(world.desktop()), CONTEXT)

    assert world.row() == {"status": "LAUNCHED"}


def test_a_record_that_cloudflare_stores_with_another_ttl_is_linked_with_a_warning(
    world: World,
) -> None:
    """Its name and address are right, and trying again would store the same."""
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()

    def spoil(envelope: dict[str, Any]) -> None:
        if isinstance(envelope["result"], dict):
            envelope["result"]["ttl"] = 60

    result = world.watchdog(transport=Tampering(spoil)).handle(make_event(instance_id), CONTEXT)

    name = f"{instance_id}.{DOMAIN}"
    assert result["action"] == "created"
    assert result["warnings"] == [f"Cloudflare stored {name} with ttl 60 instead of 1"]
    assert world.row()["teacher_ec2_link"] == f"https://{name}:8443"


def test_a_second_event_writes_nothing(world: World) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    watchdog = world.watchdog()
    watchdog.handle(make_event(instance_id), CONTEXT)
    before = (world.records(), world.row())
    world.forget_calls()

    result = watchdog.handle(make_event(instance_id), CONTEXT)

    assert result["action"] == "unchanged"
    assert (world.records(), world.row()) == before
    assert world.calls == (["DescribeInstances", "GetItem"], [LIST])


def test_a_late_event_of_an_ended_desktop_does_not_bring_it_back(world: World) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    watchdog = world.watchdog()
    watchdog.handle(make_event(instance_id), CONTEXT)
    world.terminate(instance_id)
    watchdog.handle(make_event(instance_id, "shutting-down"), CONTEXT)

    result = watchdog.handle(make_event(instance_id, "running"), CONTEXT)

    assert result["action"] == "unchanged"
    assert world.standing() == []
    assert world.row() == {"status": "TERMINATED"}


def test_a_late_event_of_an_end_does_not_take_a_running_desktop_down(world: World) -> None:
    instance_id = world.desktop()
    watchdog = world.watchdog()
    watchdog.handle(make_event(instance_id), CONTEXT)

    result = watchdog.handle(make_event(instance_id, "shutting-down"), CONTEXT)

    assert result["action"] == "unchanged"
    assert len(world.records()) == 1


def test_a_restarted_desktop_keeps_its_record_with_the_new_address(world: World) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    watchdog = world.watchdog()
    watchdog.handle(make_event(instance_id), CONTEXT)
    (record,) = world.records()
    old = world.address(instance_id)
    world.ec2.stop_instances(InstanceIds=[instance_id])
    world.ec2.start_instances(InstanceIds=[instance_id])
    world.forget_calls()

    result = watchdog.handle(make_event(instance_id), CONTEXT)

    assert result["action"] == "updated"
    assert world.address(instance_id) != old
    assert [content for _, content, _ in world.standing()] == [world.address(instance_id)]
    assert world.dns_calls == [LIST, change(record.id, "PATCH")]


def test_running_without_an_address_is_said_and_writes_nothing(world: World) -> None:
    instance_id = world.launch(public=False, MeetingID="m1", Role="teacher")
    world.put_row(status="LAUNCHED")

    result = world.watchdog().handle(make_event(instance_id), CONTEXT)

    assert (result["action"], result["reason"]) == (
        "unchanged",
        "running, without a public address yet",
    )
    assert world.dns_calls == [LIST]
    assert world.row() == {"status": "LAUNCHED"}


# Stops and ends


def test_a_stopped_desktop_loses_record_and_link_and_its_meeting_goes_on(world: World) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    watchdog = world.watchdog()
    watchdog.handle(make_event(instance_id), CONTEXT)
    (record,) = world.records()
    world.ec2.stop_instances(InstanceIds=[instance_id])
    world.forget_calls()

    result = watchdog.handle(make_event(instance_id, "stopping"), CONTEXT)

    assert (result["action"], result["reason"]) == ("deleted", "stopped")
    assert world.standing() == []
    assert world.row() == {"status": "DNS_WRITTEN"}
    assert world.calls == (
        ["DescribeInstances", "GetItem", "UpdateItem"],
        [LIST, change(record.id, "DELETE")],
    )


def test_the_last_desktop_to_end_ends_the_meeting(world: World) -> None:
    world.put_row(status="LAUNCHED")
    teacher, student = world.desktop("teacher"), world.desktop("student")
    watchdog = world.watchdog()
    watchdog.handle(make_event(teacher), CONTEXT)
    watchdog.handle(make_event(student), CONTEXT)

    world.terminate(teacher)
    first = watchdog.handle(make_event(teacher, "shutting-down"), CONTEXT)
    after_first = world.row()
    world.terminate(student)
    world.forget_calls()
    second = watchdog.handle(make_event(student, "shutting-down"), CONTEXT)

    assert (first["action"], first["meeting"]) == ("deleted", "teacher_ec2_link removed")
    assert after_first.keys() == {"status", "student_ec2_link"}
    assert after_first["status"] == "DNS_WRITTEN"
    assert second["meeting"] == "student_ec2_link removed, status TERMINATED"
    assert world.row() == {"status": "TERMINATED"}
    assert world.standing() == []
    assert world.aws_calls.count("DescribeInstances") == 2
    assert len(world.aws_calls) == 4


def test_a_meeting_is_not_over_while_another_desktop_of_it_has_not_ended(world: World) -> None:
    """A desktop may run, or be stopped, without a link."""
    world.put_row(status="LAUNCHED")
    teacher, student = world.desktop("teacher"), world.desktop("student")
    watchdog = world.watchdog()
    watchdog.handle(make_event(teacher), CONTEXT)
    world.ec2.stop_instances(InstanceIds=[student])
    world.terminate(teacher)

    result = watchdog.handle(make_event(teacher, "shutting-down"), CONTEXT)

    assert result["meeting"] == "teacher_ec2_link removed"
    assert world.row() == {"status": "DNS_WRITTEN"}


def test_the_row_is_not_told_of_an_end_before_the_record_is_gone(world: World) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    watchdog = world.watchdog()
    watchdog.handle(make_event(instance_id), CONTEXT)
    before = world.row()
    world.terminate(instance_id)
    world.cloudflare.faults.add(Fault(FaultKind.RATE_LIMITED, method="DELETE", seconds=300))

    result = watchdog.handle(make_event(instance_id, "shutting-down"), CONTEXT)

    assert result["action"] == "deferred"
    assert world.row() == before
    assert len(world.records()) == 1


# What is ours


def test_an_instance_of_another_project_is_ignored(world: World) -> None:
    instance_id = world.launch(Project="Giraffe", MeetingID="m1", Role="teacher")
    world.put_record(f"{instance_id}.{DOMAIN}", comment="made by hand")
    before = world.records()

    result = world.watchdog().handle(make_event(instance_id), CONTEXT)

    assert (result["action"], result["reason"]) == ("ignored", "not tagged Project=Elephant")
    assert world.records() == before
    assert world.dns_calls == [LIST]


def test_an_untagged_instance_is_ignored(world: World) -> None:
    result = world.watchdog().handle(make_event(world.launch(Project="")), CONTEXT)

    assert result["action"] == "ignored"
    assert world.records() == ()


def test_a_record_of_the_guides_own_function_is_adopted(world: World) -> None:
    instance_id = world.desktop()
    record = world.put_record(f"{instance_id}.{DOMAIN}", "192.0.2.1")

    result = world.watchdog().handle(make_event(instance_id), CONTEXT)

    assert result["action"] == "updated"
    assert [found.id for found in world.records()] == [record.id]
    assert world.standing() == [
        (f"{instance_id}.{DOMAIN}", world.address(instance_id), f"{OWNER} m=m1 r=teacher")
    ]


def test_another_owners_record_is_never_touched_and_is_reported(world: World) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    world.put_record(f"{instance_id}.{DOMAIN}", comment=f"{OWNER}1 m=m1 r=teacher")
    before = world.records()

    result = world.watchdog().handle(make_event(instance_id), CONTEXT)

    assert result["action"] == "ignored"
    assert result["warnings"] == [
        f"the record {instance_id}.{DOMAIN} at 192.0.2.200 belongs to {OWNER}1; left unchanged"
    ]
    assert world.records() == before
    assert world.row() == {"status": "LAUNCHED"}
    assert world.dns_calls == [LIST]


def test_records_of_one_name_are_brought_down_to_one_in_one_call(world: World) -> None:
    instance_id = world.desktop()
    for last in range(3):
        world.put_record(f"{instance_id}.{DOMAIN}", f"192.0.2.{last}", f"{OWNER} m=m1 r=teacher")

    result = world.watchdog().handle(make_event(instance_id), CONTEXT)

    assert result["action"] == "updated"
    assert [content for _, content, _ in world.standing()] == [world.address(instance_id)]
    assert world.dns_calls == [LIST, ("POST", f"{RECORDS}/batch")]


def test_what_else_is_in_the_zone_is_never_touched(world: World) -> None:
    instance_id = world.desktop()
    name = f"{instance_id}.{DOMAIN}"
    others = [
        world.put_record("www.example.com", comment=f"{OWNER} m=m1 r=teacher"),
        world.put_record(name, "hello", kind="TXT"),
        world.put_record(name, "2001:db8::1", kind="AAAA"),
        world.put_record(f"x.{name}"),
        world.put_record(f"x{name}"),
        world.put_record(DOMAIN),
    ]
    watchdog = world.watchdog()

    watchdog.handle(make_event(instance_id), CONTEXT)
    world.terminate(instance_id)
    watchdog.handle(make_event(instance_id, "shutting-down"), CONTEXT)

    assert sorted(record.id for record in world.records()) == sorted(each.id for each in others)


def test_an_instance_that_lost_the_project_tag_loses_the_record_that_we_made(world: World) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    watchdog = world.watchdog()
    watchdog.handle(make_event(instance_id), CONTEXT)
    world.ec2.delete_tags(
        Resources=[instance_id], Tags=[{"Key": key} for key in ("Project", "MeetingID", "Role")]
    )

    result = watchdog.handle(make_event(instance_id), CONTEXT)

    assert (result["action"], result["reason"]) == ("deleted", "no longer tagged")
    assert world.row() == {"status": "DNS_WRITTEN"}


def test_a_row_that_only_the_record_leads_to_is_told_before_the_record_is_gone(
    world: World,
) -> None:
    """Tags leave an ended instance before long; a run that fails must find the row again."""
    world.put_row(status="HEALTHY")
    instance_id = world.desktop()
    watchdog = world.watchdog()
    watchdog.handle(make_event(instance_id), CONTEXT)
    world.terminate(instance_id)
    world.ec2.delete_tags(
        Resources=[instance_id], Tags=[{"Key": key} for key in ("Project", "MeetingID", "Role")]
    )
    world.fail("UpdateItem", "InternalServerError")
    with pytest.raises(Exception, match="InternalServerError"):
        watchdog.handle(make_event(instance_id, "shutting-down"), CONTEXT)
    assert len(world.records()) == 1

    world.recover()
    result = watchdog.handle(make_event(instance_id, "shutting-down"), CONTEXT)

    assert result["action"] == "deleted"
    assert (world.standing(), world.row()) == ([], {"status": "TERMINATED"})


def test_a_desktop_that_is_given_to_another_meeting_leaves_the_first(world: World) -> None:
    world.put_row("m1", status="HEALTHY")
    world.put_row("m2", status="LAUNCHED")
    instance_id = world.desktop()
    watchdog = world.watchdog()
    watchdog.handle(make_event(instance_id), CONTEXT)
    world.ec2.create_tags(Resources=[instance_id], Tags=[{"Key": "MeetingID", "Value": "m2"}])

    watchdog.handle(make_event(instance_id), CONTEXT)

    assert world.row("m1") == {"status": "HEALTHY"}
    assert world.row("m2").keys() == {"status", "teacher_ec2_link"}
    assert world.standing()[0][2] == f"{OWNER} m=m2 r=teacher"


def test_a_desktop_whose_role_no_longer_names_an_attribute_leaves_the_row(world: World) -> None:
    world.put_row(status="HEALTHY")
    instance_id = world.desktop()
    watchdog = world.watchdog()
    watchdog.handle(make_event(instance_id), CONTEXT)
    world.ec2.create_tags(Resources=[instance_id], Tags=[{"Key": "Role", "Value": "co-host"}])

    watchdog.handle(make_event(instance_id), CONTEXT)

    assert world.row() == {"status": "HEALTHY"}


# What is not known


def test_an_instance_that_ec2_does_not_know_yet_is_left_to_the_sweep(world: World) -> None:
    result = world.watchdog().handle(make_event(UNKNOWN), CONTEXT)

    assert result["action"] == "deferred"
    assert (
        result["reason"]
        == "deferred to the next sweep: EC2 does not know this instance, or not yet"
    )


def test_a_fresh_record_outlives_ec2_not_knowing_its_instance(world: World) -> None:
    world.put_record(f"{UNKNOWN}.{DOMAIN}", comment=f"{OWNER} m=m1 r=teacher")

    result = world.watchdog().handle(make_event(UNKNOWN), CONTEXT)

    assert result["action"] == "deferred"
    assert len(world.records()) == 1


def test_a_failed_description_deletes_nothing(world: World) -> None:
    instance_id = world.desktop()
    watchdog = world.watchdog()
    watchdog.handle(make_event(instance_id), CONTEXT)
    world.fail("DescribeInstances", "UnauthorizedOperation")
    world.forget_calls()

    with pytest.raises(Exception, match="UnauthorizedOperation"):
        watchdog.handle(make_event(instance_id, "shutting-down"), CONTEXT)

    assert len(world.records()) == 1
    assert {method for method, _ in world.dns_calls} <= {"GET"}


def test_a_failed_list_writes_nothing(world: World) -> None:
    world.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, times=None))

    with pytest.raises(UnavailableError, match="502"):
        world.watchdog().handle(make_event(world.desktop()), CONTEXT)

    assert world.dns_calls == [LIST] * 3
    assert world.pauses == [0.4, 0.8]


# Cloudflare's answers


@pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.EDGE_ERROR, FaultKind.UNSUCCESSFUL])
def test_a_write_of_unknown_outcome_is_looked_up_before_it_is_repeated(
    world: World, kind: FaultKind
) -> None:
    world.put_row(status="LAUNCHED")
    world.cloudflare.faults.add(Fault(kind, when=When.AFTER, method="POST"))

    result = world.watchdog().handle(make_event(world.desktop()), CONTEXT)

    assert result["action"] == "created"
    assert len(world.records()) == 1
    assert world.dns_calls == [LIST, CREATE, LIST]
    assert world.row()["status"] == "DNS_WRITTEN"


@pytest.mark.parametrize("times", [1, 2])
def test_a_write_that_was_not_carried_out_is_repeated(world: World, times: int) -> None:
    world.cloudflare.faults.add(Fault(FaultKind.DROP, method="POST", times=times))

    result = world.watchdog().handle(make_event(world.desktop()), CONTEXT)

    assert result["action"] == "created"
    assert world.dns_calls == [LIST, CREATE] * (times + 1)


def test_a_write_that_cannot_be_confirmed_fails(world: World) -> None:
    world.put_row(status="LAUNCHED")
    world.cloudflare.faults.add(Fault(FaultKind.DROP, method="POST", times=None))

    with pytest.raises(UnconfirmedError, match="could not confirm"):
        world.watchdog().handle(make_event(world.desktop()), CONTEXT)

    assert world.dns_calls == [LIST, CREATE] * 3
    assert world.row() == {"status": "LAUNCHED"}


def test_a_record_that_is_there_already_is_adopted(world: World) -> None:
    instance_id = world.desktop()
    world.cloudflare.faults.add(Fault(FaultKind.STALE, changes=1))
    record = world.put_record(f"{instance_id}.{DOMAIN}", world.address(instance_id))

    result = world.watchdog().handle(make_event(instance_id), CONTEXT)

    assert result["action"] == "updated"
    assert [found.id for found in world.records()] == [record.id]
    assert world.standing()[0][2] == f"{OWNER} m=m1 r=teacher"
    assert world.dns_calls == [LIST, CREATE, LIST, change(record.id, "PATCH")]


def test_a_record_that_is_gone_already_counts_as_deleted(world: World) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    watchdog = world.watchdog()
    watchdog.handle(make_event(instance_id), CONTEXT)
    world.terminate(instance_id)
    world.cloudflare.faults.add(
        Fault(FaultKind.REFUSED, method="DELETE", status=404, code=81044, message="gone")
    )

    result = watchdog.handle(make_event(instance_id, "shutting-down"), CONTEXT)

    assert result["action"] == "deleted"
    assert world.row() == {"status": "TERMINATED"}


def test_a_record_that_vanished_before_its_update_is_made_anew(world: World) -> None:
    instance_id = world.desktop()
    world.put_record(f"{instance_id}.{DOMAIN}", "192.0.2.1")
    world.cloudflare.faults.add(Fault(FaultKind.STALE, changes=1))
    world.cloudflare.api.zone(DEFAULT_ZONE_ID).delete(world.records()[0].id)

    result = world.watchdog().handle(make_event(instance_id), CONTEXT)

    assert result["action"] == "created"
    assert [content for _, content, _ in world.standing()] == [world.address(instance_id)]


def test_another_owner_who_was_faster_is_not_said_to_be_us(world: World) -> None:
    instance_id = world.desktop()
    world.cloudflare.faults.add(Fault(FaultKind.STALE, changes=1))
    comment = "elephant:other m=m1 r=teacher"
    world.put_record(f"{instance_id}.{DOMAIN}", world.address(instance_id), comment)

    result = world.watchdog().handle(make_event(instance_id), CONTEXT)

    assert result["action"] == "ignored"
    assert result["warnings"]
    assert world.reports.lines[0][2] == {"Ignored": 1, "QuotaLeft": 1197, "Warnings": 1}


def test_a_row_that_was_told_is_reported_though_anothers_record_stands(world: World) -> None:
    instance_id = world.desktop()
    world.put_row(status="HEALTHY")
    world.put_record(f"{instance_id}.{DOMAIN}", comment="elephant:other m=m1 r=teacher")
    world.terminate(instance_id)

    result = world.watchdog().handle(make_event(instance_id, "shutting-down"), CONTEXT)

    assert result["action"] == "updated"
    assert world.row() == {"status": "TERMINATED"}


def test_work_that_is_left_after_an_unclear_write_says_so(world: World) -> None:
    world.limit_calls(3)
    world.cloudflare.faults.add(Fault(FaultKind.UNSUCCESSFUL, when=When.AFTER, method="POST"))

    result = world.watchdog().handle(make_event(world.desktop()), CONTEXT)

    assert result["action"] == "deferred"
    assert "could not confirm POST" in result["reason"]


def test_a_cname_in_the_way_is_named_and_left(world: World) -> None:
    instance_id = world.desktop()
    world.put_record(f"{instance_id}.{DOMAIN}", "elsewhere.example.com", kind="CNAME")

    with pytest.raises(NameOccupiedError, match="by hand"):
        world.watchdog().handle(make_event(instance_id), CONTEXT)

    assert [record.type for record in world.records()] == ["CNAME"]


def test_a_zone_that_is_not_the_domains_is_refused_and_keeps_no_stray_record(world: World) -> None:
    settings = make_settings(DOMAIN_ROOT="desktops.example.org")

    with pytest.raises(WrongZoneError, match=r"example\.org\.example\.com, which was removed"):
        world.watchdog(settings).handle(make_event(world.desktop()), CONTEXT)

    assert world.records() == ()
    assert [method for method, _ in world.dns_calls] == ["GET", "POST", "DELETE"]


def test_a_stray_record_is_found_even_if_the_answer_was_lost(world: World) -> None:
    settings = make_settings(DOMAIN_ROOT="desktops.example.org")
    world.cloudflare.faults.add(Fault(FaultKind.DROP, when=When.AFTER, method="POST"))

    with pytest.raises(WrongZoneError, match="set ZONE_ID"):
        world.watchdog(settings).handle(make_event(world.desktop()), CONTEXT)

    assert world.records() == ()


# The token


def test_the_token_is_read_once_for_many_events(world: World) -> None:
    watchdog = world.watchdog()
    for _ in range(3):
        watchdog.handle(make_event(world.desktop()), CONTEXT)

    assert world.aws_calls.count("GetSecretValue") == 1


def test_a_rotated_token_is_picked_up_at_the_first_refusal(world: World) -> None:
    watchdog = world.watchdog()
    watchdog.handle(make_event(world.desktop()), CONTEXT)
    world.rotate_token()
    world.forget_calls()

    result = watchdog.handle(make_event(world.desktop()), CONTEXT)

    assert result["action"] == "created"
    assert world.aws_calls.count("GetSecretValue") == 1
    assert world.dns_calls == [LIST, LIST, CREATE]


def test_a_refused_token_fails_by_name_after_one_more_look_at_the_secret(world: World) -> None:
    world.store_token("x" * 40)

    with pytest.raises(TokenRefusedError, match=f"rejects the token in secret '{SECRET}'") as error:
        world.watchdog().handle(make_event(world.desktop()), CONTEXT)

    assert world.aws_calls.count("GetSecretValue") == 2
    assert world.dns_calls == [LIST]
    assert "x" * 40 not in repr(error.getrepr(style="long"))


def test_a_missing_secret_fails_by_name(world: World) -> None:
    world.secrets.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)

    with pytest.raises(SecretError, match=SECRET):
        world.watchdog().handle(make_event(world.desktop()), CONTEXT)

    assert world.dns_calls == []


# The quota and the deadline


def test_below_half_of_the_quota_the_work_is_left_without_a_call(world: World) -> None:
    world.limit_calls(4)
    watchdog = world.watchdog()
    assert watchdog.handle(make_event(world.desktop()), CONTEXT)["action"] == "created"
    assert watchdog.handle(make_event(world.desktop()), CONTEXT)["action"] == "deferred"
    world.forget_calls()

    result = watchdog.handle(make_event(world.desktop()), CONTEXT)

    assert result["action"] == "deferred"
    assert result["reason"].startswith(
        "deferred to the next sweep: Cloudflare's quota is kept for others"
    )
    assert world.calls == ([], [])
    assert len(world.records()) == 1


def test_after_a_429_no_call_is_made_until_it_may_be(world: World) -> None:
    world.cloudflare.faults.add(Fault(FaultKind.RATE_LIMITED, seconds=120, body=False))
    watchdog = world.watchdog()

    first = watchdog.handle(make_event(world.desktop()), CONTEXT)
    world.forget_calls()
    second = watchdog.handle(make_event(world.desktop()), CONTEXT)

    assert (first["action"], second["action"]) == ("deferred", "deferred")
    assert "no calls for 120 s" in first["reason"]
    assert world.calls == ([], [])


def test_a_run_out_of_time_begins_nothing(world: World) -> None:
    with pytest.raises(OutOfTimeError):
        world.watchdog().handle(make_event(world.desktop()), Context(milliseconds=500))

    assert world.calls == ([], [])


# Bad input


@pytest.mark.parametrize(
    "event",
    [
        {},
        [],
        None,
        "running",
        make_event("i-1"),
        make_event(UNKNOWN, source="aws.s3"),
        make_event(UNKNOWN, account="999999999999"),
        make_event(UNKNOWN, detail=None),
        make_event(UNKNOWN, **{"detail-type": "EC2 Spot Instance Interruption Warning"}),
    ],
)
def test_what_is_no_event_of_ours_is_ignored_without_a_call(world: World, event: object) -> None:
    result = world.watchdog().handle(event, CONTEXT)

    assert result["action"] == "ignored"
    assert result["instance_id"] is None
    assert world.calls == ([], [])
    ((kind, fields, counts),) = world.reports.lines
    assert (kind, fields["reason"], counts) == (
        "succeeded",
        result["reason"],
        {"Ignored": 1, "Warnings": 0},
    )


@pytest.mark.parametrize("role", ["co-host", "jitsi_url = :url, student", "r" * 256, 'te"acher'])
def test_a_role_that_names_no_attribute_gets_dns_and_a_warning(world: World, role: str) -> None:
    world.put_row(status="LAUNCHED", jitsi_url="https://meet.example.com/x")

    result = world.watchdog().handle(make_event(world.desktop(role)), CONTEXT)

    assert result["action"] == "created"
    assert "cannot name an attribute of a row" in result["warnings"][0]
    assert world.row() == {"status": "LAUNCHED", "jitsi_url": "https://meet.example.com/x"}
    assert world.standing()[0][2].startswith(f"{OWNER} ")


@pytest.mark.parametrize("meeting", ["m" * 256, "a'; DROP", 'x" = :y', "*", "ünïcode", "#id"])
def test_an_odd_meeting_id_is_only_ever_a_key(world: World, meeting: str) -> None:
    world.put_row(meeting, status="LAUNCHED")
    world.put_row("other", status="LAUNCHED")
    instance_id = world.desktop(meeting=meeting)
    watchdog = world.watchdog()

    watchdog.handle(make_event(instance_id), CONTEXT)
    assert world.row(meeting)["teacher_ec2_link"].startswith(f"https://{instance_id}.")
    world.terminate(instance_id)
    watchdog.handle(make_event(instance_id, "shutting-down"), CONTEXT)

    assert world.row(meeting) == {"status": "TERMINATED"}
    assert world.row("other") == {"status": "LAUNCHED"}


def test_an_instance_without_a_meeting_gets_dns_alone(world: World) -> None:
    instance_id = world.launch()

    result = world.watchdog().handle(make_event(instance_id), CONTEXT)

    assert result["action"] == "created"
    assert "meeting" not in result
    assert world.standing() == [
        (f"{instance_id}.{DOMAIN}", world.address(instance_id), f"{OWNER} managed by Elephant")
    ]
    assert "GetItem" not in world.aws_calls


def test_a_stage_without_a_table_does_dns_alone(world: World) -> None:
    world.put_row(status="LAUNCHED")

    result = world.watchdog(make_settings(TABLE_NAME="")).handle(
        make_event(world.desktop()), CONTEXT
    )

    assert result["action"] == "created"
    assert world.row() == {"status": "LAUNCHED"}
    assert sorted(world.aws_calls) == ["DescribeInstances", "GetSecretValue"]


def test_a_row_that_is_not_there_is_not_made(world: World) -> None:
    instance_id = world.desktop()
    watchdog = world.watchdog()

    result = watchdog.handle(make_event(instance_id), CONTEXT)
    world.terminate(instance_id)
    watchdog.handle(make_event(instance_id, "shutting-down"), CONTEXT)

    assert result["action"] == "created"
    assert result["meeting"] == "there is no row 'm1'; none is created"
    assert world.rows() == []


# Reports


def test_every_run_reports_once_with_what_is_left_of_the_quota(world: World) -> None:
    instance_id = world.desktop()

    result = world.watchdog().handle(make_event(instance_id, "running"), CONTEXT)

    assert world.reports.lines == [
        (
            "succeeded",
            result
            | {
                "request_id": CONTEXT.aws_request_id,
                "event_id": "7bf73129-1428-4cd3-a780-95db273d1602",
                "event_state": "running",
            },
            {"Created": 1, "QuotaLeft": 1198, "Warnings": 0},
        )
    ]


def test_a_failure_is_reported_once_and_raised(world: World) -> None:
    world.fail("DescribeInstances", "InternalError")
    instance_id = world.desktop()

    with pytest.raises(Exception, match="InternalError"):
        world.watchdog().handle(make_event(instance_id), CONTEXT)

    ((kind, fields, counts),) = world.reports.lines
    assert "InternalError" in kind
    assert fields["instance_id"] == instance_id
    assert counts["Failed"] == 1


def test_the_result_is_json(world: World) -> None:
    result = world.watchdog().handle(make_event(world.desktop("co-host")), CONTEXT)

    assert json.loads(json.dumps(result)) == result
