"""The supporting stack on the local AWS: made, changed and taken away; and the table's fate."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.aws import MotoServer, aws_client
from ops.stack import (
    ParameterError,
    StackOutputs,
    StackParameters,
    SupportingStack,
    table_to_create,
)
from tests.ops.projects import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REGION = "us-west-2"
ARN = f"arn:aws:{{}}:{REGION}:123456789012:{{}}"

_numbers = count(1)
client_of = cache(aws_client)


class Stage:
    """A stage of its own for each test, in the module's one AWS."""

    def __init__(self, server: MotoServer) -> None:
        self._server = server
        self.name = f"stage{next(_numbers):02}"
        self.owner = f"elephant:{self.name}/{REGION}"
        self.table = f"meetings-{self.name}"
        self.said: list[str] = []
        self.stack = SupportingStack(self.client("cloudformation"), self.name, pause=never)

    def client(self, service: str) -> Any:  # noqa: ANN401 - botocore's clients have no static type
        return client_of(service, self._server.endpoint)

    def deploy(self, **parameters: Any) -> StackOutputs:  # noqa: ANN401 - of several types
        usual = StackParameters(self.owner, self.table, create_table=True)
        return self.stack.deploy(replace(usual, **parameters), self.said.append)

    def table_to_create(self) -> bool:
        return table_to_create(self.client("dynamodb"), self.table, self.stack)

    def alarms(self) -> dict[str, Mapping[str, Any]]:
        answer = self.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"elephant-{self.name}-")
        return {alarm["AlarmName"]: alarm for alarm in answer["MetricAlarms"]}

    def addresses(self) -> list[str]:
        topic = ARN.format("sns", f"elephant-{self.name}-alarms")
        answer = self.client("sns").list_subscriptions_by_topic(TopicArn=topic)
        return [each["Endpoint"] for each in answer["Subscriptions"]]

    def resources(self) -> set[str]:
        """Name the stack's resources, as the template does, but for alarms."""
        answer = self.client("cloudformation").list_stack_resources(StackName=self.stack.name)
        names = {each["LogicalResourceId"] for each in answer["StackResourceSummaries"]}
        return {name for name in names if not name.endswith("Alarm")}

    def dashboard(self) -> list[dict[str, Any]]:
        name = f"elephant-{self.name}"
        body = self.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
        assert "${" not in body
        widgets: list[dict[str, Any]] = json.loads(body)["widgets"]
        return widgets


def never(seconds: float) -> None:
    raise AssertionError(f"moto's stacks are made at once, nothing waits {seconds} s")


@pytest.fixture(scope="module")
def server() -> Iterator[MotoServer]:
    with MotoServer(region=REGION) as server:
        yield server


@pytest.fixture
def stage(server: MotoServer) -> Stage:
    return Stage(server)


def test_a_new_stage_gets_everything_it_stands_on(stage: Stage) -> None:
    outputs = stage.deploy()

    asked = {"QueueUrl": outputs.failure_queue_url, "AttributeNames": ["All"]}
    queue = stage.client("sqs").get_queue_attributes(**asked)["Attributes"]
    table = stage.client("dynamodb").describe_table(TableName=stage.table)["Table"]
    assert outputs == StackOutputs(
        table_name=stage.table,
        table_stream_arn=table["LatestStreamArn"],
        failure_queue_arn=ARN.format("sqs", f"elephant-{stage.name}-failed-events"),
        failure_queue_url=outputs.failure_queue_url,
        alarm_topic_arn=ARN.format("sns", f"elephant-{stage.name}-alarms"),
        dashboard_name=f"elephant-{stage.name}",
    )
    assert stage.stack.outputs() == outputs
    assert stage.stack.owner() == stage.owner
    assert queue["MessageRetentionPeriod"] == str(14 * 24 * 60 * 60)
    assert queue["SqsManagedSseEnabled"] == "true"
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert table["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert stage.alarms().keys() == {*stage.stack.alarms()}
    stack = stage.client("cloudformation").describe_stacks(StackName=stage.stack.name)["Stacks"][0]
    assert {"Key": "elephant:stage", "Value": stage.name} in stack["Tags"]
    assert stage.deploy() == outputs
    assert stage.said[-1] == f"{stage.stack.name} is up to date"
    for email in ("a@example.com", "b@example.com", ""):
        stage.deploy(alarm_email=email)
        assert stage.addresses() == [email] * bool(email)


MEETINGS = {"Schedules", "SchedulerRole", "DesktopRole", "DesktopProfile"}
FEATURES: dict[str, tuple[int, set[str]]] = {
    "has_sweep": (6, {"HeldBackQuery"}),
    "has_meetings": (6, MEETINGS | {"ScheduleKey", "MeetingSeed", "MeetingQuery"}),
    "has_notifications": (2, {"SentTable"}),
    "has_invitations": (3, {"MailEvents", "MailEventsOnTheBus"}),
}
"""How many alarms each adds, and what else."""


@pytest.mark.parametrize("feature", FEATURES)
def test_what_a_feature_stands_on_comes_and_goes_with_it(stage: Stage, feature: str) -> None:
    count, resources = FEATURES[feature]
    stage.deploy()
    common, before = stage.resources(), stage.stack.alarms()
    assert {*stage.alarms()} == {*before}

    stage.deploy(**{feature: True})

    after = stage.stack.alarms(**{feature: True})
    assert (stage.resources() - common, {*stage.alarms()}) == (resources, {*after})
    assert len({*after} - {*before}) == count
    assert stage.stack.has_meetings() is (feature == "has_meetings")
    assert stage.stack.has_resource("MeetingSeed") is (feature == "has_meetings")
    assert stage.stack.has_notifications() is (feature == "has_notifications")
    stage.deploy()
    assert (stage.resources(), {*stage.alarms()}) == (common, {*before})


def test_a_stage_with_everything_has_all_alarms_and_shows_what_the_code_emits(stage: Stage) -> None:
    name, read = f"elephant-{stage.name}-schedule-key", stage.client("secretsmanager")
    stage.deploy(has_meetings=True)
    key = read.get_secret_value(SecretId=name)["SecretString"]
    assert len(key) == 43

    stage.deploy(**dict.fromkeys(FEATURES, True))

    assert read.get_secret_value(SecretId=name)["SecretString"] == key, "it is made once"

    alarms, shown = stage.alarms(), metrics(stage)
    assert alarms.keys() == {*stage.stack.alarms(**dict.fromkeys(FEATURES, True))}
    assert [row for row in shown if row[0] == "AWS/ApiGateway"]
    assert [row for row in shown if row[3:4] == [f"elephant-{stage.name}-notify_deployment"]]
    code = "".join(path.read_text() for path in (ROOT / "chalicelib").rglob("*.py"))
    ours = {each["MetricName"] for each in alarms.values() if each["Namespace"] == "Elephant"}
    for name in ours | {row[1] for row in shown if row[0] == "Elephant"}:
        # the code emits it: a count is named, or is an action's name
        assert f'"{name}"' in code or f'"{name.lower()}"' in code, name


def test_the_table_outlives_the_stack_and_is_used_by_the_next_one(stage: Stage) -> None:
    assert stage.table_to_create()
    stage.deploy()
    assert stage.table_to_create()
    dynamodb = stage.client("dynamodb")
    dynamodb.put_item(TableName=stage.table, Item={"id": {"S": "m-1"}})

    stage.stack.delete(stage.said.append)

    assert stage.stack.outputs() is None
    assert stage.stack.owner() is None
    assert stage.alarms() == {}
    assert not stage.table_to_create()  # now it is anybody's, and stays so
    for _ in range(2):
        outputs = stage.deploy(create_table=False)
        assert (outputs.table_name, outputs.table_stream_arn) == (stage.table, None)
        stage.stack.delete(stage.said.append)
    outputs = stage.deploy(table_name=None, create_table=False)  # DNS alone needs none
    assert (outputs.table_name, outputs.table_stream_arn) == (None, None)
    assert dynamodb.scan(TableName=stage.table)["Count"] == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"owner": 'elephant:"x"'}, "OWNER is 'elephant:\"x\"': choose one without"),
        ({"table_name": None}, "set TABLE_NAME"),
        ({"alarm_email": "nobody"}, "'nobody': give an e-mail address"),
    ],
)
def test_parameters_that_cannot_be_right_are_refused_before_anything_is_done(
    stage: Stage, wrong: dict[str, str | None], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        stage.deploy(**wrong)
    assert stage.stack.outputs() is None


def metrics(stage: Stage) -> list[list[Any]]:
    """Return the rows of the dashboard's graphs."""
    graphs = [widget for widget in stage.dashboard() if widget["type"] == "metric"]
    return [row for graph in graphs for row in graph["properties"]["metrics"]]


OF_LAMBDA = {"Errors", "Throttles", "Invocations", "Duration", "ConcurrentExecutions"}
OF_SQS = {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"}


@pytest.mark.parametrize("has_sweep", [False, True])
def test_alarms_and_dashboard_show_what_there_is_and_can_be_laid_out(
    stage: Stage, *, has_sweep: bool
) -> None:
    stage.deploy(has_sweep=has_sweep)

    kinds = ["dns_watchdog", "sweep"] if has_sweep else ["dns_watchdog"]
    functions = [f"elephant-{stage.name}-{each}" for each in kinds]
    queue = f"elephant-{stage.name}-failed-events"
    known = {
        "AWS/Lambda": ("FunctionName", functions, OF_LAMBDA),
        "AWS/SQS": ("QueueName", [queue], OF_SQS),
        "Elephant": ("service", [stage.owner], None),  # see the stage with everything
    }
    rows = [row[:4] for row in metrics(stage)]
    for alarm in stage.alarms().values():
        (dimension,) = alarm["Dimensions"]
        rows.append([alarm["Namespace"], alarm["MetricName"], *dimension.values()])
    for namespace, metric, dimension, value in rows:
        name, values, names = known[namespace]
        assert names is None or metric in names
        assert (dimension, value in values) == (name, True)
    assert {row[3] for row in rows if row[0] == "AWS/Lambda"} == {*functions}

    widgets = stage.dashboard()

    (alarms,) = (widget["properties"] for widget in widgets if widget["type"] == "alarm")
    (log,) = (widget["properties"] for widget in widgets if widget["type"] == "log")
    listed = stage.stack.alarms(has_sweep=has_sweep)
    assert alarms["alarms"] == [ARN.format("cloudwatch", f"alarm:{each}") for each in listed]
    sources = [each for each in log["query"].split(" | ") if each.startswith("SOURCE")]
    assert sources == [f"SOURCE '/aws/lambda/{each}'" for each in functions]
    places = sorted((each["y"], each["x"], each["width"], each["height"]) for each in widgets)
    for (y, x, width, height), (next_y, next_x, *_) in pairwise(places):
        assert x + width <= 24
        assert (next_y, next_x) in {(y, x + width), (y + height, 0)}
