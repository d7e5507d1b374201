"""The API as a function from requests to answers: no socket, no thread, no waiting."""

from __future__ import annotations

import time
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING

from . import auth, errors, interference, routes, wire
from .auth import Authenticator
from .endpoints import Endpoints
from .faults import FaultKind, FaultPlan, When
from .ratelimit import Quota, RateLimiter
from .spec import Token, Zone
from .wire import Call, Dropped, Request, Response
from .zone import ZoneStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .faults import Fault
    from .originca import OriginCa
    from .ratelimit import Verdict

DEFAULT_QUOTA = Quota()


class Api:
    """Cloudflare's API over zones in memory.

    `clock` gives seconds since 1970 and dates records, quotas and tokens. Any number of threads
    may call; they take turns.
    """

    def __init__(
        self,
        zones: Iterable[Zone] = (Zone(),),
        tokens: Iterable[Token] = (Token(),),
        *,
        quota: Quota = DEFAULT_QUOTA,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.lock = RLock()
        self.faults = FaultPlan()
        self.limiter = RateLimiter(quota, clock)
        self._stores = {zone.id: ZoneStore(zone, clock) for zone in zones}
        self._authenticator = Authenticator(tokens, clock)
        self._endpoints = Endpoints(self._stores, clock)
        self._calls: list[Call] = []
        self._rays = 0

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call so far, in the order of execution."""
        with self.lock:
            return tuple(self._calls)

    def clear_calls(self) -> None:
        """Forget the calls so far."""
        with self.lock:
            self._calls.clear()

    @property
    def zones(self) -> tuple[ZoneStore, ...]:
        """The stores of all zones."""
        return tuple(self._stores.values())

    @property
    def origin_ca(self) -> OriginCa:
        """What issues certificates to origins."""
        return self._endpoints.origin_ca

    def zone(self, name_or_id: str) -> ZoneStore:
        """Return the store of a zone by its name or id; KeyError if there is none."""
        for store in self._stores.values():
            if name_or_id in {store.zone.id, store.zone.name}:
                return store
        raise KeyError(name_or_id)

    def handle(self, request: Request) -> Response | Dropped:
        """Answer a call at once; the answer says which delays a fault adds."""
        return self.execute(request, self.fault_for(request))

    def fault_for(self, request: Request) -> Fault | None:
        """Use up and return the fault that strikes a call, so that a server can wait first."""
        return self.faults.pick(request.method, request.api_path)

    def execute(self, request: Request, fault: Fault | None) -> Response | Dropped:
        """Answer a call under a fault that has been picked already."""
        with self.lock:
            answer = self._interfered(request, fault)
            status = answer.status if isinstance(answer, Response) else None
            self._calls.append(
                Call(request.method, request.api_path, request.query, status, request.body)
            )
            self._rays += 1
            if fault is not None:
                answer = replace(
                    answer, delay_before=fault.delay_before, delay_after=fault.delay_after
                )
            if isinstance(answer, Response):
                ray = {"cf-ray": f"{self._rays:016x}-LHR"}
                answer = replace(answer, headers={**answer.headers, **ray})
            return answer

    def _interfered(self, request: Request, fault: Fault | None) -> Response | Dropped:
        key = self._authenticator.quota_key(request)
        replaces = fault is not None and fault.kind in interference.REPLACING
        if fault is not None and replaces and fault.when is When.BEFORE:
            # It never reached what counts the calls.
            return _with_quota(interference.replacement(fault), self.limiter.peek(key))
        verdict = self.limiter.spend(key)
        stale = fault if fault is not None and fault.kind is FaultKind.STALE else None
        answer = self._answer(request, verdict, stale)
        if fault is not None and replaces:
            return _with_quota(interference.replacement(fault), verdict)
        if fault is not None and fault.kind is FaultKind.WRONG_NAME:
            answer = interference.renamed(answer, fault)
        return _with_quota(answer, verdict)

    def _answer(self, request: Request, verdict: Verdict, stale: Fault | None) -> Response:
        try:
            if verdict.retry_after is not None:
                raise errors.throttled(verdict.retry_after)
            path = request.api_path
            if not request.path.startswith(f"{wire.BASE_PATH}/"):
                raise errors.no_such_route()
            token = self._authenticator.authenticate(request, routes.family_of(path))
            target = routes.find(request.method, path)
            auth.authorise(token, target)
            return self._endpoints.answer(target, request, token, stale)
        except errors.ApiError as error:
            return wire.failure(error)


def _with_quota(answer: Response | Dropped, verdict: Verdict) -> Response | Dropped:
    """Add the quota's headers to what the API (and not the edge's HTML) answers."""
    if isinstance(answer, Dropped) or answer.headers["Content-Type"].startswith("text/html"):
        return answer
    return replace(answer, headers={**verdict.headers, **answer.headers})
