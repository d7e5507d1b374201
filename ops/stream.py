"""The stream of the meetings table, and the mapping with which Lambda reads it for `terminator`.

https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from ops.account import readable_errors
from ops.cloudformation import refusals
from ops.meetings_table import TableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ops.account import Account
    from ops.stages import Stage

    Say = Callable[[str], None]

VIEWS: Final = ("NEW_AND_OLD_IMAGES", "NEW_IMAGE")
"""Stream view types that the terminator can read."""

READER: Final = "terminator"
"""The function that reads the stream."""

PATTERNS: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "eventName": ["MODIFY"],
        "dynamodb": {"NewImage": {"termination_reason": {"S": [{"exists": False}]}}},
    },
    {
        "eventName": ["MODIFY"],
        "dynamodb": {"NewImage": {"termination_reason": {"S": ["CANCELLED"]}}},
    },
)
"""The records to read: changes of rows whose meeting is not being ended yet, or was cancelled.

The code checks whether both sides have finished: a filter matches only leaves, and what
others write may be of any type.
"""

SWITCHING_SECONDS: Final = 2.0
SWITCHING_LOOKS: Final = 60


def limits(queue_arn: str) -> dict[str, Any]:
    """Return the mapping's settings: a failing record is retried alone, then put into the queue."""
    return {
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": 10,
        "MaximumRecordAgeInSeconds": 3600,
        "DestinationConfig": {"OnFailure": {"Destination": queue_arn}},
        "FilterCriteria": {"Filters": [{"Pattern": json.dumps(each)} for each in PATTERNS]},
    }


def wrong_limits(mapping: Mapping[str, Any], queue_arn: str) -> list[str]:
    """Name the wrong settings of a mapping."""
    return [
        name
        for name, wanted in limits(queue_arn).items()
        if _comparable(mapping.get(name)) != _comparable(wanted)
    ]


def mappings(lambda_client: Any, stage: Stage) -> list[Mapping[str, Any]]:  # noqa: ANN401
    """List the mappings of the function that reads the stream; empty without the function."""
    pages = lambda_client.get_paginator("list_event_source_mappings").paginate(
        FunctionName=stage.place.function_arn(READER)
    )
    return [each for page in pages for each in page["EventSourceMappings"]]


def table_stream(
    account: Account,
    table_name: str,
    say: Say,
    *,
    pause: Callable[[float], object] = time.sleep,
) -> str:
    """Return the ARN of the table's stream, which is enabled if there is none.

    Raises TableError if the stream shows too little: another reader may rely on it as it is.
    """
    client = account.client("dynamodb")
    with refusals(f"read the stream of the table {table_name}"):
        table = client.describe_table(TableName=table_name)["Table"]
    stream = table.get("StreamSpecification") or {}
    if not stream.get("StreamEnabled"):
        say(f"{table_name} has no stream: enabling one, which does not change its rows")
        wanted = {"StreamEnabled": True, "StreamViewType": VIEWS[0]}
        with refusals(f"enable the stream of the table {table_name}"):
            client.update_table(TableName=table_name, StreamSpecification=wanted)
        table = _switched_on(client, table_name, pause)
    elif stream["StreamViewType"] not in VIEWS:
        raise TableError(
            f"the stream of the table {table_name} shows {stream['StreamViewType']}, but the "
            "terminator needs the new image of a row; what a stream shows cannot be changed while "
            "it is on. Once nobody else reads it, switch it off (aws dynamodb update-table "
            f"--table-name {table_name} --stream-specification StreamEnabled=false --region "
            f"{account.region}) and run the same command again"
        )
    return str(table["LatestStreamArn"])


def settle_mapping(
    account: Account,
    stage: Stage,
    queue_arn: str,
    say: Say,
    *,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Set how the stream is read, which Chalice cannot. Safe to repeat. Raises AwsError.

    A new mapping accepts no change for some seconds.
    """
    client = account.client("lambda")
    with readable_errors(f"set how {READER} reads the table's stream"):
        for mapping in mappings(client, stage):
            if wrong_limits(mapping, queue_arn):
                _wait_for_rest(client, mapping["UUID"], pause)
                client.update_event_source_mapping(UUID=mapping["UUID"], **limits(queue_arn))
    say(f"{stage.function_name(READER)}: records that fail 11 times or for an hour go to the queue")


def remove_strays(account: Account, stage: Stage, stream_arn: str, say: Say) -> None:
    """Remove mappings of the reader to other streams, such as that of a recreated table."""
    client = account.client("lambda")
    with readable_errors(f"list the streams that {READER} reads"):
        for mapping in mappings(client, stage):
            if mapping["EventSourceArn"] != stream_arn:
                client.delete_event_source_mapping(UUID=mapping["UUID"])
                say(f"{READER} no longer reads {mapping['EventSourceArn']}")


def _wait_for_rest(
    client: Any,  # noqa: ANN401
    uuid: str,
    pause: Callable[[float], object],
) -> None:
    """Wait until Lambda has created the mapping; after that, a refusal is an error."""
    for _ in range(SWITCHING_LOOKS):
        if not client.get_event_source_mapping(UUID=uuid)["State"].endswith("ing"):
            return
        pause(SWITCHING_SECONDS)


def _switched_on(
    client: Any,  # noqa: ANN401
    table_name: str,
    pause: Callable[[float], object],
) -> Mapping[str, Any]:
    for _ in range(SWITCHING_LOOKS):
        with refusals(f"read the stream of the table {table_name}"):
            table: Mapping[str, Any] = client.describe_table(TableName=table_name)["Table"]
        if table["TableStatus"] == "ACTIVE" and table.get("LatestStreamArn"):
            return table
        pause(SWITCHING_SECONDS)
    raise TableError(
        f"the table {table_name} is still {table['TableStatus']} while its stream is enabled: "
        "run the same command again"
    )


def _comparable(value: object) -> object:
    """Parse the JSON in a filter's pattern, which AWS may format differently."""
    if isinstance(value, dict):
        return {
            key: json.loads(each) if key == "Pattern" else _comparable(each)
            for key, each in value.items()
        }
    return [_comparable(each) for each in value] if isinstance(value, list) else value
