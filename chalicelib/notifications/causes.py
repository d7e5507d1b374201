"""The cause of a termination, and whether to notify about it."""

from __future__ import annotations

import re
from typing import Final

# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ts-as-healthchecks.html
_CHECK = re.compile(
    r"taken out of service in response to (?:an? )?(?P<kind>[^.]*?(?:health|status))[ -]?check",
    re.IGNORECASE,
)
_LONGEST_CAUSE: Final = 2000
"""How much of a cause is read; the search's time grows with the square of it."""

WANTED: Final = frozenset(
    {
        "",
        "Client.InstanceInitiatedShutdown",
        "Client.InstanceTerminated",
        "Client.UserInitiatedHibernate",
        "Client.UserInitiatedShutdown",
    }
)
"""The reasons for which people, programs and the desktops themselves end instances.

Every other one is a failure, those that AWS has not documented yet as well.
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html
"""


def failed_check(cause: str) -> str | None:
    """Return which kind of check an instance failed, of a group's words for why it ended it.

    `ELB system health`, for instance; None if it ended for another reason, as a smaller group.
    """
    found = _CHECK.search(cause[:_LONGEST_CAUSE])
    return found["kind"] if found else None


def is_failure(reason_code: str) -> bool:
    """Tell whether EC2's code for why an instance ended means that something failed."""
    return reason_code not in WANTED
