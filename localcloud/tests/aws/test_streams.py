"""Functions that a table feeds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Cloud, Gate

    Feed = Callable[..., "Table"]

KEEP = "def handler(event, context): return len(event['Records'])"
FAIL = "def handler(event, context): raise ValueError('no luck')"


@dataclass(frozen=True)
class Table:
    """A table and the function that its stream feeds, both of the same name."""

    cloud: Cloud
    name: str
    mapping: str

    def write(self, *keys: str) -> None:
        """Write items."""
        for key in keys:
            self.cloud.client("dynamodb").put_item(
                TableName=self.name, Item={"id": {"S": key}, "kind": {"S": key.upper()}}
            )

    def put(self, *keys: str) -> None:
        """Write items and wait until the function has had them."""
        self.write(*keys)
        self.cloud.functions.wait_idle(600)

    def put_at_once(self, gate: Gate, *keys: str) -> None:
        """Write items while the function is held, by an item of its own, so that they wait."""
        self.write("held")
        with gate.arrival():
            self.write(*keys)
        self.cloud.functions.wait_idle(600)

    def batches(self) -> list[str]:
        """Return the keys of each attempt, in a word, but for those of the held one."""
        events: list[Any] = [attempt.event for attempt in self.cloud.attempts(self.name)]
        words = ["".join(key_of(record) for record in event["Records"]) for event in events]
        return [word for word in words if word != "held"]

    def attempts(self) -> list[int]:
        return [attempt.attempt for attempt in self.cloud.attempts(self.name)]

    def handled(self) -> list[str]:
        """Return the keys that the function succeeded on."""
        events: list[Any] = [a.event for a in self.cloud.attempts(self.name) if not a.failed]
        return [key_of(record) for event in events for record in event["Records"]]


def key_of(record: Any) -> str:  # noqa: ANN401 (JSON)
    return str(record["dynamodb"]["Keys"]["id"]["S"])


def held(gate: Gate, source: str) -> str:
    """Return the source of a handler that waits at the gate when it gets the item `held`."""
    return (
        gate.SOURCE
        + f"""
        def handler(event, context):
            keys = [r["dynamodb"]["Keys"]["id"]["S"] for r in event["Records"]]
            if keys == ["held"]:
                return wait({gate.port})
            return handle(event["Records"], keys)

        def handle(records, keys):
            {source}
    """
    )


FAIL_ON_BAD = 'assert "!" not in keys'
NAME_BAD = (
    'return {"batchItemFailures": [{"itemIdentifier": r["dynamodb"]["SequenceNumber"]}'
    ' for r, key in zip(records, keys) if key == "!"]}'
)
REPORTS: dict[str, object] = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}


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
    assert set(table.attempts()) == {1}


def test_what_waits_is_taken_as_one_batch_as_large_as_the_mapping_allows(
    feed: Feed, gate: Gate
) -> None:
    table = feed(held(gate, "pass"), BatchSize=3)
    table.put_at_once(gate, *"abcde")
    assert table.batches() == ["abc", "de"]


def test_a_write_that_changes_nothing_makes_no_record(feed: Feed) -> None:
    table = feed(KEEP)
    table.put("a")
    table.put("a")
    assert table.handled() == ["a"]


def test_a_failing_batch_is_repeated_and_holds_up_what_follows(feed: Feed) -> None:
    table = feed("n = []\ndef handler(e, c): n.append(1); assert len(n) > 2", BatchSize=1)
    table.put("a", "b")
    assert table.attempts() == [1, 2, 3, 1]
    assert table.handled() == ["a", "b"]


def test_after_a_partial_failure_only_what_follows_the_first_bad_record_is_repeated(
    feed: Feed, gate: Gate
) -> None:
    table = feed(held(gate, NAME_BAD), MaximumRetryAttempts=1, **REPORTS)
    table.put_at_once(gate, *"ab!c")
    assert table.batches() == ["ab!c", "!c"]


@pytest.mark.parametrize(
    ("answer", "batches"),
    [
        ("None", ["ab"]),
        ("{}", ["ab"]),
        ("{'batchItemFailures': []}", ["ab"]),
        ("{'batchItemFailures': [{'itemIdentifier': 'other'}]}", ["ab", "ab"]),
        ("{'batchItemFailures': ['other']}", ["ab", "ab"]),
    ],
)
def test_an_empty_report_is_success_and_an_invalid_one_the_failure_of_all(
    feed: Feed, gate: Gate, answer: str, batches: list[str]
) -> None:
    table = feed(held(gate, f"return {answer}"), MaximumRetryAttempts=1, **REPORTS)
    table.put_at_once(gate, *"ab")
    assert table.batches() == batches


def test_bisecting_finds_the_bad_record_and_spares_the_others(
    feed: Feed, gate: Gate, cloud: Cloud
) -> None:
    url, arn = cloud.queue("bisected")
    table = feed(
        held(gate, FAIL_ON_BAD),
        MaximumRetryAttempts=1,
        BisectBatchOnFunctionError=True,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    table.put_at_once(gate, *"ab!d")
    assert table.batches() == ["ab!d", "ab", "!d", "!", "!", "d"]
    assert table.handled() == ["held", "a", "b", "d"]
    (document,) = cloud.messages(url)
    assert document["DDBStreamBatchInfo"]["batchSize"] == 1


def test_bisecting_goes_by_the_record_that_was_reported(feed: Feed, gate: Gate) -> None:
    table = feed(
        held(gate, NAME_BAD), MaximumRetryAttempts=0, BisectBatchOnFunctionError=True, **REPORTS
    )
    table.put_at_once(gate, *"ab!d")
    assert table.batches() == ["ab!d", "!d", "!", "d"]


def test_what_is_given_up_is_told_to_the_destination(feed: Feed, cloud: Cloud) -> None:
    url, arn = cloud.queue("given-up")
    table = feed(
        FAIL, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    table.put("a")
    (document,) = cloud.messages(url)
    context, batch = document["requestContext"], document["DDBStreamBatchInfo"]
    assert context["functionArn"].endswith(f":function:{table.name}")
    assert context["condition"] == "RetryAttemptsExhausted"
    assert context["approximateInvokeCount"] == 2
    assert document["responseContext"]["functionError"] == "Unhandled"
    assert batch["startSequenceNumber"] == batch["endSequenceNumber"]
    assert batch["batchSize"] == 1
    assert f":table/{table.name}/stream/" in batch["streamArn"]


def test_a_record_that_has_become_too_old_is_given_up(feed: Feed, cloud: Cloud, gate: Gate) -> None:
    url, arn = cloud.queue("too-old")
    table = feed(
        held(gate, "pass"),
        MaximumRecordAgeInSeconds=3600,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    table.write("held")
    with gate.arrival():
        table.write("a")
        cloud.functions.clock.skip(3700)
        table.write("b")
    cloud.functions.wait_idle(600)
    assert table.batches() == ["b"]
    (document,) = cloud.messages(url)
    assert document["requestContext"]["condition"] == "RecordAgeExceeded"
    assert document["requestContext"]["approximateInvokeCount"] == 0


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


def test_two_functions_read_one_stream_each_by_its_own_filters(cloud: Cloud, feed: Feed) -> None:
    """A failure of one concerns the other as little as its filters do."""

    def only(kind: str) -> dict[str, Any]:
        pattern = {"dynamodb": {"NewImage": {"kind": {"S": [kind]}}}}
        return {"FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)}]}}

    table = feed(FAIL, **only("A"), MaximumRetryAttempts=1)
    other = cloud.function(KEEP)
    described = cloud.client("dynamodb").describe_table(TableName=table.name)["Table"]
    cloud.client("lambda").create_event_source_mapping(
        FunctionName=other,
        EventSourceArn=described["LatestStreamArn"],
        StartingPosition="LATEST",
        **only("B"),
    )

    table.put("a")
    table.put("b")
    table.put("c")

    assert (table.batches(), table.handled()) == (["a", "a"], [])
    assert Table(cloud, other, "").handled() == ["b"]
