"""Two stages in one account and region: neither ends or reports what the other launched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from moto.ec2.models import ec2_backends

from chalicelib.clock import format_time
from chalicelib.container import Container
from chalicelib.ec2.instances import OWNER_TAG
from chalicelib.meeting_row.meeting import ROLES
from tests.meetings.ends import ID, make_record
from tests.meetings.launches import MEETINGS
from tests.world import ACCOUNT, REGION, Context, make_settings

if TYPE_CHECKING:
    from botocore.session import Session

    from chalicelib.settings.stage import Settings
    from tests.world import World

DEV_TABLE = "elephant-dev-meetings"
DEV_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:elephant-dev-safety_net"
DEV = Context(60_000, invoked_function_arn=DEV_ARN)


@pytest.fixture
def dev(world: World, session: Session) -> Settings:
    """Give a stage with the other's defaults, but for its own name, and short meetings."""
    key = {"AttributeName": "id", "KeyType": "HASH"}
    world.dynamodb.create_table(
        TableName=DEV_TABLE,
        KeySchema=[key],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    scheduler: Any = session.create_client("scheduler")
    scheduler.create_schedule_group(Name="elephant-dev")
    return make_settings(
        **MEETINGS, MAX_MEETING_MINUTES="15", OWNER="elephant:dev", TABLE_NAME=DEV_TABLE
    )


@pytest.fixture
def desktops(world: World) -> dict[str, str]:
    """Give prod a meeting that has been in progress for two hours; return its desktops."""
    began = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=2)
    found = {role: world.desktop(role, ID) for role in ROLES}
    noted = {f"{role}_ec2_id": each for role, each in found.items()}
    world.put_row(ID, status="IN_PROGRESS", meet_time=format_time(began), **noted)
    for each in found.values():
        ec2_backends[ACCOUNT][REGION].get_instance(each).launch_time = began
    return found


def states(world: World, desktops: dict[str, str]) -> set[str]:
    """Return the states that the desktops are in."""
    answer = world.ec2.describe_instances(InstanceIds=list(desktops.values()))
    every = (each for found in answer["Reservations"] for each in found["Instances"])
    return {each["State"]["Name"] for each in every}


def put_finished_row(world: World, desktops: dict[str, str]) -> dict[str, dict[str, str]]:
    """Write a row into dev's table that names prod's desktops, as a copy of prod's table has."""
    began = datetime.now(UTC) - timedelta(hours=2)
    texts = {"id": ID, "status": "IN_PROGRESS", "meet_time": format_time(began)}
    texts |= {f"{role}_ec2_id": each for role, each in desktops.items()}
    texts |= {f"{role}_session_data": "s3://bucket/session" for role in desktops}
    item = {name: {"S": text} for name, text in texts.items()}
    world.dynamodb.put_item(TableName=DEV_TABLE, Item=item)
    return item


def test_a_stage_never_ends_what_another_launched(
    world: World, dev: Settings, desktops: dict[str, str]
) -> None:
    assert Container(dev).overseer.oversee(DEV) == ()
    look = Container(dev).safety_net.handle({"meetingId": ID}, DEV)
    assert (look["action"], look["reason"]) == ("left", "it has no row, and no desktop is left")

    item = put_finished_row(world, desktops)
    event = {"Records": [make_record(ID, item)]}
    assert Container(dev).terminator.handle(event, DEV) == {"batchItemFailures": []}
    Container(dev).safety_net.handle({"meetingId": ID}, DEV)

    copied = world.dynamodb.get_item(TableName=DEV_TABLE, Key={"id": {"S": ID}})["Item"]
    assert copied["status"] == {"S": "TERMINATED"}
    assert states(world, desktops) == {"running"}
    assert world.row(ID)["status"] == "IN_PROGRESS"


@pytest.mark.parametrize("has_row", [True, False])
def test_desktops_of_a_release_without_owners_are_ended_by_the_stage_that_has_the_row(
    world: World, dev: Settings, desktops: dict[str, str], *, has_row: bool
) -> None:
    world.ec2.delete_tags(Resources=list(desktops.values()), Tags=[{"Key": OWNER_TAG}])
    if has_row:
        put_finished_row(world, desktops)

    look = Container(dev).safety_net.handle({"meetingId": ID}, DEV)

    assert look["action"] == ("ended" if has_row else "waiting")
    assert states(world, desktops) == {"terminated" if has_row else "running"}
