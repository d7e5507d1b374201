"""An e-mail reaches SES complete, in both forms, for all recipients; its errors are raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from chalicelib.notifications.mailer import Mail, Mailer
from tests.notifications.harness import VARIABLES
from tests.world import make_settings

if TYPE_CHECKING:
    from tests.notifications.harness import Stage

MAIL = Mail("Größe: 42 µm", "<p>Größe</p>", "Größe")


def mailer(client: Any, **variables: str) -> Mailer:  # noqa: ANN401 (SES, whole or not)
    settings = make_settings(**VARIABLES | variables).notifications
    assert settings
    return Mailer(client, settings)


def test_an_e_mail_is_sent_in_both_forms_to_everybody_in_one_call() -> None:
    ses = Mock()
    ses.send_email.return_value = {"MessageId": "0102018-000000"}

    assert mailer(ses).send_mail(MAIL) == "0102018-000000"

    body = {
        "Html": {"Data": "<p>Größe</p>", "Charset": "UTF-8"},
        "Text": {"Data": "Größe", "Charset": "UTF-8"},
    }
    subject = {"Data": "Größe: 42 µm", "Charset": "UTF-8"}
    ses.send_email.assert_called_once_with(
        FromEmailAddress="elephant@example.com",
        Destination={"ToAddresses": ["ops@example.com", "lead@example.com"]},
        Content={"Simple": {"Subject": subject, "Body": body}},
    )


def test_ses_takes_it_unless_the_sender_is_not_verified(stage: Stage) -> None:
    with pytest.raises(ClientError, match="not verified"):
        mailer(stage.ses, MAIL_FROM="elephant@elsewhere.example").send_mail(MAIL)
    assert stage.mails == []

    assert mailer(stage.ses).send_mail(MAIL)

    (mail,) = stage.mails
    sent = mail.source, mail.subject, mail.body
    assert sent == ("elephant@example.com", MAIL.subject, MAIL.html)
    assert mail.destinations == {"ToAddresses": ["ops@example.com", "lead@example.com"]}
