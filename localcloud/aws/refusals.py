"""EC2's refusals, switched on by hand: an Availability Zone without capacity, a limit.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from moto.ec2.exceptions import EC2ClientError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MESSAGES: Final[Mapping[str, str]] = {
    "InsufficientInstanceCapacity": "We currently do not have sufficient capacity in the "
    "Availability Zone you requested.",
    "InsufficientFreeAddressesInSubnet": "Not enough free addresses in subnet.",
    "Unsupported": "Your requested instance type is not supported in your requested Availability "
    "Zone.",
    "VcpuLimitExceeded": "You have requested more vCPU capacity than your current vCPU limit.",
    "InstanceLimitExceeded": "Your quota allows for no more instances.",
    "RequestLimitExceeded": "Request limit exceeded.",
    "UnauthorizedOperation": "You are not authorized to perform this operation.",
}
CODES: Final = tuple(_MESSAGES)
"""What can be switched on."""


@dataclass(frozen=True)
class Refusal:
    """RunInstances is refused with `code`, in one zone or all, so often or until cleared.

    The first `skip` requests that it is for are let through.
    """

    code: str
    zone: str | None = None
    times: int | None = None
    skip: int = 0

    def __post_init__(self) -> None:
        if self.code not in _MESSAGES:
            raise ValueError(f"{self.code!r} is none of {', '.join(CODES)}")

    def as_json(self) -> dict[str, object]:
        """Format it as a JSON object."""
        return asdict(self)


class Refusals:
    """The refusals that are switched on; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on: list[Refusal] = []

    def add(self, refusal: Refusal) -> None:
        """Switch one on, behind those that are."""
        with self._lock:
            self._on.append(refusal)

    def clear(self) -> None:
        """Switch all off."""
        with self._lock:
            self._on.clear()

    @property
    def on(self) -> tuple[Refusal, ...]:
        """What is switched on, with what is left of each."""
        with self._lock:
            return tuple(self._on)

    def refuse(self, zone: str) -> None:
        """Raise EC2ClientError if a request for this zone is to be refused."""
        with self._lock:
            for position, refusal in enumerate(self._on):
                if refusal.zone not in {None, zone}:
                    continue
                if refusal.skip:
                    self._on[position] = replace(refusal, skip=refusal.skip - 1)
                    continue
                if refusal.times is not None:
                    left = refusal.times - 1
                    self._on[position : position + 1] = (
                        [replace(refusal, times=left)] if left else []
                    )
                raise EC2ClientError(refusal.code, _MESSAGES[refusal.code])
