"""The office of all tests of e-mails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.notifications.office import Office

if TYPE_CHECKING:
    from botocore.session import Session

    from tests.world import World


@pytest.fixture
def office(world: World, session: Session) -> Office:
    return Office(world, session)
