"""Functions that a table feeds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Cloud

    Feed = Callable[..., "Table"]

KEEP = "def handler(event, context): return len(event['Records'])"
FAIL = "def handler(event, context): raise ValueError('told to')"


@dataclass(frozen=True)
class Table:
    """A table and the function that its stream feeds, both of the same name."""

    cloud: Cloud
    name: str
    mapping: str

    def put(self, *keys: str) -> None:
        """Write items and wait until the function has had them."""
        for key in keys:
            self.cloud.client("dynamodb").put_item(
                TableName=self.name, Item={"id": {"S": key}, "kind": {"S": key.upper()}}
            )
        self.cloud.functions.wait_idle(20)

    def attempts(self) -> list[int]:
        return [attempt.attempt for attempt in self.cloud.attempts(self.name)]

    def handled(self) -> list[str]:
        """Return the keys that the function succeeded on."""
        events: list[Any] = [a.event for a in self.cloud.attempts(self.name) if not a.failed]
        return [r["dynamodb"]["Keys"]["id"]["S"] for event in events for r in event["Records"]]


@pytest.fixture
def feed(cloud: Cloud) -> Feed:
    def feed(source: str, **settings: object) -> Table:
        name = cloud.function(source)
        table = cloud.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )["TableDescription"]
        mapping = cloud.client("lambda").create_event_source_mapping(
            FunctionName=name,
            EventSourceArn=table["LatestStreamArn"],
            StartingPosition="LATEST",
            **settings,
        )
        return Table(cloud, name, mapping["UUID"])

    return feed


def test_changes_reach_the_function_in_order_and_once(feed: Feed) -> None:
    table = feed(KEEP)
    table.put(*"abcde")
    assert table.handled() == list("abcde")
    assert table.attempts() == [1] * 5


def test_a_record_has_the_shape_that_aws_documents(feed: Feed, cloud: Cloud) -> None:
    table = feed(KEEP)
    table.put("a")
    event: Any = cloud.attempts(table.name)[0].event
    (record,) = event["Records"]
    assert record["eventName"] == "INSERT"
    assert record["eventSource"] == "aws:dynamodb"
    assert record["awsRegion"] == "us-west-2"
    assert f":table/{table.name}/stream/" in record["eventSourceARN"]
    assert record["dynamodb"]["NewImage"] == {"id": {"S": "a"}, "kind": {"S": "A"}}
    assert isinstance(record["dynamodb"]["ApproximateCreationDateTime"], int)


def test_a_failing_batch_is_repeated_and_holds_up_what_follows(feed: Feed) -> None:
    table = feed("n = []\ndef handler(e, c): n.append(1); assert len(n) > 2")
    table.put("a", "b")
    assert table.attempts() == [1, 2, 3, 1]
    assert table.handled() == ["a", "b"]


def test_a_batch_that_never_succeeds_is_given_up_after_ten_attempts(
    feed: Feed, cloud: Cloud
) -> None:
    table = feed(FAIL)
    table.put("a")
    assert len(table.attempts()) == 10
    assert cloud.attempts(table.name)[-1].retry_in is None


def test_the_mappings_number_of_retries_is_kept(feed: Feed) -> None:
    table = feed(FAIL, MaximumRetryAttempts=1)
    table.put("a")
    assert table.attempts() == [1, 2]


def test_the_mappings_filter_is_applied(feed: Feed) -> None:
    pattern = {"dynamodb": {"NewImage": {"kind": {"S": ["B"]}}}}
    table = feed(KEEP, FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]})
    table.put("a", "b", "c")
    assert table.handled() == ["b"]


def test_a_mapping_that_is_disabled_or_deleted_feeds_nothing(feed: Feed, cloud: Cloud) -> None:
    table = feed(KEEP)
    cloud.client("lambda").update_event_source_mapping(UUID=table.mapping, Enabled=False)
    table.put("a")
    cloud.client("lambda").update_event_source_mapping(UUID=table.mapping, Enabled=True)
    table.put("b")
    cloud.client("lambda").delete_event_source_mapping(UUID=table.mapping)
    table.put("c")
    assert table.handled() == ["b"]


def test_a_handler_may_write_to_the_table_that_feeds_it(feed: Feed) -> None:
    table = feed(
        """
        import boto3
        def handler(event, context):
            record = event["Records"][0]
            key = record["dynamodb"]["Keys"]["id"]["S"]
            if len(key) < 4:
                boto3.client("dynamodb").put_item(
                    TableName=context.function_name, Item={"id": {"S": key + "a"}}
                )
        """
    )
    table.put("a")
    assert table.handled() == ["a", "aa", "aaa", "aaaa"]


def test_a_write_succeeds_after_the_function_was_deleted(feed: Feed, cloud: Cloud) -> None:
    table = feed(KEEP)
    cloud.client("lambda").delete_function(FunctionName=table.name)
    table.put("a")
    assert table.attempts() == []
