"""The answer of each endpoint to an authorized call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from . import errors, wire, zonelist
from .originca import OriginCa
from .records import timestamp
from .routes import Endpoint, Family
from .spec import IPV4, IPV6, Permission

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .faults import Fault
    from .jsonvalue import Json, JsonObject
    from .routes import Target
    from .spec import Token
    from .wire import Request, Response
    from .zone import ZoneStore


class Endpoints:
    """The endpoints over a set of zones. A call answers a Response or raises an ApiError."""

    def __init__(self, stores: Mapping[str, ZoneStore], clock: Callable[[], float]) -> None:
        self._stores = stores
        self._clock = clock
        self._started = clock()
        self.origin_ca = OriginCa(clock)
        self._reads: dict[Endpoint, Callable[[ZoneStore], Response]] = {
            Endpoint.GET_ZONE: self._get_zone,
            Endpoint.GET_SSL: self._get_ssl,
            Endpoint.LIST_PAGE_RULES: lambda _: wire.success([]),
            Endpoint.GET_USAGE: lambda store: wire.success(store.usage()),
        }

    def answer(
        self, target: Target, request: Request, token: Token, stale: Fault | None = None
    ) -> Response:
        """Execute a call. With `stale` a list of records is that of earlier."""
        match target.route.endpoint:
            case Endpoint.LIST_IPS:
                return wire.success({"ipv4_cidrs": [*IPV4], "ipv6_cidrs": [*IPV6], "etag": "0"})
            case Endpoint.VERIFY_TOKEN | Endpoint.VERIFY_ACCOUNT_TOKEN:
                return self._verify(token)
            case Endpoint.LIST_ZONES:
                return self._list_zones(request, token)
        if target.route.family is Family.CERTIFICATES:
            return self._certificates(target, request, token)
        store = self._store(target)
        if target.route.endpoint is Endpoint.LIST_RECORDS:
            return _list_records(store, request, stale)
        read = self._reads.get(target.route.endpoint)
        return wire.success(_change(store, target, request)) if read is None else read(store)

    def _store(self, target: Target) -> ZoneStore:
        store = self._stores.get(target.zone_id)
        is_dns = target.route.family is Family.DNS
        if store is None:
            raise errors.unauthorised() if is_dns else errors.no_access()
        return store

    def _verify(self, token: Token) -> Response:
        status = token.status(self._clock())
        result: dict[str, Json] = {"id": token.id, "status": status}
        if token.expires_on is not None:
            result["expires_on"] = timestamp(token.expires_on)
        messages: list[JsonObject] = []
        if status == "active":
            text = "This API Token is valid and active"
            messages = [{"code": 10000, "message": text, "type": None}]
        return wire.success(result, messages=messages)

    def _list_zones(self, request: Request, token: Token) -> Response:
        zones = (
            store.zone
            for store in self._stores.values()
            if token.zones is None or store.zone.id in token.zones
        )
        shown, info = zonelist.select(zones, request.query)
        return wire.success([zonelist.as_json(zone, self._started) for zone in shown], info=info)

    def _certificates(self, target: Target, request: Request, token: Token) -> Response:
        """Carry out a call to the Origin CA, whose paths name no zone."""
        if target.route.endpoint is Endpoint.CREATE_CERTIFICATE:
            zones = [
                store.zone
                for store in self._stores.values()
                if token.may(store.zone.id, Permission.SSL_WRITE)
            ]
            return wire.success(self.origin_ca.issue(_body(request), zones).as_json())
        zone_id = dict(request.query).get("zone_id", "")
        store = self._stores.get(zone_id)
        if store is None or not token.may(zone_id, *target.route.permissions):
            raise errors.unauthorised()
        shown, info = self.origin_ca.page(store.zone, request.query)
        return wire.success([each.as_json() for each in shown], info=info)

    def _get_zone(self, store: ZoneStore) -> Response:
        return wire.success(zonelist.as_json(store.zone, self._started))

    def _get_ssl(self, store: ZoneStore) -> Response:
        return wire.success(
            {
                "id": "ssl",
                "value": store.zone.ssl,
                "editable": True,
                "modified_on": timestamp(self._started),
            },
        )


def _list_records(store: ZoneStore, request: Request, stale: Fault | None) -> Response:
    if stale is None:
        page = store.page(request.query)
    else:
        page = store.page(request.query, changes_ago=stale.changes, seconds_ago=stale.seconds)
    return wire.success([record.as_json() for record in page.records], info=page.info)


def _change(store: ZoneStore, target: Target, request: Request) -> Json:
    match target.route.endpoint:
        case Endpoint.GET_RECORD:
            return store.get(target.record_id).as_json()
        case Endpoint.DELETE_RECORD:
            return {"id": store.delete(target.record_id).id}
        case Endpoint.CREATE_RECORD:
            return store.create(_body(request)).as_json()
        case Endpoint.PUT_RECORD:
            return store.put(target.record_id, _body(request)).as_json()
        case Endpoint.PATCH_RECORD:
            return store.patch(target.record_id, _body(request)).as_json()
        case _:
            done = store.batch(_body(request))
            return {kind: [record.as_json() for record in done[kind]] for kind in done}


def _body(request: Request) -> JsonObject:
    content_type = request.header("Content-Type") or ""
    if content_type.partition(";")[0].strip().lower() != wire.JSON_TYPE:
        raise errors.wrong_content_type()
    try:
        body: Json = json.loads(request.body)
    except ValueError:
        raise errors.malformed_json() from None
    if not isinstance(body, dict):
        raise errors.invalid_body("It must be an object.")
    return body
