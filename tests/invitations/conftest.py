"""The stage of all tests of invitations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.invitations.harness import Invitations

if TYPE_CHECKING:
    from botocore.session import Session

    from tests.world import World


@pytest.fixture
def stage(world: World, session: Session) -> Invitations:
    return Invitations(world, session)
