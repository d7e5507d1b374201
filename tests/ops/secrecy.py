"""Where a secret is typed, and what an error shows of it."""

from __future__ import annotations

import io
import traceback


class Terminal(io.StringIO):
    """A terminal, of which nothing may be read but by the prompt."""

    def isatty(self) -> bool:
        return True

    def readline(self, *_: object) -> str:  # type: ignore[override]
        raise AssertionError("the terminal echoes what is read like this")


def everything_said_by(error: BaseException) -> str:
    """Return all that a terminal or an error tracker may show of an error and its causes."""
    said = "".join(traceback.format_exception(error))
    behind: BaseException | None = error
    while behind:
        said += f"{behind!r} {behind} {behind.args!r} {vars(behind)!r}"
        behind = behind.__cause__ or behind.__context__
    return said
