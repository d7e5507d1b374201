"""Stacks on the local AWS: what moto would leave out of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from moto.cloudformation import parsing
from moto.cloudformation.parsing import ResourceMap
from moto.core.common_models import CloudFormationModel
from moto.dynamodb.models.table import Table

from localcloud.aws import MotoServer, aws_client
from localcloud.aws.cloudformation import cloudformation_patches
from localcloud.aws.stack_alerts import Alarm, Subscription

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPIC = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "alarms"}}
ALARM = {
    "Type": "AWS::CloudWatch::Alarm",
    "Properties": {
        "AlarmName": "failures",
        "AlarmDescription": "what it means",
        "Namespace": "AWS/SQS",
        "MetricName": "NumberOfMessagesSent",
        "Dimensions": [{"Name": "QueueName", "Value": "any"}],
        "Statistic": "Sum",
        "Period": "300",  # CloudFormation takes a number either way
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "ignore",
        "AlarmActions": [{"Ref": "Topic"}],
        "OKActions": [{"Ref": "Topic"}],
        "Tags": [{"Key": "stage", "Value": "dev"}],
    },
}
TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "DeletionPolicy": "Retain",
    "Properties": {
        "TableName": "rows",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
}


class Aws:
    """An AWS of its own for each test, with one stack."""

    def __init__(self, server: MotoServer) -> None:
        self._server = server

    def client(self, service: str) -> Any:  # noqa: ANN401 - botocore's clients have no static type
        return aws_client(service, self._server.endpoint)

    def create(self, resources: dict[str, Any], **more: Any) -> None:  # noqa: ANN401 - JSON
        self.client("cloudformation").create_stack(**_request(resources, **more))

    def update(self, resources: dict[str, Any], **more: Any) -> None:  # noqa: ANN401 - JSON
        self.client("cloudformation").update_stack(**_request(resources, **more))

    def delete(self) -> None:
        self.client("cloudformation").delete_stack(StackName="stack")

    def alarms(self) -> list[dict[str, Any]]:
        alarms: list[dict[str, Any]] = self.client("cloudwatch").describe_alarms()["MetricAlarms"]
        return alarms

    def addresses(self) -> list[str]:
        found = self.client("sns").list_subscriptions()["Subscriptions"]
        return [subscription["Endpoint"] for subscription in found]

    def tables(self) -> list[str]:
        names: list[str] = self.client("dynamodb").list_tables()["TableNames"]
        return names


def _request(
    resources: dict[str, Any],
    parameters: dict[str, str] | None = None,
    conditions: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
) -> dict[str, Any]:
    values = parameters or {}
    template = {
        "Parameters": {name: {"Type": "String"} for name in values},
        "Conditions": conditions or {},
        "Resources": {"Topic": TOPIC} | resources,
        "Outputs": outputs or {},
    }
    return {
        "StackName": "stack",
        "TemplateBody": json.dumps(template),
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value} for name, value in values.items()
        ],
    }


def _with(resource: dict[str, Any], **properties: object) -> dict[str, Any]:
    return resource | {"Properties": resource["Properties"] | properties}


@pytest.fixture
def aws() -> Iterator[Aws]:
    with MotoServer() as server:
        yield Aws(server)


def test_an_alarm_of_a_stack_is_as_one_put_by_hand(aws: Aws) -> None:
    aws.create({"Alarm": ALARM}, outputs={"Arn": {"Value": {"Fn::GetAtt": ["Alarm", "Arn"]}}})

    (alarm,) = aws.alarms()
    topic = "arn:aws:sns:us-west-2:123456789012:alarms"
    properties = ALARM["Properties"] | {"AlarmActions": [topic], "OKActions": [topic]}  # type: ignore[operator]
    del properties["Tags"]
    assert {name: alarm[name] for name in properties} == properties | {"Period": 300}
    (stack,) = aws.client("cloudformation").describe_stacks()["Stacks"]
    assert stack["Outputs"][0]["OutputValue"] == alarm["AlarmArn"]
    tags = aws.client("cloudwatch").list_tags_for_resource(ResourceARN=alarm["AlarmArn"])
    assert tags["Tags"] == [{"Key": "stage", "Value": "dev"}]


def test_it_changes_and_goes_with_its_stack(aws: Aws) -> None:
    aws.create({"Alarm": ALARM})
    aws.update({"Alarm": _with(ALARM, Threshold=5)})
    assert [(alarm["AlarmName"], alarm["Threshold"]) for alarm in aws.alarms()] == [("failures", 5)]

    aws.update({"Alarm": _with(ALARM, AlarmName="others")})
    assert [alarm["AlarmName"] for alarm in aws.alarms()] == ["others"]

    aws.delete()
    assert aws.alarms() == []


def test_what_an_alarm_here_cannot_be_told_is_no_silent_loss(aws: Aws) -> None:
    with pytest.raises(ClientError, match="knows no Metrics"):
        aws.create({"Alarm": _with(ALARM, Metrics=[])})


def test_a_subscription_comes_changes_and_goes(aws: Aws) -> None:
    mail = {"TopicArn": {"Ref": "Topic"}, "Protocol": "email", "Endpoint": "a@example.com"}
    subscription = {"Type": "AWS::SNS::Subscription", "Properties": mail}
    aws.create({"Mail": subscription})
    assert aws.addresses() == ["a@example.com"]

    aws.update({"Mail": _with(subscription, Endpoint="b@example.com")})
    assert aws.addresses() == ["b@example.com"]

    aws.update({})
    assert aws.addresses() == []


def test_what_stands_under_a_condition_comes_and_goes_with_it(aws: Aws) -> None:
    resources = {"Alarm": ALARM | {"Condition": "Wanted"}}
    conditions = {"Wanted": {"Fn::Equals": [{"Ref": "Want"}, "yes"]}}

    aws.create(resources, parameters={"Want": "no"}, conditions=conditions)
    found = [len(aws.alarms())]
    for want in ("yes", "no", "yes"):
        aws.update(resources, parameters={"Want": want}, conditions=conditions)
        found.append(len(aws.alarms()))

    assert found == [0, 1, 0, 1]


@pytest.mark.parametrize(
    "text",
    [
        {"Ref": "Word"},
        {"Fn::Sub": "${Word}"},
        {"Fn::If": ["IsNew", "new", "old"]},
    ],
)
def test_a_parameter_that_changes_is_noticed_wherever_it_stands(aws: Aws, text: object) -> None:
    resources = {"Alarm": _with(ALARM, AlarmDescription=text)}
    conditions = {"IsNew": {"Fn::Equals": [{"Ref": "Word"}, "new"]}}

    aws.create(resources, parameters={"Word": "old"}, conditions=conditions)
    aws.update(resources, parameters={"Word": "new"}, conditions=conditions)

    assert [alarm["AlarmDescription"] for alarm in aws.alarms()] == ["new"]


def test_what_is_retained_outlives_its_removal(aws: Aws) -> None:
    aws.create({"Table": TABLE})
    aws.update({})
    assert aws.tables() == ["rows"]


def test_what_is_not_retained_does_not(aws: Aws) -> None:
    aws.create({"Table": TABLE | {"DeletionPolicy": "Delete"}})
    aws.update({})
    assert aws.tables() == []


def test_a_table_that_changes_stays_the_stacks(aws: Aws) -> None:
    outputs = {"Name": {"Value": {"Ref": "Table"}}}
    aws.create({"Table": TABLE}, outputs=outputs)
    aws.update({"Table": _with(TABLE, Tags=[{"Key": "a", "Value": "b"}])}, outputs=outputs)
    assert aws.tables() == ["rows"]

    aws.update({"Table": _with(TABLE, TableName="rows-2")}, outputs=outputs)

    assert aws.tables() == ["rows", "rows-2"]
    (stack,) = aws.client("cloudformation").describe_stacks()["Stacks"]
    assert [output["OutputValue"] for output in stack["Outputs"]] == ["rows-2"]


def test_what_somebody_deleted_is_not_in_the_way_of_its_stack(aws: Aws) -> None:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "queue"}}
    aws.create({"Queue": queue, "Table": TABLE | {"DeletionPolicy": "Delete"}, "Alarm": ALARM})
    sqs = aws.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="queue")["QueueUrl"])
    aws.client("dynamodb").delete_table(TableName="rows")
    aws.client("cloudwatch").delete_alarms(AlarmNames=["failures"])
    aws.client("sns").delete_topic(TopicArn="arn:aws:sns:us-west-2:123456789012:alarms")

    aws.delete()

    assert aws.client("cloudformation").describe_stacks()["Stacks"] == []


def test_moto_is_as_it_was_afterwards() -> None:
    before = (ResourceMap.update, ResourceMap.build_resource_diff)
    with cloudformation_patches():
        assert (ResourceMap.update, ResourceMap.build_resource_diff) != before
        assert "update_from_cloudformation_json" in vars(Table)
    assert (ResourceMap.update, ResourceMap.build_resource_diff) == before
    assert "update_from_cloudformation_json" not in vars(Table)


def test_moto_knows_the_types_even_if_it_listed_them_earlier(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(CloudFormationModel, "__subclasses__", list)
        parsing.get_model_list.cache_clear()
        parsing.get_model_map.cache_clear()
        assert parsing.get_model_map() == {}
    with cloudformation_patches():
        known = parsing.get_model_map()
    assert known["AWS::CloudWatch::Alarm"] is Alarm
    assert known["AWS::SNS::Subscription"] is Subscription
