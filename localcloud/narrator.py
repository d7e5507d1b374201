"""Terminal output of the demo, with the time of each line and a count of kept promises."""

from __future__ import annotations

import threading
import time

import click


class Narrator:
    """Prints the story on the terminal; safe to call from any thread."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self.held = 0
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

    def chapter(self, title: str) -> None:
        """Print the heading of a new part."""
        self._say("", blank=True)
        self._say(click.style(title, bold=True))

    def note(self, text: str) -> None:
        """Print what happens in the background."""
        self._say(click.style(f"    {text}", dim=True))

    def promise(self, text: str, *, holds: bool) -> None:
        """Print a promise and whether it holds."""
        if holds:
            self.held += 1
            self._say(f"  {click.style('✓', fg='green')} {text}")
        else:
            self.broken.append(text)
            self._say(f"  {click.style('✗ BROKEN:', fg='red', bold=True)} {text}")

    def _say(self, text: str, *, blank: bool = False) -> None:
        with self._lock:
            click.echo("" if blank else f"{self.seconds:5.1f} s  {text}")
