"""Subnets for desktops, and the order in which they are tried."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Subnet:
    """A subnet, with what matters for a desktop."""

    id: str
    zone: str
    has_room: bool
    """Whether it has an address left."""
    is_public: bool
    """Whether it assigns public addresses by default, as subnets with Internet access do."""

    @classmethod
    def parse(cls, described: Mapping[str, Any]) -> Subnet:
        """Parse one element of DescribeSubnets' `Subnets`."""
        return cls(
            id=described["SubnetId"],
            zone=described["AvailabilityZone"],
            has_room=described.get("AvailableIpAddressCount", 1) > 0,
            is_public=bool(described.get("MapPublicIpOnLaunch")),
        )


def in_order(subnets: Iterable[Subnet], meeting_id: str, first: str | None) -> tuple[str, ...]:
    """Order the ids of the subnets to try for a meeting: one in each Availability Zone.

    The order is stable for a meeting, and spreads meetings over the Availability Zones. Subnets
    without a free address are not tried. `first` is tried first in any case: an earlier attempt
    may have started something there.
    """
    by_zone: dict[str, Subnet] = {}
    for subnet in sorted(subnets, key=lambda each: _rank(meeting_id, each.id)):
        if subnet.has_room:
            by_zone.setdefault(subnet.zone, subnet)
    zones = sorted(by_zone, key=lambda zone: _rank(meeting_id, zone))
    ids = [by_zone[zone].id for zone in zones]
    return tuple(dict.fromkeys([first, *ids] if first else ids))


def _rank(meeting_id: str, name: str) -> bytes:
    """Rank by a hash of both (rendezvous hashing): adding or removing one moves no other."""
    return hashlib.sha256(f"{meeting_id} {name}".encode()).digest()
