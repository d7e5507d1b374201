"""One sweep repairs every kind of drift, each alone and all at once; a row's last trace goes last.

A record may be all that still leads to a meeting's row. The row is updated before it goes, and a
run that dies in between is finished by the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from tests.transports import Noting
from tests.world import DOMAIN, OWNER, RECORDS, Context, World, link

LIST = ("GET", RECORDS)
READS = ("BatchGetItem", "BatchGetItem", "DescribeInstances", "GetSecretValue")
UNKNOWN = "i-0123456789abcdef0"


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


# The kinds of drift


def lost_start(world: World, meeting: str) -> Right:
    right = with_link(world, meeting, world.desktop(meeting=meeting), status="DNS_WRITTEN")
    world.put_row(meeting, status="LAUNCHED")
    return right


def lost_end(world: World, meeting: str) -> Right:
    world.terminate(world.serving(meeting=meeting))
    return without_link(meeting, "TERMINATED")


def record_deleted(world: World, meeting: str) -> Right:
    return with_link(world, meeting, world.desktop(meeting=meeting))


def record_edited(world: World, meeting: str) -> Right:
    instance_id, right = running(world, meeting)
    edit(world, instance_id, content="192.0.2.9")
    return right


def record_renamed(world: World, meeting: str) -> Right:
    instance_id, right = running(world, meeting)
    edit(world, instance_id, name=f"renamed-{meeting}.{DOMAIN}")
    return right


def duplicates(world: World, meeting: str) -> Right:
    instance_id, right = running(world, meeting)
    world.put_own(instance_id, "192.0.2.1", meeting)
    world.put_record(f"{instance_id}.{DOMAIN}", "192.0.2.2")
    return right


def row_misses_start(world: World, meeting: str) -> Right:
    instance_id, _ = running(world, meeting)
    right = with_link(world, meeting, instance_id, status="DNS_WRITTEN")
    world.put_row(meeting, status="LAUNCHED")
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

CREATE, UPDATE, DELETE, BATCH = "POST dns_records", "PATCH", "DELETE", "POST batch"
BY_ID, ROW = "DescribeInstances", "UpdateItem"
DRIFTS: dict[str, tuple[Drift, list[str], list[str]]] = {
    "lost start": (lost_start, [CREATE], [ROW]),
    "lost end": (lost_end, [DELETE], [ROW]),
    "record edited": (record_edited, [UPDATE], []),
    "record deleted": (record_deleted, [CREATE], []),
    "record renamed": (record_renamed, [BATCH], []),
    "duplicates": (duplicates, [BATCH], []),
    "row misses start": (row_misses_start, [], [ROW]),
    "link left behind": (link_left_behind, [], [BY_ID, ROW]),
    "unknown instance": (unknown_instance, [DELETE], [BY_ID, ROW]),
    "tags lost after the end": (tags_lost_after_the_end, [DELETE], [BY_ID, ROW]),
    "role changed": (role_changed, [UPDATE], [ROW]),
}


def writes(world: World) -> list[str]:
    """Return what was asked of Cloudflare after the list, without the records' ids."""
    first, *others = world.dns_calls
    assert first == LIST
    calls = [(method, path.rpartition("/")[2]) for method, path in others]
    return [f"{method} {last}" if method == "POST" else method for method, last in calls]


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
    world: World, drift: Drift, write: list[str], more: list[str]
) -> None:
    right = drift(world, "m1")
    world.pass_time()

    result = world.swept()

    assert result["action"] == "repaired"
    assert not {"left", "refused"} & result.keys()
    assert sorted(world.aws_calls) == sorted([*READS, *more])
    assert writes(world) == write
    assert is_settled(world, [right])


def test_drifts_of_every_kind_at_once_are_repaired_by_one_batch(world: World) -> None:
    drifts = (drift for drift, _, _ in DRIFTS.values())
    rights = [drift(world, f"m{number}") for number, drift in enumerate(drifts, start=1)]
    world.pass_time()

    result = world.swept()

    assert "left" not in result
    assert writes(world) == [BATCH]
    assert {each for each in world.aws_calls if each != ROW} == {*READS, BY_ID}
    assert is_settled(world, rights)


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
