"""One API on a clock of the test's own, and a stand-in with sockets for the tests that need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from localcloud.cloudflare import Api, CloudflareStandIn
from tests.localcloud.cloudflare.caller import Caller, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(clock: Clock) -> Api:
    return Api(clock=clock)


@pytest.fixture
def caller(api: Api) -> Caller:
    return Caller(api)


@pytest.fixture
def cloudflare() -> Iterator[CloudflareStandIn]:
    with CloudflareStandIn() as standin:
        yield standin
