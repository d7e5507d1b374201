"""What a sweep has just read is handed to the features; what is old or was not read is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from localcloud.cloudflare import Fault, FaultKind
from tests.world import UNKNOWN, Context, link, make_settings

if TYPE_CHECKING:
    from tests.world import World

LIST, ROWS = "DescribeInstances", "BatchGetItem"


@pytest.mark.parametrize(
    ("seconds", "calls"), [(0, []), (10, []), (11, [LIST, ROWS])], ids=["new", "young", "old"]
)
def test_an_old_snapshot_is_read_again(world: World, seconds: float, calls: list[str]) -> None:
    world.launched()
    sweep = world.sweep()
    sweep.handle(Context())
    world.forget_calls()
    world.pass_time(seconds)

    snapshot = sweep.snapshot()

    assert (len(snapshot.instances()), len(snapshot.rows_of(["m1"]).rows)) == (1, 1)
    assert world.aws_calls == calls


def test_what_a_failed_sweep_did_not_read_is_read(world: World) -> None:
    world.desktop()
    world.cloudflare.faults.add(Fault(FaultKind.REFUSED, status=400, code=1000))
    sweep = world.sweep()
    with pytest.raises(Exception, match="1000"):
        sweep.handle(Context())

    world.fail(LIST, "InternalError")
    with pytest.raises(ClientError):
        sweep.snapshot().instances()
    world.recover()

    assert len(sweep.snapshot().instances()) == 1


def test_a_stage_without_a_table_has_no_rows(world: World) -> None:
    sweep = world.sweep(make_settings(TABLE_NAME=""))

    assert sweep.snapshot().rows_of(["m1"]).rows == {}
    assert world.aws_calls == []


def test_a_record_that_alone_leads_to_a_row_goes_after_the_row_as_it_is_now(world: World) -> None:
    """Reads that are not consistent may show the row from before its link was set."""
    linked = {"status": "DNS_WRITTEN", "teacher_ec2_link": link(UNKNOWN)}
    world.put_own(UNKNOWN)
    world.pass_time()
    world.put_row(status="LAUNCHED")
    catches_up = lambda: world.meanwhile(ROWS, lambda: world.put_row(**linked))  # noqa: E731
    world.meanwhile(ROWS, catches_up)

    world.swept()

    assert (world.records(), world.row()) == ((), {"status": "DNS_WRITTEN"})
