"""The self-test's own row in the meetings table, of a meeting that nobody booked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.meeting_row.meeting import Meeting, Status
from chalicelib.meeting_row.table import Meetings
from ops.account import error_code, readable_errors

if TYPE_CHECKING:
    from ops.account import Account

ROLE = "teacher"
_LINK = f"{ROLE}_ec2_link"


class TestRow:
    """One row, from `make` until `remove`. Its methods raise AwsError."""

    __test__ = False  # for pytest, which goes by the name

    def __init__(self, account: Account, table: str, meeting_id: str) -> None:
        self.meeting_id = meeting_id
        self._table = table
        self._client = account.client("dynamodb")
        self._rows = Meetings(self._client, table)

    def make(self) -> None:
        """Create it, as a program that starts desktops does."""
        with readable_errors(f"create a row in table {self._table}"):
            self._rows.make_row(self.meeting_id, {"status": Status.LAUNCHED})

    def differs(self, link: str | None, status: Status | None) -> str:
        """Say how it differs from this link, and this status if any; empty if it does not."""
        with readable_errors(f"read the row in table {self._table}"):
            row = self._rows.read_row(self.meeting_id) or Meeting(self.meeting_id, {})
        found = row.text(_LINK)
        if found != link:
            return f"its row has the link {found}" if found else "its row has no link"
        if status and row.text("status") != status:
            return f"its row has the status {row.text('status')}, not {status}"
        return ""

    def refused_write(self) -> dict[str, Any]:
        """Have a conditional write refused; return what DynamoDB answered."""
        key = {"id": {"S": self.meeting_id}}
        with readable_errors(f"write to table {self._table}"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=key,
                    UpdateExpression="SET #status = :status",
                    ConditionExpression="attribute_not_exists(#id)",
                    ExpressionAttributeNames={"#status": "status", "#id": "id"},
                    ExpressionAttributeValues={":status": {"S": Status.LAUNCHED}},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                return dict(error.response)
        return {}

    def remove(self) -> None:
        """Delete it. May be called again."""
        with readable_errors(f"delete the row {self.meeting_id} of table {self._table}"):
            self._client.delete_item(TableName=self._table, Key={"id": {"S": self.meeting_id}})
