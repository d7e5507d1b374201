"""Settings of the feature `notifications`, read only in stages that have it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from chalicelib.settings.variables import matching, whole, words

if TYPE_CHECKING:
    from chalicelib.settings.variables import Reader

VARIABLES: Final = (
    "MAIL_FROM",
    "MAIL_TO",
    "AUTO_SCALING_GROUPS",
    "TERMINATION_CAUSES",
    "CODEDEPLOY_APPLICATIONS",
    "DEPLOYMENT_STATES",
    "ADDRESS_MINUTES",
)
"""Every variable that is read."""

SUCCESS: Final = "SUCCESS"
FAILURE: Final = "FAILURE"

# SES takes ASCII only: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
_MAIL = re.compile(
    r"(?!\.)(?!.*\.\.)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}(?<!\.)"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html
_GROUP = re.compile(r"[^,:\x00-\x1f\x7f]{1,255}")
# https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_CreateApplication.html
_APPLICATION = re.compile(r"[^,\x00-\x1f\x7f]{1,100}")
_MOST_RECIPIENTS = 50  # of one call: https://docs.aws.amazon.com/ses/latest/dg/quotas.html
_LONGEST_ADDRESS = 254
_MINUTES_OF_A_DAY = 1440


@dataclass(frozen=True)
class NotificationsSettings:
    """The settings of a stage with notifications; see docs/notifications.md."""

    mail_from: str
    mail_to: tuple[str, ...]
    groups: tuple[str, ...]
    """The Auto Scaling groups to watch; if empty, only the project's own desktops are watched."""
    reports_every_cause: bool
    """Whether every instance that a group terminates is reported, or only failed checks."""
    applications: tuple[str, ...]
    deployment_states: tuple[str, ...]
    address_patience: timedelta
    """How long a running desktop may have no public address."""

    @classmethod
    def read(cls, reader: Reader) -> NotificationsSettings:
        """Read the settings; the reader collects the problems."""
        return cls(
            mail_from=reader.read("MAIL_FROM", _sender),
            mail_to=reader.read("MAIL_TO", _recipients),
            groups=reader.read("AUTO_SCALING_GROUPS", _groups, ""),
            reports_every_cause=reader.read("TERMINATION_CAUSES", _causes, "health-checks"),
            applications=reader.read("CODEDEPLOY_APPLICATIONS", _applications, ""),
            deployment_states=reader.read("DEPLOYMENT_STATES", _states, SUCCESS),
            address_patience=reader.read("ADDRESS_MINUTES", _minutes, "10"),
        )

    @property
    def mail_domain(self) -> str:
        """The domain of the e-mails' sender."""
        return self.mail_from.rpartition("@")[2]


def _address(text: str, remedy: str) -> str:
    if len(text) > _LONGEST_ADDRESS:
        raise ValueError(remedy)
    return matching(_MAIL, text, remedy)


def _sender(text: str) -> str:
    return _address(text, "the sender's e-mail address, such as elephant@example.com")


def _recipients(text: str) -> tuple[str, ...]:
    remedy = f"1 to {_MOST_RECIPIENTS} e-mail addresses, separated by commas"
    addresses = _each_once(words(text), remedy)
    if not 0 < len(addresses) <= _MOST_RECIPIENTS:
        raise ValueError(remedy)
    return tuple(_address(each, remedy) for each in addresses)


def _groups(text: str) -> tuple[str, ...]:
    remedy = "names of Auto Scaling groups, separated by commas; empty for none"
    return tuple(matching(_GROUP, each, remedy) for each in _each_once(words(text), remedy))


def _causes(text: str) -> bool:
    if text not in {"health-checks", "all"}:
        raise ValueError("'health-checks', or 'all' for every termination by a group")
    return text == "all"


def _applications(text: str) -> tuple[str, ...]:
    remedy = "names of CodeDeploy applications, separated by commas; empty for none"
    return tuple(matching(_APPLICATION, each, remedy) for each in _each_once(words(text), remedy))


def _states(text: str) -> tuple[str, ...]:
    remedy = f"{SUCCESS}, {FAILURE}, or both, separated by a comma"
    states = _each_once(words(text), remedy)
    if not states or not set(states) <= {SUCCESS, FAILURE}:
        raise ValueError(remedy)
    return states


def _minutes(text: str) -> timedelta:
    remedy = f"1 to {_MINUTES_OF_A_DAY} minutes"
    return timedelta(minutes=whole(text, 1, _MINUTES_OF_A_DAY, remedy))


def _each_once(found: tuple[str, ...], remedy: str) -> tuple[str, ...]:
    if len(set(found)) < len(found):
        raise ValueError(f"{remedy}, each once")
    return found
