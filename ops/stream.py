"""The stream of the meetings table, and the mappings with which Lambda reads it.

https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from chalicelib.invitations.letters import CALLED_OFF, INVITABLE
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
"""The function that reads the stream in every stage with meetings."""
INVITER: Final = "invite"
"""The function that reads it in a stage with invitations; two is as many as DynamoDB allows.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
"""
READERS: Final = (READER, INVITER)

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

_BOOKED: Final = {"scheduled_by": {"S": [{"exists": True}]}}
INVITING: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "eventName": ["MODIFY"],
        "dynamodb": {
            "NewImage": {
                **_BOOKED,
                "scheduled_at": {"S": [{"exists": True}]},
                "status": {"S": [*INVITABLE]},
                "termination_reason": {"S": [{"exists": False}]},
            }
        },
    },
    {
        "eventName": ["MODIFY"],
        "dynamodb": {
            "NewImage": {**_BOOKED, "termination_reason": {"S": sorted(CALLED_OFF)}},
        },
    },
)
"""The records to read for invitations: of meetings that somebody may still be invited to, or that
were called off."""

SWITCHING_SECONDS: Final = 2.0
SWITCHING_LOOKS: Final = 60


def readers_of(stage: Stage) -> tuple[str, ...]:
    """Name the functions of a stage with meetings that read the stream."""
    return READERS if stage.settings.invites else (READER,)


def limits(queue_arn: str, reader: str = READER) -> dict[str, Any]:
    """Return a mapping's settings: a failing record is retried alone, then put into the queue."""
    patterns = INVITING if reader == INVITER else PATTERNS
    return {
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": 10,
        "MaximumRecordAgeInSeconds": 3600,
        "DestinationConfig": {"OnFailure": {"Destination": queue_arn}},
        "FilterCriteria": {"Filters": [{"Pattern": json.dumps(each)} for each in patterns]},
    }


def wrong_limits(mapping: Mapping[str, Any], queue_arn: str, reader: str = READER) -> list[str]:
    """Name the wrong settings of a mapping."""
    return [
        name
        for name, wanted in limits(queue_arn, reader).items()
        if _comparable(mapping.get(name)) != _comparable(wanted)
    ]


def mappings(
    lambda_client: Any,  # noqa: ANN401
    stage: Stage,
    reader: str = READER,
) -> list[Mapping[str, Any]]:
    """List the mappings of a function that reads the stream; empty without the function."""
    pages = lambda_client.get_paginator("list_event_source_mappings").paginate(
        FunctionName=stage.place.function_arn(reader)
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
    for reader in readers_of(stage):
        wanted = limits(queue_arn, reader)
        with readable_errors(f"set how {reader} reads the table's stream"):
            for mapping in mappings(client, stage, reader):
                if wrong_limits(mapping, queue_arn, reader):
                    _wait_for_rest(client, mapping["UUID"], pause)
                    client.update_event_source_mapping(UUID=mapping["UUID"], **wanted)
        name = stage.function_name(reader)
        say(f"{name}: records that fail 11 times or for an hour go to the queue")


def remove_strays(account: Account, stage: Stage, stream_arn: str, say: Say) -> None:
    """Remove mappings of the readers to other streams, such as that of a recreated table."""
    client = account.client("lambda")
    for reader in READERS:
        with readable_errors(f"list the streams that {reader} reads"):
            for mapping in mappings(client, stage, reader):
                if mapping["EventSourceArn"] != stream_arn:
                    client.delete_event_source_mapping(UUID=mapping["UUID"])
                    say(f"{reader} no longer reads {mapping['EventSourceArn']}")


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
