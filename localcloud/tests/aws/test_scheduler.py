"""One-off schedules of EventBridge Scheduler."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws import OneOffs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cloud

ECHO = "def handler(event, context): return event"
ACCOUNT = "123456789012"
GROUP = "elephant-test"
GROUP_ARN = f"arn:aws:scheduler:us-west-2:{ACCOUNT}:schedule-group/{GROUP}"
TRUST: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"Service": "scheduler.amazonaws.com"},
    "Action": "sts:AssumeRole",
    "Condition": {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": GROUP_ARN},
    },
}
_numbers = count(1)


@pytest.fixture(scope="module", autouse=True)
def _group(cloud: Cloud) -> None:
    cloud.client("scheduler").create_schedule_group(Name=GROUP)


@pytest.fixture
def one_offs(cloud: Cloud) -> Iterator[OneOffs]:
    yield OneOffs(cloud.functions)
    cloud.functions.wait_idle(600)
    for name in names(cloud):
        cloud.client("scheduler").delete_schedule(Name=name, GroupName=GROUP)


def role(cloud: Cloud, trust: dict[str, Any] = TRUST, denied: str = "none:*") -> str:
    """Make a role for the scheduler and return its ARN."""
    name, iam = f"role-{next(_numbers)}", cloud.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    statements = [
        {"Effect": "Allow", "Action": ["lambda:InvokeFunction"], "Resource": "*"},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": ["arn:aws:sqs:*"]},
        {"Effect": "Deny", "Action": denied, "Resource": "*"},
    ]
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
    given = target or {}
    request = {
        "Name": name,
        "GroupName": GROUP,
        "ScheduleExpression": at.strftime("at(%Y-%m-%dT%H:%M:%S)"),
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": arn_of(function),
            "Input": '{"meeting_id": "m1"}',
            "RoleArn": given.get("RoleArn") or role(cloud),
        }
        | given,
    }
    cloud.client("scheduler").create_schedule(**(request | more))
    return name


def names(cloud: Cloud) -> list[str]:
    found = cloud.client("scheduler").list_schedules(GroupName=GROUP)["Schedules"]
    return [each["Name"] for each in found]


def test_a_schedule_fires_at_its_time_with_its_input_and_is_deleted(
    cloud: Cloud, one_offs: OneOffs
) -> None:
    function, clock = cloud.function(ECHO), cloud.functions.clock
    name = schedule(cloud, function, 60)
    due = one_offs.next_time()
    assert due is not None
    clock.reach(due - timedelta(minutes=30))
    assert one_offs.fire_due() == ()
    assert names(cloud) == [name]
    clock.reach(due)
    assert one_offs.fire_due() == (function,)
    assert one_offs.fire_due() == ()
    assert names(cloud) == []
    cloud.functions.wait_idle(600)
    (attempt,) = cloud.attempts(function)
    assert (attempt.source, attempt.result) == ("async", {"meeting_id": "m1"})


def test_due_schedules_fire_in_the_order_of_their_times(cloud: Cloud, one_offs: OneOffs) -> None:
    late, early = cloud.function(ECHO), cloud.function(ECHO)
    schedule(cloud, late, 20)
    schedule(cloud, early, 10)
    schedule(cloud, late, State="DISABLED")
    schedule(cloud, late, ScheduleExpression="rate(5 minutes)")
    cloud.functions.clock.skip(1800)
    assert one_offs.fire_due() == (early, late)


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
    cloud: Cloud, one_offs: OneOffs, wrong: str, code: str
) -> None:
    function = cloud.function(ECHO)
    url, queue = cloud.queue(f"dead-{next(_numbers)}")
    own = role(cloud, denied="lambda:*" if "may not invoke" in wrong else "none:*")
    target = {"RoleArn": own, "DeadLetterConfig": {"Arn": queue}}
    if "no function" in wrong:
        target["Arn"] = queue
    name = schedule(cloud, function, target=target)
    if "deleted" in wrong:
        cloud.client("lambda").delete_function(FunctionName=function)
    if "assumed" in wrong:
        denied = {"Version": "2012-10-17", "Statement": [TRUST | {"Effect": "Deny"}]}
        cloud.client("iam").update_assume_role_policy(
            RoleName=own.split("/")[-1], PolicyDocument=json.dumps(denied)
        )
    cloud.functions.clock.skip(660)
    assert one_offs.fire_due() == ()
    (letter,) = cloud.client("sqs").receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )["Messages"]
    attributes = {key: each["StringValue"] for key, each in letter["MessageAttributes"].items()}
    assert json.loads(letter["Body"]) == {"meeting_id": "m1"}
    assert attributes["ERROR_CODE"] == code
    assert attributes["SCHEDULE_ARN"].endswith(f"/{name}")
    assert attributes["TARGET_ARN"] == target.get("Arn", arn_of(function))
    assert names(cloud) == []


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"ScheduleExpression": "at(2020-01-01T00:00:00)"}, "ValidationException"),
        ({"ScheduleExpression": "at(2099-01-01T00:00:00Z)"}, "ValidationException"),
        ({"ScheduleExpression": "at(2099-02-31T00:00:00)"}, "ValidationException"),
        ({"ScheduleExpression": "often"}, "ValidationException"),
        ({"ScheduleExpressionTimezone": "Mars/Olympus"}, "ValidationException"),
        ({"Name": "launch m1"}, "ValidationException"),
        ({"GroupName": "missing"}, "ResourceNotFoundException"),
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
        schedule(cloud, "any", target={"RoleArn": role(cloud, TRUST | trust)})
