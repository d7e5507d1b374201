"""Checks of what e-mails depend on: SES, the table of sent e-mails, and what is watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from chalicelib.notifications.sent import EXPIRY
from ops.account import error_code
from ops.check import NOT_FOUND, failure, ok, question, warning
from ops.checks_aws import recreate_stack
from ops.grants import mail_identities

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.check import Context, Finding

_NO_IDENTITY: Final = "NotFoundException"
_NO_APPLICATION: Final = "ApplicationDoesNotExistException"
_KEY: Final = [{"AttributeName": "id", "KeyType": "HASH"}]


@question("sender", needs=("credentials",))
def sender(context: Context) -> Iterator[Finding]:
    """Whether SES may send e-mails from the stage's address."""
    settings = context.stage.settings.notifications
    if not settings:
        return
    name = _verified(context, settings.mail_from)
    if name:
        yield ok(f"{settings.mail_from}, as {name} is verified")
        return
    yield failure(
        f"SES may not send from {settings.mail_from}: neither the address nor its domain is "
        f"verified in {context.stage.region}",
        f"`aws sesv2 create-email-identity --email-identity {settings.mail_from} --region "
        f"{context.stage.region}` and follow the link that it sends; or verify "
        f"{settings.mail_domain}, by records in its DNS",
    )


@question("recipients", needs=("credentials",))
def recipients(context: Context) -> Iterator[Finding]:
    """Whether SES sends to the stage's recipients: to any, or in its sandbox to verified ones."""
    settings = context.stage.settings.notifications
    if not settings:
        return
    account, region = context.client("sesv2").get_account(), context.stage.region
    status = account.get("EnforcementStatus", "HEALTHY")
    if not account.get("SendingEnabled", True) or status == "SHUTDOWN":
        yield failure(
            f"SES sends nothing for this account in {region}: sending is disabled ({status})",
            "`aws sesv2 put-account-sending-attributes --sending-enabled "
            f"--region {region}`, or answer the case that AWS has opened in its Support Center",
        )
        return
    if account.get("ProductionAccessEnabled"):
        yield ok(f"{len(settings.mail_to)}, and SES sends to any address")
        return
    missing = [each for each in settings.mail_to if not _verified(context, each)]
    if missing:
        yield failure(
            f"SES has this account in its sandbox in {region}, and these are not verified: "
            f"{', '.join(missing)}",
            "; ".join(
                f"`aws sesv2 create-email-identity --email-identity {each} --region {region}`"
                for each in missing
            )
            + ", and have them follow the link that it sends; or ask AWS for production access: "
            "SES, Account dashboard",
        )
        return
    yield ok(f"{len(settings.mail_to)}, each verified: SES has this account in its sandbox")


@question("sent table", needs=("stack",))
def sent_table(context: Context) -> Iterator[Finding]:
    """Whether the table of sent e-mails exists, and its rows expire."""
    if not context.stage.settings.notifications:
        return
    name, client = context.stage.place.sent_table, context.client("dynamodb")
    try:
        table = client.describe_table(TableName=name)["Table"]
        expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    except ClientError as error:
        if error_code(error) != NOT_FOUND:
            raise
        yield failure(f"table {name} does not exist, so nothing is sent", recreate_stack(context))
        return
    if table["KeySchema"] != _KEY:
        yield failure(f"the key of the table {name} is not id", recreate_stack(context))
    elif (
        expiry.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}
        or expiry.get("AttributeName") != EXPIRY
    ):
        yield warning(
            f"{name} keeps its rows forever, at a cost",
            f"`aws dynamodb update-time-to-live --table-name {name} --time-to-live-specification "
            f"Enabled=true,AttributeName={EXPIRY} --region {context.stage.region}`",
        )
    else:
        yield ok(f"{name}, whose rows expire")


@question("watched", needs=("credentials",))
def watched(context: Context) -> Iterator[Finding]:
    """Whether the watched groups and applications exist; others are not reported."""
    settings = context.stage.settings.notifications
    if not settings:
        return
    if settings.groups:
        of, option = "groups", "--auto-scaling-groups OTHERS"
        yield _watched(context, settings.groups, _groups(context, settings.groups), of, option)
    if settings.applications:
        there = [each for each in settings.applications if _is_application(context, each)]
        of, option = "applications", "--codedeploy-applications OTHERS"
        yield _watched(context, settings.applications, there, of, option)


def _watched(
    context: Context, wanted: tuple[str, ...], there: list[str], of: str, option: str
) -> Finding:
    missing = [each for each in wanted if each not in there]
    if not missing:
        return ok(", ".join(wanted), of=of)
    return warning(
        f"not in {context.stage.region}, so they are not reported: {', '.join(missing)}",
        f"{context.command('stage', option)}, then {context.command('deploy')}",
        of=of,
    )


def _groups(context: Context, names: tuple[str, ...]) -> list[str]:
    pages = (
        context.client("autoscaling")
        .get_paginator("describe_auto_scaling_groups")
        .paginate(AutoScalingGroupNames=list(names))
    )
    return [each["AutoScalingGroupName"] for page in pages for each in page["AutoScalingGroups"]]


def _is_application(context: Context, name: str) -> bool:
    try:
        context.client("codedeploy").get_application(applicationName=name)
    except ClientError as error:
        if error_code(error) != _NO_APPLICATION:
            raise
        return False
    return True


def _verified(context: Context, address: str) -> str | None:
    """Name a verified identity that covers an address; None if there is none."""
    client: Any = context.client("sesv2")
    for name in mail_identities(address):
        try:
            identity = client.get_email_identity(EmailIdentity=name)
        except ClientError as error:
            if error_code(error) != _NO_IDENTITY:
                raise
            continue
        if identity["VerifiedForSendingStatus"]:
            return name
    return None


QUESTIONS: Final = (sender, recipients, sent_table, watched)
