"""A break: one plausible mistake in the code, and the rule of behaviour that it breaks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Rule(Enum):
    """The rules of behaviour; each value is its number and what it says."""

    EXISTENCE = "1 a record exists exactly while its instance runs, is tagged and has an address"
    REPETITION = "2 an event twice, late or out of order ends the same, and writes nothing needless"
    OWNERSHIP = "3 only what is ours is changed, and an instance has one record at most"
    UNKNOWN = "4 what is not known for sure is not touched"
    CONFIRMATION = "5 a write counts only once confirmed; an unclear one is looked up first"
    ROW = "6 the row follows the record, moves forward only, and keeps what is another's"
    INPUT = "7 Role and MeetingID are input: never in an expression, and named if senseless"
    TOKEN = "8 the token is read seldom, again when refused, and never shown"
    TIME = "9 nothing outlasts the deadline, and the quota is obeyed"
    REPORT = "10 every run says what it did, once, in the log and in metrics"
    SURVEY = "11 a sweep reads records before instances, and everything or nothing"
    SAFETY = "12 a sweep that would delete too much is refused whole"
    BATCH = "13 what is refused holds up nothing else; what fails passingly is left"
    ROWS = "14 a sweep tells rows after records, and before them at their last trace"
    CLAIM = "15 who ends a meeting claims it first, then ends all its desktops and no others"
    LIFETIME = "16 no live meeting is ended, and nothing is left running for good"
    LAUNCH = "17 a role gets one desktop, when it is due, and the row is told of it"
    BOOKING = "18 a meeting is made once and whole, or not at all"
    DOOR = "19 only who shows the right key gets in, and only once all is ready"


class StaleBreakError(Exception):
    """The code has moved on: what a break replaces is not there, or there more than once."""


@dataclass(frozen=True)
class Break:
    """A mistake made by replacing some text of a module of `chalicelib`.

    `tests` are the files below `tests/` that are expected to notice.
    """

    name: str
    rule: Rule
    module: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def path(self) -> str:
        """The module's path within the project."""
        return f"chalicelib/{self.module}.py"

    def apply(self, source: str) -> str:
        """Return the module's source with the mistake. Raises StaleBreakError."""
        found = source.count(self.old)
        if found != 1:
            raise StaleBreakError(f"{self.name}: {self.path} has its text {found} times, not once")
        return source.replace(self.old, self.new)
