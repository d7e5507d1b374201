"""Classification of EC2's launch errors: try elsewhere, later, or never.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

_FULL: Final = frozenset(
    {
        "InsufficientCapacity",
        "InsufficientFreeAddressesInSubnet",
        "InsufficientHostCapacity",
        "InsufficientInstanceCapacity",
        # Our earlier desktop there was terminated; the same token cannot launch another there.
        "IdempotentInstanceTerminated",
    }
)
_UNFIT: Final = frozenset({"InvalidSubnetID.NotFound", "Unsupported"})
"""Permanent for this Availability Zone: an unsupported instance type, a deleted subnet."""
_ALREADY: Final = "IdempotentParameterMismatch"
_HOPELESS: Final = frozenset(
    {
        "AccessDenied",
        "AuthFailure",
        "Blocked",
        "OptInRequired",
        "UnauthorizedOperation",
        "UnknownParameter",
        "UnsupportedOperation",
        "VPCIdNotSpecified",
    }
)
_HOPELESS_BEGINNINGS: Final = ("Invalid", "Malformed", "Missing")


class RefusalError(Exception):
    """EC2 did not do what was asked."""


class NoRoomError(RefusalError):
    """This Availability Zone has no capacity, and nothing was started in it; try another one.

    `lasts` says that retrying here later will not help either.
    """

    def __init__(self, message: str, *, lasts: bool) -> None:
        self.lasts = lasts
        super().__init__(message)


class AlreadyAskedError(RefusalError):
    """The token was used before with other parameters: what it started, if anything, exists."""


class NotNowError(RefusalError):
    """It may succeed later. Whether anything was started may be unknown."""


class NeverError(RefusalError):
    """Permanent: somebody has to fix a setting, a permission or the account."""


def refusal_of(error: BotoCoreError | ClientError, asked: str) -> RefusalError:
    """Classify an error that EC2 returned, or that occurred instead of an answer.

    Codes not listed here, reached limits and server errors are all NotNowError.
    """
    message = f"{asked}: {error}"
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    if code in _FULL or code in _UNFIT:
        return NoRoomError(message, lasts=code in _UNFIT)
    if code == _ALREADY:
        return AlreadyAskedError(message)
    if code in _HOPELESS or code.startswith(_HOPELESS_BEGINNINGS):
        return NeverError(message)
    return NotNowError(message)
