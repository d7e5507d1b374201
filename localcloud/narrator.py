"""Terminal output of the demo, with the time of each line and a count of kept promises."""

from __future__ import annotations

import threading
import time
from collections import Counter
from enum import StrEnum

import click


class Topic(StrEnum):
    """What a promise is about."""

    BOOKING = "booking, e-mails"
    DNS = "DNS"
    MEETINGS = "meetings"
    PEOPLE = "people"
    FAULTS = "faults"
    OTHER = "other"


class Narrator:
    """Prints the story on the terminal; safe to call from any thread."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._topic = Topic.OTHER
        self.made: Counter[Topic] = Counter()
        """How many promises were checked."""
        self.kept: Counter[Topic] = Counter()
        self.broken: list[str] = []

    @property
    def seconds(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self._began

    def introduce(self, *sentences: str) -> None:
        """Say what is about to be seen."""
        with self._lock:
            for each in sentences:
                click.echo(each)

    def chapter(self, title: str, topic: Topic | None = None) -> None:
        """Print the heading of a new part, and say what its promises are about."""
        self._topic = topic or self._topic
        self._say("", blank=True)
        self._say(click.style(title, bold=True))

    def note(self, text: str) -> None:
        """Print what happens in the background."""
        self._say(click.style(f"    {text}", dim=True))

    def promise(self, text: str, *, holds: bool, topic: Topic | None = None) -> None:
        """Print a promise and whether it holds; it is about the chapter's topic, or another."""
        about = topic or self._topic
        self.made[about] += 1
        if holds:
            self.kept[about] += 1
            self._say(f"  {click.style('✓', fg='green')} {text}")
        else:
            self.broken.append(text)
            self._say(f"  {click.style('✗ BROKEN:', fg='red', bold=True)} {text}")

    def sum_up(self, *more: str) -> None:
        """Print how many promises held of each topic, which did not, and what else there is."""
        kept, made = self.kept.total(), self.made.total()
        self.chapter(f"{kept} of {made} promises held, in {self.seconds:.0f} seconds")
        for topic in Topic:
            if made := self.made[topic]:
                sign = "✓" if made == self.kept[topic] else "✗"
                self._say(f"  {sign} {topic:17} {self.kept[topic]:3} of {made}")
        for each in self.broken:
            self._say(f"  {click.style('✗ BROKEN:', fg='red', bold=True)} {each}")
        for each in more:
            self._say(f"  {each}")

    def _say(self, text: str, *, blank: bool = False) -> None:
        with self._lock:
            click.echo("" if blank else f"{self.seconds:5.1f} s  {text}")
