"""Checks of a stage's resources in AWS: credentials, secret, table and the supporting stack."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from ops.account import error_code
from ops.check import NOT_FOUND, failure, ok, question, warning
from ops.grants import secret_arn
from ops.listing import counted
from ops.reach import SWEEP
from ops.stack import template
from ops.stream import VIEWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.check import Context, Finding


_AWS_KEY: Final = "alias/aws/secretsmanager"
_COMPLETE: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
_NO_TOPIC: Final = frozenset({"NotFound", "NotFoundException"})
_NO_QUEUE: Final = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})


@question("credentials", needs=("configuration",))
def credentials(context: Context) -> Finding:
    """Whether there are credentials for the stage's account."""
    stage = context.stage
    identity = context.account.identity()
    if identity.account != stage.account:
        return failure(
            f"{identity.arn} is in account {identity.account}, the stage in {stage.account}",
            "use --profile or AWS_PROFILE for that account, or "
            + context.command("stage", f"--account {identity.account}"),
        )
    return ok(f"{identity.arn}, in {stage.region}")


@question("secret", needs=("credentials",), remedy="`elephant token {stage}`")
def secret(context: Context) -> Finding:
    """Whether the secret exists, holds a token, and is the one that functions may read."""
    secret_id = context.stage.settings.secret_id
    _ = context.token
    described = context.client("secretsmanager").describe_secret(SecretId=secret_id)
    granted = secret_arn(context.stage)
    if not fnmatchcase(described["ARN"], granted):
        option = f"--secret {described['ARN']}"
        return failure(
            f"it is {described['ARN']}, but the functions may read {granted}",
            f"{context.command('stage', option)}, then {context.command('deploy')}",
        )
    key = described.get("KmsKeyId")
    if key and not key.endswith(_AWS_KEY):
        return warning(
            f"{described['Name']} is encrypted with the key {key}, which the functions' policies "
            "do not allow",
            "allow kms:Decrypt for the functions' roles in that key's policy",
        )
    return ok(f"{described['Name']} holds a token")


@question("table", needs=("credentials",))
def table(context: Context) -> Iterator[Finding]:
    """Whether the meetings table exists, with its key, its stream and its backups."""
    name = context.stage.settings.table_name
    if name is None:
        yield ok("none: DNS only")
        return
    client = context.client("dynamodb")
    try:
        described = client.describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error_code(error) != NOT_FOUND:
            raise
        remedy = context.command("deploy")
        state = context.stack.table_state(name)
        if state and state.endswith("_COMPLETE"):  # and an update does not make it again
            remedy = (
                f"restore it from its backup under this name; or, empty, {recreate_stack(context)}"
            )
        yield failure(f"table {name} does not exist", remedy)
        return
    yield _key(context, name, described)
    stream = described.get("StreamSpecification") or {}
    if stream.get("StreamEnabled"):
        yield _view(context, name, stream["StreamViewType"])
    elif context.stage.settings.meetings:
        found = "it has none, so meetings do not end when both sides have finished"
        yield failure(found, context.command("deploy"), of="stream")
    else:
        yield warning(
            "it has none, so nothing can follow the meetings",
            f"`aws dynamodb update-table --table-name {name} --stream-specification "
            f"StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES{in_region(context)}`",
            of="stream",
        )
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups.get("PointInTimeRecoveryDescription") or {}
    if recovery.get("PointInTimeRecoveryStatus") == "ENABLED":
        yield ok("to any point in time", of="recovery")
    else:
        yield warning(
            "data deleted or overwritten by mistake is lost",
            f"`aws dynamodb update-continuous-backups --table-name {name} "
            "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
            f"{in_region(context)}`",
            of="recovery",
        )


def _view(context: Context, name: str, view: str) -> Finding:
    if context.stage.settings.meetings and view not in VIEWS:
        return failure(
            f"it shows {view}, but the terminator needs the new image of a row",
            f"switch it off once nobody else reads it (`aws dynamodb update-table --table-name "
            f"{name} --stream-specification StreamEnabled=false{in_region(context)}`), then "
            f"{context.command('deploy')} switches on the right one",
            of="stream",
        )
    return ok(view, of="stream")


def _key(context: Context, name: str, described: dict[str, Any]) -> Finding:
    types = {
        each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]
    }
    key = [(each["AttributeName"], types[each["AttributeName"]]) for each in described["KeySchema"]]
    if key != [("id", "S")]:
        in_words = ", ".join(f"{attribute} ({kind})" for attribute, kind in key)
        return failure(
            f"{name} has the key {in_words} instead of id (S); a table's key cannot be changed",
            f"{context.command('stage', '--table ANOTHER')}, then {context.command('deploy')}",
        )
    if described["TableStatus"] != "ACTIVE":
        return warning(f"{name} is {described['TableStatus']}", "wait, then run this again")
    return ok(f"{name}, key id (S)")


@question("stack", needs=("credentials",), remedy="`elephant deploy {stage}`")
def stack(context: Context) -> Finding:
    """Whether the supporting stack exists, is complete, and matches this checkout's template."""
    name, deploy = context.stack.name, context.command("deploy")
    if context.outputs is None:
        return failure(f"{name} is missing or was never complete", deploy)
    client = context.client("cloudformation")
    status = client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    if status.endswith("_IN_PROGRESS"):
        return warning(f"{name} is {status}", "wait, then run this again")
    if status not in _COMPLETE:
        return failure(f"{name} is {status}", deploy)
    body = client.get_template(StackName=name)["TemplateBody"]
    if str(body).strip() != template().strip():
        return warning(f"{name} was created with another version of the template", deploy)
    return ok(f"{name} is {status}")


@question("alarms", needs=("stack",))
def alarms(context: Context) -> Iterator[Finding]:
    """Whether every alarm exists, has its actions enabled, and is not firing."""
    expected = context.stack.alarms(
        has_sweep=SWEEP in context.functions,
        has_meetings=context.stage.settings.meetings is not None,
        has_notifications=context.stage.settings.notifications is not None,
        has_invitations=context.stage.settings.invites,
    )
    pages = (
        context.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNames=list(expected))
    )
    there = {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}
    missing = [name for name in expected if name not in there]
    if missing:
        yield failure(f"missing: {', '.join(missing)}", recreate_stack(context))
    else:
        yield ok(f"all {len(expected)} exist")
    mute = [name for name, alarm in there.items() if not alarm.get("ActionsEnabled", True)]
    if mute:
        yield warning(
            f"actions disabled: {', '.join(mute)}",
            f"`aws cloudwatch enable-alarm-actions --alarm-names {' '.join(mute)}"
            f"{in_region(context)}`",
            of="actions",
        )
    else:
        yield ok("may tell", of="actions")
    loud = [name for name, alarm in there.items() if alarm["StateValue"] == "ALARM"]
    if loud:
        yield warning(
            f"in alarm: {', '.join(loud)}",
            "; ".join(str(there[name].get("AlarmDescription", "")) for name in loud),
            of="state",
        )
    else:
        yield ok("none is in alarm", of="state")


@question("alarm topic", needs=("stack",))
def alarm_topic(context: Context) -> Finding:
    """Whether somebody is notified of alarms."""
    topic = _outputs(context).alarm_topic_arn
    pages = context.client("sns").get_paginator("list_subscriptions_by_topic")
    try:
        found = [each for page in pages.paginate(TopicArn=topic) for each in page["Subscriptions"]]
    except ClientError as error:
        if error_code(error) not in _NO_TOPIC:
            raise
        return failure(f"{topic} does not exist", recreate_stack(context))
    confirmed = [each for each in found if each["SubscriptionArn"].startswith("arn:")]
    if confirmed:
        return ok(", ".join(f"{each['Protocol']} {each['Endpoint']}" for each in confirmed))
    if found:
        return warning(
            f"not confirmed yet: {', '.join(each['Endpoint'] for each in found)}",
            "follow the link in the e-mail from AWS Notifications to that address",
        )
    email = context.stage.alarm_email
    if email:  # the stack made the subscription once, and does not know that it is gone
        return warning(
            f"nobody is notified of alarms: {email} has unsubscribed",
            f"`aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint "
            f"{email}{in_region(context)}`",
        )
    return warning(
        "nobody is notified of alarms",
        f"{context.command('stage', '--alarm-email YOU@EXAMPLE.COM')}, then "
        f"{context.command('deploy')}",
    )


@question("failure queue", needs=("stack",))
def failure_queue(context: Context) -> Finding:
    """Whether the queue holds events that failed permanently."""
    url = _outputs(context).failure_queue_url
    try:
        answer = context.client("sqs").get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
        )
    except ClientError as error:
        if error_code(error) not in _NO_QUEUE:
            raise
        return failure(f"{url} does not exist", recreate_stack(context))
    count = int(answer["Attributes"]["ApproximateNumberOfMessages"])
    if count:
        return warning(
            f"{counted(count, 'event')} failed permanently",
            f"`aws sqs receive-message --queue-url {url}{in_region(context)}` shows one; fix "
            "the cause and invoke the function with it again, as docs/operations.md says; then "
            f"`aws sqs purge-queue --queue-url {url}{in_region(context)}`",
        )
    return ok("empty")


def _outputs(context: Context) -> Any:  # noqa: ANN401
    return context.outputs


def recreate_stack(context: Context) -> str:
    """Describe how to recreate what was deleted by hand, which a stack update does not restore."""
    return (
        f"`aws cloudformation delete-stack --stack-name {context.stack.name}"
        f"{in_region(context)}`, which keeps the meetings table, then {context.command('deploy')}"
    )


def in_region(context: Context) -> str:
    """Format the option of an AWS command for the stage's region."""
    return f" --region {context.stage.region}"


ACCOUNT: Final = (credentials, secret)
SUPPORT: Final = (table, stack)
WATCH: Final = (alarms, alarm_topic, failure_queue)
