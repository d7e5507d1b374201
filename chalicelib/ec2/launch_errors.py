"""Errors of launching a desktop: retryable in another subnet, later, or not at all.

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
        # An earlier desktop of ours there has ended for good; the token starts no other one there.
        "IdempotentInstanceTerminated",
    }
)
_UNFIT: Final = frozenset({"InvalidSubnetID.NotFound", "Unsupported"})
"""What this zone will not take tomorrow either: a type that it does not have, a deleted subnet."""
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
    """EC2 did not do what it was asked for."""


class NoRoomError(RefusalError):
    """This zone does not take the desktop, and nothing was started in it; another zone may.

    `lasts` says that the zone will not take it later either.
    """

    def __init__(self, message: str, *, lasts: bool) -> None:
        self.lasts = lasts
        super().__init__(message)


class AlreadyAskedError(RefusalError):
    """The token was used before with other parameters: what it started, if anything, is there."""


class NotNowError(RefusalError):
    """It may succeed later. Whether anything was started may be unknown."""


class NeverError(RefusalError):
    """Retrying cannot help: a person has to change a setting, a right or the account."""


def refusal_of(error: BotoCoreError | ClientError, asked: str) -> RefusalError:
    """Tell what an error means that EC2 answered with, or that came instead of an answer.

    A code that is not known here, a limit that is reached and a server's error are all NotNowError.
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
