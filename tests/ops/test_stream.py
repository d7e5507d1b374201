"""The table's stream: switched on without a loss, or left as somebody else reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.iam_page import EXAMPLE
from ops.meetings_table import TableError
from ops.stream import PATTERN, SWITCHING_LOOKS, limits, settle_mapping, table_stream, wrong_limits
from tests.ops.played import Played
from tests.ops.projects import silent

TABLE = "elephant-meetings"
QUEUE = "arn:aws:sqs:us-west-2:123456789012:elephant-prod-failed-events"


def slow_table(looks: int, view: str = "NEW_IMAGE", *, is_on: bool = False) -> Played:
    """Play a table that takes so many looks until its stream is on."""
    stream = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": view}}
    on = {"TableStatus": "ACTIVE", "LatestStreamArn": "the stream"} | stream

    def describe_table(**_: object) -> dict[str, Any]:
        looked = [name for name, _ in table.calls]
        if "update_table" in looked:
            is_slow = len(looked) - 1 - looked.index("update_table") < looks
            return {"Table": {"TableStatus": "UPDATING"} if is_slow else on}
        return {"Table": on if is_on else {"TableStatus": "ACTIVE"}}

    table = Played(describe_table=describe_table)
    return table


def test_a_stream_is_switched_on_once_and_waited_for_and_then_used_as_it_is() -> None:
    slow, waited, said = slow_table(3), list[float](), list[str]()

    for _ in range(2):
        assert table_stream(slow, TABLE, said.append, pause=waited.append) == "the stream"

    (asked,) = [request for name, request in slow.calls if name == "update_table"]
    assert {*asked} == {"TableName", "StreamSpecification"}
    assert len(waited) == 2
    assert "does not change its rows" in said[0]


def test_a_stream_that_does_not_come_is_not_waited_for_for_ever() -> None:
    waited: list[float] = []

    with pytest.raises(TableError, match="still UPDATING"):
        table_stream(slow_table(1000), TABLE, silent, pause=waited.append)

    assert len(waited) == SWITCHING_LOOKS


def test_a_stream_that_shows_too_little_is_left_as_it_is() -> None:
    table = slow_table(1, "KEYS_ONLY", is_on=True)

    with pytest.raises(TableError, match="shows KEYS_ONLY"):
        table_stream(table, TABLE, silent)

    assert [name for name, _ in table.calls] == ["describe_table"]


def test_limits_are_right_however_aws_formats_the_filter() -> None:
    there = limits(QUEUE)
    there["FilterCriteria"] = {"Filters": [{"Pattern": json.dumps(PATTERN, indent=1)}]}

    assert wrong_limits(there, QUEUE) == []
    assert wrong_limits({**there, "BisectBatchOnFunctionError": False}, QUEUE) == [
        "BisectBatchOnFunctionError"
    ]
    assert wrong_limits({}, QUEUE) == list(limits(QUEUE))


def test_a_mapping_is_changed_once_it_is_made_and_only_once() -> None:
    states = iter(["Creating", "Creating", "Enabled"])
    waited: list[float] = []
    mapping: dict[str, Any] = {"UUID": "one"}
    new = Played(
        paginate=[{"EventSourceMappings": [mapping]}],
        get_event_source_mapping=lambda **_: {"State": next(states)},
        update_event_source_mapping=lambda **request: mapping.update(request, rest=[*states]),
    )

    for _ in range(2):
        settle_mapping(new, EXAMPLE, QUEUE, silent, pause=waited.append)

    assert [name for name, _ in new.calls].count("update_event_source_mapping") == 1
    assert (mapping["rest"], len(waited)) == ([], 2)
    assert wrong_limits(mapping, QUEUE) == []
