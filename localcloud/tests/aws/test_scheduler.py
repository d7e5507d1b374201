"""One-off schedules of EventBridge Scheduler: which functions they invoke when, and with what."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.scheduler import OneOffs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cloud

ECHO = "def handler(event, context): return event"
ACCOUNT = "123456789012"
GROUP = "elephant-test"
GROUP_ARN = f"arn:aws:scheduler:us-west-2:{ACCOUNT}:schedule-group/{GROUP}"
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "scheduler.amazonaws.com"},
    "Action": "sts:AssumeRole",
    "Condition": {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": GROUP_ARN},
    },
}
_numbers = count(1)


@pytest.fixture(scope="module")
def scheduler(cloud: Cloud) -> Any:  # noqa: ANN401 - botocore's clients have no static type
    client = cloud.client("scheduler")
    client.create_schedule_group(Name=GROUP)
    return client


@pytest.fixture(scope="module")
def one_offs(cloud: Cloud) -> OneOffs:
    """Make what fires schedules only when it is told to."""
    return OneOffs(cloud.functions)


@pytest.fixture(autouse=True)
def _no_schedules(cloud: Cloud, scheduler: Any) -> Iterator[None]:  # noqa: ANN401
    yield
    cloud.functions.wait_idle(100)
    for found in scheduler.list_schedules()["Schedules"]:
        scheduler.delete_schedule(Name=found["Name"], GroupName=found["GroupName"])


def role(
    cloud: Cloud, *allowed: dict[str, Any], trust: dict[str, Any] | None = None, denied: str = ""
) -> str:
    """Make a role and return its ARN; without statements it may do what a scheduler's needs."""
    name, iam = f"role-{next(_numbers)}", cloud.client("iam")
    document = json.dumps({"Statement": [trust or TRUST]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    statements = list(allowed) or [
        {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"},
        {"Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": ["arn:aws:sqs:*"]},
    ]
    if denied:
        statements.append({"Effect": "Deny", "Action": denied, "Resource": "*"})
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
    return str(arn)


def arn_of(function: str) -> str:
    return f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:{function}"


def schedule(
    cloud: Cloud,
    function: str,
    minutes: float = 10,
    *,
    target: dict[str, Any] | None = None,
    **more: object,
) -> str:
    """Make a one-off schedule as the feature does; return its name."""
    at = cloud.functions.clock.now() + timedelta(minutes=minutes)
    name = f"launch-{next(_numbers)}"
    of_target: dict[str, Any] = {"Arn": arn_of(function), "Input": '{"meeting_id": "m1"}'}
    of_target |= target or {}
    request = {
        "Name": name,
        "GroupName": GROUP,
        "ScheduleExpression": at.strftime("at(%Y-%m-%dT%H:%M:%S)"),
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": of_target if "RoleArn" in of_target else of_target | {"RoleArn": role(cloud)},
    }
    cloud.client("scheduler").create_schedule(**(request | more))
    return name


def names(scheduler: Any) -> list[str]:  # noqa: ANN401
    return [each["Name"] for each in scheduler.list_schedules(GroupName=GROUP)["Schedules"]]


def results(cloud: Cloud, function: str) -> list[Any]:
    cloud.functions.wait_idle(100)
    return [attempt.result for attempt in cloud.attempts(function)]


def letters(cloud: Cloud, url: str) -> list[dict[str, Any]]:
    answer = cloud.client("sqs").receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    return list(answer.get("Messages", []))


# Firing


def test_a_schedule_fires_at_its_time_with_its_input_and_is_deleted(
    cloud: Cloud,
    scheduler: Any,  # noqa: ANN401
    one_offs: OneOffs,
) -> None:
    function = cloud.function(ECHO)
    name = schedule(cloud, function)
    due = one_offs.next_time()
    assert due is not None
    cloud.functions.clock.reach(due - timedelta(seconds=30))
    assert one_offs.fire_due() == ()
    assert names(scheduler) == [name]
    cloud.functions.clock.reach(due)
    assert one_offs.fire_due() == (function,)
    assert one_offs.fire_due() == ()
    assert names(scheduler) == []
    assert results(cloud, function) == [{"meeting_id": "m1"}]
    assert cloud.attempts(function)[0].source == "async"
    assert one_offs.next_time() is None


def test_what_is_disabled_or_recurs_does_not_fire(cloud: Cloud, one_offs: OneOffs) -> None:
    function = cloud.function(ECHO)
    schedule(cloud, function, State="DISABLED")
    schedule(cloud, function, ScheduleExpression="rate(5 minutes)")
    schedule(cloud, function, ScheduleExpression="cron(0 12 * * ? *)")
    cloud.functions.clock.skip(86400)
    assert one_offs.fire_due() == ()


def test_several_fire_in_the_order_of_their_times(cloud: Cloud, one_offs: OneOffs) -> None:
    late, early = cloud.function(ECHO), cloud.function(ECHO)
    schedule(cloud, late, 20)
    schedule(cloud, early, 10)
    cloud.functions.clock.skip(1800)
    assert one_offs.fire_due() == (early, late)


# What cannot be invoked


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("the function was deleted", "AWSLambda.ResourceNotFoundException"),
        ("the role may not invoke it", "AccessDenied"),
        ("the role may not be assumed any more", "AccessDenied"),
        ("it is no function", "NotSupported"),
    ],
)
def test_what_cannot_be_invoked_goes_to_the_dead_letter_queue(
    cloud: Cloud,
    scheduler: Any,  # noqa: ANN401
    one_offs: OneOffs,
    wrong: str,
    code: str,
) -> None:
    function = cloud.function(ECHO)
    url, queue = cloud.queue(f"dead-{next(_numbers)}")
    own = role(cloud, denied="lambda:*" if "may not invoke" in wrong else "")
    target = {"RoleArn": own, "DeadLetterConfig": {"Arn": queue}}
    if "no function" in wrong:
        target["Arn"] = queue
    name = schedule(cloud, function, target=target)
    if "deleted" in wrong:
        cloud.client("lambda").delete_function(FunctionName=function)
    if "assumed" in wrong:
        cloud.client("iam").update_assume_role_policy(
            RoleName=own.split("/")[-1],
            PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": [TRUST | {"Effect": "Deny"}]}
            ),
        )
    cloud.functions.clock.skip(660)
    assert one_offs.fire_due() == ()
    (letter,) = letters(cloud, url)
    told = {name: each["StringValue"] for name, each in letter["MessageAttributes"].items()}
    assert json.loads(letter["Body"]) == {"meeting_id": "m1"}
    assert told["ERROR_CODE"] == code
    assert told["SCHEDULE_ARN"].endswith(f"/{name}")
    assert told["TARGET_ARN"] == target.get("Arn", arn_of(function))
    assert names(scheduler) == []


# What is refused


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"ScheduleExpression": "at(2020-01-01T00:00:00)"}, "ValidationException"),
        ({"ScheduleExpression": "at(2099-01-01T00:00:00Z)"}, "ValidationException"),
        ({"ScheduleExpression": "at(2099-02-31T00:00:00)"}, "ValidationException"),
        ({"ScheduleExpression": "at(2099-01-01)"}, "ValidationException"),
        ({"ScheduleExpression": "often"}, "ValidationException"),
        ({"ScheduleExpressionTimezone": "Mars/Olympus"}, "ValidationException"),
        ({"ScheduleExpressionTimezone": "../etc"}, "ValidationException"),
        ({"Name": "launch m1"}, "ValidationException"),
        ({"GroupName": "nobodys"}, "ResourceNotFoundException"),
    ],
)
def test_a_schedule_that_aws_refuses_is_refused(
    cloud: Cloud, wrong: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        schedule(cloud, "any", **wrong)
    assert refused.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    "trust",
    [
        {"Principal": {"Service": "lambda.amazonaws.com"}},
        {"Action": "sts:TagSession"},
        {"Condition": {"StringEquals": {"aws:SourceAccount": "210987654321"}}},
        {"Condition": {"ArnLike": {"aws:SourceArn": GROUP_ARN + "-other"}}},
    ],
)
def test_a_role_that_scheduler_may_not_assume_is_refused(
    cloud: Cloud, trust: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume"):
        schedule(cloud, "any", target={"RoleArn": role(cloud, trust=TRUST | trust)})
