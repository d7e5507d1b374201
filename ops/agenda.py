"""The index of the meetings table by start, and the expiry of its rows.

The supporting stack gives both to a table that it creates; a table that existed before gets them
from `elephant deploy`. Neither changes a row.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from chalicelib.meeting_row.meeting import (
    AGENDA,
    DURATION,
    EXPIRES_AT,
    MEET_TIME,
    REASON,
    SCHEDULED_BY,
)
from chalicelib.meetings.launch_plan import BEGUN_AT
from ops.cloudformation import refusals
from ops.meetings_table import TableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ops.account import Account

    Say = Callable[[str], None]

INDEX: Final[Mapping[str, Any]] = {
    "IndexName": AGENDA,
    "KeySchema": [
        {"AttributeName": AGENDA, "KeyType": "HASH"},
        {"AttributeName": MEET_TIME, "KeyType": "RANGE"},
    ],
    "Projection": {
        "ProjectionType": "INCLUDE",
        "NonKeyAttributes": [SCHEDULED_BY, DURATION, REASON, BEGUN_AT],
    },
}
"""The index as DynamoDB creates it; `ops/stack.yaml` has the same."""

PAUSE: Final = 5.0
LOOKS: Final = 120
"""An index of a table with many rows takes minutes."""


def settle_agenda(
    account: Account,
    table_name: str,
    say: Say,
    *,
    expires: bool = True,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Give the table its index and the expiry of its rows, if it lacks them. Safe to repeat.

    `expires` is false if the stage keeps its rows for good; then the table may have another expiry.
    Raises TableError if it has others of that kind, and StackError if AWS refuses.
    """
    _settle_index(account, table_name, say, pause)
    if expires:
        _settle_expiry(account, table_name, say)


def wrong_index(table: Mapping[str, Any]) -> str | None:
    """Say what is wrong with the index of a described table; None if nothing is."""
    index = index_of(table)
    if index is None:
        return f"has no index {AGENDA}"
    if index["KeySchema"] != INDEX["KeySchema"]:
        return f"has an index {AGENDA} with another key"
    projected = index["Projection"]
    if projected["ProjectionType"] != "ALL" and not (
        set(INDEX["Projection"]["NonKeyAttributes"]) <= set(projected.get("NonKeyAttributes", ()))
    ):
        return f"has an index {AGENDA} that lacks attributes"
    return None


def index_of(table: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the index of a described table, if it has one of that name."""
    indexes = table.get("GlobalSecondaryIndexes", ())
    return next((each for each in indexes if each["IndexName"] == AGENDA), None)


def expiry_of(client: Any, table_name: str) -> str | None:  # noqa: ANN401 (botocore makes the class)
    """Return the attribute by which the table's rows expire; None if they do not."""
    described = client.describe_time_to_live(TableName=table_name)["TimeToLiveDescription"]
    is_on = described["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}
    return str(described["AttributeName"]) if is_on else None


def _settle_index(
    account: Account,
    table_name: str,
    say: Say,
    pause: Callable[[float], object],
) -> None:
    client = account.client("dynamodb")
    with refusals(f"look at the indexes of the table {table_name}"):
        table = client.describe_table(TableName=table_name)["Table"]
    if index_of(table) is None:
        say(f"{table_name} has no index {AGENDA}: creating it, which takes a few minutes")
        types = {each["AttributeName"]: "S" for each in INDEX["KeySchema"]}
        types |= {
            each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]
        }
        with refusals(f"create the index {AGENDA} of the table {table_name}"):
            client.update_table(
                TableName=table_name,
                AttributeDefinitions=[
                    {"AttributeName": name, "AttributeType": each} for name, each in types.items()
                ],
                GlobalSecondaryIndexUpdates=[{"Create": {**INDEX, **_capacity(table)}}],
            )
    elif wrong := wrong_index(table):
        raise TableError(
            f"the table {table_name} {wrong}. Once nobody else uses it, remove it (aws dynamodb "
            f"update-table --table-name {table_name} --global-secondary-index-updates "
            f'\'[{{"Delete":{{"IndexName":"{AGENDA}"}}}}]\' --region {account.region}) and run '
            "the same command again"
        )
    for _ in range(LOOKS):
        with refusals(f"look at the indexes of the table {table_name}"):
            table = client.describe_table(TableName=table_name)["Table"]
        index = index_of(table)
        # A table that is still being updated accepts no other change.
        if index and {"ACTIVE"} == {
            index.get("IndexStatus", "ACTIVE"),
            table.get("TableStatus", "ACTIVE"),
        }:
            return
        pause(PAUSE)
    raise TableError(
        f"the index {AGENDA} of the table {table_name} is still being created: run the same "
        "command again"
    )


def _capacity(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the index's capacity: as much as that of a table that does not pay by request."""
    if table.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST":
        return {}
    names = ("ReadCapacityUnits", "WriteCapacityUnits")
    return {"ProvisionedThroughput": {name: table["ProvisionedThroughput"][name] for name in names}}


def _settle_expiry(account: Account, table_name: str, say: Say) -> None:
    client = account.client("dynamodb")
    with refusals(f"look at the expiry of rows of the table {table_name}"):
        attribute = expiry_of(client, table_name)
    if attribute == EXPIRES_AT:
        return
    if attribute is not None:
        raise TableError(
            f"the rows of the table {table_name} expire by {attribute}, but a table has only one "
            f"such attribute, and meetings have {EXPIRES_AT}: keep rows for good (ROW_DAYS=0), use "
            "another table, or, if nobody needs it, switch that off (aws dynamodb "
            f"update-time-to-live --table-name {table_name} --time-to-live-specification "
            f"Enabled=false,AttributeName={attribute} --region {account.region}) and run the same "
            "command again an hour later"
        )
    say(f"rows of {table_name} expire by {EXPIRES_AT} from now on; rows without it stay")
    with refusals(f"let rows of the table {table_name} expire"):
        client.update_time_to_live(
            TableName=table_name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES_AT},
        )
