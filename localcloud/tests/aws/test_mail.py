"""SES on the local AWS: what is sent can be read, and what AWS refuses is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from moto.ses.models import ses_backends

from localcloud.aws import ACCOUNT_ID, DEFAULT_REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cloud

DOMAIN = "example.com"


@pytest.fixture
def ses(cloud: Cloud) -> Iterator[Any]:
    """Give SES with one verified domain, and out of the sandbox."""
    client = cloud.client("sesv2")
    client.create_email_identity(EmailIdentity=DOMAIN)
    yield client
    cloud.server.outbox.clear()
    cloud.server.outbox.is_production = True
    ses_backends[ACCOUNT_ID][DEFAULT_REGION].email_identities.clear()


def send(ses: Any, sender: str = "a@example.com", *recipients: str, **body: str) -> str:  # noqa: ANN401
    content = body or {"Text": "plain", "Html": "<p>rich</p>"}
    answer = ses.send_email(
        FromEmailAddress=sender,
        Destination={"ToAddresses": list(recipients or ("b@example.org",))},
        Content={
            "Simple": {
                "Subject": {"Data": "Grüße"},
                "Body": {form: {"Data": text} for form, text in content.items()},
            }
        },
    )
    return str(answer["MessageId"])


def refusal(ses: Any, *addresses: str) -> str:  # noqa: ANN401
    with pytest.raises(ClientError) as raised:
        send(ses, *addresses)
    error = raised.value.response["Error"]
    assert error["Code"] == "MessageRejected"
    return str(error["Message"])


def test_only_verified_senders_send_by_their_address_or_a_domain_around_it(ses: Any) -> None:  # noqa: ANN401
    assert send(ses, "a@mail.example.com")
    message = refusal(ses, "a@example.net")
    assert message == (
        "Email address is not verified. The following identities failed the check in region "
        "US-WEST-2: a@example.net"
    )
    ses.create_email_identity(EmailIdentity="a@example.net")
    assert send(ses, "a@example.net")
    assert refusal(ses, "b@example.net")


def test_in_the_sandbox_the_recipients_have_to_be_verified_too(cloud: Cloud, ses: Any) -> None:  # noqa: ANN401
    assert ses.get_account()["ProductionAccessEnabled"]
    cloud.server.outbox.is_production = False
    assert not ses.get_account()["ProductionAccessEnabled"]

    message = refusal(ses, "a@example.com", "b@example.com", "c@example.org")

    assert message.endswith("US-WEST-2: c@example.org")
    ses.create_email_identity(EmailIdentity="c@example.org")
    assert send(ses, "a@example.com", "b@example.com", "c@example.org")
