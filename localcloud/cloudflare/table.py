"""The records of a zone in memory, with every change kept so that it can be undone or dated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .records import Record


@dataclass(frozen=True)
class Step:
    """One record before and after; None where there was or is none."""

    before: Record | None
    after: Record | None


@dataclass(frozen=True)
class Transaction:
    """The steps that became visible together, and when."""

    moment: float
    steps: tuple[Step, ...]


class RecordTable:
    """Records by id and by name. Writes are visible at once, but undone by `rollback`."""

    def __init__(self) -> None:
        self._by_id: dict[str, Record] = {}
        self._by_name: dict[str, dict[str, Record]] = {}
        self._open: list[Step] = []
        self._history: list[Transaction] = []

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def history(self) -> tuple[Transaction, ...]:
        """Every committed transaction, oldest first."""
        return tuple(self._history)

    @property
    def names(self) -> Iterable[str]:
        """Every name that has a record."""
        return self._by_name.keys()

    def get(self, record_id: str) -> Record | None:
        """Return the record of this id, if there is one."""
        return self._by_id.get(record_id)

    def named(self, name: str) -> tuple[Record, ...]:
        """Return the records of exactly this name."""
        return tuple(self._by_name.get(name, {}).values())

    def all(self) -> tuple[Record, ...]:
        """Return every record."""
        return tuple(self._by_id.values())

    def put(self, record: Record) -> None:
        """Add a record, or replace the one of its id."""
        self._step(Step(self._by_id.get(record.id), record))

    def remove(self, record: Record) -> None:
        """Remove a record."""
        self._step(Step(record, None))

    def commit(self, moment: float) -> None:
        """Make the writes since the last commit one transaction."""
        if self._open:
            self._history.append(Transaction(moment, tuple(self._open)))
            self._open.clear()

    def rollback(self) -> None:
        """Undo the writes since the last commit."""
        for step in reversed(self._open):
            self._apply(Step(step.after, step.before))
        self._open.clear()

    def as_of(
        self, *, transactions_ago: int = 0, moment: float | None = None
    ) -> tuple[Record, ...]:
        """Return the records of the past: before the last so many transactions, or at a moment.

        Given both, whichever lies further back counts.
        """
        records = dict(self._by_id)
        for age, transaction in enumerate(reversed(self._history)):
            is_after = moment is not None and transaction.moment > moment
            if age >= transactions_ago and not is_after:
                break
            for step in reversed(transaction.steps):
                if step.after is not None:
                    del records[step.after.id]
                if step.before is not None:
                    records[step.before.id] = step.before
        return tuple(records.values())

    def _step(self, step: Step) -> None:
        self._apply(step)
        self._open.append(step)

    def _apply(self, step: Step) -> None:
        if step.before is not None:
            del self._by_id[step.before.id]
            namesakes = self._by_name[step.before.name]
            del namesakes[step.before.id]
            if not namesakes:
                del self._by_name[step.before.name]
        if step.after is not None:
            self._by_id[step.after.id] = step.after
            self._by_name.setdefault(step.after.name, {})[step.after.id] = step.after
