"""Fixtures shared by the tests."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import botocore.session
import pytest
from hypothesis import HealthCheck, settings
from moto import mock_aws

from localcloud.cloudflare import DEFAULT_TOKEN, CloudflareStandIn, Token, Zone
from tests.world import OTHER_TOKEN, REGION, SECRET, TABLE, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.session import Session

# No outcome depends on the machine's speed.
settings.register_profile("elephant", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("elephant")


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test away from the account of whoever runs it."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def session() -> Session:
    """Give one session to all tests: the services' models are read once."""
    return botocore.session.get_session()


@pytest.fixture
def world(session: Session) -> Iterator[World]:
    """AWS with the secret and an empty meetings table, and Cloudflare with an empty zone."""
    zones = (Zone(record_quota=1000),)
    tokens = (Token(DEFAULT_TOKEN, owner="user"), Token(OTHER_TOKEN, owner="user"))
    with (
        mock_aws(),
        CloudflareStandIn(zones, tokens, dns_port=None) as cloudflare,
        ThreadPoolExecutor(max_workers=4) as executor,
    ):
        made = World(cloudflare, session.create_client, executor)
        made.secrets.create_secret(
            Name=SECRET, SecretString=json.dumps({"CLOUDFLARE_TOKEN": DEFAULT_TOKEN})
        )
        made.dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield made


@pytest.fixture
def thirty(world: World) -> World:
    """Thirty meetings that a sweep finds launched: no record is made, and no row is told."""
    for number in range(30):
        world.put_row(f"m{number}", status="LAUNCHED")
        world.desktop(meeting=f"m{number}")
    return world
