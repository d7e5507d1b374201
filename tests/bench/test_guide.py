"""The guide's sequence is what it should be: it creates the record and updates the row."""

from typing import TYPE_CHECKING, Any

import pytest

from bench.guides_world import load_guide
from tests.application import STAGE
from tests.world import DOMAIN, RECORDS, TABLE, World, make_event

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def guide(world: World) -> "ModuleType":
    variables = STAGE | {"CLOUDFLARE_API_URL": world.cloudflare.url, "TABLE_NAME": TABLE}
    return load_guide(variables)


def test_a_desktop_from_start_to_end(world: World, guide: Any) -> None:  # noqa: ANN401
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()
    name = f"{instance_id}.{DOMAIN}"

    guide.handler(make_event(instance_id), None)
    assert world.standing() == [(name, world.address(instance_id), "")]
    link = f"https://{name}:8443"
    assert world.row() == {"status": "DNS_WRITTEN", "teacher_ec2_link": link}
    assert world.dns_calls == [("GET", RECORDS), ("POST", RECORDS)]

    (record,) = world.records()
    world.forget_calls()
    guide.handler(make_event(instance_id), None)
    assert world.dns_calls == [("GET", RECORDS), ("PUT", f"{RECORDS}/{record.id}")]

    world.forget_calls()
    guide.handler(make_event(instance_id, "shutting-down"), None)
    assert world.dns_calls == [("GET", RECORDS), ("DELETE", f"{RECORDS}/{record.id}")]
    assert world.records() == ()
    assert world.row() == {"status": "TERMINATED", "teacher_ec2_link": link}


def test_what_cloudflare_refuses_raises_so_that_lambda_tries_again(
    world: World,
    guide: Any,  # noqa: ANN401
) -> None:
    instance_id = world.desktop()
    world.limit_calls(1)
    with pytest.raises(RuntimeError, match="HTTP 429"):
        guide.handler(make_event(instance_id), None)
