"""Causes of termination: which of them are failures worth an e-mail."""

from __future__ import annotations

import re
from typing import Final

# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ts-as-healthchecks.html
_CHECK = re.compile(
    r"taken out of service in response to (?:an? )?(?P<kind>[^.]*?(?:health|status))[ -]?check",
    re.IGNORECASE,
)
_LONGEST_CAUSE: Final = 2000
"""How many characters of a cause are searched; the time is quadratic in it."""

WANTED: Final = frozenset(
    {
        "",
        "Client.InstanceInitiatedShutdown",
        "Client.InstanceTerminated",
        "Client.UserInitiatedHibernate",
        "Client.UserInitiatedShutdown",
    }
)
"""The state reasons when people, programs or the desktops themselves terminate instances.

Every other one is a failure, including those that AWS has not documented yet.
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html
"""


def failed_check(cause: str) -> str | None:
    """Return which kind of check an instance failed, from its group's cause for terminating it.

    `ELB system health`, for example; None for another reason, such as a smaller group.
    """
    found = _CHECK.search(cause[:_LONGEST_CAUSE])
    return found["kind"] if found else None


def is_failure(reason_code: str) -> bool:
    """Return True if EC2's reason code for a termination means that something failed."""
    return reason_code not in WANTED
