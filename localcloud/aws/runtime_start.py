"""Starts AWS's runtime client in a process that uses the local cloud's clock.

Runs in the environment's process instead of `python -m awslambdaric`, with nothing but the standard
library: `runtime_start.py FILE HANDLER`. FILE holds the offset of the local cloud's clock in
seconds, as a double; the local cloud writes it between invocations, so that within an invocation
time passes as usual. The deployed zip is not changed.

Shifted are `time.time`, `time_ns`, `gmtime`, `localtime` and `strftime` of now, and `now`, `utcnow`
and `today` of `datetime`. Other ways to read the time give this machine's.
"""

from __future__ import annotations

import datetime as dt
import mmap
import runpy
import struct
import sys
import time
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_AHEAD = struct.Struct("d")


def shift_time(file: Path) -> None:
    """Shift this process's time by the offset in `file`."""
    with file.open("rb") as opened:
        mapped = mmap.mmap(opened.fileno(), _AHEAD.size, access=mmap.ACCESS_READ)
    real_time, real_time_ns = time.time, time.time_ns
    real_strftime = time.strftime

    def ahead() -> float:
        return float(_AHEAD.unpack_from(mapped)[0])

    def shifted_time() -> float:
        return real_time() + ahead()

    time.time = shifted_time
    time.time_ns = lambda: real_time_ns() + int(ahead() * 1_000_000_000)
    time.gmtime = _Converter(time.gmtime)
    time.localtime = _Converter(time.localtime)
    time.strftime = lambda form, *moment: real_strftime(form, *(moment or (time.localtime(),)))
    dt.date = _ShiftedDate  # type: ignore[misc]
    dt.datetime = _ShiftedDatetime  # type: ignore[misc]


class _Converter:
    """`gmtime` or `localtime`; no function, which `logging.Formatter` would turn into a method."""

    def __init__(self, real: Callable[..., time.struct_time]) -> None:
        self._real = real

    def __call__(self, seconds: Any = None, /) -> time.struct_time:  # noqa: ANN401 (a number)
        """Convert a time, by default the shifted one of now."""
        return self._real(time.time() if seconds is None else seconds)


class _StandsFor(type):
    """Treats instances of the real class, which is written in C, as its own."""

    def __instancecheck__(cls, instance: object) -> bool:
        real = vars(cls).get("stands_for")
        return isinstance(instance, real) if real else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        real = vars(cls).get("stands_for")
        return issubclass(subclass, real) if real else super().__subclasscheck__(subclass)


class _ShiftedDate(date, metaclass=_StandsFor):
    stands_for = date

    @classmethod
    def today(cls) -> Any:  # noqa: ANN401 - an instance of the class
        return cls.fromtimestamp(time.time())


class _ShiftedDatetime(datetime, metaclass=_StandsFor):
    stands_for = datetime

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:  # noqa: ANN401 - as above
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> Any:  # noqa: ANN401 - as above
        return cls.fromtimestamp(time.time(), dt.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> Any:  # noqa: ANN401 - as above
        return cls.now()


if __name__ == "__main__":
    shift_time(Path(sys.argv.pop(1)))
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
