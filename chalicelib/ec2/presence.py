"""Whether an instance should have a record and a link."""

from __future__ import annotations

from enum import Enum


class Presence(Enum):
    """What an instance is to DNS."""

    LIVE = "live"
    """It runs, is the project's and has an address: it has a record."""
    AWAY = "away"
    """It has no record now, and may have one again."""
    ENDED = "ended"
    """It has no record, for good."""
    UNCERTAIN = "uncertain"
    """Too little is known, so nothing is changed."""
    FOREIGN = "foreign"
    """It is none of ours."""
