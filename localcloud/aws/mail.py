"""E-mail: the local SES, which keeps e-mails instead of sending them.

| in moto | here |
|---|---|
| of an e-mail's two parts one is kept | both are, with the time |
| an identity is never verified for sending | it is at once, without confirmation |
| recipients need no verification | they do in the sandbox |
| a verified domain covers its own addresses | also those of its subdomains |
| `GetAccount` is missing | it answers, by default with production access |

https://docs.aws.amazon.com/ses/latest/dg/request-production-access.html
"""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

from moto.ses.exceptions import MessageRejectedError
from moto.ses.models import SESBackend
from moto.sesv2.responses import SESV2Response
from moto.sesv2.urls import url_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moto.ses.models import EmailIdentity

    from .clock import Clock

_VERIFIED = "SUCCESS"
_ACCOUNT = "{0}/v2/email/account$"


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
def mail_patches(outbox: Outbox, clock: Callable[[], Clock]) -> Iterator[None]:
    """Keep the e-mails sent by SES v2 while the context lasts."""

    def send_email(self: SESV2Response) -> str:
        request = json.loads(self.body)
        destination = request.get("Destination", {})
        recipients = tuple(each for addresses in destination.values() for each in addresses)
        sender = str(request.get("FromEmailAddress", ""))
        _check(self, (sender,) if outbox.is_production else (sender, *recipients))
        answer = original(self)
        content = request["Content"].get("Simple", {})
        body = content.get("Body", {})
        mail = Mail(
            id=json.loads(answer)["MessageId"],
            time=clock().now().isoformat(timespec="seconds"),
            sender=sender,
            recipients=recipients,
            subject=content.get("Subject", {}).get("Data", ""),
            text=body.get("Text", {}).get("Data", ""),
            html=body.get("Html", {}).get("Data", ""),
        )
        outbox.add(mail)
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

    original = SESV2Response.send_email
    methods = {
        "send_email": send_email,
        "get_account": get_account,
        "get_email_identity": get_email_identity,
    }
    with ExitStack() as stack:
        for name, method in methods.items():
            stack.enter_context(mock.patch.object(SESV2Response, name, method, create=True))
        # moto knows no domain around another one; what is not verified was refused before.
        verified = mock.patch.object(SESBackend, "_is_verified_address", return_value=True)
        stack.enter_context(verified)
        stack.enter_context(mock.patch.dict(url_paths, {_ACCOUNT: SESV2Response.dispatch}))
        yield


def _check(response: SESV2Response, addresses: tuple[str, ...]) -> None:
    """Raise what SES answers if one of the addresses is not verified, nor its domain."""
    identities = response.sesv2_backend.core_backend.email_identities
    wrong = [
        address
        for address in addresses
        if not any(
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
