"""Authentication and authorization of callers.

https://developers.cloudflare.com/fundamentals/api/get-started/create-token/ and
https://developers.cloudflare.com/fundamentals/api/troubleshooting/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.cloudflare import errors
from localcloud.cloudflare.routes import Endpoint, Family
from localcloud.cloudflare.spec import is_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from localcloud.cloudflare.routes import Target
    from localcloud.cloudflare.spec import Token
    from localcloud.cloudflare.wire import Request

FAILURE_WINDOW = 300

_UNKNOWN = {
    Family.DNS: errors.unauthenticated,
    Family.ACCOUNT: errors.unauthenticated,
    Family.ZONE: errors.invalid_access_token,
    Family.VERIFY: errors.invalid_api_token,
    Family.CERTIFICATES: errors.unauthenticated,
}


class Authenticator:
    """Finds the token of a request. With a ``failure_limit`` many refusals lock an address out."""

    def __init__(
        self,
        tokens: Iterable[Token],
        clock: Callable[[], float],
        failure_limit: int | None = None,
    ) -> None:
        every = tuple(tokens)
        self._tokens = {token.value: token for token in every if token.email is None}
        self._keys: dict[tuple[str | None, str], Token] = {
            (token.email, token.value): token for token in every if token.email
        }
        self._clock = clock
        self._failure_limit = failure_limit
        self._failures: dict[str, list[float]] = {}

    def quota_key(self, request: Request) -> str:
        """Return whose quota a call counts against: the owner's, or the address's of a stranger."""
        token = self._lookup(request)
        if token is None:
            return f"address {request.client}"
        return f"token {token.id}" if token.owner is None else f"owner {token.owner}"

    def authenticate(self, request: Request, family: Family) -> Token:
        """Return the token of a request, or raise what this family of endpoints answers."""
        if self._is_locked_out(request.client):
            raise errors.too_many_auth_failures()
        try:
            return self._token(request, family)
        except errors.ApiError:
            self._failures.setdefault(request.client, []).append(self._clock())
            raise

    def _is_locked_out(self, client: str) -> bool:
        if self._failure_limit is None:
            return False
        since = self._clock() - FAILURE_WINDOW
        recent = [moment for moment in self._failures.get(client, ()) if moment > since]
        self._failures[client] = recent
        return len(recent) >= self._failure_limit

    def _token(self, request: Request, family: Family) -> Token:
        _check_headers(request, family)
        token = self._lookup(request)
        if token is None:
            is_key = request.header("Authorization") is None
            raise errors.unknown_auth_key() if is_key else _UNKNOWN[family]()
        is_verifiable = family in {Family.VERIFY, Family.ACCOUNT}
        if not is_verifiable and not token.works(self._clock()):
            raise errors.invalid_access_token()
        if token.allowed_ips is not None and request.client not in token.allowed_ips:
            raise errors.wrong_location(request.client)
        if is_verifiable and token.is_account_owned != (family is Family.ACCOUNT):
            raise errors.invalid_api_token()
        return token

    def _lookup(self, request: Request) -> Token | None:
        bearer = request.header("Authorization")
        if bearer is not None:
            return self._tokens.get(bearer.removeprefix("Bearer "))
        key = (request.header("X-Auth-Email"), request.header("X-Auth-Key") or "")
        return self._keys.get(key)


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


def _check_headers(request: Request, family: Family) -> None:
    bearer = request.header("Authorization")
    if bearer is not None:
        scheme, _, value = bearer.partition(" ")
        if scheme != "Bearer" or not is_token(value):
            raise errors.malformed_authorization()
        return
    if family is Family.VERIFY:
        raise errors.missing_authorization()
    key = request.header("X-Auth-Key")
    if key is None or request.header("X-Auth-Email") is None:
        raise errors.missing_credentials()
    if not is_token(key):
        raise errors.malformed_auth_key()
