"""The store of one zone: its records, and the rules for changes.

https://developers.cloudflare.com/api/resources/dns/subresources/records/
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from . import conflicts, errors, listing, records
from .records import Record
from .table import RecordTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .jsonvalue import Json, JsonObject
    from .listing import Page, Query
    from .records import Fields
    from .spec import Zone
    from .table import Transaction

BATCH_ORDER = ("deletes", "patches", "puts", "posts")


class ZoneStore:
    """Records of one zone. Every write either happens whole or raises an ApiError.

    Bodies and answers are the API's JSON objects. Nothing here locks: the Api does.
    """

    def __init__(self, zone: Zone, clock: Callable[[], float]) -> None:
        self.zone = zone
        self._clock = clock
        self._table = RecordTable()
        self._created = 0

    @property
    def records(self) -> tuple[Record, ...]:
        """Every record, in the order of creation."""
        return tuple(sorted(self._table.all(), key=lambda record: record.serial))

    @property
    def history(self) -> tuple[Transaction, ...]:
        """Every change so far, a batch being one, oldest first."""
        return self._table.history

    @property
    def names(self) -> Iterable[str]:
        """Every name that has a record."""
        return self._table.names

    def named(self, name: str) -> tuple[Record, ...]:
        """Return the records of exactly this name."""
        return self._table.named(name)

    def get(self, record_id: str) -> Record:
        """Return a record, or raise 81044."""
        record = self._table.get(record_id)
        if record is None:
            raise errors.record_not_found()
        return record

    def page(
        self, query: Query = (), *, changes_ago: int = 0, seconds_ago: float | None = None
    ) -> Page:
        """Return a page of the records, or of what they were earlier (a stale read)."""
        if changes_ago or seconds_ago is not None:
            moment = None if seconds_ago is None else self._clock() - seconds_ago
            past = self._table.as_of(transactions_ago=changes_ago, moment=moment)
            return listing.select(past, query)
        name = listing.exact_name(query)
        candidates = self._table.all() if name is None else self._table.named(name)
        return listing.select(candidates, query)

    def usage(self) -> dict[str, Json]:
        """Return how many records there are, and may be (None: the account's quota counts)."""
        return {"record_usage": len(self._table), "record_quota": self.zone.limits.records}

    def create(self, body: JsonObject) -> Record:
        """Add a record. Not an upsert: other content under an existing name is another record."""
        return self._alone(self._create, body)

    def put(self, record_id: str, body: JsonObject) -> Record:
        """Overwrite a record; what the body omits returns to its default."""
        return self._alone(self._put, {**body, "id": record_id})

    def patch(self, record_id: str, body: JsonObject) -> Record:
        """Change what the body holds and keep the rest."""
        return self._alone(self._patch, {**body, "id": record_id})

    def delete(self, record_id: str) -> Record:
        """Remove a record and return what it was."""
        return self._alone(self._delete, {"id": record_id})

    def batch(self, body: JsonObject) -> dict[str, list[Record]]:
        """Do deletes, patches, puts and posts, in this order, all of them or none.

        The first failure undoes everything and is raised as if it had been alone.
        https://developers.cloudflare.com/dns/manage-dns-records/how-to/batch-record-changes/
        """
        operations = {kind: _operations(body, kind) for kind in BATCH_ORDER}
        count = sum(map(len, operations.values()))
        if not count:
            raise errors.invalid_body("A batch needs at least one operation.")
        if count > self.zone.limits.batch:
            raise errors.batch_too_large(self.zone.limits.batch)
        steps = {
            "deletes": self._delete,
            "patches": self._patch,
            "puts": self._put,
            "posts": self._create,
        }
        try:
            done = {
                kind: [steps[kind](operation) for operation in operations[kind]]
                for kind in BATCH_ORDER
            }
        except errors.ApiError:
            self._table.rollback()
            raise
        self._table.commit(self._clock())
        return done

    def _alone(self, step: Callable[[JsonObject], Record], body: JsonObject) -> Record:
        # A single step checks before it writes, so there is nothing to roll back.
        record = step(body)
        self._table.commit(self._clock())
        return record

    def _create(self, body: JsonObject) -> Record:
        fields = records.parse(body, self.zone)
        self._check_conflicts(fields, None)
        quota = self.zone.limits.records
        if quota is not None and len(self._table) >= quota:
            raise errors.quota_exceeded()
        self._created += 1
        now = self._clock()
        record = Record(
            id=self._new_id(),
            serial=self._created,
            fields=fields,
            created_on=now,
            modified_on=now,
        )
        self._table.put(record)
        return record

    def _put(self, body: JsonObject) -> Record:
        old = self.get(_id(body))
        return self._change(old, records.overwrite(old, body, self.zone))

    def _patch(self, body: JsonObject) -> Record:
        old = self.get(_id(body))
        return self._change(old, records.merge(old, body, self.zone))

    def _delete(self, body: JsonObject) -> Record:
        record = self.get(_id(body))
        self._table.remove(record)
        return record

    def _change(self, old: Record, fields: Fields) -> Record:
        self._check_conflicts(fields, old.id)
        new = replace(old, fields=fields, modified_on=self._clock())
        self._table.put(new)
        return new

    def _check_conflicts(self, fields: Fields, own_id: str | None) -> None:
        others = [record.fields for record in self._table.named(fields.name) if record.id != own_id]
        conflicts.check(fields, others, self.zone.name)

    def _new_id(self) -> str:
        # Ids depend on zone and order alone, so that a run can be repeated exactly.
        seed = f"{self.zone.id}/{self._created}"
        return hashlib.sha256(seed.encode()).hexdigest()[:32]


def _id(body: JsonObject) -> str:
    record_id = body.get("id")
    if not isinstance(record_id, str):
        raise errors.invalid_body("id must be a string.")
    return record_id


def _operations(body: JsonObject, kind: str) -> list[Mapping[str, Json]]:
    items = body.get(kind)
    if items is None:
        return []
    if not isinstance(items, list):
        raise errors.invalid_body(f"{kind} must be an array.")
    operations: list[Mapping[str, Json]] = []
    for item in items:
        if not isinstance(item, dict):
            raise errors.invalid_body(f"{kind} must hold objects.")
        operations.append(item)
    return operations
