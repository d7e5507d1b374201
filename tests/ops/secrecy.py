"""What an error shows."""

from __future__ import annotations

import traceback


def everything_said_by(error: BaseException) -> str:
    """Return all that a terminal or an error tracker may show of an error and its causes."""
    said = "".join(traceback.format_exception(error))
    behind: BaseException | None = error
    while behind:
        said += f"{behind!r} {behind} {behind.args!r} {vars(behind)!r}"
        behind = behind.__cause__ or behind.__context__
    return said
