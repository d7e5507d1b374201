"""Every kind of drift is brought back by one sweep: each alone, and all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.world import DOMAIN, OWNER, RECORDS, World, link

LIST = ("GET", RECORDS)
READS = ("BatchGetItem", "DescribeInstances", "GetSecretValue")


@dataclass(frozen=True)
class Right:
    """How things should be: records by instance with their address, and rows by meeting."""

    rows: dict[str, dict[str, str]]
    records: dict[str, str] = field(default_factory=dict)
    meeting: str = ""

    def standing(self) -> list[tuple[str, str, str]]:
        """Spell the records as World.standing does."""
        comment = f"{OWNER} m={self.meeting} r=teacher"
        return [(f"{each}.{DOMAIN}", address, comment) for each, address in self.records.items()]


Drift = Callable[[World, str], Right]


def gone(meeting: str) -> str:
    """Name an instance that EC2 does not know (any longer), another one for each meeting."""
    return f"i-{int(meeting.removeprefix('m')):017x}"


def with_link(world: World, meeting: str, instance_id: str, status: str = "HEALTHY") -> Right:
    """Write how it is while a desktop runs, and return that."""
    row = {"status": status, "teacher_ec2_link": link(instance_id)}
    world.put_row(meeting, **row)
    return Right({meeting: row}, {instance_id: world.address(instance_id)}, meeting)


def running(world: World, meeting: str) -> tuple[str, Right]:
    """Make a desktop of which everything is right."""
    instance_id = world.desktop(meeting=meeting)
    world.put_own(instance_id, world.address(instance_id), meeting)
    return instance_id, with_link(world, meeting, instance_id)


def without_link(meeting: str, status: str) -> Right:
    return Right({meeting: {"status": status}})


def untag(world: World, instance_id: str, *keys: str) -> None:
    world.ec2.delete_tags(Resources=[instance_id], Tags=[{"Key": key} for key in keys])


def edit(world: World, instance_id: str, **members: object) -> None:
    """Change a record by hand."""
    (record,) = [each for each in world.records() if each.name == f"{instance_id}.{DOMAIN}"]
    world.cloudflare.api.zone("example.com").patch(record.id, members)  # type: ignore[arg-type]


# The kinds of drift


def a_start_was_lost(world: World, meeting: str) -> Right:
    instance_id = world.desktop(meeting=meeting)
    right = with_link(world, meeting, instance_id, status="DNS_WRITTEN")
    world.put_row(meeting, status="LAUNCHED")
    return right


def an_end_was_lost(world: World, meeting: str) -> Right:
    instance_id, _ = running(world, meeting)
    world.terminate(instance_id)
    return without_link(meeting, "TERMINATED")


def a_stop_was_lost(world: World, meeting: str) -> Right:
    instance_id, _ = running(world, meeting)
    world.ec2.stop_instances(InstanceIds=[instance_id])
    return without_link(meeting, "HEALTHY")


def an_elastic_address_came(world: World, meeting: str) -> Right:
    """No event tells of it."""
    instance_id, _ = running(world, meeting)
    world.associate(instance_id, f"198.51.100.{meeting.removeprefix('m')}")
    return with_link(world, meeting, instance_id)


def a_record_was_pointed_elsewhere(world: World, meeting: str) -> Right:
    instance_id, right = running(world, meeting)
    edit(world, instance_id, content="192.0.2.9")
    return right


def a_record_lost_its_proxy(world: World, meeting: str) -> Right:
    instance_id, right = running(world, meeting)
    edit(world, instance_id, proxied=False, ttl=300)
    return right


def a_record_lost_its_comment(world: World, meeting: str) -> Right:
    instance_id, right = running(world, meeting)
    edit(world, instance_id, comment=None)
    return right


def a_record_was_given_to_another_meeting(world: World, meeting: str) -> Right:
    instance_id, right = running(world, meeting)
    edit(world, instance_id, comment=f"{OWNER} m=nowhere r=student")
    return right


def a_record_was_deleted(world: World, meeting: str) -> Right:
    return with_link(world, meeting, world.desktop(meeting=meeting))


def a_record_was_renamed(world: World, meeting: str) -> Right:
    instance_id, right = running(world, meeting)
    edit(world, instance_id, name=f"renamed-{meeting}.{DOMAIN}")
    return right


def a_record_has_duplicates(world: World, meeting: str) -> Right:
    instance_id, right = running(world, meeting)
    world.put_own(instance_id, "192.0.2.1", meeting)
    world.put_record(f"{instance_id}.{DOMAIN}", "192.0.2.2")
    return right


def only_duplicates_are_there_and_all_are_wrong(world: World, meeting: str) -> Right:
    right = a_record_was_deleted(world, meeting)
    for last in (1, 2):
        world.put_own(next(iter(right.records)), f"192.0.2.{last}", meeting)
    return right


def the_guides_own_function_made_it(world: World, meeting: str) -> Right:
    right = a_record_was_deleted(world, meeting)
    ((instance_id, address),) = right.records.items()
    world.put_record(f"{instance_id}.{DOMAIN}", address, comment="made by dns_watchdog")
    return right


def a_row_was_not_told_of_the_start(world: World, meeting: str) -> Right:
    instance_id, _ = running(world, meeting)
    right = with_link(world, meeting, instance_id, status="DNS_WRITTEN")
    world.put_row(meeting, status="LAUNCHED")
    return right


def a_row_was_not_told_of_the_stop(world: World, meeting: str) -> Right:
    instance_id = world.desktop(meeting=meeting)
    with_link(world, meeting, instance_id)
    world.ec2.stop_instances(InstanceIds=[instance_id])
    return without_link(meeting, "HEALTHY")


def a_row_was_not_told_of_the_end(world: World, meeting: str) -> Right:
    instance_id = world.desktop(meeting=meeting)
    with_link(world, meeting, instance_id, status="IN_PROGRESS")
    world.terminate(instance_id)
    return without_link(meeting, "TERMINATED")


def a_row_was_not_told_that_the_desktop_was_replaced(world: World, meeting: str) -> Right:
    older = world.desktop(meeting=meeting)
    world.terminate(older)
    instance_id, right = running(world, meeting)
    row = {"status": "HEALTHY", "teacher_ec2_link": link(older), "teacher_ec2_id": older}
    world.put_row(meeting, **row)
    right.rows[meeting] = row | {"teacher_ec2_link": link(instance_id)}
    return right


def a_link_was_left_behind(world: World, meeting: str) -> Right:
    """EC2 has forgotten the instance, and its record is gone."""
    _, right = running(world, meeting)
    world.put_row(meeting, **right.rows[meeting], student_ec2_link=link(gone(meeting)))
    return right


def an_instance_is_no_longer_there(world: World, meeting: str) -> Right:
    world.put_own(gone(meeting), meeting=meeting)
    world.put_row(meeting, status="HEALTHY", teacher_ec2_link=link(gone(meeting)))
    return without_link(meeting, "HEALTHY")


def an_instance_lost_our_tag(world: World, meeting: str) -> Right:
    instance_id, _ = running(world, meeting)
    untag(world, instance_id, "Project")
    return without_link(meeting, "HEALTHY")


def an_ended_instance_lost_its_tags(world: World, meeting: str) -> Right:
    instance_id, _ = running(world, meeting)
    world.terminate(instance_id)
    untag(world, instance_id, "Project", "MeetingID", "Role")
    return without_link(meeting, "TERMINATED")


def an_instance_changed_its_role(world: World, meeting: str) -> Right:
    instance_id, right = running(world, meeting)
    world.put_row(meeting, status="HEALTHY", student_ec2_link=link(instance_id))
    edit(world, instance_id, comment=f"{OWNER} m={meeting} r=student")
    return right


# With the one write to Cloudflare, and what is asked of AWS beside READS

CREATE, UPDATE, DELETE, BATCH, NONE = "create", "update", "delete", "batch", ""
BY_ID, TELL = "DescribeInstances", "UpdateItem"
DRIFTS: list[tuple[Drift, str, tuple[str, ...]]] = [
    (a_start_was_lost, CREATE, (TELL,)),
    (an_end_was_lost, DELETE, (TELL,)),
    (a_stop_was_lost, DELETE, (TELL,)),
    (an_elastic_address_came, UPDATE, ()),
    (a_record_was_pointed_elsewhere, UPDATE, ()),
    (a_record_lost_its_proxy, UPDATE, ()),
    (a_record_lost_its_comment, UPDATE, ()),
    (a_record_was_given_to_another_meeting, UPDATE, ()),
    (a_record_was_deleted, CREATE, ()),
    (a_record_was_renamed, BATCH, ()),
    (a_record_has_duplicates, BATCH, ()),
    (only_duplicates_are_there_and_all_are_wrong, BATCH, ()),
    (the_guides_own_function_made_it, UPDATE, ()),
    (a_row_was_not_told_of_the_start, NONE, (TELL,)),
    (a_row_was_not_told_of_the_stop, NONE, (TELL,)),
    (a_row_was_not_told_of_the_end, NONE, (TELL,)),
    (a_row_was_not_told_that_the_desktop_was_replaced, NONE, (TELL,)),
    (a_link_was_left_behind, NONE, (BY_ID, TELL)),
    (an_instance_is_no_longer_there, DELETE, (BY_ID, TELL)),
    (an_instance_lost_our_tag, DELETE, (BY_ID, TELL)),
    (an_ended_instance_lost_its_tags, DELETE, (BY_ID, TELL)),
    (an_instance_changed_its_role, UPDATE, (TELL,)),
]
KINDS = [drift for drift, _, _ in DRIFTS]


def is_write(call: tuple[str, str], write: str) -> bool:
    method, path = call
    one = {CREATE: ("POST", RECORDS), BATCH: ("POST", f"{RECORDS}/batch")}
    if write in one:
        return call == one[write]
    return method == {UPDATE: "PATCH", DELETE: "DELETE"}[write] and path.startswith(f"{RECORDS}/")


def is_settled(world: World, rights: list[Right]) -> bool:
    """Tell whether everything is right, and the next sweep finds that it is and only reads."""
    right = sorted(each for right in rights for each in right.standing())
    rows = {meeting: row for each in rights for meeting, row in each.rows.items()}
    assert world.standing() == right
    assert {meeting: world.row(meeting) for meeting in world.rows()} == rows
    assert all(each.fields.proxied and each.fields.ttl == 1 for each in world.records())
    before = world.records()
    world.forget_calls()

    again = world.swept()

    assert world.dns_calls == [LIST]
    assert "UpdateItem" not in world.aws_calls
    assert world.records() == before
    return (again["action"], again["reason"]) == ("unchanged", "everything is up to date")


@pytest.mark.parametrize(("drift", "write", "more"), DRIFTS, ids=[each.__name__ for each in KINDS])
def test_a_drift_is_brought_back_by_as_few_calls_as_can_be(
    world: World, drift: Drift, write: str, more: tuple[str, ...]
) -> None:
    right = drift(world, "m1")
    world.pass_time()

    result = world.swept()

    assert result["action"] == "repaired"
    assert "left" not in result
    assert "refused" not in result
    assert sorted(world.aws_calls) == sorted([*READS, *more])
    first, *writes = world.dns_calls
    assert first == LIST
    assert len(writes) == bool(write)
    assert all(is_write(call, write) for call in writes)
    assert is_settled(world, [right])


@pytest.mark.parametrize("kinds", [KINDS, KINDS[::-1], KINDS[::2], KINDS[1::3]])
def test_drifts_of_every_kind_at_once_are_brought_back_by_one_batch(
    world: World, kinds: list[Drift]
) -> None:
    rights = [drift(world, f"m{number}") for number, drift in enumerate(kinds, start=1)]
    world.pass_time()

    result = world.swept()

    assert "left" not in result
    assert world.dns_calls == [LIST, ("POST", f"{RECORDS}/batch")]
    assert {each for each in world.aws_calls if each != TELL} == {*READS, BY_ID}
    assert is_settled(world, rights)


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_the_other_desktop_of_a_meeting_is_not_touched(world: World, role: str) -> None:
    """One ended without a word; the meeting goes on with the other."""
    teacher, student = world.desktop("teacher"), world.desktop("student")
    desktops = {"teacher": teacher, "student": student}
    for each, instance_id in desktops.items():
        world.put_own(instance_id, world.address(instance_id), role=each)
    world.put_row(
        status="IN_PROGRESS", teacher_ec2_link=link(teacher), student_ec2_link=link(student)
    )
    ended = desktops.pop(role)
    world.terminate(ended)
    ((other, stays),) = desktops.items()

    result = world.swept()

    assert result["done"] == {"created": 0, "updated": 0, "deleted": 1, "rows": 1}
    assert [name for name, _, _ in world.standing()] == [f"{stays}.{DOMAIN}"]
    assert world.row() == {"status": "IN_PROGRESS", f"{other}_ec2_link": link(stays)}


def test_what_is_mended_keeps_its_id_and_what_others_set_of_it(world: World) -> None:
    instance_id = world.desktop()
    settings = {"ipv4_only": True}
    record = world.put_own(instance_id, "192.0.2.9", settings=settings)

    world.swept()

    (after,) = world.records()
    assert (after.id, after.as_json()["settings"]) == (record.id, settings)
    assert after.fields.content == world.address(instance_id)
