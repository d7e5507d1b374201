"""Parameters of the supporting stack's template."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ops.cloudformation import StackError

OWNER: Final = "Owner"
"""The parameter for the stage's OWNER."""

HAS_MEETINGS: Final = "HasMeetings"
HAS_NOTIFICATIONS: Final = "HasNotifications"
HAS_INVITATIONS: Final = "HasInvitations"
"""The parameters for the stage's features."""


class ParameterError(StackError):
    """A parameter that the template would refuse, or that is not valid."""


@dataclass(frozen=True)
class StackParameters:
    """The template's parameters besides the stage."""

    owner: str
    table_name: str | None
    create_table: bool
    alarm_email: str = ""
    has_sweep: bool = False
    has_meetings: bool = False
    has_notifications: bool = False
    has_invitations: bool = False
    certificate_arn: str = ""
    desktop_policies: tuple[str, ...] = ()
    log_groups: tuple[str, ...] = ()
    """For saved queries: they must exist. By default that of `dns_watchdog`."""

    def __post_init__(self) -> None:
        """Raise ParameterError for values that would fail only half-way."""
        if '"' in self.owner or "\\" in self.owner:
            raise ParameterError(
                f"OWNER is {self.owner!r}: choose one without '\"' and '\\', which a dashboard "
                "cannot show"
            )
        if self.create_table and not self.table_name:
            raise ParameterError("no table can be created without a name: set TABLE_NAME")
        if self.alarm_email and not re.fullmatch(r"[^@\s]+@[^@\s]+", self.alarm_email):
            raise ParameterError(
                f"the address for alarms is {self.alarm_email!r}: give an e-mail address, or none"
            )

    def of(self, stage_name: str) -> list[dict[str, str]]:
        """Format them for CloudFormation."""
        values = {
            "Stage": stage_name,
            OWNER: self.owner,
            "TableName": self.table_name or "",
            "CreateTable": "yes" if self.create_table else "no",
            "AlarmEmail": self.alarm_email,
            "HasSweep": "yes" if self.has_sweep else "no",
            HAS_MEETINGS: "yes" if self.has_meetings else "no",
            HAS_NOTIFICATIONS: "yes" if self.has_notifications else "no",
            HAS_INVITATIONS: "yes" if self.has_invitations else "no",
            "CertificateArn": self.certificate_arn,
            "DesktopPolicies": ",".join(self.desktop_policies),
            "LogGroups": ",".join(
                self.log_groups or (f"/aws/lambda/elephant-{stage_name}-dns_watchdog",)
            ),
        }
        return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
