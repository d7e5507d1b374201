"""The IAM permissions that a call to AWS needs: resources of the stage, and conditions.

Some calls need more than their own right: one that passes a role on needs `iam:PassRole`, and one
that tags what it creates needs the right to tag.
https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from chalicelib.ec2.instances import OWNER_TAG
from chalicelib.meeting_row.meeting import AGENDA
from ops.reach import UnreadableCallError
from ops.statement import Statement
from ops.stream import INVITER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.settings.notifications import NotificationsSettings
    from ops.reach import Call
    from ops.stages import Stage

_OF_MEETINGS: Final = "chalicelib/meetings/"
"""Where the code is whose secrets are those that meetings are made with, not Cloudflare's token."""

_OF_INVITATIONS: Final = "chalicelib/invitations/"
"""Where the code is whose e-mails go to the people of meetings."""

_OF_NOTIFICATIONS: Final = "chalicelib/notifications/"
"""Where the code is whose table is that of the e-mails sent, not that of the meetings."""


class UnknownCallError(UnreadableCallError):
    """A call whose permissions are not known. The message says which, and what to do."""


def grants_of(call: Call, stage: Stage, function: str = "") -> list[Statement]:
    """Return the statements that a function's call needs; none if the stage has not its object.

    Raises UnknownCallError for a call that is in no table here.
    """
    service, _, operation = call.action.partition(":")
    if service == "dynamodb":
        return _of_the_table(call, stage)
    if function == INVITER and call.action == "secretsmanager:GetSecretValue":
        return [_seed(call, stage)]
    make = _TABLE.get(call.action)
    if make is None:
        raise UnknownCallError(
            f"{call.file}:{call.line}: what {operation} of {service} may be called on is not known "
            "to ops/grants.py: add it there"
        )
    return make(call, stage)


def stream_grants(stage: Stage) -> list[Statement]:
    """Return what Lambda needs, in a function's name, to read the stream of the stage's table.

    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
    """
    stream = f"{stage.arn('dynamodb')}:table/{stage.settings.table_name}/stream/*"
    reading = ("DescribeStream", "GetRecords", "GetShardIterator")
    return [
        Statement("MeetingsStream", tuple(f"dynamodb:{each}" for each in reading), (stream,)),
        # IAM knows no resource for it.
        Statement("MeetingsStreams", ("dynamodb:ListStreams",), ("*",)),
    ]


def secret_arn(stage: Stage) -> str:
    """Format the ARN of the stage's secret, to which Secrets Manager adds six characters.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_iam-permissions.html
    """
    return _secret_arn(stage, stage.settings.secret_id)


def certificate_arn(stage: Stage) -> str:
    """Format the ARN of the secret with the certificate of the stage's desktops."""
    return _secret_arn(stage, certificate_secret(stage))


def certificate_secret(stage: Stage) -> str:
    """Name that secret, which need not exist: the desktops' image may have its own certificate."""
    return _meetings(stage).certificate_secret or f"elephant/{stage.name}/dcv"


def _secret_arn(stage: Stage, secret: str) -> str:
    if secret.startswith("arn:"):
        return secret
    return f"{stage.arn('secretsmanager')}:secret:{secret}-??????"


def mail_identities(address: str) -> tuple[str, ...]:
    """Name the identities that let SES send from an address, or, in its sandbox, to it.

    That is the address itself if it was verified, or else its domain, or one that this is part of.
    https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html
    """
    name, _, domain = address.rpartition("@")
    labels = domain.lower().split(".")
    domains = (".".join(labels[start:]) for start in range(len(labels) - 1))
    return f"{name}@{domain.lower()}", *domains


def _of_the_table(call: Call, stage: Stage) -> list[Statement]:
    tables = f"{stage.arn('dynamodb')}:table"
    if call.file.startswith(_OF_NOTIFICATIONS):
        arn = f"{tables}/{stage.place.sent_table}"
        return [Statement("SentTable", (call.action,), (arn,))]
    table = stage.settings.table_name
    if not table:
        return []
    if call.action == "dynamodb:Query":
        return [Statement("MeetingsAgenda", (call.action,), (f"{tables}/{table}/index/{AGENDA}",))]
    return [Statement("MeetingsTable", (call.action,), (f"{tables}/{table}",))]


def _send_mail(call: Call, stage: Stage) -> list[Statement]:
    """Let e-mails be sent from the stage's one sender to its recipients, and to nobody else.

    SES asks for the identity of the sender, in its sandbox for those of the recipients as well, and
    for the configuration set that an identity may have. The condition holds for each of them.
    https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html
    https://github.com/aws/aws-sdk-js/issues/3641, https://github.com/aws/aws-cdk/issues/34402
    """
    settings, ours = _notifications(stage), stage.arn("ses")
    if call.file.startswith(_OF_INVITATIONS):
        return [_send_letters(stage)]
    names = [
        name
        for address in (settings.mail_from, *settings.mail_to)
        for name in mail_identities(address)
    ]
    identities = tuple(f"{ours}:identity/{_exactly(each)}" for each in dict.fromkeys(names))
    only: dict[str, dict[str, str | list[str]]] = {
        "StringEquals": {"ses:FromAddress": _literal(settings.mail_from)},
        "ForAllValues:StringEquals": {
            "ses:Recipients": [_literal(each) for each in settings.mail_to]
        },
    }
    resources = (*identities, f"{ours}:configuration-set/*")
    return [Statement("SendMail", (call.action,), resources, only)]


def _send_letters(stage: Stage) -> Statement:
    """Let whole messages be sent from the stage's one sender, to anybody who may be invited.

    `SendEmail` needs this right instead of its own for a message that is composed already, and in
    the sandbox those of the recipients as well.
    https://github.com/symfony/symfony/issues/51461, https://github.com/nodemailer/nodemailer/issues/1734
    """
    ours, sender = stage.arn("ses"), _literal(_notifications(stage).mail_from)
    resources = (f"{ours}:identity/*", f"{ours}:configuration-set/{stage.place.mail_events}")
    only: dict[str, dict[str, str | list[str]]] = {"StringEquals": {"ses:FromAddress": sender}}
    return Statement("SendMail", ("ses:SendRawEmail",), resources, only)


def _deployment(call: Call, stage: Stage) -> list[Statement]:
    names, ours = _notifications(stage).applications, stage.arn("codedeploy")
    groups = tuple(f"{ours}:deploymentgroup:{_exactly(each)}/*" for each in names)
    return [Statement("Deployments", (call.action,), groups)] if groups else []


def _described(sid: str) -> Callable[[Call, Stage], list[Statement]]:
    # Calls that describe know no rights on single things:
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
    return lambda call, _: [Statement(sid, (call.action,), ("*",))]


def _secret(call: Call, stage: Stage) -> list[Statement]:
    if not call.file.startswith(_OF_MEETINGS):
        return [Statement("CloudflareToken", (call.action,), (secret_arn(stage),))]
    names = (stage.place.schedule_secret, stage.place.seed_secret)
    arns = tuple(_secret_arn(stage, each) for each in names)
    return [Statement("ScheduleSecrets", (call.action,), arns)]


def _seed(call: Call, stage: Stage) -> Statement:
    """Let the links of meetings be made again, and no key for scheduling be read."""
    return Statement("ScheduleSeed", (call.action,), (_secret_arn(stage, stage.place.seed_secret),))


def _schedule(call: Call, stage: Stage) -> list[Statement]:
    schedules = f"{stage.arn('scheduler')}:schedule/{stage.place.schedule_group}/*"
    return [Statement("Schedules", (call.action,), (schedules,))]


def _new_schedule(call: Call, stage: Stage) -> list[Statement]:
    role = stage.place.scheduler_role_arn
    return [*_schedule(call, stage), _pass("PassSchedulerRole", role, "scheduler")]


def _run(call: Call, stage: Stage) -> list[Statement]:
    """Allow launching desktops with the stage's settings and tags, and not without.

    Each type of resource that RunInstances uses is checked separately:
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ExamplePolicies_EC2.html
    """
    place, meetings = stage.place, _meetings(stage)
    ours, image = stage.arn("ec2"), f"arn:{stage.partition}:ec2:{stage.region}::image"
    profile = f"arn:{place.partition}:iam::{place.account}"
    keys = (f"{ours}:key-pair/{meetings.key_name}",) if meetings.key_name else ()
    groups = tuple(f"{ours}:security-group/{each}" for each in meetings.security_group_ids)
    vpc = f"{ours}:vpc/{meetings.vpc_id}"
    instance = {
        "StringEquals": {
            _tag_key("aws:RequestTag", stage): _literal(stage.settings.project_tag[1]),
            f"aws:RequestTag/{OWNER_TAG}": _literal(stage.settings.owner),
            "ec2:InstanceType": meetings.instance_type,
            "ec2:MetadataHttpTokens": "required",
        },
        "ArnEquals": {
            "ec2:InstanceProfile": f"{profile}:instance-profile/{place.instance_profile}"
        },
    }
    with_it = (f"{image}/{meetings.ami_id}", *groups, *keys)
    with_it += (f"{ours}:volume/*",)
    in_vpc = {"ArnEquals": {"ec2:Vpc": vpc}} if meetings.vpc_id else None
    return [
        Statement("RunDesktops", (call.action,), (f"{ours}:instance/*",), instance),
        Statement(
            "RunIn",
            (call.action,),
            (f"{ours}:network-interface/*", f"{ours}:subnet/*"),
            in_vpc,
        ),
        Statement("RunWith", (call.action,), with_it),
        Statement(
            "TagDesktops",
            ("ec2:CreateTags",),
            (f"{ours}:instance/*", f"{ours}:network-interface/*", f"{ours}:volume/*"),
            {"StringEquals": {"ec2:CreateAction": "RunInstances"}},
        ),
        _pass("PassDesktopRole", f"{profile}:role/{place.instance_profile}", "ec2"),
    ]


def _terminate(call: Call, stage: Stage) -> list[Statement]:
    """Allow terminating desktops, except those that another stage launched.

    A desktop of a release that set no owner tag has to be terminated as well.
    """
    settings = stage.settings
    conditions = {
        "StringEquals": {_tag_key("ec2:ResourceTag", stage): _literal(settings.project_tag[1])},
        "StringEqualsIfExists": {f"ec2:ResourceTag/{OWNER_TAG}": _literal(settings.owner)},
    }
    instances = f"{stage.arn('ec2')}:instance/*"
    return [Statement("TerminateDesktops", (call.action,), (instances,), conditions)]


def _pass(sid: str, role: str, service: str) -> Statement:
    condition = {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
    return Statement(sid, ("iam:PassRole",), (role,), condition)


def _meetings(stage: Stage) -> MeetingsSettings:
    if stage.settings.meetings is None:
        raise UnknownCallError(
            f"stage {stage.name!r} has no meetings, but its code can start desktops: put what "
            "starts them under `if settings.meetings:` in app.py"
        )
    return stage.settings.meetings


def _notifications(stage: Stage) -> NotificationsSettings:
    if stage.settings.notifications is None:
        raise UnknownCallError(
            f"stage {stage.name!r} has no notifications, but its code can send e-mails: put what "
            "sends them under `if settings.notifications:` in app.py"
        )
    return stage.settings.notifications


def _tag_key(key: str, stage: Stage) -> str:
    return f"{key}/{stage.settings.project_tag[0]}"


def _literal(text: str) -> str:
    """Escape a text so that nothing in it is taken for an IAM variable.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    return text.replace("$", "${$}")


def _exactly(text: str) -> str:
    """Escape a part of an ARN so that it contains no wildcards."""
    return re.sub(r"[$*?]", r"${\g<0>}", text)


_TABLE: Final[Mapping[str, Callable[[Call, Stage], list[Statement]]]] = {
    "codedeploy:GetDeployment": _deployment,
    "ec2:DescribeInstances": _described("DescribeInstances"),
    "ec2:DescribeImages": _described("DescribeWhatDesktopsNeed"),
    "ec2:DescribeSubnets": _described("DescribeWhatDesktopsNeed"),
    "ec2:RunInstances": _run,
    "ec2:TerminateInstances": _terminate,
    "scheduler:CreateSchedule": _new_schedule,
    "scheduler:DeleteSchedule": _schedule,
    "secretsmanager:GetSecretValue": _secret,
    "ses:SendEmail": _send_mail,
}
