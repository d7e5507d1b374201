"""One sweep repairs every kind of drift, each alone and all at once; a row's last trace goes last.

A record may be all that still leads to a meeting's row. The row is updated before it goes, and a
run that dies in between is finished by the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from tests.transports import Noting
from tests.world import DOMAIN, OWNER, RECORDS, World, link

if TYPE_CHECKING:
    from collections.abc import Callable

LIST = ("GET", RECORDS)
READS = ("BatchGetItem", "BatchGetItem", "DescribeInstances", "GetSecretValue")


def gone(meeting: str) -> str:
    """Return the id of an instance that EC2 does not know, a different one for each meeting."""
    return f"i-{int(meeting.removeprefix('m')):017x}"


def lost_end(world: World, meeting: str) -> None:
    world.terminate(world.serving(meeting=meeting))


def record_edited(world: World, meeting: str) -> None:
    world.serving(meeting=meeting)
    by_hand: dict[str, object] = {"content": "192.0.2.9"}
    world.cloudflare.api.zone("example.com").patch(world.records()[-1].id, by_hand)  # type: ignore[arg-type]


def duplicates(world: World, meeting: str) -> None:
    instance_id = world.serving(meeting=meeting)
    world.put_own(instance_id, "192.0.2.1", meeting)
    world.put_record(f"{instance_id}.{DOMAIN}", "192.0.2.2")


def row_misses_start(world: World, meeting: str) -> None:
    world.serving(meeting=meeting)
    world.put_row(meeting, status="LAUNCHED")


def link_left_behind(world: World, meeting: str) -> None:
    """EC2 has forgotten the instance, and its record is gone."""
    world.serving(meeting=meeting, student_ec2_link=link(gone(meeting)))


def unknown_instance(world: World, meeting: str) -> None:
    world.put_own(gone(meeting), meeting=meeting)
    world.put_row(meeting, status="HEALTHY", teacher_ec2_link=link(gone(meeting)))


# With the row's status afterwards, the one write to Cloudflare, and what is asked of AWS beside
# READS

CREATE, UPDATE, DELETE, BATCH = "POST dns_records", "PATCH", "DELETE", "POST batch"
BY_ID, ROW = "DescribeInstances", "UpdateItem"
DRIFTS: dict[str, tuple[Callable[[World, str], object], str, list[str], list[str]]] = {
    "lost start": (World.launched, "DNS_WRITTEN", [CREATE], [ROW]),
    "lost end": (lost_end, "TERMINATED", [DELETE], [ROW]),
    "record edited": (record_edited, "HEALTHY", [UPDATE], []),
    "duplicates": (duplicates, "HEALTHY", [BATCH], []),
    "row misses start": (row_misses_start, "DNS_WRITTEN", [], [ROW]),
    "link left behind": (link_left_behind, "HEALTHY", [], [BY_ID, ROW]),
    "unknown instance": (unknown_instance, "HEALTHY", [DELETE], [BY_ID, ROW]),
}


def writes(world: World) -> list[str]:
    """Return what was asked of Cloudflare after the list, without the records' ids."""
    first, *others = world.dns_calls
    assert first == LIST
    calls = [(method, path.rpartition("/")[2]) for method, path in others]
    return [f"{method} {last}" if method == "POST" else method for method, last in calls]


def is_settled(world: World, statuses: dict[str, str]) -> bool:
    """Return whether every running desktop is served, and the next sweep only reads."""
    rows = {meeting: {"status": status} for meeting, status in statuses.items()}
    right = []
    for each in world.instances().of_project():
        if each.state == "running":
            meeting = each.tags["MeetingID"]
            rows[meeting]["teacher_ec2_link"] = link(each.id)
            right.append((f"{each.id}.{DOMAIN}", each.address, f"{OWNER} m={meeting} r=teacher"))
    assert world.standing() == sorted(right)
    assert {meeting: world.row(meeting) for meeting in world.rows()} == rows
    assert all(each.fields.proxied and each.fields.ttl == 1 for each in world.records())
    before = world.records()
    world.forget_calls()

    again = world.swept()

    assert world.dns_calls == [LIST]
    assert "UpdateItem" not in world.aws_calls
    assert world.records() == before
    return (again["action"], again["reason"]) == ("unchanged", "everything is up to date")


@pytest.mark.parametrize(("drift", "status", "write", "more"), DRIFTS.values(), ids=DRIFTS)
def test_a_drift_is_repaired_by_as_few_calls_as_possible(
    world: World,
    drift: Callable[[World, str], object],
    status: str,
    write: list[str],
    more: list[str],
) -> None:
    drift(world, "m1")
    world.pass_time()

    result = world.swept()

    assert result["action"] == "repaired"
    assert not {"left", "refused"} & result.keys()
    assert sorted(world.aws_calls) == sorted([*READS, *more])
    assert writes(world) == write
    assert is_settled(world, {"m1": status})


def test_drifts_of_every_kind_at_once_are_repaired_by_one_batch(world: World) -> None:
    statuses = {}
    for number, (drift, status, _, _) in enumerate(DRIFTS.values(), start=1):
        drift(world, f"m{number}")
        statuses[f"m{number}"] = status
    world.pass_time()

    result = world.swept()

    assert "left" not in result
    assert writes(world) == [BATCH]
    assert {each for each in world.aws_calls if each != ROW} == {*READS, BY_ID}
    assert is_settled(world, statuses)


def test_rows_that_cannot_be_written_keep_their_last_trace_and_fail_the_run(world: World) -> None:
    """The record's comment alone leads to the row."""
    unknown_instance(world, "m1")
    world.pass_time()
    (trace,) = world.records()
    other = world.launched("m2")
    world.fail("UpdateItem", "AccessDeniedException")

    with pytest.raises(RowsNotUpdatedError, match=r"rejected 2 request.*AccessDenied"):
        world.swept()

    assert trace in world.records()
    assert f"{other}.{DOMAIN}" in [name for name, _, _ in world.standing()]
    counts = world.reports.lines[0][2]
    assert (counts["Failed"], counts["Created"], "QuotaLeft" in counts) == (1, 1, False)
    world.recover()
    world.forget_calls()
    world.swept(Noting(world.aws_calls))
    assert world.aws_calls[-3:] == ["UpdateItem", f"DELETE {trace.id}", "UpdateItem"]
    assert is_settled(world, {"m1": "HEALTHY", "m2": "DNS_WRITTEN"})
