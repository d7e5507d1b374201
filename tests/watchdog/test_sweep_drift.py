"""One sweep repairs every kind of drift, each alone and all at once; a row's last trace goes last.

A record may be all that still leads to a meeting's row. The row is updated before it goes, and a
run that dies in between is finished by the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from localcloud.cloudflare import Fault, FaultKind, When
from tests.transports import Noting
from tests.world import DOMAIN, OWNER, RECORDS, Context, World, link

LIST = ("GET", RECORDS)
READS = ("BatchGetItem", "DescribeInstances", "GetSecretValue")
UNKNOWN = "i-0123456789abcdef0"
FORGOTTEN = "i-0fedcba9876543210"


@dataclass(frozen=True)
class Right:
    """How things should be: records by instance with their address, and rows by meeting."""

    rows: dict[str, dict[str, str]]
    records: dict[str, str] = field(default_factory=dict)
    meeting: str = ""

    def standing(self) -> list[tuple[str, str, str]]:
        """Return the records as World.standing does."""
        comment = f"{OWNER} m={self.meeting} r=teacher"
        return [(f"{each}.{DOMAIN}", address, comment) for each, address in self.records.items()]


Drift = Callable[[World, str], Right]


def gone(meeting: str) -> str:
    """Return the id of an instance that EC2 does not know, a different one for each meeting."""
    return f"i-{int(meeting.removeprefix('m')):017x}"


def with_link(world: World, meeting: str, instance_id: str, status: str = "HEALTHY") -> Right:
    """Write the row of a running desktop, and return how things should be."""
    row = {"status": status, "teacher_ec2_link": link(instance_id)}
    world.put_row(meeting, **row)
    return Right({meeting: row}, {instance_id: world.address(instance_id)}, meeting)


def running(world: World, meeting: str) -> tuple[str, Right]:
    """Launch a desktop of which everything is right."""
    instance_id = world.serving(meeting=meeting)
    return instance_id, with_link(world, meeting, instance_id)


def without_link(meeting: str, status: str) -> Right:
    return Right({meeting: {"status": status}})


def edit(world: World, instance_id: str, **members: object) -> None:
    """Change a record by hand."""
    (record,) = [each for each in world.records() if each.name == f"{instance_id}.{DOMAIN}"]
    world.cloudflare.api.zone("example.com").patch(record.id, members)  # type: ignore[arg-type]


def edited(**members: object) -> Drift:
    def drift(world: World, meeting: str) -> Right:
        instance_id, right = running(world, meeting)
        edit(world, instance_id, **members)
        return right

    return drift


# The kinds of drift


def lost_start(world: World, meeting: str) -> Right:
    right = with_link(world, meeting, world.desktop(meeting=meeting), status="DNS_WRITTEN")
    world.put_row(meeting, status="LAUNCHED")
    return right


def lost_end(world: World, meeting: str) -> Right:
    world.terminate(world.serving(meeting=meeting))
    return without_link(meeting, "TERMINATED")


def lost_stop(world: World, meeting: str) -> Right:
    world.stop(world.serving(meeting=meeting))
    return without_link(meeting, "HEALTHY")


def elastic_address(world: World, meeting: str) -> Right:
    """EC2 sends no event about it."""
    instance_id, _ = running(world, meeting)
    world.associate(instance_id, f"198.51.100.{meeting.removeprefix('m')}")
    return with_link(world, meeting, instance_id)


def record_deleted(world: World, meeting: str) -> Right:
    return with_link(world, meeting, world.desktop(meeting=meeting))


def record_renamed(world: World, meeting: str) -> Right:
    return edited(name=f"renamed-{meeting}.{DOMAIN}")(world, meeting)


def duplicates(world: World, meeting: str) -> Right:
    instance_id, right = running(world, meeting)
    world.put_own(instance_id, "192.0.2.1", meeting)
    world.put_record(f"{instance_id}.{DOMAIN}", "192.0.2.2")
    return right


def wrong_duplicates_only(world: World, meeting: str) -> Right:
    right = record_deleted(world, meeting)
    for last in (1, 2):
        world.put_own(next(iter(right.records)), f"192.0.2.{last}", meeting)
    return right


def record_of_the_guide(world: World, meeting: str) -> Right:
    right = record_deleted(world, meeting)
    ((instance_id, address),) = right.records.items()
    world.put_record(f"{instance_id}.{DOMAIN}", address, comment="made by dns_watchdog")
    return right


def row_misses_start(world: World, meeting: str) -> Right:
    instance_id, _ = running(world, meeting)
    right = with_link(world, meeting, instance_id, status="DNS_WRITTEN")
    world.put_row(meeting, status="LAUNCHED")
    return right


def row_misses_stop(world: World, meeting: str) -> Right:
    instance_id = world.desktop(meeting=meeting)
    with_link(world, meeting, instance_id)
    world.stop(instance_id)
    return without_link(meeting, "HEALTHY")


def row_misses_end(world: World, meeting: str) -> Right:
    instance_id = world.desktop(meeting=meeting)
    with_link(world, meeting, instance_id, status="IN_PROGRESS")
    world.terminate(instance_id)
    return without_link(meeting, "TERMINATED")


def row_misses_replacement(world: World, meeting: str) -> Right:
    older = world.desktop(meeting=meeting)
    world.terminate(older)
    instance_id, right = running(world, meeting)
    row = {"status": "HEALTHY", "teacher_ec2_link": link(older), "teacher_ec2_id": older}
    world.put_row(meeting, **row)
    right.rows[meeting] = row | {"teacher_ec2_link": link(instance_id)}
    return right


def link_left_behind(world: World, meeting: str) -> Right:
    """EC2 has forgotten the instance, and its record is gone."""
    _, right = running(world, meeting)
    world.put_row(meeting, **right.rows[meeting], student_ec2_link=link(gone(meeting)))
    return right


def unknown_instance(world: World, meeting: str) -> Right:
    world.put_own(gone(meeting), meeting=meeting)
    world.put_row(meeting, status="HEALTHY", teacher_ec2_link=link(gone(meeting)))
    return without_link(meeting, "HEALTHY")


def project_tag_lost(world: World, meeting: str) -> Right:
    world.untag(world.serving(meeting=meeting), "Project")
    return without_link(meeting, "HEALTHY")


def tags_lost_after_the_end(world: World, meeting: str) -> Right:
    instance_id = world.serving(meeting=meeting)
    world.terminate(instance_id)
    world.untag(instance_id)
    return without_link(meeting, "TERMINATED")


def role_changed(world: World, meeting: str) -> Right:
    instance_id, right = running(world, meeting)
    world.put_row(meeting, status="HEALTHY", student_ec2_link=link(instance_id))
    edit(world, instance_id, comment=f"{OWNER} m={meeting} r=student")
    return right


# With the one write to Cloudflare, and what is asked of AWS beside READS

CREATE, UPDATE, DELETE, BATCH, NONE = "create", "update", "delete", "batch", ""
BY_ID, ROW = "DescribeInstances", "UpdateItem"
DRIFTS: dict[str, tuple[Drift, str, tuple[str, ...]]] = {
    "lost start": (lost_start, CREATE, (ROW,)),
    "lost end": (lost_end, DELETE, (ROW,)),
    "lost stop": (lost_stop, DELETE, (ROW,)),
    "Elastic IP address": (elastic_address, UPDATE, ()),
    "record with another address": (edited(content="192.0.2.9"), UPDATE, ()),
    "record without proxy": (edited(proxied=False, ttl=300), UPDATE, ()),
    "record without comment": (edited(comment=None), UPDATE, ()),
    "record of another meeting": (edited(comment=f"{OWNER} m=none r=student"), UPDATE, ()),
    "record deleted": (record_deleted, CREATE, ()),
    "record renamed": (record_renamed, BATCH, ()),
    "duplicates": (duplicates, BATCH, ()),
    "wrong duplicates only": (wrong_duplicates_only, BATCH, ()),
    "record of the guide's function": (record_of_the_guide, UPDATE, ()),
    "row misses start": (row_misses_start, NONE, (ROW,)),
    "row misses stop": (row_misses_stop, NONE, (ROW,)),
    "row misses end": (row_misses_end, NONE, (ROW,)),
    "row misses replacement": (row_misses_replacement, NONE, (ROW,)),
    "link left behind": (link_left_behind, NONE, (BY_ID, ROW)),
    "unknown instance": (unknown_instance, DELETE, (BY_ID, ROW)),
    "project tag lost": (project_tag_lost, DELETE, (BY_ID, ROW)),
    "tags lost after the end": (tags_lost_after_the_end, DELETE, (BY_ID, ROW)),
    "role changed": (role_changed, UPDATE, (ROW,)),
}
KINDS = [drift for drift, _, _ in DRIFTS.values()]


def is_write(call: tuple[str, str], write: str) -> bool:
    method, path = call
    one = {CREATE: ("POST", RECORDS), BATCH: ("POST", f"{RECORDS}/batch")}
    if write in one:
        return call == one[write]
    return method == {UPDATE: "PATCH", DELETE: "DELETE"}[write] and path.startswith(f"{RECORDS}/")


def is_settled(world: World, rights: list[Right]) -> bool:
    """Return whether everything is right, and the next sweep only reads."""
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


@pytest.mark.parametrize(("drift", "write", "more"), DRIFTS.values(), ids=DRIFTS)
def test_a_drift_is_repaired_by_as_few_calls_as_possible(
    world: World, drift: Drift, write: str, more: tuple[str, ...]
) -> None:
    right = drift(world, "m1")
    world.pass_time()

    result = world.swept()

    assert result["action"] == "repaired"
    assert not {"left", "refused"} & result.keys()
    assert sorted(world.aws_calls) == sorted([*READS, *more])
    first, *writes = world.dns_calls
    assert first == LIST
    assert len(writes) == bool(write)
    assert all(is_write(call, write) for call in writes)
    assert is_settled(world, [right])


@pytest.mark.parametrize("kinds", [KINDS, KINDS[::-1]], ids=["in order", "reversed"])
def test_drifts_of_every_kind_at_once_are_repaired_by_one_batch(
    world: World, kinds: list[Drift]
) -> None:
    rights = [drift(world, f"m{number}") for number, drift in enumerate(kinds, start=1)]
    world.pass_time()

    result = world.swept()

    assert "left" not in result
    assert world.dns_calls == [LIST, ("POST", f"{RECORDS}/batch")]
    assert {each for each in world.aws_calls if each != ROW} == {*READS, BY_ID}
    assert is_settled(world, rights)


# Several desktops of a meeting


def test_a_meeting_ends_when_the_last_of_its_desktops_has_ended(world: World) -> None:
    desktops = [world.desktop("teacher"), world.desktop("student"), world.desktop("teacher")]
    world.put_row(status="LAUNCHED")
    world.swept()

    for each in desktops:
        assert world.row()["status"] == "DNS_WRITTEN"
        world.terminate(each)
        world.swept()

    assert world.row() == {"status": "TERMINATED"}
    assert world.swept()["action"] == "unchanged"


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_the_other_desktop_of_a_meeting_is_not_touched(world: World, role: str) -> None:
    desktops = {each: world.serving(each) for each in ("teacher", "student")}
    links = {f"{each}_ec2_link": link(desktops[each]) for each in desktops}
    world.put_row(status="IN_PROGRESS", **links)
    world.terminate(desktops.pop(role))
    ((other, stays),) = desktops.items()

    result = world.swept()

    assert result["done"] == {"created": 0, "updated": 0, "deleted": 1, "rows": 1}
    assert [name for name, _, _ in world.standing()] == [f"{stays}.{DOMAIN}"]
    assert world.row() == {"status": "IN_PROGRESS", f"{other}_ec2_link": link(stays)}


def test_when_the_younger_desktop_in_a_role_ends_the_older_one_gets_the_link_back(
    world: World,
) -> None:
    older, younger = world.two_in_a_role()
    world.put_row(status="LAUNCHED")
    assert world.swept()["done"] == {"created": 2, "updated": 0, "deleted": 0, "rows": 1}
    assert world.row() == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(younger)}
    world.terminate(younger)

    result = world.swept()

    assert result["done"] == {"created": 0, "updated": 0, "deleted": 1, "rows": 1}
    assert world.row() == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(older)}
    assert world.swept()["action"] == "unchanged"


# The last trace of a meeting


def last_trace(world: World, kind: str) -> None:
    """Leave a record whose comment alone names the meeting."""
    instance_id = UNKNOWN if kind == "unknown" else world.desktop()
    if kind == "ended":
        world.terminate(instance_id)
    if kind != "unknown":
        world.untag(instance_id)
    world.put_own(instance_id)
    world.put_row(status="HEALTHY", teacher_ec2_link=link(instance_id))
    world.pass_time()


@pytest.mark.parametrize("kind", ["unknown", "ended", "untagged"])
def test_a_last_trace_stays_until_the_row_has_been_updated(world: World, kind: str) -> None:
    last_trace(world, kind)
    (trace,) = world.records()
    other = world.launch()
    world.fail("UpdateItem", "InternalServerError")

    with pytest.raises(RowsNotUpdatedError):
        world.swept()

    assert trace in world.records()
    assert f"{other}.{DOMAIN}" in [name for name, _, _ in world.standing()]
    world.recover()
    world.forget_calls()
    world.sweep(transport=Noting(world.aws_calls)).handle(Context())
    assert world.aws_calls[-2:] == ["UpdateItem", f"DELETE {trace.id}"]
    assert world.row() == {"status": "TERMINATED" if kind == "ended" else "HEALTHY"}
    assert [name for name, _, _ in world.standing()] == [f"{other}.{DOMAIN}"]


def test_a_last_trace_stays_while_others_change_the_row(world: World) -> None:
    last_trace(world, "ended")
    row = {"status": "IN_PROGRESS", "teacher_ec2_link": world.row()["teacher_ec2_link"]}
    world.meanwhile("UpdateItem", lambda: world.put_row(**row))

    assert world.swept()["skipped"] == 1

    assert (len(world.records()), world.row()) == (1, row)
    assert world.swept()["done"] == {"created": 0, "updated": 0, "deleted": 1, "rows": 1}
    assert (world.records(), world.row()) == ((), {"status": "TERMINATED"})


def test_a_last_trace_without_a_row_or_with_a_row_that_is_right_just_goes(world: World) -> None:
    world.put_own("i-00000001", meeting="none")
    world.put_own("i-00000002", meeting="over")
    world.put_row("over", status="TERMINATED")
    world.pass_time()

    assert world.swept()["done"] == {"created": 0, "updated": 0, "deleted": 2, "rows": 0}
    assert world.rows() == ["over"]


def test_a_run_that_dies_between_row_and_record_is_finished_by_the_next(world: World) -> None:
    last_trace(world, "unknown")
    world.cloudflare.faults.add(Fault(FaultKind.DROP, method="DELETE"))

    assert world.swept()["done"] == {"created": 0, "updated": 0, "deleted": 0, "rows": 1}
    assert len(world.records()) == 1
    assert world.swept()["done"] == {"created": 0, "updated": 0, "deleted": 1, "rows": 0}


def test_a_run_that_dies_between_record_and_row_is_finished_by_the_next(world: World) -> None:
    world.put_row(status="LAUNCHED")
    world.desktop()
    world.cloudflare.faults.add(Fault(FaultKind.DROP, when=When.AFTER, method="POST"))

    assert world.swept()["done"]["rows"] == 0
    assert world.swept()["done"] == {"created": 0, "updated": 0, "deleted": 0, "rows": 1}


# Each leaves links that should go, without a record at the end


def two_meetings(world: World) -> None:
    for last, meeting in enumerate(["m1", "m2"], start=1):
        world.put_own(UNKNOWN, f"192.0.2.{last}", meeting)
        world.put_row(meeting, status="HEALTHY", teacher_ec2_link=link(UNKNOWN))


def older_domain(world: World) -> None:
    world.put_record(f"{UNKNOWN}.old.example.com", comment=f"{OWNER} m=m1 r=teacher")
    old_link = f"https://{UNKNOWN}.old.example.com:8443"
    world.put_row(status="HEALTHY", teacher_ec2_link=old_link)


def two_forgotten(world: World) -> None:
    """One has its record, the other only its link."""
    world.put_own(UNKNOWN)
    links = {"teacher_ec2_link": link(UNKNOWN), "student_ec2_link": link(FORGOTTEN)}
    world.put_row(status="HEALTHY", **links)


def trace_of_another_link(world: World) -> None:
    world.put_own(UNKNOWN)
    world.put_row(status="HEALTHY", student_ec2_link=link(FORGOTTEN))


def record_without_meeting(world: World) -> None:
    """Leave what a long meeting id does, which the comment cannot hold."""
    world.put_own(FORGOTTEN, meeting=None)
    two_forgotten(world)


def only_the_project_tag_lost(world: World) -> None:
    world.untag(world.serving(), "Project")


@pytest.mark.parametrize("fails", [False, True], ids=["smoothly", "after a failure"])
@pytest.mark.parametrize(
    "leave",
    [
        two_meetings,
        older_domain,
        two_forgotten,
        trace_of_another_link,
        record_without_meeting,
        only_the_project_tag_lost,
    ],
    ids=lambda leave: leave.__name__,
)
def test_links_go_before_what_leads_to_them_and_the_status_stays(
    world: World, leave: Callable[[World], None], *, fails: bool
) -> None:
    """EC2 never showed an end, and TERMINATED is final."""
    leave(world)
    world.pass_time()
    if fails:
        world.fail("UpdateItem", "InternalServerError")
        with pytest.raises(RowsNotUpdatedError):
            world.swept()
        world.recover()

    for _ in range(3):
        world.swept()

    assert world.records() == ()
    assert all(world.row(each) == {"status": "HEALTHY"} for each in world.rows())


def test_a_desktop_that_was_given_to_another_meeting_leaves_no_link(world: World) -> None:
    instance_id = world.desktop(meeting="m2")
    world.put_own(instance_id, world.address(instance_id), meeting="m1")
    world.put_row("m1", status="HEALTHY", teacher_ec2_link=link(instance_id))
    world.put_row("m2", status="LAUNCHED")
    world.fail("UpdateItem", "InternalServerError")
    with pytest.raises(RowsNotUpdatedError):
        world.swept()
    assert world.standing()[0][2] == f"{OWNER} m=m1 r=teacher"

    world.recover()
    world.swept()

    assert world.standing()[0][2] == f"{OWNER} m=m2 r=teacher"
    assert world.row("m1") == {"status": "HEALTHY"}
    assert world.row("m2") == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(instance_id)}


def test_a_wrong_role_in_a_comment_does_not_cost_a_running_desktop_its_link(world: World) -> None:
    instance_id = world.desktop("student")
    world.put_own(instance_id, world.address(instance_id), role="teacher")
    row = {"status": "HEALTHY", "student_ec2_link": link(instance_id)}
    world.put_row(**row)
    world.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, method="PATCH"))

    world.swept()

    assert world.row() == row
    assert "UpdateItem" not in world.aws_calls


def test_a_meeting_goes_on_with_a_desktop_whose_tags_were_removed(world: World) -> None:
    teacher, student = world.serving("teacher"), world.desktop("student")
    world.put_row(status="HEALTHY")
    world.untag(teacher, "MeetingID", "Role")
    world.terminate(student)

    world.swept()

    assert world.standing()[0][2] == f"{OWNER} m=m1 r=teacher"
    assert world.row() == {"status": "HEALTHY", "teacher_ec2_link": link(teacher)}


def test_a_link_to_a_stopped_desktop_that_lost_its_meetings_tags_goes(world: World) -> None:
    student, stopped = world.serving("student"), world.launch()
    row = world.row()
    world.stop(stopped)
    world.put_row(**row, teacher_ec2_link=link(stopped))

    world.swept()

    assert world.row() == row
    assert [name for name, _, _ in world.standing()] == [f"{student}.{DOMAIN}"]
