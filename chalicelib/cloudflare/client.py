"""Cloudflare API client: calls, answers, and the errors that they mean.

https://developers.cloudflare.com/fundamentals/api/how-to/make-api-calls/
"""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from urllib.parse import urlencode

from chalicelib.cloudflare.transport import NoAnswerError, NotSentError
from chalicelib.dns.provider import (
    DnsError,
    NameOccupiedError,
    RateLimitedError,
    RecordExistsError,
    RecordNotFoundError,
    RejectedError,
    UnavailableError,
    UnconfirmedError,
    ZoneFullError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chalicelib.cloudflare.rate_limit import Quota
    from chalicelib.cloudflare.transport import Response, Transport
    from chalicelib.deadline import Deadline

ATTEMPTS: Final = 3
ANSWER_SECONDS: Final = 6.0
"""The longest that a request for one record or one list may take."""

_FIRST_PAUSE: Final = 0.4
_SHORTEST: Final = 0.1
_QUOTED: Final = 200
_OK, _REDIRECT = 200, 300
_BAD_REQUEST, _TIMEOUT, _TOO_MANY, _SERVER_ERROR = 400, 408, 429, 500
_REFUSED_STATUSES: Final = frozenset({401, 403})
_REFUSED_CODES: Final = frozenset({6003, 6111, 9106, 9109, 10000})
_EXISTS_CODES: Final = frozenset({81057, 81058})
_NOT_FOUND_CODE: Final = 81044
_OCCUPIED_CODES: Final = frozenset({81053, 81054})
_FULL_CODE: Final = 81045
_REMEDIES: Final = {
    _FULL_CODE: "the zone is full: remove records or raise its plan",
    7003: "set ZONE_ID to the zone's id",
    9003: "Cloudflare cannot proxy to the instance's address; set PROXIED to 'false'",
}


class TokenRefusedError(DnsError):
    """The token is not accepted for this call; fix the secret or the token."""


class Call(NamedTuple):
    """One API call: the path relative to the API's address, with its query, and the body."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    seconds: float = ANSWER_SECONDS
    """The longest that it may take."""

    @classmethod
    def read(cls, path: str, query: Sequence[tuple[str, str]]) -> Call:
        """Make a read-only call."""
        return cls("GET", f"{path}?{urlencode(query)}")

    @property
    def changes_something(self) -> bool:
        """Whether it is a write, which must not be retried blindly."""
        return self.method != "GET"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Answer(NamedTuple):
    """The `result` and `result_info` of a successful call."""

    result: Any
    info: Mapping[str, Any]


class TokenSource(Protocol):
    """Where the token comes from: `chalicelib.secrets.Token` is one."""

    @property
    def secret_id(self) -> str:
        """The name or ARN of the secret that holds the token."""
        ...

    def value(self) -> str:
        """Return the token."""
        ...

    def read(self) -> str:
        """Read the token again, as after Cloudflare rejected the current one."""
        ...


class Cloudflare:
    """API client with token refresh; retries transient failures where that is safe."""

    def __init__(  # noqa: PLR0913 (its boundaries, each replaced in tests)
        self,
        url: str,
        token: TokenSource,
        transport: Transport,
        quota: Quota,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._url = url
        self._token = token
        self._transport = transport
        self._sleep = sleep
        self._jitter = jitter
        self.quota = quota

    def answer(
        self, call: Call, deadline: Deadline, objection: Callable[[], str] = lambda: ""
    ) -> Answer:
        """Make the call; retry only reads, calls never sent, and calls with a rejected token.

        `objection` is asked before each attempt. Once it gives a reason nothing more is sent, and
        UnavailableError names it.
        Raises DnsError (UnconfirmedError if a write may have been carried out),
        SecretError or OutOfTimeError.
        """
        token = self._token.value()
        try:
            return self._persist(call, token, deadline, objection)
        except TokenRefusedError as refusal:
            renewed = self._token.read()
            if renewed == token:  # retrying with it would only look like an attack
                raise self._refused(refusal) from refusal
        try:
            return self._persist(call, renewed, deadline, objection)
        except TokenRefusedError as refusal:
            raise self._refused(refusal) from refusal

    def _refused(self, refusal: TokenRefusedError) -> TokenRefusedError:
        return TokenRefusedError(
            f"{refusal}; Cloudflare rejects the token in secret {self._token.secret_id!r}, just "
            "read again: store one there that has DNS Write (Zone > DNS > Edit) on this zone "
            "and no client address filter"
        )

    def _persist(
        self, call: Call, token: str, deadline: Deadline, objection: Callable[[], str]
    ) -> Answer:
        """Make the call; retry it with growing pauses while that is safe."""
        pause = _FIRST_PAUSE
        for _ in range(ATTEMPTS - 1):
            try:
                return self._request(call, token, deadline, objection)
            except UnavailableError:
                if deadline.remaining() <= pause or objection():
                    raise
                self._sleep(pause * (1 + self._jitter()) / 2)
                pause *= 2
        return self._request(call, token, deadline, objection)

    def _request(
        self, call: Call, token: str, deadline: Deadline, objection: Callable[[], str]
    ) -> Answer:
        if reason := objection():
            raise UnavailableError(f"{call} was not sent: {reason}")
        deadline.require(_SHORTEST, f"call Cloudflare ({call})")
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        content = None
        if call.body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(call.body).encode()
        seconds = min(call.seconds, deadline.remaining())
        url = self._url + call.path
        try:
            with deadline.in_force():
                response = self._transport.request(call.method, url, headers, content, seconds)
        except NotSentError as error:
            raise UnavailableError(f"could not reach Cloudflare for {call}: {error}") from error
        except NoAnswerError as error:
            raise _unclear(call, f"{call}: no answer ({error})") from error
        self.quota.note(response.headers)
        return self._read(call, response)

    def _read(self, call: Call, response: Response) -> Answer:
        """Return the result from the envelope, or raise the error that the answer means."""
        envelope = _parse(response.body)
        status = response.status
        if _OK <= status < _REDIRECT and envelope.get("success") is True:
            info = envelope.get("result_info")
            return Answer(envelope.get("result"), info if isinstance(info, dict) else {})
        codes, texts = _errors(envelope)
        ray = response.headers.get("cf-ray", "none")
        said = "; ".join(texts) or response.body[:_QUOTED].decode("utf-8", "replace").strip()
        text = f"{call}: HTTP {status}, {said or 'no body'} (ray {ray})"
        if status == _TOO_MANY:
            seconds = self.quota.note_refusal(response.headers.get("Retry-After"))
            raise RateLimitedError(f"{text}; no calls for {seconds:g} s", seconds)
        if status in _REFUSED_STATUSES or codes & _REFUSED_CODES:
            raise TokenRefusedError(text)
        if codes and _BAD_REQUEST <= status < _SERVER_ERROR and status != _TIMEOUT:
            raise _rejected(codes, text)
        raise _unclear(call, text)


def _unclear(call: Call, text: str) -> DnsError:
    """Report that a read failed, or that a write's outcome is unknown."""
    if call.changes_something:
        return UnconfirmedError(f"could not confirm {text}")
    return UnavailableError(text)


def _rejected(codes: frozenset[int], text: str) -> RejectedError:
    if codes & _EXISTS_CODES:
        return RecordExistsError(text)
    if _NOT_FOUND_CODE in codes:
        return RecordNotFoundError(text)
    if codes & _OCCUPIED_CODES:
        return NameOccupiedError(f"{text}; remove or rename the record of that name by hand")
    remedies = "".join(f"; {_REMEDIES[code]}" for code in sorted(codes & _REMEDIES.keys()))
    error_class = ZoneFullError if _FULL_CODE in codes else RejectedError
    return error_class(text + remedies)


def _parse(body: bytes) -> Mapping[str, Any]:
    """Parse the envelope; an edge server's HTML or plain text gives an empty one."""
    try:
        envelope = json.loads(body)
    except ValueError:
        return {}
    return envelope if isinstance(envelope, dict) else {}


def _errors(envelope: Mapping[str, Any]) -> tuple[frozenset[int], list[str]]:
    """Collect codes and texts of `errors[]` and each one's `error_chain`, leniently."""
    codes: set[int] = set()
    texts: list[str] = []
    pending = _list(envelope.get("errors"))
    while pending:
        error = pending.pop(0)
        if isinstance(error, dict):
            pending.extend(_list(error.get("error_chain")))
            code, message = error.get("code"), str(error.get("message", ""))
            codes.update({code} if isinstance(code, int) else ())
            texts.append(f"{code} {message[:_QUOTED]}")
    return frozenset(codes), texts


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list) else []
