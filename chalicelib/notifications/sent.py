"""The table of notices sent: for each notice exactly one run sends the e-mail.

A run claims a notice before sending it, and marks it once SES accepted it. A run that fails
releases its claim; the claim of a run that died expires at the end of the time that the run had.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from chalicelib.clock import format_time, time_at

if TYPE_CHECKING:
    from chalicelib.clients import DynamoDbClient

KEPT: Final = timedelta(days=30)
"""How long sent notices are remembered; no event is repeated for as long."""
EXPIRY: Final = "expires_at"
"""The attribute by which DynamoDB expires items."""

_CONDITION_FAILED: Final = "ConditionalCheckFailedException"


class Standing(Enum):
    """The state of a notice when a run wants to send it."""

    CLAIMED = "claimed"
    """By this run: no other run sends it now."""
    SENT = "sent"
    ELSEWHERE = "elsewhere"
    """Another run, of another event, is sending it."""
    UNFINISHED = "unfinished"
    """An earlier attempt of this run has it, and might still be sending."""


@dataclass(frozen=True)
class Claim:
    """A run's exclusive right to send a notice; `request_id` is the same in Lambda's retries."""

    table: str
    key: str
    holder: str
    request_id: str


class Sent:
    """The notices that were sent or are being sent."""

    def __init__(self, client: DynamoDbClient) -> None:
        self._client = client

    def claim_notice(self, claim: Claim, now: float, until: float) -> Standing:
        """Claim the notice until a time, unless it was sent or another run has it."""
        try:
            self._client.put_item(
                TableName=claim.table,
                Item={
                    "id": {"S": claim.key},
                    "claimed_by": {"S": claim.holder},
                    "claimed_until": {"N": _number(until)},
                    "request_id": {"S": claim.request_id},
                    EXPIRY: {"N": _expiry(now)},
                },
                # The holder is included since an answer may be lost and the call retried.
                ConditionExpression=(
                    "attribute_not_exists(id) OR (attribute_not_exists(sent_at) "
                    "AND (claimed_until < :now OR claimed_by = :holder))"
                ),
                ExpressionAttributeValues={
                    ":now": {"N": _number(now)},
                    ":holder": {"S": claim.holder},
                },
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise
            return self._standing(claim)
        return Standing.CLAIMED

    def _standing(self, claim: Claim) -> Standing:
        answer = self._client.get_item(
            TableName=claim.table, Key={"id": {"S": claim.key}}, ConsistentRead=True
        )
        item = answer.get("Item", {})
        if "sent_at" in item:
            return Standing.SENT
        is_same = item.get("request_id") == {"S": claim.request_id}
        return Standing.UNFINISHED if is_same else Standing.ELSEWHERE

    def mark_sent(self, claim: Claim, message_id: str, now: float) -> None:
        """Record that it was sent, and the message's id."""
        self._client.update_item(
            TableName=claim.table,
            Key={"id": {"S": claim.key}},
            UpdateExpression=f"SET sent_at = :at, message_id = :message, {EXPIRY} = :expiry",
            ExpressionAttributeValues={
                ":at": {"S": format_time(time_at(now))},
                ":message": {"S": message_id},
                ":expiry": {"N": _expiry(now)},
            },
        )

    def take_back_claim(self, claim: Claim) -> None:
        """Release this run's claim, so that the next attempt need not wait.

        Raises ClientError also if it is no longer this run's.
        """
        self._client.delete_item(
            TableName=claim.table,
            Key={"id": {"S": claim.key}},
            ConditionExpression="claimed_by = :holder AND attribute_not_exists(sent_at)",
            ExpressionAttributeValues={":holder": {"S": claim.holder}},
        )


def _expiry(now: float) -> str:
    return str(int(now + KEPT.total_seconds()))


def _number(moment: float) -> str:
    return f"{moment:.3f}"
