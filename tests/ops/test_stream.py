"""The table's stream: switched on without a loss, or left as somebody else reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.account import Account
from ops.iam_page import EXAMPLE
from ops.meetings_table import TableError
from ops.stream import PATTERN, SWITCHING_LOOKS, limits, settle_mapping, table_stream, wrong_limits
from tests.ops.projects import silent

TABLE = "elephant-meetings"
QUEUE = "arn:aws:sqs:us-west-2:123456789012:elephant-prod-failed-events"


class SlowTable(Account):
    """A table that takes so many looks until its stream is on."""

    def __init__(self, looks: int, view: str = "NEW_IMAGE") -> None:
        super().__init__("us-west-2")
        self.looks = looks
        self.view = view
        self.asked: list[dict[str, Any]] = []

    def client(self, _: str) -> Any:  # noqa: ANN401
        return self

    def describe_table(self, **_: object) -> dict[str, Any]:
        if not self.asked:
            return {"Table": {"TableStatus": "ACTIVE"}}
        self.looks -= 1
        if self.looks > 0:
            return {"Table": {"TableStatus": "UPDATING"}}
        stream = {"StreamEnabled": True, "StreamViewType": self.view}
        there = {"StreamSpecification": stream, "LatestStreamArn": "the stream"}
        return {"Table": {"TableStatus": "ACTIVE"} | there}

    def update_table(self, **request: object) -> None:
        self.asked.append(request)


def test_a_stream_is_switched_on_once_and_waited_for_and_then_used_as_it_is() -> None:
    slow, waited, said = SlowTable(3), list[float](), list[str]()

    for _ in range(2):
        assert table_stream(slow, TABLE, said.append, pause=waited.append) == "the stream"

    assert len(slow.asked) == 1
    assert {*slow.asked[0]} == {"TableName", "StreamSpecification"}
    assert len(waited) == 2
    assert "does not change its rows" in said[0]


def test_a_stream_that_does_not_come_is_not_waited_for_for_ever() -> None:
    waited: list[float] = []

    with pytest.raises(TableError, match="still UPDATING"):
        table_stream(SlowTable(1000), TABLE, silent, pause=waited.append)

    assert len(waited) == SWITCHING_LOOKS


def test_a_stream_that_shows_too_little_is_left_as_it_is() -> None:
    table = SlowTable(1, "KEYS_ONLY")
    table.update_table()  # by somebody else

    with pytest.raises(TableError, match="shows KEYS_ONLY"):
        table_stream(table, TABLE, silent)

    assert table.asked == [{}]


def test_limits_are_right_however_aws_formats_the_filter() -> None:
    there = limits(QUEUE)
    there["FilterCriteria"] = {"Filters": [{"Pattern": json.dumps(PATTERN, indent=1)}]}

    assert wrong_limits(there, QUEUE) == []
    assert wrong_limits({**there, "BisectBatchOnFunctionError": False}, QUEUE) == [
        "BisectBatchOnFunctionError"
    ]
    assert wrong_limits({}, QUEUE) == list(limits(QUEUE))


class NewMapping(Account):
    """A mapping that Lambda is still making for so many looks."""

    def __init__(self, looks: int) -> None:
        super().__init__("us-west-2")
        self.looks = looks
        self.mapping: dict[str, Any] = {"UUID": "one"}
        self.changes = 0

    def client(self, _: str) -> Any:  # noqa: ANN401
        return self

    def get_paginator(self, _: str) -> Any:  # noqa: ANN401
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        return [{"EventSourceMappings": [self.mapping]}]

    def get_event_source_mapping(self, **_: str) -> dict[str, Any]:
        self.looks -= 1
        return {"State": "Creating" if self.looks > 0 else "Enabled"}

    def update_event_source_mapping(self, **request: object) -> None:
        assert self.looks <= 0
        self.changes += 1
        self.mapping |= request


def test_a_mapping_is_changed_once_it_is_made_and_only_once() -> None:
    new, waited = NewMapping(3), list[float]()

    for _ in range(2):
        settle_mapping(new, EXAMPLE, QUEUE, silent, pause=waited.append)

    assert (new.changes, len(waited)) == (1, 2)
    assert wrong_limits(new.mapping, QUEUE) == []
