"""SES, and the table of what was sent: letters go to people once, by claims in that table."""

from __future__ import annotations

import email
import re
from dataclasses import dataclass
from email.policy import SMTP
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from tests.simulation.aws_edge import AwsEdge, client_error
from tests.simulation.names import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.lambda_service import Invocation
    from tests.simulation.stage import Stage
    from tests.simulation.tasks import Tasks

SENT_TABLE: Final = f"{PREFIX}-sent"
REFUSED_ADDRESS: Final = "nobody@example.net"
"""An address to which SES sends nothing."""
_CLAIM: Final = (
    "attribute_not_exists(id) OR (attribute_not_exists(sent_at) "
    "AND (claimed_until < :now OR claimed_by = :holder))"
)
_OWN_CLAIM: Final = "claimed_by = :holder AND attribute_not_exists(sent_at)"
_LINE = re.compile(r"^([A-Z-]+)[;:](.*)$", re.MULTILINE)

Notice = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Sending:
    """A letter that SES has accepted; `calendar` has its calendar object's lines by name."""

    at: float
    run: Invocation
    to: str
    tags: Mapping[str, str]
    text: str
    calendar: Mapping[str, str]

    @property
    def key(self) -> str:
        parts = (self.tags[name] for name in ("letter", "meeting", "role", "number"))
        return "/".join(parts)

    @property
    def place(self) -> tuple[str, str]:
        return self.tags["meeting"], self.tags["role"]


class MailService:
    """SES, and a client of it; `letters` are those that it has accepted."""

    def __init__(self, stage: Stage) -> None:
        self.letters: list[Sending] = []
        self.unanswered: list[Sending] = []
        """Those whose sender got no answer, or an error."""
        self.edge = AwsEdge(stage.tasks)
        self._stage = stage

    def send_email(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        def execute(_: str | None) -> dict[str, Any]:
            (to,) = request["Destination"]["ToAddresses"]
            if to == REFUSED_ADDRESS:
                raise client_error("MessageRejected", "SendEmail", "Email address is not verified.")
            assert request["ConfigurationSetName"] == f"{PREFIX}-invitations"
            run = self._run
            assert run
            message = email.message_from_bytes(request["Content"]["Raw"]["Data"], policy=SMTP)
            assert (message["To"], request["FromEmailAddress"]) == (to, message["From"])
            tags = {each["Name"]: each["Value"] for each in request["EmailTags"]}
            text = message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
            objects = [
                each.get_content()
                for each in message.walk()
                if each.get_content_type() == "text/calendar"
            ]
            lines = "".join(objects).replace("\r\n ", "").replace("\r\n", "\n")
            calendar = dict(_LINE.findall(lines))
            sending = Sending(self._stage.clock.now, run, to, tags, text, calendar)
            self._stage.invariants.sent_letter(sending)
            self.letters.append(sending)
            return {"MessageId": f"message-{len(self.letters)}"}

        before = len(self.letters)
        try:
            return dict(self.edge.call("SendEmail", execute))
        except (BotoCoreError, ClientError):
            self.unanswered += [each for each in self.letters[before:] if each.run is self._run]
            raise

    @property
    def _run(self) -> Invocation | None:
        return self._stage.invariants.run


class SentTable:
    """The table of what was sent, and a client of it."""

    def __init__(self, tasks: Tasks, edge: AwsEdge) -> None:
        self.items: dict[str, Notice] = {}
        self.not_noted: set[str] = set()
        """What was sent, by its key, and could not be noted."""
        self.edge = edge
        self._clock = tasks.clock

    def put_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        assert request["ConditionExpression"] == _CLAIM
        item, values = request["Item"], request["ExpressionAttributeValues"]

        def execute(_: str | None) -> dict[str, Any]:
            before = self.items.get(item["id"]["S"])
            is_free = before is None or (
                "sent_at" not in before
                and (
                    float(before["claimed_until"]["N"]) < float(values[":now"]["N"])
                    or before["claimed_by"] == values[":holder"]
                )
            )
            self._require("PutItem", holds=is_free)
            self.items[item["id"]["S"]] = dict(item)
            return {}

        return dict(self.edge.call("PutItem", execute))

    def get_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        def execute(_: str | None) -> dict[str, Any]:
            item = self.items.get(request["Key"]["id"]["S"])
            return {"Item": dict(item)} if item else {}

        return dict(self.edge.call("GetItem", execute))

    def update_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        values, key = request["ExpressionAttributeValues"], request["Key"]["id"]["S"]

        def execute(_: str | None) -> dict[str, Any]:
            notice = self.items.setdefault(key, {})
            notice |= {"sent_at": values[":at"], "message_id": values[":message"]}
            return {}

        try:
            return dict(self.edge.call("UpdateItem", execute))
        except (BotoCoreError, ClientError):
            self.not_noted.add(key)
            raise

    def delete_item(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        assert request["ConditionExpression"] == _OWN_CLAIM
        key, holder = request["Key"]["id"]["S"], request["ExpressionAttributeValues"][":holder"]

        def execute(_: str | None) -> dict[str, Any]:
            item = self.items.get(key, {})
            is_own = item.get("claimed_by") == holder and "sent_at" not in item
            self._require("DeleteItem", holds=is_own)
            del self.items[key]
            return {}

        return dict(self.edge.call("DeleteItem", execute))

    def _require(self, operation: str, *, holds: bool) -> None:
        if not holds:
            raise client_error("ConditionalCheckFailedException", operation)
