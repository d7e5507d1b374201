"""The meetings table: rows are read as they are now, and changed only as they were read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from chalicelib.ec2.instances import Instance
from chalicelib.meeting_row.meeting import Assignment, Meeting, MeetingChange, RowChangedError
from tests.world import TABLE, World

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LINK = "https://i-0123456789abcdef0.desktops.example.com:8443"


def read(world: World, meeting: str = "m1") -> Meeting:
    found = world.meetings().find(meeting)
    assert found is not None
    return found


def test_a_row_is_read_consistently(world: World) -> None:
    requests: list[Mapping[str, Any]] = []

    class Client:
        def get_item(self, **request: object) -> Mapping[str, Any]:
            requests.append(request)
            return {}

        def batch_get_item(self, **_: object) -> Mapping[str, Any]:
            raise NotImplementedError

        def update_item(self, **_: object) -> Mapping[str, Any]:
            raise NotImplementedError

    meetings = type(world.meetings())(Client(), TABLE)

    assert meetings.find("m1") is None
    assert requests == [{"TableName": TABLE, "Key": {"id": {"S": "m1"}}, "ConsistentRead": True}]


def test_a_rows_attributes_are_found_by_role(world: World) -> None:
    world.put_row(
        status="HEALTHY", teacher_ec2_link=LINK, teacher_ec2_id="i-00000001", observer_ec2_link=""
    )

    row = read(world)

    assert (row.status, row.link("teacher"), row.instance_id("teacher")) == (
        "HEALTHY",
        LINK,
        "i-00000001",
    )
    assert row.linked_instance("teacher") == "i-0123456789abcdef0"
    assert (row.link("observer"), row.linked_instance("student")) == (None, None)
    assert row.roles == ("teacher", "student", "observer")


def test_a_link_and_a_status_are_written_and_nothing_else(world: World) -> None:
    world.put_row(status="LAUNCHED", jitsi_url="https://meet.example.com/x")
    change = MeetingChange(read(world), {"teacher": LINK}, "DNS_WRITTEN", ("status",))

    world.meetings().apply(change)

    assert world.row() == {
        "status": "DNS_WRITTEN",
        "teacher_ec2_link": LINK,
        "jitsi_url": "https://meet.example.com/x",
    }
    assert change.summary == "teacher_ec2_link set, status DNS_WRITTEN"


@pytest.mark.parametrize("link", [LINK, None])
def test_neither_role_nor_link_nor_status_stands_in_an_expression(
    world: World, link: str | None
) -> None:
    """Roles come from tags, so from anyone."""
    world.put_row(status="LAUNCHED", teacher_ec2_link=LINK)
    sent: list[str] = []
    world.app_dynamodb.meta.events.register(
        "provide-client-params.dynamodb.UpdateItem",
        lambda params, **_: sent.extend(
            (params["UpdateExpression"], params["ConditionExpression"])
        ),
    )

    relied = ("status", "teacher_ec2_link")
    world.meetings().apply(MeetingChange(read(world), {"teacher": link}, "TERMINATED", relied))

    assert len(sent) == 2
    for expression in sent:
        assert not {"teacher", "https", "TERMINATED", "LAUNCHED"} & {
            each for each in ("teacher", "https", "TERMINATED", "LAUNCHED") if each in expression
        }


def test_a_link_is_removed_with_or_without_a_status(world: World) -> None:
    world.put_row(status="HEALTHY", teacher_ec2_link=LINK, student_ec2_link=LINK)
    meetings = world.meetings()

    meetings.apply(MeetingChange(read(world), {"teacher": None}, None, ()))
    assert world.row() == {"status": "HEALTHY", "student_ec2_link": LINK}
    meetings.apply(MeetingChange(read(world), {"student": None}, "TERMINATED", ("status",)))
    assert world.row() == {"status": "TERMINATED"}


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"status": "IN_PROGRESS", "teacher_ec2_link": LINK},
        {"status": "HEALTHY", "teacher_ec2_link": "another"},
        {"status": "HEALTHY"},
        {"status": "HEALTHY", "teacher_ec2_link": LINK, "student_ec2_link": LINK},
        {"teacher_ec2_link": LINK},
    ],
)
def test_a_row_that_was_changed_meanwhile_is_not_written(
    world: World, meanwhile: dict[str, str]
) -> None:
    world.put_row(status="HEALTHY", teacher_ec2_link=LINK)
    relies_on = ("status", "teacher_ec2_link", "student_ec2_link")
    change = MeetingChange(read(world), {"teacher": None}, "TERMINATED", relies_on)
    world.put_row(**meanwhile)

    with pytest.raises(RowChangedError, match="'m1'"):
        world.meetings().apply(change)

    assert world.row() == meanwhile


def test_what_a_change_does_not_rely_on_may_have_changed(world: World) -> None:
    world.put_row(status="HEALTHY")
    change = MeetingChange(read(world), {"teacher": LINK}, None, ("teacher_ec2_link",))
    world.put_row(status="IN_PROGRESS", student_session_data="there")

    world.meetings().apply(change)

    assert world.row()["status"] == "IN_PROGRESS"
    assert world.row()["teacher_ec2_link"] == LINK


def test_a_row_that_is_gone_is_not_made(world: World) -> None:
    world.put_row(status="HEALTHY")
    change = MeetingChange(read(world), {"teacher": LINK}, "DNS_WRITTEN", ())
    world.dynamodb.delete_item(TableName=TABLE, Key={"id": {"S": "m1"}})

    with pytest.raises(RowChangedError):
        world.meetings().apply(change)

    assert world.rows() == []


def test_any_other_failure_is_let_through(world: World) -> None:
    world.put_row()
    change = MeetingChange(read(world), {"teacher": LINK}, None, ())
    world.fail("UpdateItem", "AccessDeniedException")

    with pytest.raises(ClientError, match="AccessDeniedException"):
        world.meetings().apply(change)


@pytest.mark.parametrize(
    ("tags", "assignment"),
    [
        ({"MeetingID": "m1", "Role": "teacher"}, Assignment("m1", "teacher")),
        ({"MeetingID": "m1"}, None),
        ({"Role": "teacher"}, None),
        ({"MeetingID": "", "Role": "teacher"}, None),
        ({"MeetingID": "m1", "Role": ""}, None),
        ({"meetingid": "m1", "role": "teacher"}, None),
    ],
)
def test_an_assignment_needs_both_tags(tags: dict[str, str], assignment: Assignment | None) -> None:
    instance = Instance("i-1", "running", None, tags, datetime.now(UTC))

    assert Assignment.of(instance) == assignment


@pytest.mark.parametrize("role", ["teacher", "Student_2", "_x", "r" * 64])
def test_a_role_that_is_an_identifier_is_valid(role: str) -> None:
    assert Assignment("m1", role).is_valid


@pytest.mark.parametrize("role", ["", "co-host", "2nd", "a b", "a.b", "élève", "r" * 65, "a\n"])
def test_any_other_role_is_not(role: str) -> None:
    assert not Assignment("m1", role).is_valid


@pytest.mark.parametrize("odd", ["", "dcv", "i-1", "i-00000001x", "I-00000001", "i-0000000g"])
def test_what_is_no_instances_id_is_none(world: World, odd: str) -> None:
    """EC2 would call it malformed, and the run would fail for ever."""
    world.put_row(teacher_ec2_id=odd, teacher_ec2_link=f"https://{odd}.example.com:8443/")

    row = read(world)

    assert (row.instance_id("teacher"), row.linked_instance("teacher")) == (None, None)


def test_several_links_are_written_at_once(world: World) -> None:
    world.put_row(status="HEALTHY", teacher_ec2_link=LINK)
    change = MeetingChange(read(world), {"teacher": None, "student": LINK}, None, ())

    world.meetings().apply(change)

    assert world.row() == {"status": "HEALTHY", "student_ec2_link": LINK}
    assert change.summary == "teacher_ec2_link removed, student_ec2_link set"


# The instances that a row names


def row_of(**attributes: str) -> Meeting:
    return Meeting("m1", {key: {"S": value} for key, value in attributes.items()})


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ({"status": "HEALTHY", "jitsi_url": "https://i-00000001.x.example.com"}, set()),
        ({"teacher_ec2_id": "i-00000001"}, {"i-00000001"}),
        ({"student_ec2_link": "https://i-00000002.x.example.com:8443"}, {"i-00000002"}),
        (
            {"observer_ec2_id": "i-00000003", "guest_ec2_link": "https://i-00000004.x:8443"},
            {"i-00000003", "i-00000004"},
        ),
        (
            {"teacher_ec2_id": "i-00000001", "teacher_ec2_link": "https://i-00000002.x"},
            {"i-00000001", "i-00000002"},
        ),
        (
            {"teacher_ec2_id": "i-00000001", "teacher_ec2_link": "https://i-00000001.x"},
            {"i-00000001"},
        ),
        ({"teacher_ec2_id": "dcv", "teacher_ec2_link": "https://dcv.example.com"}, set()),
        ({"teacher_ec2_id": "", "teacher_ec2_link": ""}, set()),
    ],
)
def test_a_row_names_instances_as_launched_for_a_role_or_linked(
    attributes: dict[str, str], named: set[str]
) -> None:
    assert row_of(**attributes).instance_ids == named


def test_attributes_of_another_type_name_no_instance() -> None:
    item: dict[str, dict[str, Any]] = {
        "teacher_ec2_id": {"N": "1"},
        "teacher_ec2_link": {"L": []},
    }

    assert Meeting("m1", item).instance_ids == frozenset()


# What a change leaves


ROW = row_of(id="m1", status="HEALTHY", teacher_ec2_link=LINK, jitsi_url="x")


def test_the_result_of_a_change_is_the_row_as_it_will_be_read(world: World) -> None:
    world.put_row(status="LAUNCHED", student_ec2_link=LINK, jitsi_url="x")
    change = MeetingChange(read(world), {"teacher": LINK, "student": None}, "DNS_WRITTEN", ())

    result = change.result
    world.meetings().apply(change)

    assert result == read(world)
    assert change.meeting.status == "LAUNCHED"


def test_removing_a_link_that_is_not_there_leaves_the_row_as_it_is() -> None:
    assert MeetingChange(ROW, {"student": None}, None, ()).result == ROW


def test_two_changes_become_one_write_that_relies_on_all_that_either_did(world: World) -> None:
    world.put_row(status="LAUNCHED", student_ec2_link=LINK)
    first = MeetingChange(
        read(world), {"student": None, "teacher": None}, None, ("student_ec2_link", "status")
    )
    second = MeetingChange(
        first.result, {"teacher": LINK}, "DNS_WRITTEN", ("status", "teacher_ec2_link")
    )

    both = first.then(second)
    world.meetings().apply(both)

    assert both.meeting == first.meeting
    assert both.relies_on == ("student_ec2_link", "status", "teacher_ec2_link")
    assert both.result == second.result == read(world)
    assert world.row() == {"status": "DNS_WRITTEN", "teacher_ec2_link": LINK}


def test_a_status_that_only_the_first_of_two_changes_sets_is_kept() -> None:
    first = MeetingChange(ROW, {}, "TERMINATED", ())

    assert first.then(MeetingChange(first.result, {"teacher": None}, None, ())).status == (
        "TERMINATED"
    )


def test_two_changes_in_one_are_not_written_if_the_row_was_changed_meanwhile(world: World) -> None:
    world.put_row(status="HEALTHY", teacher_ec2_link=LINK)
    first = MeetingChange(read(world), {"teacher": None}, None, ("teacher_ec2_link",))
    second = MeetingChange(first.result, {}, "TERMINATED", ("student_ec2_link",))
    meanwhile = {"status": "HEALTHY", "teacher_ec2_link": LINK, "student_ec2_link": LINK}
    world.put_row(**meanwhile)

    with pytest.raises(RowChangedError):
        world.meetings().apply(first.then(second))

    assert world.row() == meanwhile
