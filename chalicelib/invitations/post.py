"""Sending letters to the people of meetings, through SES.

A letter is a whole MIME message, since SES composes none with a calendar object. Its structure is
that of Google's invitations, which mail programs know: the object as an alternative to the texts,
by which a program offers to accept, and as an attachment, which others can import.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_RawMessage.html
https://www.rfc-editor.org/rfc/rfc6047
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.clients import MailClient
    from chalicelib.notifications.mailer import Mail

_FOR_GOOD: Final = frozenset({"MessageRejected", "BadRequestException"})
"""SES's errors about a letter or its address, which no attempt to come would not get."""


class RefusedError(Exception):
    """The letter cannot be sent to this address, now or later."""


@dataclass(frozen=True)
class Calendar:
    """A calendar object, and the method that it has."""

    method: str
    text: str


class Post:
    """Sends letters from the stage's sender, each to one person."""

    def __init__(self, client: MailClient, sender: str) -> None:
        self._client = client
        self._sender = sender

    def send_letter(
        self,
        to: str,
        mail: Mail,
        calendar: Calendar | None,
        events: str,
        tags: Mapping[str, str],
    ) -> str:
        """Send a letter, and return the message's id.

        `events` is the configuration set that publishes what becomes of it, with these tags.
        Raises RefusedError if SES refuses it for good; any other error is raised as it is.
        """
        address = _in_ascii(to)
        try:
            answer = self._client.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [address]},
                Content={"Raw": {"Data": bytes(self._message(address, mail, calendar))}},
                ConfigurationSetName=events,
                EmailTags=[{"Name": name, "Value": value} for name, value in tags.items()],
            )
        except ClientError as error:
            said = error.response["Error"]
            is_ours = self._sender in said.get("Message", "")  # then nobody can get any
            if said["Code"] not in _FOR_GOOD or is_ours:
                raise
            raise RefusedError(f"SES refuses it: {said['Code']}") from error
        return str(answer["MessageId"])

    def _message(self, address: str, mail: Mail, calendar: Calendar | None) -> EmailMessage:
        message = EmailMessage(SMTP)
        message["From"] = self._sender
        message["To"] = address
        message["Subject"] = mail.subject
        message["Auto-Submitted"] = "auto-generated"  # so that nobody's absence answers it
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        if calendar:
            message.add_alternative(
                calendar.text, subtype="calendar", cte="base64", params={"method": calendar.method}
            )
            message.add_attachment(
                calendar.text.encode(), maintype="application", subtype="ics", filename="invite.ics"
            )
        return message


def _in_ascii(address: str) -> str:
    """Return an address as SES takes it. Raises RefusedError if there is no such form.

    https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html
    """
    name, _, domain = address.rpartition("@")
    try:
        name.encode("ascii")
        return f"{name}@{domain.encode('idna').decode()}"
    except UnicodeError as error:
        raise RefusedError("SES sends to no address with such letters") from error
