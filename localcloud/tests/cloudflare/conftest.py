"""An Api with a clock that the test advances, and a stand-in with sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from localcloud.cloudflare import Api, CloudflareStandIn
from localcloud.tests.cloudflare.client import Client, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(clock: Clock) -> Api:
    return Api(clock=clock)


@pytest.fixture
def client(api: Api) -> Client:
    return Client(api)


@pytest.fixture
def cloudflare() -> Iterator[CloudflareStandIn]:
    with CloudflareStandIn() as standin:
        yield standin
