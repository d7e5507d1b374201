"""Faults on the way to Cloudflare and back that can be switched on.

The edge's own error pages are described in
https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from threading import Event, Lock
from typing import TYPE_CHECKING

from .jsonvalue import is_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .jsonvalue import Json, JsonObject


class FaultKind(StrEnum):
    """What happens."""

    EDGE_ERROR = "edge-error"
    """An HTML page of the edge, with `status` (502), instead of the API's answer."""
    DROP = "drop"
    """The connection is closed without an answer."""
    DELAY = "delay"
    """The call takes `seconds` longer."""
    RATE_LIMITED = "rate-limited"
    """429 with `Retry-After: seconds` (300), with the JSON envelope or (`body=False`) empty."""
    REFUSED = "refused"
    """A refusal with `status` (403), and the code and message that go with it or are given."""
    UNSUCCESSFUL = "unsuccessful"
    """`success: false` under 200."""
    STALE = "stale"
    """A list of records answers as before the last `changes`, or as `seconds` ago."""
    WRONG_NAME = "wrong-name"
    """The answer's records have `name` instead of their own."""


class When(StrEnum):
    """Whether the call's work is done before the fault strikes."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Fault:
    """A fault, and which calls it strikes.

    It strikes the calls with this `method` (any) and a path that matches the shell pattern
    `path` (any; below the API's base, `*` also spans slashes, so `/zones/*/dns_records` is
    a zone's list and create, and nothing below). Of those it leaves out the first `skip`, then
    strikes `times` (None: until it is switched off). `STALE` counts lists of records only.
    """

    kind: FaultKind
    when: When = When.BEFORE
    times: int | None = 1
    skip: int = 0
    method: str | None = None
    path: str = "*"
    status: int | None = None
    code: int | None = None
    message: str | None = None
    seconds: float | None = None
    changes: int = 0
    name: str | None = None
    body: bool = True

    def __post_init__(self) -> None:
        """Refuse a fault that lacks what its kind needs."""
        if self.times is not None and self.times < 1:
            raise ValueError(f"a fault strikes at least once, or times=None; not {self.times}")
        if self.kind is FaultKind.WRONG_NAME and self.name is None:
            raise ValueError("the fault wrong-name needs a name")
        if self.kind is FaultKind.DELAY and self.seconds is None:
            raise ValueError("the fault delay needs seconds")
        if self.kind is FaultKind.STALE and not self.changes and self.seconds is None:
            raise ValueError("the fault stale needs changes or seconds")

    @classmethod
    def from_json(cls, content: JsonObject) -> Fault:
        """Build a fault from the object `as_json` gives; ValueError says what is wrong."""
        known = {member.name for member in fields(cls)}
        unknown = sorted(content.keys() - known)
        if unknown:
            raise ValueError(f"a fault has no {', '.join(unknown)}; it has {sorted(known)}")
        return cls(
            kind=FaultKind(_text(content, "kind") or ""),
            when=When(_text(content, "when") or When.BEFORE),
            times=_whole(content, "times", 1),
            skip=_whole(content, "skip", 0) or 0,
            method=_text(content, "method"),
            path=_text(content, "path") or "*",
            status=_whole(content, "status", None),
            code=_whole(content, "code", None),
            message=_text(content, "message"),
            seconds=_number(content, "seconds"),
            changes=_whole(content, "changes", 0) or 0,
            name=_text(content, "name"),
            body=content.get("body", True) is not False,
        )

    def as_json(self) -> JsonObject:
        """Return the fault as a JSON object."""
        return asdict(self)

    @property
    def delay_before(self) -> float:
        """Seconds to wait before the call is executed."""
        return self._delay if self.when is When.BEFORE else 0

    @property
    def delay_after(self) -> float:
        """Seconds to wait between execution and answer."""
        return self._delay if self.when is When.AFTER else 0

    @property
    def _delay(self) -> float:
        return (self.seconds or 0) if self.kind is FaultKind.DELAY else 0

    def strikes(self, method: str, path: str) -> bool:
        """Return whether a call is one of those the fault is for."""
        if self.kind is FaultKind.STALE and not (
            method == "GET" and fnmatchcase(path, "/zones/*/dns_records")
        ):
            return False
        return self.method in {None, method} and fnmatchcase(path, self.path)


@dataclass
class _Planned:
    fault: Fault
    seen: int = 0
    struck: int = 0

    def is_due(self) -> bool:
        """Count a matching call; return whether the fault strikes it."""
        self.seen += 1
        if self.seen <= self.fault.skip:
            return False
        self.struck += 1
        return True


class FaultPlan:
    """The faults switched on, in order: the first that applies to a call strikes it.

    Any thread may switch faults while others are served.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = Lock()
        self._planned = [_Planned(fault) for fault in faults]
        self._released = Event()

    def __len__(self) -> int:
        return len(self._planned)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that have strikes left."""
        with self._lock:
            return tuple(planned.fault for planned in self._planned)

    def add(self, *faults: Fault) -> None:
        """Switch faults on, behind those that are on already."""
        with self._lock:
            self._planned.extend(_Planned(fault) for fault in faults)

    @property
    def released(self) -> Event:
        """What a delayed call waits for while it waits: set once `release` lets it go."""
        with self._lock:
            return self._released

    def release(self) -> None:
        """Let delayed calls continue at once."""
        with self._lock:
            self._released.set()
            self._released = Event()

    def clear(self) -> None:
        """Switch every fault off, and let go of the calls that one delays."""
        with self._lock:
            self._planned.clear()
        self.release()

    def pick(self, method: str, path: str) -> Fault | None:
        """Return the fault that strikes this call, which uses up one of its strikes.

        Every fault up to that one has seen the call, which matters to `skip`.
        """
        with self._lock:
            for planned in self._planned:
                if planned.fault.strikes(method, path) and planned.is_due():
                    if planned.struck == planned.fault.times:
                        self._planned.remove(planned)
                    return planned.fault
        return None


def _text(content: JsonObject, member: str) -> str | None:
    value = content.get(member)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{member} must be a string, not {value!r}")
    return value


def _number(content: JsonObject, member: str) -> float | None:
    value: Json = content.get(member)
    if value is None:
        return None
    if not is_number(value):
        raise ValueError(f"{member} must be a number, not {value!r}")
    return value


def _whole(content: JsonObject, member: str, default: int | None) -> int | None:
    value: Json = content.get(member, default)
    if value is None:
        return None
    if not (is_number(value) and isinstance(value, int)):
        raise ValueError(f"{member} must be a whole number, not {value!r}")
    return value
