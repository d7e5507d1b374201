"""Parameters of the supporting stack's template."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ops.cloudformation import StackError
from ops.grants import certificate_arn
from ops.lambda_settings import log_group
from ops.reach import ROUTES_FUNCTION, SWEEP

if TYPE_CHECKING:
    from collections.abc import Collection

    from ops.stages import Stage

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


def parameters_of(
    stage: Stage, functions: Collection[str], *, create_table: bool
) -> StackParameters:
    """Return the parameters for a stage with these functions."""
    settings, meetings = stage.settings, stage.settings.meetings
    return StackParameters(
        owner=settings.owner,
        table_name=settings.table_name,
        create_table=bool(settings.table_name) and create_table,
        alarm_email=stage.alarm_email,
        has_sweep=SWEEP in functions,
        has_meetings=meetings is not None,
        has_notifications=settings.notifications is not None,
        has_invitations=settings.invites,
        certificate_arn=certificate_arn(stage) if meetings else "",
        desktop_policies=meetings.desktop_policy_arns if meetings else (),
        log_groups=tuple(
            log_group(stage.function_name(each)) for each in logged_functions(stage, functions)
        ),
    )


def logged_functions(stage: Stage, functions: Collection[str]) -> list[str]:
    """Return the functions that log; the API's is not invoked in a stage without an API."""
    is_public = stage.settings.meetings is not None
    return [each for each in functions if each != ROUTES_FUNCTION or is_public]
