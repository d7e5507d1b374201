"""E-mail: the local SES, which keeps e-mails instead of sending them.

| in moto | here |
|---|---|
| of an e-mail's two parts one is kept | both are, with the time |
| an identity is never verified for sending | it is at once, without confirmation |
| recipients need no verification | they do in the sandbox |
| a verified domain covers its own addresses | also those of its subdomains |
| `GetAccount` is missing | it answers, by default with production access |
| an e-mail to `bounce@simulator.amazonses.com` is sent | it bounces: an event says so |
| any configuration set will do | it has to exist |
| destinations of events cannot be read | they can |

https://docs.aws.amazon.com/ses/latest/dg/request-production-access.html
https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html#send-email-simulator
"""

from __future__ import annotations

import base64
import email
import json
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from email.policy import default
from typing import TYPE_CHECKING, Any, Final
from unittest import mock
from uuid import uuid4

from moto.ses.exceptions import MessageRejectedError
from moto.ses.models import SESBackend
from moto.sesv2.responses import SESV2Response
from moto.sesv2.urls import url_paths

from . import rules
from .account import ACCOUNT_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moto.ses.models import EmailIdentity

    from .clock import Clock
    from .functions import Functions
    from .rules import Event

_VERIFIED = "SUCCESS"
_ACCOUNT = "{0}/v2/email/account$"
_DESTINATIONS = (
    "{0}/v2/email/configuration-sets/(?P<ConfigurationSetName>[^/]+)/event-destinations$"
)
SIMULATOR: Final = "simulator.amazonses.com"
BOUNCING: Final = f"bounce@{SIMULATOR}"


@dataclass(frozen=True)
class Mail:
    """An e-mail that was sent."""

    id: str
    time: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str
    calendar: str = ""
    """Its calendar object, if it has one."""
    raw: str = ""
    """All of it, if it was composed by the sender."""

    def as_json(self) -> dict[str, Any]:
        """Format it as a JSON object."""
        return asdict(self)


class Outbox:
    """The e-mails that were sent, oldest first; any thread may add one.

    `is_production` is whether the account has left SES's sandbox.
    """

    def __init__(self) -> None:
        self.is_production = True
        self._lock = threading.Lock()
        self._mails: list[Mail] = []

    @property
    def mails(self) -> tuple[Mail, ...]:
        """What was sent so far."""
        with self._lock:
            return tuple(self._mails)

    def add(self, mail: Mail) -> None:
        """Keep one more."""
        with self._lock:
            self._mails.append(mail)

    def clear(self) -> None:
        """Forget them."""
        with self._lock:
            self._mails.clear()


@contextmanager
def mail_patches(
    outbox: Outbox, clock: Callable[[], Clock], functions: Callable[[], Functions]
) -> Iterator[None]:
    """Keep the e-mails sent by SES v2 while the context lasts; bounces invoke the functions."""

    def send_email(self: SESV2Response) -> str:
        request = json.loads(self.body)
        destination = request.get("Destination", {})
        recipients = tuple(each for addresses in destination.values() for each in addresses)
        sender = str(request.get("FromEmailAddress", ""))
        _check(self, (sender,) if outbox.is_production else (sender, *recipients))
        destination = _destination_of(self, request.get("ConfigurationSetName"))
        answer = original(self)
        mail = Mail(
            id=json.loads(answer)["MessageId"],
            time=clock().now().isoformat(timespec="seconds"),
            sender=sender,
            recipients=recipients,
            **_parts_of(request["Content"]),
        )
        outbox.add(mail)
        if BOUNCING in recipients and "BOUNCE" in destination:
            event = _bounce_of(mail, request, self.region)
            for rule in rules.rules_of_default_bus(self.region):
                rules.deliver(rule, event, functions())
        return answer

    def get_account(_: SESV2Response) -> str:
        return json.dumps(
            {
                "EnforcementStatus": "HEALTHY",
                "ProductionAccessEnabled": outbox.is_production,
                "SendingEnabled": True,
                "SendQuota": {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 0.0},
            }
        )

    def get_email_identity(self: SESV2Response) -> str:
        name = self._get_param("EmailIdentity")
        identity = self.sesv2_backend.get_email_identity(email_identity=name)
        verified = {"VerifiedForSendingStatus": _is_verified(identity)}
        return json.dumps(identity.get_response_object | verified)

    def get_configuration_set_event_destinations(self: SESV2Response) -> str:
        backend, name = self.sesv2_backend.core_backend, self._get_param("ConfigurationSetName")
        backend.describe_configuration_set(name)
        found = backend.config_set_event_destination.get(name)
        return json.dumps({"EventDestinations": [_in_api(found)] if found else []})

    original = SESV2Response.send_email
    methods = {
        "send_email": send_email,
        "get_account": get_account,
        "get_email_identity": get_email_identity,
        "get_configuration_set_event_destinations": get_configuration_set_event_destinations,
    }
    with ExitStack() as stack:
        for name, method in methods.items():
            stack.enter_context(mock.patch.object(SESV2Response, name, method, create=True))
        # moto knows no domain around another one; what is not verified was refused before.
        verified = mock.patch.object(SESBackend, "_is_verified_address", return_value=True)
        stack.enter_context(verified)
        paths = dict.fromkeys((_ACCOUNT, _DESTINATIONS), SESV2Response.dispatch)
        stack.enter_context(mock.patch.dict(url_paths, paths))
        yield


def _check(response: SESV2Response, addresses: tuple[str, ...]) -> None:
    """Raise what SES answers if one of the addresses is not verified, nor its domain."""
    identities = response.sesv2_backend.core_backend.email_identities
    wrong = [
        address
        for address in addresses
        if not address.endswith(f"@{SIMULATOR}")
        and not any(
            name in identities and _is_verified(identities[name]) for name in _names_of(address)
        )
    ]
    if wrong:
        raise MessageRejectedError(
            "Email address is not verified. The following identities failed the check in region "
            f"{response.region.upper()}: {', '.join(wrong)}"
        )


def _names_of(address: str) -> Iterator[str]:
    """Yield what may be verified for an address: itself, its domain, and those this is part of."""
    yield address
    domain = address.rpartition("@")[2].lower()
    while "." in domain:
        yield domain
        domain = domain.partition(".")[2]


def _is_verified(identity: EmailIdentity) -> bool:
    return bool(identity.verification_status == _VERIFIED)


def _destination_of(response: SESV2Response, name: str | None) -> list[str]:
    """Return the types of events that a configuration set puts on the bus, as the API has them."""
    if name is None:
        return []
    backend = response.sesv2_backend.core_backend
    backend.describe_configuration_set(name)
    found = _in_api(backend.config_set_event_destination.get(name, {}))
    is_on = found["Enabled"] and found["EventBridgeDestination"]
    return list(found["MatchingEventTypes"]) if is_on else []


def _in_api(destination: dict[str, Any]) -> dict[str, Any]:
    """Format a destination as SES v2 does; CloudFormation writes the types in small letters."""
    types = [str(each).upper() for each in destination.get("MatchingEventTypes", ())]
    return {
        "Name": destination.get("Name"),
        "Enabled": destination.get("Enabled", False),
        "MatchingEventTypes": types,
        "EventBridgeDestination": destination.get("EventBridgeDestination"),
    }


def _parts_of(content: dict[str, Any]) -> dict[str, str]:
    """Return the parts of an e-mail that SES composes, or that was composed by the sender."""
    if "Raw" not in content:
        simple = content.get("Simple", {})
        body = simple.get("Body", {})
        return {
            "subject": simple.get("Subject", {}).get("Data", ""),
            "text": body.get("Text", {}).get("Data", ""),
            "html": body.get("Html", {}).get("Data", ""),
        }
    raw = base64.b64decode(content["Raw"]["Data"]).decode()
    message = email.message_from_string(raw, policy=default)
    found = {"subject": str(message["Subject"] or ""), "raw": raw}
    names = {"plain": "text", "html": "html", "calendar": "calendar"}
    for part in message.walk():
        name = names.get(part.get_content_subtype())
        if name and part.get_content_maintype() == "text" and not part.is_attachment():
            found.setdefault(name, part.get_content())
    return {"text": "", "html": "", **found}


def _bounce_of(mail: Mail, request: dict[str, Any], region: str) -> Event:
    """Return the event of an e-mail whose recipient does not exist.

    https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
    """
    name = request["ConfigurationSetName"]
    tags = {each["Name"]: [each["Value"]] for each in request.get("EmailTags", ())}
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Email Bounced",
        "source": "aws.ses",
        "account": ACCOUNT_ID,
        "time": mail.time,
        "region": region,
        "resources": [f"arn:aws:ses:{region}:{ACCOUNT_ID}:configuration-set/{name}"],
        "detail": {
            "eventType": "Bounce",
            "bounce": {
                "feedbackId": str(uuid4()),
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "bouncedRecipients": [{"emailAddress": BOUNCING, "status": "5.1.1"}],
                "timestamp": mail.time,
            },
            "mail": {
                "timestamp": mail.time,
                "source": mail.sender,
                "messageId": mail.id,
                "destination": list(mail.recipients),
                "tags": {"ses:configuration-set": [name], **tags},
            },
        },
    }
