"""Two stages in one account and region: neither ends or reports what the other launched."""

from __future__ import annotations

import pytest

from chalicelib.ec2.instances import OWNER_TAG
from tests.meetings.ends import BOTH, GONE, LIVE, Ends
from tests.meetings.launches import ID


@pytest.fixture
def desktops(ends: Ends) -> list[str]:
    """Launch desktops as the stage prod does; they run for hours."""
    roles = ("teacher", "student")
    launched = [ends.world.launch(owner="elephant:prod", MeetingID=ID, Role=each) for each in roles]
    ends.pass_time(240)
    return launched


def put_finished_row(ends: Ends, desktops: list[str]) -> None:
    """Write a row that names prod's desktops, as a copy of prod's table has."""
    names = dict(zip(("teacher_ec2_id", "student_ec2_id"), desktops, strict=True))
    began = ends.starts(-120)
    ends.world.put_row(ID, status="IN_PROGRESS", meet_time=began, **names, **BOTH)


def test_a_stage_never_ends_what_another_launched(ends: Ends, desktops: list[str]) -> None:
    assert ends.oversee() == ()
    look = ends.look()
    assert (look["action"], look["reason"]) == ("left", "it has no row, and no desktop is left")

    put_finished_row(ends, desktops)
    assert ends.tell(ends.record()) == []
    ends.look()

    assert ends.outcome() == ("TERMINATED", "SUCCESS")
    assert ends.states(*desktops) == LIVE


@pytest.mark.parametrize("has_row", [True, False])
def test_desktops_of_a_release_without_owners_are_ended_by_the_stage_that_has_the_row(
    ends: Ends, desktops: list[str], *, has_row: bool
) -> None:
    ends.world.ec2.delete_tags(Resources=desktops, Tags=[{"Key": OWNER_TAG}])
    if has_row:
        put_finished_row(ends, desktops)

    assert ends.look()["action"] == ("ended" if has_row else "waiting")
    assert ends.states(*desktops) == (GONE if has_row else LIVE)
