"""A table that existed before gets the index and the expiry of rows, and loses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from ops.agenda import INDEX, LOOKS, expiry_of, index_of, settle_agenda, wrong_index
from ops.meetings_table import TableError
from tests.ops.played import Played
from tests.ops.projects import account as kept_account
from tests.ops.projects import silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.account import Account

TABLE = "elephant-meetings"


@pytest.fixture
def account() -> Iterator[Account]:
    with mock_aws():
        account = kept_account()
        account.client("dynamodb").create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield account


def test_a_table_gets_what_it_lacks_once(account: Account) -> None:
    said: list[str] = []
    client = account.client("dynamodb")

    for _ in range(2):
        settle_agenda(account, TABLE, said.append, pause=lambda _: None)

    table = client.describe_table(TableName=TABLE)["Table"]
    assert index_of(table)
    assert wrong_index(table) is None
    assert expiry_of(client, TABLE) == "expires_at"
    assert [line.split(":")[0] for line in said] == [
        f"{TABLE} has no index agenda",
        f"rows of {TABLE} expire by expires_at from now on; rows without it stay",
    ]


def test_rows_that_expire_by_another_attribute_are_left_alone(account: Account) -> None:
    account.client("dynamodb").update_time_to_live(
        TableName=TABLE, TimeToLiveSpecification={"Enabled": True, "AttributeName": "mine"}
    )

    with pytest.raises(TableError, match="expire by mine, but"):
        settle_agenda(account, TABLE, silent, pause=lambda _: None)

    settle_agenda(account, TABLE, silent, expires=False)
    assert expiry_of(account.client("dynamodb"), TABLE) == "mine"


def test_the_index_of_a_table_with_provisioned_capacity_has_the_same(account: Account) -> None:
    capacity = {"ReadCapacityUnits": 7, "WriteCapacityUnits": 3}
    client = account.client("dynamodb")
    client.create_table(
        TableName="provisioned",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        ProvisionedThroughput=capacity,
    )

    settle_agenda(account, "provisioned", silent)

    index = index_of(client.describe_table(TableName="provisioned")["Table"])
    assert index
    assert capacity.items() <= index["ProvisionedThroughput"].items()


WRONG: dict[str, tuple[dict[str, Any], str | None]] = {
    "another key": ({"KeySchema": [{"AttributeName": "x", "KeyType": "HASH"}]}, "another key"),
    "too little": ({"Projection": {"ProjectionType": "KEYS_ONLY"}}, "lacks attributes"),
    "all of it": ({"Projection": {"ProjectionType": "ALL"}}, None),
}


@pytest.mark.parametrize(("changed", "wrong"), WRONG.values(), ids=WRONG)
def test_an_index_of_that_name_that_does_not_fit_is_not_replaced(
    changed: dict[str, Any], wrong: str | None
) -> None:
    index = {**INDEX, **changed, "IndexStatus": "ACTIVE"}
    table = Played(
        describe_table={"Table": {"GlobalSecondaryIndexes": [index]}},
        describe_time_to_live={
            "TimeToLiveDescription": {
                "TimeToLiveStatus": "ENABLING", "AttributeName": "expires_at"
            }
        },
    )  # fmt: skip

    if wrong:
        with pytest.raises(TableError, match=wrong):
            settle_agenda(table, TABLE, silent)
    else:
        settle_agenda(table, TABLE, silent)
    assert "update_table" not in [name for name, _ in table.calls]


@pytest.mark.parametrize("busy", ["index", "table"])
def test_an_index_that_takes_long_is_waited_for_but_not_for_ever(busy: str) -> None:
    waited: list[float] = []
    index = {**INDEX, "IndexStatus": "CREATING" if busy == "index" else "ACTIVE"}
    status = "UPDATING" if busy == "table" else "ACTIVE"
    table = Played(
        describe_table={"Table": {"GlobalSecondaryIndexes": [index], "TableStatus": status}}
    )

    with pytest.raises(TableError, match="still being created"):
        settle_agenda(table, TABLE, silent, pause=waited.append)

    assert len(waited) == LOOKS
