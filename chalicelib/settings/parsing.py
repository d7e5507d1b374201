"""Declaring settings, one entry for each environment variable, and reading them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

_LONGEST_NUMBER = 9


class Setting(NamedTuple):
    """A setting of a stage: what is read, and what people read about it."""

    variable: str
    parse: Callable[[str], Any]
    """Raises ValueError saying what the value must be."""
    default: str | None
    """None if the variable is required."""
    meaning: str
    option: str
    """The option of `elephant stage` without its dashes; empty if it has none."""
    while_proxied: Callable[[str], Any] | None
    """What parses it instead if the field `proxied`, which is declared earlier, is true."""


def setting(  # noqa: PLR0913 (an entry is read as a whole)
    variable: str,
    parse: Callable[[str], T],
    unset: str | None = None,
    *,
    meaning: str,
    option: str | None = None,
    while_proxied: Callable[[str], T] | None = None,
) -> T:
    """Declare the field of a setting; `unset` is its variable's default, None if it is required.

    The option is named like the variable unless it is given.
    """
    name = variable.lower().replace("_", "-") if option is None else option
    entry = Setting(variable, parse, unset, meaning, name, while_proxied)
    return cast("T", field(metadata={"setting": entry}))


@dataclass_transform(frozen_default=True, field_specifiers=(setting,))
def settings(kind: type[T]) -> type[T]:
    """Make a frozen dataclass of a class whose fields are declared by `setting`."""
    return dataclass(frozen=True)(kind)


def declared(kind: type) -> dict[str, Setting]:
    """Return the setting of each field of such a class that has one."""
    return {each.name: each.metadata["setting"] for each in fields(kind) if each.metadata}


class Reader:
    """Reads variables and collects errors in `problems`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def read(self, kind: type[T]) -> T:
        """Read a class of settings. Once there is a problem, its values must not be used."""
        return kind(**self.values(kind))

    def values(self, kind: type) -> dict[str, Any]:
        """Read the value of each field; None if there is a problem."""
        values: dict[str, Any] = {}
        for name, each in declared(kind).items():
            stricter = each.while_proxied if values.get("proxied") else None
            values[name] = self._value(each, stricter or each.parse)
        return values

    def _value(self, each: Setting, parse: Callable[[str], Any]) -> Any:  # noqa: ANN401 (any field)
        text = self._environment.get(each.variable, each.default)
        if text is None:
            self.problems.append(f"{each.variable} is missing; it is required")
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(f"{each.variable} is {text!r}; it must be {error}")
            return None


# Kinds of settings. A pattern is compiled when a text is parsed: those of a feature cost a stage
# without it nothing.


class Choice:
    """Parses one of two words; true for `yes`."""

    def __init__(self, words: tuple[str, str], yes: str, remedy: str) -> None:
        self.words = words
        self._yes = yes
        self._remedy = remedy

    def __call__(self, text: str) -> bool:
        """Parse the text."""
        if text not in self.words:
            raise ValueError(self._remedy)
        return text == self._yes


def matching(pattern: str, remedy: str) -> Callable[[str], str]:
    """Parse text that matches the pattern completely."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(remedy)
        return text

    return parse


def optional(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    """Parse an empty text as None."""
    return lambda text: parse(text) if text else None


def whole(least: int, most: int, remedy: str) -> Callable[[str], int]:
    """Parse a whole number from least to most."""

    def parse(text: str) -> int:
        found = number(text)
        if not least <= found <= most:
            raise ValueError(remedy)
        return found

    return parse


def minutes(least: int, most: int, of: str = "minutes") -> Callable[[str], timedelta]:
    """Parse a number of minutes from least to most."""
    parse = whole(least, most, f"{least} to {most} {of}")
    return lambda text: timedelta(minutes=parse(text))


def listed(
    pattern: str, remedy: str, least: int = 0, most: int | None = None, *, repeated: bool = False
) -> Callable[[str], tuple[str, ...]]:
    """Parse a comma-separated list of words that match the pattern; empty for an empty text."""
    parse_word = matching(pattern, remedy)

    def parse(text: str) -> tuple[str, ...]:
        words = tuple(word.strip() for word in text.split(",")) if text.strip() else ()
        if not repeated and len(set(words)) < len(words):
            raise ValueError(f"{remedy}, each once")
        if len(words) < least or (most is not None and len(words) > most):
            raise ValueError(remedy)
        return tuple(parse_word(word) for word in words)

    return parse


def unordered(parse: Callable[[str], tuple[str, ...]]) -> Callable[[str], frozenset[str]]:
    """Parse a list whose order means nothing."""
    return lambda text: frozenset(parse(text))


def number(text: str) -> int:
    """Parse a whole number; -1 if it is not one."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    return int(text) if is_number else -1
