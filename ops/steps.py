"""The steps of a long command as the terminal shows them."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INTERRUPTED: Final = 130
"""Exit status after Ctrl-C or SIGTERM, as a shell has it: 128 and SIGINT's number."""
WARNING: Final = "warning: "
"""The beginning of a detail that is shown in any case."""

_COLUMNS: Final = 80
_WIDTH: Final = 69
_MINUTE: Final = 60


@dataclass(frozen=True)
class Step:
    """A part of a long command."""

    title: str
    state: str
    """What state things are in if the command ends within this part."""
    asks: bool = False
    """Whether it talks with the operator, so that its details are shown at once."""


class Steps:
    """Prints a line for each step when it is done: what it was, and how long it took.

    Its details are printed if it fails, or at once if `verbose`; those that begin with WARNING in
    any case. On a terminal a line shows meanwhile what goes on. `again` is the command that
    finishes what was begun.
    """

    def __init__(
        self,
        again: str,
        *,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._again = again
        self._verbose = verbose
        self._clock = clock
        self._step: Step | None = None
        self._since = 0.0
        self._details: list[str] = []
        self._live: Progress | None = None

    def step(self, step: Step) -> None:
        """Begin a step; the one before is done."""
        self.done()
        self._step, self._since, self._details = step, self._clock(), []
        if self._verbose or step.asks:
            click.secho(step.title, bold=True)
        elif sys.stdout.isatty():
            self._live = _live_line()
            self._live.add_task(f"{step.title} …", total=None)
            self._live.start()

    def say(self, detail: str) -> None:
        """Add a detail of the current step."""
        self._details.append(detail)
        if self._is_open:
            click.echo(f"  {detail}")
        elif self._live and self._step:
            line = f"{self._step.title} … {detail.strip()}"
            self._live.update(self._live.task_ids[0], description=line)

    def done(self) -> None:
        """End the current step, which succeeded."""
        if self._step is None:
            return
        self._print_line("✓", "green")
        if not self._is_open:
            for each in self._details:
                if each.startswith(WARNING):
                    click.secho(f"  {each}", fg="yellow")
        self._step = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the command: what ends it is followed by what state things are in, and what to do.

        Ctrl-C and SIGTERM end it with exit status 130.
        """
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            yield
        except (KeyboardInterrupt, click.Abort):
            click.echo(err=True)
            where = f" at '{self._step.title}'" if self._step else " before the first step"
            after = self._fail()
            click.secho(f"Interrupted{where}.{after}", fg="red", err=True)
            raise SystemExit(INTERRUPTED) from None
        except click.ClickException as error:
            if self._step is None:
                raise
            raise click.ClickException(f"{error.format_message()}{self._fail()}") from None
        except Exception:
            click.echo(self._fail(), err=True)
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
        self.done()

    @property
    def _is_open(self) -> bool:
        return self._verbose or bool(self._step and self._step.asks)

    def _fail(self) -> str:
        """End the current step, which failed; return what state things are in, and what to run."""
        if self._step is None:
            return ""
        step = self._step
        self._print_line("✗", "red")
        if not self._is_open:
            for each in self._details:
                click.echo(f"  {each}")
        self._step = None
        text = f"{step.state} To go on, {self._again}."
        return "\n\n" + fill(text, _COLUMNS, break_long_words=False, break_on_hyphens=False)

    def _print_line(self, mark: str, colour: str) -> None:
        if self._live:
            self._live.stop()
            self._live = None
        if self._step:
            took = in_words(self._clock() - self._since)
            line = f"{mark} {self._step.title}".ljust(_WIDTH)
            click.secho(f"{line} {took:>10}", fg=colour)


def in_words(seconds: float) -> str:
    """Format how long something took."""
    minutes, rest = divmod(round(seconds), _MINUTE)
    if minutes:
        return f"{minutes} min {rest:02} s"
    return f"{rest} s" if rest else "< 1 s"


def _live_line() -> Progress:
    text = TextColumn(
        "{task.description}",
        markup=False,
        table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
    )
    columns = (SpinnerColumn(), text, TimeElapsedColumn())
    return Progress(*columns, console=Console(), transient=True, expand=True)
