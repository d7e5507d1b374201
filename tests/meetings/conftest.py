"""Fixtures of the tests of meetings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.meetings.ends import Ends
from tests.meetings.launches import Cloud

if TYPE_CHECKING:
    from botocore.session import Session

    from tests.world import World


@pytest.fixture
def ends(world: World, session: Session) -> Ends:
    return Ends(world, session.create_client("scheduler"))


@pytest.fixture
def cloud() -> Cloud:
    """Make a cloud with one meeting, which is due."""
    made = Cloud()
    made.put_row()
    return made
