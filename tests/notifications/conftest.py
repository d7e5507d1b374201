"""The stage of all tests of notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.notifications.harness import Stage

if TYPE_CHECKING:
    from botocore.session import Session

    from tests.world import World


@pytest.fixture
def stage(world: World, session: Session) -> Stage:
    return Stage(world, session)
