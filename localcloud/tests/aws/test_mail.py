"""SES on the local AWS: what is sent can be read, and what AWS refuses is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from moto.ses.models import ses_backends

from localcloud.aws import ACCOUNT_ID, DEFAULT_REGION
from localcloud.aws.mail import BOUNCING

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
    backend = ses_backends[ACCOUNT_ID][DEFAULT_REGION]
    backend.email_identities.clear()
    backend.config_sets.clear()
    backend.config_set_event_destination.clear()


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


RAW = """\
From: a@example.com
To: b@example.org
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=x

--x
Content-Type: text/plain

plain
--x
Content-Type: text/html

<p>rich</p>
--x
Content-Type: text/calendar; method=REQUEST

BEGIN:VCALENDAR
--x--
"""


def send_raw(ses: Any, *recipients: str, **options: object) -> str:  # noqa: ANN401
    answer = ses.send_email(
        FromEmailAddress="a@example.com",
        Destination={"ToAddresses": list(recipients)},
        Content={"Raw": {"Data": RAW.encode()}},
        **options,
    )
    return str(answer["MessageId"])


def test_what_the_sender_composed_is_kept_with_its_parts(cloud: Cloud, ses: Any) -> None:  # noqa: ANN401
    sent = send_raw(ses, "b@example.org")

    (mail,) = cloud.server.outbox.mails
    assert (mail.id, mail.recipients, mail.subject) == (sent, ("b@example.org",), "Grüße")
    assert [each.strip() for each in (mail.text, mail.html, mail.calendar)] == [
        "plain",
        "<p>rich</p>",
        "BEGIN:VCALENDAR",
    ]
    assert mail.raw == RAW


def test_an_e_mail_to_the_simulator_bounces_even_in_the_sandbox(cloud: Cloud, ses: Any) -> None:  # noqa: ANN401
    """By the configuration set that the e-mail was sent with, and its tags."""
    cloud.server.outbox.is_production = False
    name = cloud.function("def handler(event, context): return event['detail']['mail']['tags']")
    cloud.rule(name, EventPattern='{"source": ["aws.ses"]}')
    make_set(cloud, "letters", "[bounce, reject]")
    options = {"EmailTags": [{"Name": "role", "Value": "teacher"}]}

    send_raw(ses, BOUNCING, **options)
    send_raw(ses, BOUNCING, ConfigurationSetName="letters", **options)
    cloud.functions.wait_idle(60)

    (attempt,) = cloud.attempts(name)
    assert attempt.result == {"ses:configuration-set": ["letters"], "role": ["teacher"]}
    cloud.delete_rules()


def test_a_configuration_set_has_to_exist_and_shows_its_destination(
    cloud: Cloud,
    ses: Any,  # noqa: ANN401
) -> None:
    with pytest.raises(ClientError, match="Configuration set <none> does not exist"):
        send_raw(ses, "b@example.org", ConfigurationSetName="none")
    make_set(cloud, "others", "[delivery]")
    send_raw(ses, BOUNCING, ConfigurationSetName="others")

    found = ses.get_configuration_set_event_destinations(ConfigurationSetName="others")

    (destination,) = found["EventDestinations"]
    assert (destination["Enabled"], destination["MatchingEventTypes"]) == (True, ["DELIVERY"])


def make_set(cloud: Cloud, name: str, types: str) -> None:
    """Make a configuration set whose events of these types are put on the bus."""
    cloud.client("cloudformation").create_stack(
        StackName=f"set-{name}",
        TemplateBody=f"""
            Resources:
              Set:
                Type: AWS::SES::ConfigurationSet
                Properties: {{Name: {name}}}
              Bus:
                Type: AWS::SES::ConfigurationSetEventDestination
                Properties:
                  ConfigurationSetName: !Ref Set
                  EventDestination:
                    Name: events
                    Enabled: true
                    MatchingEventTypes: {types}
                    EventBridgeDestination: {{EventBusArn: "arn:aws:events:x:y:event-bus/default"}}
        """,
    )
