"""Checks of what invitations depend on: SES's configuration set, and whom SES sends to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from ops.account import error_code
from ops.check import failure, ok, question, warning
from ops.checks_aws import recreate_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.check import Context, Finding

_NO_SET: Final = "NotFoundException"
_BOUNCES: Final = frozenset({"BOUNCE", "REJECT"})


@question("invited", needs=("credentials",))
def invited(context: Context) -> Iterator[Finding]:
    """Whether SES sends to everybody who may be invited."""
    if not context.stage.settings.invites:
        return
    region = context.stage.region
    if context.client("sesv2").get_account().get("ProductionAccessEnabled"):
        yield ok("SES sends to any address")
        return
    yield warning(
        f"SES has this account in its sandbox in {region}: whose address is not verified gets no "
        "invitation, and their meeting's page says so",
        "ask AWS for production access (SES, Account dashboard), or send none: "
        f"{context.command('stage', '--invitations off')}, then {context.command('deploy')}",
    )


@question("mail events", needs=("stack",))
def mail_events(context: Context) -> Iterator[Finding]:
    """Whether the configuration set exists with which invitations are sent, and says what bounces.

    Without it SES sends none.
    """
    if not context.stage.settings.invites:
        return
    name = context.stage.place.mail_events
    try:
        found = context.client("sesv2").get_configuration_set_event_destinations(
            ConfigurationSetName=name
        )["EventDestinations"]
    except ClientError as error:
        if error_code(error) != _NO_SET:
            raise
        yield failure(
            f"configuration set {name} does not exist, so no invitation is sent",
            recreate_stack(context),
        )
        return
    published = {
        kind
        for each in found
        if each["Enabled"] and each.get("EventBridgeDestination")
        for kind in each["MatchingEventTypes"]
    }
    if published >= _BOUNCES:
        yield ok(f"{name} publishes what comes back")
    else:
        yield warning(
            f"{name} does not put bounces on the event bus, so pages say of all invitations that "
            "they were sent",
            recreate_stack(context),
        )


QUESTIONS: Final = (invited, mail_events)
