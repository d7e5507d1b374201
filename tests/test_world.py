"""Tests share a server, clients and moto; nothing of one test reaches the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from localcloud.cloudflare import DEFAULT_TOKEN
from tests.world import TABLE, Context, make_event

if TYPE_CHECKING:
    from tests.world import World


def use(world: World) -> None:
    """Leave something behind wherever a test can."""
    world.put_row(status="LAUNCHED")
    world.watchdog().handle(make_event(world.desktop()), Context())
    world.rotate_token()
    world.limit_calls(1)
    world.fail("DescribeInstances", "InternalError")
    world.meanwhile("GetItem", lambda: pytest.fail("happened in another test"))
    world.app_ec2.meta.events.register("before-call.*.*", fail)
    world.ec2.meta.events.register_first("before-call.*.*", fail)
    world.dynamodb.meta.events.register_last("before-call.*.*", fail)
    world.app_dynamodb.batch_get_item = fail
    world.app_ec2.describe_instances = fail


def fail(**_: object) -> None:
    pytest.fail("the hook of another test was called")


@pytest.mark.parametrize("_time", ["first", "second"])
def test_a_test_finds_the_world_as_if_it_was_the_first(world: World, _time: str) -> None:
    assert world.ec2.describe_instances()["Reservations"] == []
    assert world.app_ec2.describe_instances()["Reservations"] == []
    assert world.dynamodb.list_tables()["TableNames"] == [TABLE]
    assert (world.rows(), world.records(), world.token().value()) == ([], (), DEFAULT_TOKEN)
    assert world.calls == (["DescribeInstances", "GetSecretValue"], [])
    assert world.cloudflare.faults.faults == ()
    assert world.swept()["action"] == "unchanged"

    use(world)
