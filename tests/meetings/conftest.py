"""Fixtures of the tests of meetings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from tests.meetings.api import KEY, Api
from tests.meetings.ends import Ends
from tests.meetings.launches import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.session import Session

    from tests.world import World


@pytest.fixture
def ends(world: World, session: Session) -> Ends:
    return Ends(world, session.create_client("scheduler"))


@pytest.fixture(scope="module")
def one_api(session: Session) -> Iterator[Api]:
    with mock_aws():
        yield Api(session)


@pytest.fixture
def api(one_api: Api) -> Api:
    one_api.store_keys(KEY)
    one_api.reset()
    return one_api


@pytest.fixture
def cloud() -> Cloud:
    """Make a cloud with one meeting, which is due."""
    made = Cloud()
    made.put_row()
    return made
