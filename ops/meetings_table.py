"""The meetings table: whether the supporting stack creates it, or it exists already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ops.account import error_code
from ops.cloudformation import StackError, refusals

if TYPE_CHECKING:
    from ops.cloudformation import Description
    from ops.stack import SupportingStack


class TableError(StackError):
    """The meetings table cannot be used as it is."""


def table_to_create(
    dynamodb_client: Any,  # noqa: ANN401 (botocore makes the class)
    table_name: str,
    stack: SupportingStack,
) -> bool:
    """Tell whether the stack manages the table; one that it does not manage is used as it is.

    Raises TableError if the table cannot be used, StackError.
    """
    table = _described_table(dynamodb_client, table_name)
    state = stack.table_state(table_name)
    if table is None:
        if state and state.endswith("_COMPLETE"):
            raise TableError(
                f"the table {table_name} is gone, but nobody deleted the stack {stack.name} "
                "that created it: restore it from its backup under the same name (DynamoDB keeps "
                "one for 35 days); or delete the stack, and `deploy` creates an empty table"
            )
        return True
    if table["TableStatus"] == "DELETING":
        raise TableError(
            f"the table {table_name} is being deleted: run the same command again when it is gone"
        )
    types = {item["AttributeName"]: item["AttributeType"] for item in table["AttributeDefinitions"]}
    key = [(item["AttributeName"], types[item["AttributeName"]]) for item in table["KeySchema"]]
    if key != [("id", "S")]:
        found = " and ".join(f"{name} ({kind})" for name, kind in key)
        raise TableError(
            f"the key of the table {table_name} is {found}, but meetings need id (S): "
            "set TABLE_NAME to the table of the meetings, or to an unused name"
        )
    return state is not None


def _described_table(client: Any, table_name: str) -> Description | None:  # noqa: ANN401
    with refusals(f"look at the table {table_name}"):
        try:
            answer: Description = client.describe_table(TableName=table_name)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            return None
    table: Description = answer["Table"]
    return table
