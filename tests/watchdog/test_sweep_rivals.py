"""Several desktops of one meeting: one has the role, all must have ended, and it stays so."""

from __future__ import annotations

import pytest

from tests.world import OWNER, Context, World, link, make_event

KEYS = [{"Key": "MeetingID"}, {"Key": "Role"}]


def launch_later(world: World, earlier: str) -> str:
    """Launch another desktop, which EC2 shows as launched a minute after the first one."""
    later = world.desktop()
    describe = world.app_ec2.describe_instances

    def shift(**request: object) -> dict[str, object]:
        answer: dict[str, object] = describe(**request)
        for reservation in answer["Reservations"]:  # type: ignore[attr-defined]
            for each in reservation["Instances"]:
                moment = each["LaunchTime"]
                is_first = each["InstanceId"] == earlier
                each["LaunchTime"] = moment.replace(minute=0 if is_first else 1, second=0)
        return answer

    world.app_ec2.describe_instances = shift
    return later


def test_of_two_desktops_in_a_role_the_one_launched_last_has_the_link(world: World) -> None:
    older = world.desktop()
    younger = launch_later(world, older)
    world.put_row(status="LAUNCHED")

    assert world.swept()["done"] == {"created": 2, "updated": 0, "deleted": 0, "rows": 1}

    assert world.row() == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(younger)}
    assert world.swept()["action"] == "unchanged"


def test_the_desktop_that_the_row_notes_has_the_link_whoever_was_launched_last(
    world: World,
) -> None:
    noted = world.desktop()
    launch_later(world, noted)
    world.put_row(status="LAUNCHED", teacher_ec2_id=noted)

    world.swept()

    assert world.row()["teacher_ec2_link"] == link(noted)
    assert world.swept()["action"] == "unchanged"


def test_when_the_younger_one_ends_the_older_one_gets_the_link_back(world: World) -> None:
    older = world.desktop()
    younger = launch_later(world, older)
    world.put_row(status="LAUNCHED")
    world.swept()
    world.terminate(younger)

    result = world.swept()

    assert result["done"] == {"created": 0, "updated": 0, "deleted": 1, "rows": 1}
    assert world.row() == {"status": "DNS_WRITTEN", "teacher_ec2_link": link(older)}
    assert world.swept()["action"] == "unchanged"


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


@pytest.mark.parametrize("noted", ["ended", "unknown"])
def test_two_replacements_of_a_desktop_that_is_gone_settle(world: World, noted: str) -> None:
    gone = world.desktop() if noted == "ended" else "i-0123456789abcdef0"
    if noted == "ended":
        world.terminate(gone)
    older = world.desktop()
    younger = launch_later(world, older)
    world.put_row(status="LAUNCHED", teacher_ec2_id=gone)

    world.swept()
    world.swept()
    world.forget_calls()
    result = world.swept()

    assert world.row()["teacher_ec2_link"] == link(younger)
    assert (result["action"], "UpdateItem" in world.aws_calls) == ("unchanged", False)


def test_an_event_of_a_replaced_desktop_does_not_take_the_link_back(world: World) -> None:
    gone = world.desktop()
    world.terminate(gone)
    older = world.desktop()
    younger = launch_later(world, older)
    world.put_row(status="LAUNCHED", teacher_ec2_id=gone)

    for each in (older, younger, older):
        world.watchdog().handle(make_event(each), Context())

    assert world.row()["teacher_ec2_link"] == link(younger)


def test_the_event_of_an_end_gives_the_link_to_the_other_desktop_that_runs(world: World) -> None:
    """Its own event came while the role was the older one's, and no other follows."""
    noted, other = world.desktop(), world.desktop()
    world.put_row(status="LAUNCHED", teacher_ec2_id=noted)
    for each in (noted, other):
        world.watchdog().handle(make_event(each), Context())
    assert world.row()["teacher_ec2_link"] == link(noted)
    world.terminate(noted)

    world.watchdog().handle(make_event(noted, "shutting-down"), Context())

    assert world.row()["teacher_ec2_link"] == link(other)


def test_a_meeting_goes_on_with_a_desktop_whose_tags_were_removed(world: World) -> None:
    teacher, student = world.desktop("teacher"), world.desktop("student")
    world.put_own(teacher, world.address(teacher))
    world.put_row(status="HEALTHY")
    world.ec2.delete_tags(Resources=[teacher], Tags=KEYS)
    world.terminate(student)

    world.swept()

    assert world.standing()[0][2] == f"{OWNER} m=m1 r=teacher"
    assert world.row() == {"status": "HEALTHY", "teacher_ec2_link": link(teacher)}
