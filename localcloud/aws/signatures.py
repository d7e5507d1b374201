"""Signatures of requests, version 4, and whose they are.

moto takes every signature. Where it matters who calls, this computes the signature as the caller
must have, with the credentials that moto's STS issued for a role: also those that an instance gets
from its metadata (`imds.py`). Others, such as the keys of users, are unknown here.

https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html; the errors are those of
API Gateway. Since clients sign with this machine's time, that counts, and not the local cloud's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from moto.sts.models import sts_backends

from .account import ACCOUNT_ID

if TYPE_CHECKING:
    from moto.sts.models import AssumedRole
    from werkzeug.wrappers import Request

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_MAX_SKEW: Final = timedelta(minutes=5)
_DATE: Final = re.compile(r"\d{8}T\d{6}Z")
_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_SCOPE_PARTS: Final = 5

_UNSIGNED: Final = "MissingAuthenticationTokenException"
_INCOMPLETE: Final = "IncompleteSignatureException"
_INVALID: Final = "InvalidSignatureException"
_UNKNOWN: Final = "UnrecognizedClientException"
_EXPIRED: Final = "ExpiredTokenException"


class SignatureError(Exception):
    """A request is not signed, or not by somebody who is known."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


@dataclass(frozen=True)
class Caller:
    """Who signed a request: a session of a role."""

    arn: str
    """Such as `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`."""
    user_id: str
    access_key: str
    role_arn: str


@dataclass(frozen=True)
class _Claim:
    """What the header `Authorization` says."""

    access_key: str
    day: str
    region: str
    service: str
    signed: tuple[str, ...]
    signature: str


def caller_of(request: Request, service: str, region: str) -> Caller:
    """Return who signed a request to a service. Raises SignatureError."""
    claim = _claim(request.headers.get("Authorization"))
    signed_at = _signed_at(request, claim)
    session = _session(claim.access_key, request.headers.get("X-Amz-Security-Token"))
    _check_scope(claim, signed_at, service, region)
    for name in ("host", "x-amz-date"):
        if name not in claim.signed:
            reason = f"'{name}' must be a 'SignedHeader' in the AWS Authorization."
            raise SignatureError(_INVALID, reason)
    if not hmac.compare_digest(_signature(request, claim, session), claim.signature):
        reason = (
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. "
            "Consult the service documentation for details."
        )
        raise SignatureError(_INVALID, reason)
    if session.expiration.replace(tzinfo=UTC) <= datetime.now(UTC):
        raise SignatureError(_EXPIRED, "The security token included in the request is expired")
    return Caller(session.arn, session.user_id, claim.access_key, session.role_arn)


def _claim(header: str | None) -> _Claim:
    if not header:
        raise SignatureError(_UNSIGNED, "Missing Authentication Token")
    algorithm, _, rest = header.partition(" ")
    if algorithm != _ALGORITHM:
        raise SignatureError(_INCOMPLETE, f"Unsupported AWS 'algorithm': '{algorithm}'.")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if name not in fields]
    if missing:
        reasons = [f"Authorization header requires '{name}' parameter." for name in missing]
        raise SignatureError(_INCOMPLETE, " ".join(reasons))
    scope = fields["Credential"].split("/")
    if len(scope) != _SCOPE_PARTS:
        reason = f"Credential must have exactly 5 slash-delimited elements, got {scope}."
        raise SignatureError(_INCOMPLETE, reason)
    access_key, day, region, service, _ = scope
    signed = tuple(fields["SignedHeaders"].lower().split(";"))
    return _Claim(access_key, day, region, service, signed, fields["Signature"])


def _signed_at(request: Request, claim: _Claim) -> str:
    """Return when the request was signed, if that is now."""
    date = request.headers.get("X-Amz-Date", "")
    if not _DATE.fullmatch(date):
        reason = "Authorization header requires existence of either a 'X-Amz-Date' or 'Date' header"
        raise SignatureError(_INCOMPLETE, f"{reason}. Authorization={claim.signature}")
    now = datetime.now(UTC)
    earliest, latest = (f"{now + skew:{_FORMAT}}" for skew in (-_MAX_SKEW, _MAX_SKEW))
    if date < earliest:
        reason = f"is now earlier than {earliest} ({now:{_FORMAT}} - 5 min.)"
        raise SignatureError(_INVALID, f"Signature expired: {date} {reason}")
    if date > latest:
        reason = f"is still later than {latest} ({now:{_FORMAT}} + 5 min.)"
        raise SignatureError(_INVALID, f"Signature not yet current: {date} {reason}")
    return date


def _session(access_key: str, token: str | None) -> AssumedRole:
    session = sts_backends[ACCOUNT_ID]["aws"].get_assumed_role_from_access_key(access_key)
    if session is None or session.session_token != token:
        reason = "The security token included in the request is invalid."
        raise SignatureError(_UNKNOWN, reason)
    return session


def _check_scope(claim: _Claim, signed_at: str, service: str, region: str) -> None:
    if claim.region != region:
        reason = f"Credential should be scoped to a valid region, not '{claim.region}'. "
        raise SignatureError(_INVALID, reason)
    if claim.service != service:
        reason = f"Credential should be scoped to correct service: '{service}'. "
        raise SignatureError(_INVALID, reason)
    if not signed_at.startswith(claim.day):
        reason = f"Date in Credential scope does not match YYYYMMDD from ISO-8601: {signed_at}"
        raise SignatureError(_INVALID, reason)


def _signature(request: Request, claim: _Claim, session: AssumedRole) -> str:
    """Compute the signature of a request as it arrived."""
    raw = request.environ.get("RAW_URI") or request.environ["REQUEST_URI"]
    made = AWSRequest(request.method, f"{request.host_url.rstrip('/')}{raw}")
    for name in claim.signed:
        made.headers[name] = ",".join(request.headers.getlist(name))
    # The hash is that of the body itself, not what a header claims.
    made.headers["X-Amz-Content-SHA256"] = hashlib.sha256(request.get_data()).hexdigest()
    made.context["timestamp"] = request.headers["X-Amz-Date"]
    signer = _Signer(Credentials(claim.access_key, session.secret_access_key), claim)
    return str(signer.signature(signer.string_to_sign(made, signer.canonical_request(made)), made))


class _Signer(SigV4Auth):
    """Signs the headers that a claim names, and no others."""

    def __init__(self, credentials: Credentials, claim: _Claim) -> None:
        super().__init__(credentials, claim.service, claim.region)
        self._signed = claim.signed

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        """Return the headers to sign."""
        headers = HTTPHeaders()
        for name in self._signed:
            headers[name] = request.headers[name]
        return headers
