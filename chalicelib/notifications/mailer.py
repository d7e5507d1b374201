"""Sending e-mails through SES.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chalicelib.clients import MailClient
    from chalicelib.settings.notifications import NotificationsSettings

_CHARSET: Final = "UTF-8"


@dataclass(frozen=True)
class Mail:
    """An e-mail, with the same contents in HTML and in plain text."""

    subject: str
    html: str
    text: str


class Mailer:
    """Sends e-mails from the stage's sender to all of its recipients."""

    def __init__(self, client: MailClient, settings: NotificationsSettings) -> None:
        self._client = client
        self._settings = settings

    def send_mail(self, mail: Mail) -> str:
        """Send the e-mail through SES, and return the message's id.

        SES accepts it for all recipients or for none, and any error is raised.
        """
        answer = self._client.send_email(
            FromEmailAddress=self._settings.mail_from,
            Destination={"ToAddresses": list(self._settings.mail_to)},
            Content={
                "Simple": {
                    "Subject": _content(mail.subject),
                    "Body": {"Html": _content(mail.html), "Text": _content(mail.text)},
                }
            },
        )
        return str(answer["MessageId"])


def _content(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": _CHARSET}
