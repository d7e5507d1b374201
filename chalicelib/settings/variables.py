"""Reading environment variables and reporting all problems at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DIGITS: Final = re.compile(r"[0-9]{1,9}")

T = TypeVar("T")


class Reader:
    """Reads variables and collects errors in `problems`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def read(self, name: str, parse: Callable[[str], T], default: str | None = None) -> T:
        """Read a variable; `parse` raises ValueError saying what its value must be.

        Without a default it is required. Once there is a problem, the returned value must not be
        used.
        """
        text = self._environment.get(name, default)
        if text is None:
            self.problems.append(f"{name} is missing; it is required")
            return cast("T", None)  # never used: the problem is raised first
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(f"{name} is {text!r}; it must be {error}")
            return cast("T", None)


def matching(pattern: re.Pattern[str], text: str, remedy: str) -> str:
    """Return the text if it matches completely. Raises ValueError with the remedy."""
    if not pattern.fullmatch(text):
        raise ValueError(remedy)
    return text


def number(text: str) -> int:
    """Parse a whole number; -1 if it is not one."""
    return int(text) if DIGITS.fullmatch(text) else -1


def whole(text: str, least: int, most: int, remedy: str) -> int:
    """Parse a whole number from least to most. Raises ValueError with the remedy."""
    found = number(text)
    if not least <= found <= most:
        raise ValueError(remedy)
    return found


def words(text: str) -> tuple[str, ...]:
    """Parse a comma-separated list; empty for an empty text."""
    return tuple(word.strip() for word in text.split(",")) if text.strip() else ()
