"""An e-mail reaches SES whole, in both forms, for everybody; what SES refuses is raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.notifications.mailer import Mail, Mailer
from tests.world import make_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.notifications.harness import Stage

MAIL = Mail("Größe: 42 µm", "<p>Größe</p>", "Größe")
STAGE = {
    "FEATURES": "notifications",
    "MAIL_FROM": "elephant@example.com",
    "MAIL_TO": "ops@example.com,lead@example.com",
}


class Ses:
    """SES that keeps what it is asked."""

    def __init__(self) -> None:
        self.requests: list[Mapping[str, Any]] = []

    def send_email(self, **request: object) -> Mapping[str, Any]:
        self.requests.append(request)
        return {"MessageId": "0102018-000000"}


def mailer(client: Any, **variables: str) -> Mailer:  # noqa: ANN401 (SES, whole or not)
    settings = make_settings(**STAGE | variables).notifications
    assert settings
    return Mailer(client, settings)


def test_an_e_mail_is_sent_in_both_forms_to_everybody_in_one_call() -> None:
    ses = Ses()

    assert mailer(ses).send_mail(MAIL) == "0102018-000000"

    assert ses.requests == [
        {
            "FromEmailAddress": "elephant@example.com",
            "Destination": {"ToAddresses": ["ops@example.com", "lead@example.com"]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": "Größe: 42 µm", "Charset": "UTF-8"},
                    "Body": {
                        "Html": {"Data": "<p>Größe</p>", "Charset": "UTF-8"},
                        "Text": {"Data": "Größe", "Charset": "UTF-8"},
                    },
                }
            },
        }
    ]


def test_ses_takes_it(stage: Stage) -> None:
    assert mailer(stage.ses).send_mail(MAIL)

    (mail,) = stage.mails
    assert (mail.source, mail.subject, mail.body) == (
        "elephant@example.com",
        MAIL.subject,
        MAIL.html,
    )
    assert mail.destinations == {"ToAddresses": ["ops@example.com", "lead@example.com"]}


def test_a_sender_that_is_not_verified_is_refused(stage: Stage) -> None:
    with pytest.raises(ClientError, match="not verified"):
        mailer(stage.ses, MAIL_FROM="elephant@elsewhere.example").send_mail(MAIL)
    assert stage.mails == []
