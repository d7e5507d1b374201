"""The question that a DCV server asks its authentication token verifier.

https://docs.aws.amazon.com/dcv/latest/adminguide/external-authentication.html
"""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from xml.etree import ElementTree as ET

_TIMEOUT = 60


@dataclass(frozen=True)
class Verdict:
    """The user whose token it is; None for nobody, and why."""

    username: str | None
    message: str = ""


def ask(url: str, session_id: str, token: str, client_address: str) -> Verdict:
    """Ask whether a token is good for a session. An answer that is none of DCV's counts as no."""
    question = {
        "sessionId": session_id,
        "authenticationToken": token,
        "clientAddress": client_address,
    }
    request = urllib.request.Request(url, urllib.parse.urlencode(question).encode())  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_TIMEOUT) as answer:
            return _read(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Verdict(None, f"the verifier answered {error.code}")
    except OSError as error:
        return Verdict(None, f"the verifier cannot be reached: {error}")


def _read(text: bytes) -> Verdict:
    try:
        answer = ET.fromstring(text)  # noqa: S314 (of the stage's own API)
    except ET.ParseError as error:
        return Verdict(None, f"the verifier's answer is no XML: {error}")
    username = answer.findtext("username")
    if answer.tag == "auth" and answer.get("result") == "yes" and username:
        return Verdict(username)
    return Verdict(None, answer.findtext("message") or "the verifier said no")
