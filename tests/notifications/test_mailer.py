"""An e-mail reaches SES complete, in both forms, for all recipients."""

from __future__ import annotations

from unittest.mock import Mock

from chalicelib.notifications.mailer import Mail, Mailer
from tests.notifications.harness import VARIABLES
from tests.world import make_settings


def test_an_e_mail_is_sent_in_both_forms_to_everybody_in_one_call() -> None:
    settings = make_settings(**VARIABLES).notifications
    assert settings
    ses = Mock()
    ses.send_email.return_value = {"MessageId": "0102018-000000"}
    mail = Mail("Größe: 42 µm", "<p>Größe</p>", "Größe")

    assert Mailer(ses, settings).send_mail(mail) == "0102018-000000"

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
