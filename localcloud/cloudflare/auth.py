"""Authentication and authorization of callers.

https://developers.cloudflare.com/fundamentals/api/get-started/create-token/ and
https://developers.cloudflare.com/fundamentals/api/troubleshooting/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import errors
from .routes import Endpoint, Family
from .spec import is_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .routes import Target
    from .spec import Token
    from .wire import Request

_UNKNOWN = {
    Family.DNS: errors.unauthenticated,
    Family.ACCOUNT: errors.unauthenticated,
    Family.ZONE: errors.invalid_access_token,
    Family.VERIFY: errors.invalid_api_token,
    Family.CERTIFICATES: errors.unauthenticated,
}


class Authenticator:
    """Finds the token of a request."""

    def __init__(self, tokens: Iterable[Token], clock: Callable[[], float]) -> None:
        self._tokens = {token.value: token for token in tokens}
        self._clock = clock

    def quota_key(self, request: Request) -> str:
        """Return whose quota a call counts against: the owner's, or that of an unknown address."""
        token = self._lookup(request)
        if token is None:
            return f"address {request.client}"
        return f"token {token.id}" if token.owner is None else f"owner {token.owner}"

    def authenticate(self, request: Request, family: Family) -> Token:
        """Return the token of a request, or raise what this family of endpoints answers."""
        _check_header(request, family)
        token = self._lookup(request)
        if token is None:
            refusal = _UNKNOWN[family]
            raise refusal()
        is_verifiable = family in {Family.VERIFY, Family.ACCOUNT}
        if not is_verifiable and token.status(self._clock()) != "active":
            raise errors.invalid_access_token()
        if token.allowed_ips is not None and request.client not in token.allowed_ips:
            raise errors.wrong_location(request.client)
        if is_verifiable and token.is_account_owned != (family is Family.ACCOUNT):
            raise errors.invalid_api_token()
        return token

    def _lookup(self, request: Request) -> Token | None:
        header = request.header("Authorization") or ""
        return self._tokens.get(header.removeprefix("Bearer "))


def authorise(token: Token, target: Target) -> None:
    """Raise what the API answers when a known token may not do this."""
    route = target.route
    if not route.permissions:
        return
    if not target.zone_id:
        if token.permissions.isdisjoint(route.permissions):
            is_list = route.endpoint is Endpoint.LIST_ZONES
            raise errors.may_not_list_zones(token.id) if is_list else errors.unauthorised()
    elif not token.may(target.zone_id, *route.permissions):
        raise errors.unauthorised() if route.family is Family.DNS else errors.no_access()


def _check_header(request: Request, family: Family) -> None:
    header = request.header("Authorization")
    if header is None:
        is_verify = family is Family.VERIFY
        raise errors.missing_authorization() if is_verify else errors.missing_credentials()
    scheme, _, value = header.partition(" ")
    if scheme != "Bearer" or not is_token(value):
        raise errors.malformed_authorization()
