"""Presence: whether an instance should have a record and a link."""

from __future__ import annotations

from enum import Enum


class Presence(Enum):
    """Whether the instance should have a record."""

    LIVE = "live"
    """It runs, is the project's and has an address: it should have a record."""
    AWAY = "away"
    """It should have no record now, and may get one again."""
    ENDED = "ended"
    """It is terminated and will never have a record again."""
    UNCERTAIN = "uncertain"
    """Too little is known, so nothing is changed."""
    FOREIGN = "foreign"
    """It is not ours."""
