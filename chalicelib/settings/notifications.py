"""Settings of the feature `notifications`, read only in stages that have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chalicelib.settings.parsing import Choice, listed, matching, minutes, setting, settings

if TYPE_CHECKING:
    from datetime import timedelta

SUCCESS: Final = "SUCCESS"
FAILURE: Final = "FAILURE"

# SES takes ASCII only: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
_MAIL = (
    r"(?!.{255})(?!\.)(?!.*\.\.)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}(?<!\.)"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html
_GROUP = r"[^,:\x00-\x1f\x7f]{1,255}"
# https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_CreateApplication.html
_APPLICATION = r"[^,\x00-\x1f\x7f]{1,100}"
_MOST_RECIPIENTS = 50  # of one call: https://docs.aws.amazon.com/ses/latest/dg/quotas.html


@settings
class NotificationsSettings:
    """The settings of a stage with notifications."""

    mail_from: str = setting(
        "MAIL_FROM",
        matching(_MAIL, "the sender's e-mail address, such as elephant@example.com"),
        meaning="the address that e-mails come from",
    )
    mail_to: tuple[str, ...] = setting(
        "MAIL_TO",
        listed(
            _MAIL,
            f"1 to {_MOST_RECIPIENTS} e-mail addresses, separated by commas",
            least=1,
            most=_MOST_RECIPIENTS,
        ),
        meaning=f"1 to {_MOST_RECIPIENTS} addresses that they go to, separated by commas",
    )
    groups: tuple[str, ...] = setting(
        "AUTO_SCALING_GROUPS",
        listed(_GROUP, "names of Auto Scaling groups, separated by commas; empty for none"),
        "",
        meaning=(
            "the Auto Scaling groups whose instances are reported, separated by commas; with none, "
            "only the stage's own desktops are"
        ),
    )
    reports_every_cause: bool = setting(
        "TERMINATION_CAUSES",
        Choice(
            ("health-checks", "all"),
            "all",
            "'health-checks', or 'all' for every termination by a group",
        ),
        "health-checks",
        meaning="which terminations by a group are reported: failed health checks, or all",
    )
    applications: tuple[str, ...] = setting(
        "CODEDEPLOY_APPLICATIONS",
        listed(
            _APPLICATION, "names of CodeDeploy applications, separated by commas; empty for none"
        ),
        "",
        meaning="the applications whose deployments are reported, separated by commas",
    )
    deployment_states: tuple[str, ...] = setting(
        "DEPLOYMENT_STATES",
        listed(
            f"{SUCCESS}|{FAILURE}",
            f"{SUCCESS}, {FAILURE}, or both, separated by a comma",
            least=1,
        ),
        SUCCESS,
        meaning=f"which deployments are reported: {SUCCESS}, {FAILURE}, or both",
    )
    address_patience: timedelta = setting(
        "ADDRESS_MINUTES",
        minutes(1, 1440),
        "10",
        meaning="a desktop that runs for this many minutes without a public address is reported",
    )

    invitations: bool = setting(
        "INVITATIONS",
        Choice(("on", "off"), "on", "'on' or 'off'"),
        "on",
        meaning=(
            "whether the people of a meeting get invitations, reminders and cancellations, in a "
            "stage with meetings"
        ),
    )

    @property
    def mail_domain(self) -> str:
        """The domain of the e-mails' sender."""
        return self.mail_from.rpartition("@")[2]
