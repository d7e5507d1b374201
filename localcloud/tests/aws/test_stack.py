"""CloudFormation stacks, where moto differs from AWS; `tests/ops` deploys the project's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws import MotoServer, aws_client

if TYPE_CHECKING:
    from collections.abc import Iterator

ALARM: dict[str, Any] = {
    "Type": "AWS::CloudWatch::Alarm",
    "Properties": {
        "AlarmName": "failures",
        "AlarmDescription": {"Fn::Sub": "of ${Word}"},
        "Namespace": "AWS/SQS",
        "MetricName": "NumberOfMessagesSent",
        "Statistic": "Sum",
        "Period": "300",
        "EvaluationPeriods": 3,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "AlarmActions": [{"Ref": "Topic"}],
    },
}
TABLE: dict[str, Any] = {
    "Type": "AWS::DynamoDB::Table",
    "DeletionPolicy": "Retain",
    "Properties": {
        "TableName": "rows",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
}
MAIL = {"TopicArn": {"Ref": "Topic"}, "Protocol": "email", "Endpoint": "a@example.com"}
RESOURCES: dict[str, Any] = {
    "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "alarms"}},
    "Alarm": ALARM | {"Condition": "HasAlarm"},
    "Mail": {"Type": "AWS::SNS::Subscription", "Properties": MAIL},
    "Group": {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": "group"}},
    "Key": {
        "Type": "AWS::SecretsManager::Secret",
        "Properties": {"Name": "key", "GenerateSecretString": {"PasswordLength": 43}},
    },
    "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "queue"}},
    "Table": TABLE,
}


class Stack:
    """A stack on an AWS of its own."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._cloudformation = self.client("cloudformation")

    def client(self, service: str) -> Any:  # noqa: ANN401 (botocore makes the class)
        return aws_client(service, self._endpoint)

    def create(self, resources: dict[str, Any] = RESOURCES) -> None:
        self._cloudformation.create_stack(**_request(resources, "failures", "yes"))

    def update(
        self, resources: dict[str, Any] = RESOURCES, word: str = "failures", has_alarm: str = "yes"
    ) -> None:
        self._cloudformation.update_stack(**_request(resources, word, has_alarm))

    def delete(self) -> None:
        self._cloudformation.delete_stack(StackName="stack")

    def alarms(self) -> list[str]:
        found = self.client("cloudwatch").describe_alarms()["MetricAlarms"]
        return [alarm["AlarmDescription"] for alarm in found]

    def contents(self) -> tuple[Any, ...]:
        sns, scheduler = self.client("sns"), self.client("scheduler")
        secrets = self.client("secretsmanager").list_secrets()["SecretList"]
        return (
            self.alarms(),
            [each["Endpoint"] for each in sns.list_subscriptions()["Subscriptions"]],
            [group["Name"] for group in scheduler.list_schedule_groups()["ScheduleGroups"]],
            [secret["Name"] for secret in secrets],
            self.client("dynamodb").list_tables()["TableNames"],
        )


def _request(resources: dict[str, Any], word: str, has_alarm: str) -> dict[str, Any]:
    parameters = {"Word": word, "HasAlarm": has_alarm}
    template = {
        "Parameters": {name: {"Type": "String"} for name in parameters},
        "Conditions": {"HasAlarm": {"Fn::Equals": [{"Ref": "HasAlarm"}, "yes"]}},
        "Resources": resources,
    }
    return {
        "StackName": "stack",
        "TemplateBody": json.dumps(template),
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
    }


@pytest.fixture
def stack() -> Iterator[Stack]:
    with MotoServer() as server:
        yield Stack(server.endpoint)


def test_resources_come_and_go_with_their_stack_but_for_retained_ones(stack: Stack) -> None:
    stack.create()
    made = (["of failures"], ["a@example.com"], ["default", "group"], ["key"], ["rows"])
    assert stack.contents() == made
    stack.delete()
    assert stack.contents() == ([], [], ["default"], [], ["rows"])


def test_a_changed_parameter_is_noticed_everywhere(stack: Stack) -> None:
    stack.create()
    found = []
    for word, has_alarm in (("errors", "yes"), ("errors", "no"), ("failures", "yes")):
        stack.update(word=word, has_alarm=has_alarm)
        found.append(stack.alarms())
    assert found == [["of errors"], [], ["of failures"]]


def test_a_generated_secret_stays_the_same(stack: Stack) -> None:
    def text() -> str:
        secrets = stack.client("secretsmanager")
        return str(secrets.get_secret_value(SecretId="key")["SecretString"])

    stack.create()
    first = text()
    assert len(first) == 43
    stack.update(word="errors")
    assert text() == first


def test_a_stack_can_be_deleted_after_its_resources(stack: Stack) -> None:
    stack.create()
    sqs = stack.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="queue")["QueueUrl"])
    stack.client("cloudwatch").delete_alarms(AlarmNames=["failures"])
    stack.client("scheduler").delete_schedule_group(Name="group")
    stack.delete()
    assert stack.client("cloudformation").describe_stacks()["Stacks"] == []


@pytest.mark.parametrize("name", ["Alarm", "Group", "Key"])
def test_a_property_that_is_not_emulated_is_refused(stack: Stack, name: str) -> None:
    resource = RESOURCES[name]
    wrong = resource | {"Properties": resource["Properties"] | {"Colour": "red"}}
    with pytest.raises(ClientError, match="knows no Colour"):
        stack.create(RESOURCES | {name: wrong})


def test_a_changed_table_gets_one_index_and_the_expiry_of_rows_and_keeps_its_rows(
    stack: Stack,
) -> None:
    def indexed(*names: str) -> dict[str, Any]:
        key = [{"AttributeName": "id", "KeyType": "HASH"}]
        keys_only = {"ProjectionType": "KEYS_ONLY"}
        more = {
            "GlobalSecondaryIndexes": [
                {"IndexName": name, "KeySchema": key, "Projection": keys_only} for name in names
            ],
            "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": True},
        }
        return RESOURCES | {"Table": TABLE | {"Properties": TABLE["Properties"] | more}}

    dynamodb = stack.client("dynamodb")
    stack.create()
    dynamodb.put_item(TableName="rows", Item={"id": {"S": "one"}})
    with pytest.raises(ClientError, match="more than one GSI"):
        stack.update(indexed("first", "second"))
    stack.update(indexed("first"))

    (index,) = dynamodb.describe_table(TableName="rows")["Table"]["GlobalSecondaryIndexes"]
    expiry = dynamodb.describe_time_to_live(TableName="rows")["TimeToLiveDescription"]
    assert (index["IndexName"], expiry["AttributeName"]) == ("first", "until")
    assert dynamodb.scan(TableName="rows", IndexName="first")["Count"] == 1

    stack.update()

    table = dynamodb.describe_table(TableName="rows")["Table"]
    expiry = dynamodb.describe_time_to_live(TableName="rows")["TimeToLiveDescription"]
    assert (table["GlobalSecondaryIndexes"], expiry["TimeToLiveStatus"]) == ([], "DISABLED")
