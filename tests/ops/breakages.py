"""What can go wrong with a deployed stage: what breaks it, and what the doctor says."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.aws import ACCOUNT_ID, DEFAULT_REGION
from localcloud.cloud import STAGE
from ops.check import Level
from ops.deployed_note import note_path
from tests.ops.projects import code

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ops.deployed import Deployed

    Change = Callable[[Deployed], object]

PREFIX = "elephant-local"
WATCHDOG = "elephant-local-dns_watchdog"
SWEEP = "elephant-local-sweep"
LAUNCH = "elephant-local-launch_ec2"
SAFETY_NET = "elephant-local-safety_net"
SCHEDULER = "elephant-local-scheduler"
DESKTOP = "elephant-local-desktop"
KEY = "elephant-local-schedule-key"
SEED = "elephant-local-meeting-seed"
SENT = "elephant-local-sent"
LETTERS = "elephant-local-invitations"
TABLE = "elephant-meetings"
DOMAIN = "elephant.localhost"
ALL = code().functions


@dataclass(frozen=True)
class Break:
    """A change (None: an earlier one), the check that it changes, and part of what that says."""

    change: Change | None
    check: str
    found: str
    level: Level = Level.FAILURE


def call(service: str, operation: str, **arguments: Any) -> Change:  # noqa: ANN401
    """Change something by one call of AWS; an argument may have to be looked up there."""

    def change(it: Deployed) -> None:
        given = {key: value(it) if callable(value) else value for key, value in arguments.items()}
        getattr(it.client(service), operation)(**given)

    return change


def every(*changes: Change) -> Change:
    """Make several changes."""
    return lambda it: [change(it) for change in changes]


def config(function: str = "", **members: object) -> Change:
    """Edit config.json by hand."""
    return lambda it: it.edit_config(function, **members)


def function(name: str = WATCHDOG, **members: object) -> Change:
    return call("lambda", "update_function_configuration", FunctionName=name, **members)


def reserve(number: int, name: str) -> Change:
    reserved = {"ReservedConcurrentExecutions": number}
    return call("lambda", "put_function_concurrency", FunctionName=name, **reserved)


def logs(operation: str, name: str) -> Change:
    return call("logs", operation, logGroupName=f"/aws/lambda/{name}")


def unreserve(name: str) -> Change:
    return call("lambda", "delete_function_concurrency", FunctionName=name)


def role_policy(role: str, name: str = "") -> Change:
    """Let a role do something else: by a policy of its own, or by another one."""
    policy = {"PolicyName": name or role, "PolicyDocument": MORE}
    return call("iam", "put_role_policy", RoleName=role, **policy)


def no_policy(role: str, name: str = "") -> Change:
    return call("iam", "delete_role_policy", RoleName=role, PolicyName=name or role)


def trust(role: str) -> Change:
    document = MORE.replace("s3:*", "sts:AssumeRole").replace('"Resource": ', '"Principal": ')
    return call("iam", "update_assume_role_policy", RoleName=role, PolicyDocument=document)


def attach(role: str) -> Change:
    def change(it: Deployed) -> None:
        made = it.client("iam").create_policy(PolicyName=f"more-{role}", PolicyDocument=MORE)
        it.client("iam").attach_role_policy(RoleName=role, PolicyArn=made["Policy"]["Arn"])

    return change


ANY = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
MORE = json.dumps({"Version": "2012-10-17", "Statement": [ANY]})


def failures(name: str, **members: object) -> Change:
    """Handle a function's failed runs otherwise."""

    def change(it: Deployed) -> None:
        client = it.client("lambda")
        there = client.get_function_event_invoke_config(FunctionName=name)
        kept = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
        wanted = {key: there[key] for key in kept if key in there} | members
        client.put_function_event_invoke_config(FunctionName=name, **wanted)

    return change


MINE = {"Destination": f"arn:aws:sqs:{DEFAULT_REGION}:{ACCOUNT_ID}:mine"}
ELSEWHERE = {"DestinationConfig": {"OnFailure": MINE}}


def zipped(name: str, *, is_built_here: bool) -> Change:
    """Deploy a zip of another app.py alone by hand."""

    def deploy(it: Deployed) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", f"# of {name}")
        if is_built_here:
            builds = it.config_file.directory / ".chalice/deployments"
            (builds / f"{name}.zip").write_bytes(packed.getvalue())
        it.client("lambda").update_function_code(FunctionName=name, ZipFile=packed.getvalue())

    return deploy


def variables(it: Deployed) -> None:
    others = {key: value for key, value in it.stage.variables.items() if key != "OWNER"}
    others |= {"ZONE_ID": "f" * 32, "MINE": "a secret of mine"}
    function(Environment={"Variables": others})(it)


def no_permission(it: Deployed) -> None:
    client = it.client("lambda")
    policy = json.loads(client.get_policy(FunctionName=SWEEP)["Policy"])
    for statement in policy["Statement"]:
        client.remove_permission(FunctionName=SWEEP, StatementId=statement["Sid"])


def template_of_before(it: Deployed) -> None:
    client, name = it.client("cloudformation"), f"{PREFIX}-support"
    body = client.get_template(StackName=name)["TemplateBody"]
    stack = client.describe_stacks(StackName=name)["Stacks"][0]
    client.update_stack(
        StackName=name,
        TemplateBody=str(body).replace("Created and updated by", "Made by"),
        Parameters=stack["Parameters"],
        Tags=stack["Tags"],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )


def own_table(it: Deployed, name: str = TABLE, key: str = "id", **stream: object) -> None:
    """Make a table of the user's own, in the place of the stage's if it has its name."""
    client = it.client("dynamodb")
    if name == TABLE:
        client.delete_table(TableName=name)
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        **({"StreamSpecification": stream} if stream else {}),
    )
    client.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    client.put_item(TableName=name, Item={key: {"S": "kept"}})


def api_of(it: Deployed) -> str:
    (api,) = it.client("apigateway").get_rest_apis()["items"]
    return str(api["id"])


def mapping_id(it: Deployed) -> str:
    found = it.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    return next(str(each["UUID"]) for each in found if each["FunctionArn"].endswith("-terminator"))


def subscription(it: Deployed) -> str:
    (one,) = it.client("sns").list_subscriptions()["Subscriptions"]
    return str(one["SubscriptionArn"])


def queue_url(it: Deployed) -> str:
    queue = f"{PREFIX}-failed-events"
    return str(it.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"])


def schedule(target: str) -> Change:
    """Schedule something in the stage's group."""
    return call(
        "scheduler",
        "create_schedule",
        GroupName=PREFIX,
        Name="launch-strange",
        ScheduleExpression="at(2099-01-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": f"arn:aws:lambda:{DEFAULT_REGION}:{ACCOUNT_ID}:function:{target}",
            "RoleArn": f"arn:aws:iam::{ACCOUNT_ID}:role/{SCHEDULER}",
        },
    )


def edit_policy(it: Deployed) -> None:
    path = it.config_file.path.with_name("policy-local-dns_watchdog.json")
    path.write_text(path.read_text().replace("GetItem", "DeleteItem"))
    it.config_file.path.with_name("policy-local-sweep.json").unlink()


def lose_note(it: Deployed) -> None:
    note_path(it.config_file, it.stage).unlink()


def secret_gone(name: str) -> Change:
    return call("secretsmanager", "delete_secret", SecretId=name, ForceDeleteWithoutRecovery=True)


ENDED = "notify_instance_termination"
ENDED_RULE = f"{PREFIX}-{ENDED}-event"
DEPLOYED_RULE = f"{PREFIX}-notify_deployment-event"
ERRORS = f"{PREFIX}-errors"
ANOTHER_ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/{PREFIX}-api_handler"
START, REPORT = "start-meetings", "desktop"
WARNING = Level.WARNING
OTHERS = {"DCV_PORT": "2053", "EVENT_TAGS": "required", "SWEEP_SCHEDULE": "rate(5 minutes)"}

daily_sweep = call("events", "put_rule", Name=f"{SWEEP}-event", ScheduleExpression="rate(1 day)")
no_target = call("events", "remove_targets", Rule=f"{WATCHDOG}-event", Ids=["1"])
never_retried = failures(SAFETY_NET, MaximumRetryAttempts=0)
never_kept = call("lambda", "delete_function_event_invoke_config", FunctionName=LAUNCH)
silenced = call("cloudwatch", "disable_alarm_actions", AlarmNames=[ERRORS])
no_rule = every(
    call("events", "remove_targets", Rule=DEPLOYED_RULE, Ids=["1"]),
    call("events", "delete_rule", Name=DEPLOYED_RULE),
)
throttle = call(
    "apigateway",
    "update_stage",
    restApiId=api_of,
    stageName=STAGE,
    patchOperations=[
        {"op": "replace", "path": "/~1schedule/POST/throttling/rateLimit", "value": "500"}
    ],
)
hide_answers = call(
    "apigateway", "delete_gateway_response", restApiId=api_of, responseType="DEFAULT_4XX"
)
topic_gone = call(
    "sns", "delete_topic", TopicArn=f"arn:aws:sns:{DEFAULT_REGION}:{ACCOUNT_ID}:{PREFIX}-alarms"
)
queue_gone = call("sqs", "delete_queue", QueueUrl=queue_url)
event_failed = call("sqs", "send_message", QueueUrl=queue_url, MessageBody="{}")
unsubscribe = call("sns", "unsubscribe", SubscriptionArn=subscription)
mapping_off = call("lambda", "update_event_source_mapping", UUID=mapping_id, Enabled=False)
profile_empty = call(
    "iam", "remove_role_from_instance_profile", InstanceProfileName=DESKTOP, RoleName=DESKTOP
)
no_recovery = call(
    "dynamodb",
    "update_continuous_backups",
    TableName=TABLE,
    PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
)
kept_forever = call(
    "dynamodb",
    "update_time_to_live",
    TableName=SENT,
    TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"},
)
nothing_reserved = every(config("dns_watchdog", reserved_concurrency=None), unreserve(WATCHDOG))
switched_off = every(config("sweep", reserved_concurrency=0), reserve(0, SWEEP))
nobody_notified = every(unsubscribe, lambda it: it.set_stage(alarm_email=""))

OLD_TAGS, NEW_TAGS = {"CostCenter": "42"}, {"Team": "learning tools"}
TAGGED = "API", "API stage", "function", "log group", "role", "rule", "secret"

BY_HAND = [
    Break(variables, "variables dns_watchdog", "OWNER is missing;"),
    Break(None, "variables dns_watchdog", "MINE is not in config.json;"),
    Break(None, "variables dns_watchdog", "ZONE_ID is 'ffff"),
    Break(lambda it: it.set_variables(**OTHERS), "rule dns_watchdog", f"{WATCHDOG}-event matches"),
    *(Break(None, f"variables {each}", "DCV_PORT is") for each in ALL),
    Break(config(lambda_timeout=90), "limits terminator", "60 s, 256 MB, x86_64, not 90 s, 256"),
    Break(
        config(lambda_architecture="arm64"), "limits safety_net", "x86_64, not 120 s, 256 MB, arm"
    ),
    *(Break(None, f"limits {each}", "x86_64, not") for each in ("api_handler", "launch_ec2")),
    Break(None, "limits notify_deployment", "not 90 s"),
    *(Break(None, f"limits {each}", "not 90 s") for each in (ENDED, "invite", "note_bounce")),
    Break(function(Timeout=3), "limits dns_watchdog", "3 s, 256 MB, x86_64, not 90 s, 256"),
    Break(function(SWEEP, MemorySize=128), "limits sweep", "128 MB, x86_64, not 120 s, 256"),
    Break(unreserve(SWEEP), "concurrency sweep", "none reserved, not 1"),
    Break(reserve(2, LAUNCH), "concurrency launch_ec2", "2 reserved, not none"),
    Break(function(Runtime="python3.10"), "runtime dns_watchdog", "runs on python3.10", WARNING),
    Break(zipped(WATCHDOG, is_built_here=True), "code dns_watchdog", "__init__.py is missing"),
    Break(zipped(LAUNCH, is_built_here=False), "code launch_ec2", "was not built here"),
    Break(role_policy(WATCHDOG), "role dns_watchdog", "is not what the code needs"),
    Break(no_policy(SWEEP), "role sweep", "or its policy is missing"),
    Break(function(LAUNCH, Role=ANOTHER_ROLE), "role launch_ec2", f"_handler, not {LAUNCH}"),
    Break(daily_sweep, "rule sweep", "starts it at rate(1 day), not at rate(5 minutes)"),
    Break(call("events", "disable_rule", Name=ENDED_RULE), f"rule {ENDED}", "is DISABLED"),
    Break(no_rule, "rule notify_deployment", "does not exist"),
    Break(no_permission, "permission sweep", "may not start"),
    Break(failures(WATCHDOG, **ELSEWHERE), "failed events dns_watchdog", ":mine, not to arn:aws:"),
    Break(failures(SWEEP, **ELSEWHERE), "failed events sweep", ":mine, not to a queue"),
    Break(never_retried, "failed events safety_net", "are retried 0 times within 21600 s, not 2"),
    Break(never_kept, "failed events launch_ec2", "are lost"),
    Break(logs("delete_retention_policy", PREFIX), "logs api_handler", "is kept forever"),
    Break(logs("delete_log_group", WATCHDOG), "logs dns_watchdog", "does not exist"),
    Break(template_of_before, "stack", "another version of the template", WARNING),
    Break(lambda it: it.set_stage(tags=NEW_TAGS), "tags stack", "-support: no Team", WARNING),
    *(Break(None, f"tags {each}", "no Team", WARNING) for each in TAGGED),
    Break(throttle, "API limits", "~1schedule/POST"),
    Break(hide_answers, "API own answers", "DEFAULT_4XX: pages of https://app.example.com"),
    Break(own_table, "table stream", "it has none, so meetings do not end"),
    Break(None, "stream mapping", "terminator reads another stream"),
    Break(None, "meetings index", "has no index agenda"),
    Break(None, "meetings index expiry", "do not expire by expires_at"),
]
"""Repaired by a deployment."""

FROM_THE_STACK = [
    Break(call("cloudwatch", "delete_alarms", AlarmNames=[ERRORS]), "alarms", f"missing: {ERRORS}"),
    Break(topic_gone, "alarm topic", "does not exist"),
    Break(queue_gone, "failure queue", "does not exist"),
    Break(call("scheduler", "delete_schedule_group", Name=PREFIX), "schedules", "group elephant-l"),
    Break(no_policy(SCHEDULER, START), "scheduler role", "or its policy is missing"),
    Break(secret_gone(KEY), "schedule key", f"secret {KEY} does not exist"),
    Break(secret_gone(SEED), "meeting seed", f"secret {SEED} does not exist"),
    Break(call("dynamodb", "delete_table", TableName=SENT), "sent table", f"{SENT} does not exist"),
    Break(
        call("sesv2", "delete_configuration_set", ConfigurationSetName=LETTERS),
        "mail events",
        f"configuration set {LETTERS} does not exist",
    ),
]
"""Deleted by hand, which an update of the stack does not notice."""

BY_COMMANDS = [
    Break(schedule("another"), "schedules", "do not start this stage's functions: launch-strange"),
    Break(function(Handler="app.watch"), "function dns_watchdog", "it calls app.watch, not app"),
    Break(role_policy(WATCHDOG, "by-hand"), "role dns_watchdog", "has the policy by-hand as well"),
    Break(attach(WATCHDOG), "role dns_watchdog", f"policy/more-{WATCHDOG} as well"),
    Break(trust(WATCHDOG), "role dns_watchdog", "others than Lambda may assume"),
    Break(role_policy(SCHEDULER, "more"), "scheduler role", "has the policy more as well"),
    Break(role_policy(SCHEDULER, START), "scheduler role", f"{START} of {SCHEDULER} differs"),
    Break(trust(SCHEDULER), "scheduler role", "others than intended may assume"),
    Break(role_policy(DESKTOP, REPORT), "desktop role", f"{REPORT} of {DESKTOP} differs"),
    Break(profile_empty, "desktop role profile", "gives desktops no role"),
    Break(mapping_off, "stream mapping", "it is disabled"),
    Break(no_recovery, "table recovery", "by mistake is lost", WARNING),
    Break(kept_forever, "sent table", "keeps its rows forever", WARNING),
    Break(unsubscribe, "alarm topic", "ops@example.com has unsubscribed", WARNING),
    Break(event_failed, "failure queue", "1 event failed", WARNING),
    Break(silenced, "alarms actions", f"actions disabled: {ERRORS}", WARNING),
    Break(lambda it: it.store_secret("short", KEY), "schedule key", "a key that can be guessed"),
]
"""Repaired by commands of AWS's."""

IN_CONFIG = [
    Break(no_target, "rule dns_watchdog", f"does not start {WATCHDOG}"),
    Break(nothing_reserved, "concurrency dns_watchdog", "a burst of events", WARNING),
    Break(switched_off, "concurrency sweep", "0 reserved, so it never runs"),
    Break(nobody_notified, "alarm topic", "nobody is notified of alarms", WARNING),
    Break(edit_policy, "files", "policy-local-dns_watchdog.json"),
    Break(None, "files", "policy-local-sweep.json"),
]
"""Repaired by `elephant stage` with other options, and a deployment."""

ROUNDS = {"by hand": BY_HAND, "by commands": BY_COMMANDS, "in config.json": IN_CONFIG}
