"""Fixtures of the tests of meetings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from tests.meetings.ends import Ends
from tests.meetings.front_desk import KEY, FrontDesk
from tests.meetings.launches import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.session import Session

    from tests.world import World


@pytest.fixture
def ends(world: World, session: Session) -> Ends:
    return Ends(world, session.create_client("scheduler"))


@pytest.fixture(scope="module")
def one_desk(session: Session) -> Iterator[FrontDesk]:
    with mock_aws():
        yield FrontDesk(session)


@pytest.fixture
def desk(one_desk: FrontDesk) -> FrontDesk:
    one_desk.store_keys(KEY)
    one_desk.begin_anew()
    return one_desk


@pytest.fixture
def cloud() -> Cloud:
    """Make a cloud with one meeting, which is due."""
    made = Cloud()
    made.put_row()
    return made
