"""Starts AWS's runtime client in a process that uses the local cloud's clock.

Runs in the environment's process, before anything else and instead of `python -m awslambdaric`,
with nothing but the standard library: `runtime_start.py FILE HANDLER`. FILE holds by how many
seconds the local cloud's clock is ahead, as a double; the local cloud writes it between
invocations, so an invocation sees one time that passes as usual. It is never part of what is
deployed: the deployed code is the same, and its `time.time` is.

Shifted are `time.time`, `time_ns`, `gmtime`, `localtime` and `strftime` of now, and `now`, `utcnow`
and `today` of `datetime`. Whoever asks the kernel in another way gets this machine's time.
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
from typing import Any

_AHEAD = struct.Struct("d")


def shift_time(file: Path) -> None:
    """Let this process's time be ahead by what `file` says at each moment."""
    with file.open("rb") as opened:
        mapped = mmap.mmap(opened.fileno(), _AHEAD.size, access=mmap.ACCESS_READ)
    real_time, real_time_ns = time.time, time.time_ns
    real_gmtime, real_localtime, real_strftime = time.gmtime, time.localtime, time.strftime

    def ahead() -> float:
        return float(_AHEAD.unpack_from(mapped)[0])

    def shifted_time() -> float:
        return real_time() + ahead()

    time.time = shifted_time
    time.time_ns = lambda: real_time_ns() + int(ahead() * 1_000_000_000)
    time.gmtime = lambda seconds=None, /: real_gmtime(_or_now(seconds))
    time.localtime = lambda seconds=None, /: real_localtime(_or_now(seconds))
    time.strftime = lambda form, *moment: real_strftime(form, *(moment or (time.localtime(),)))
    dt.date = _ShiftedDate  # type: ignore[misc]
    dt.datetime = _ShiftedDatetime  # type: ignore[misc]


def _or_now(seconds: Any) -> Any:  # noqa: ANN401 (a number, of some kind)
    return time.time() if seconds is None else seconds


class _StandsFor(type):
    """Takes what the real class makes, in C, for its own."""

    def __instancecheck__(cls, instance: object) -> bool:
        real = vars(cls).get("stands_for")
        return isinstance(instance, real) if real else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        real = vars(cls).get("stands_for")
        return issubclass(subclass, real) if real else super().__subclasscheck__(subclass)


class _ShiftedDate(date, metaclass=_StandsFor):
    stands_for = date

    @classmethod
    def today(cls) -> Any:  # noqa: ANN401 - an instance of the class, whichever it is
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
