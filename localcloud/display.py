"""The terminal that shows what happens in a local cloud, as it happens."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import click

from localcloud.wording import line_of, line_of_desktop, line_of_event

if TYPE_CHECKING:
    from localcloud.aws import Delivery, Invocation
    from localcloud.cloud import LocalCloud


class Display:
    """Prints a line for each event, run and desktop's word, with the cloud's time.

    Runs that found nothing to do are left out. With `verbose` everything is shown, runs and events
    as the JSON they are. Any thread may print.
    """

    def __init__(self, cloud: LocalCloud, *, verbose: bool = False) -> None:
        self._clock = cloud.clock
        self._verbose = verbose
        self._lock = threading.Lock()
        cloud.bridge.on_event(self._show_event)
        cloud.functions.on_finished(self._show_invocation)
        cloud.desktops.on_line(lambda desktop, line: self.show(line_of_desktop(desktop, line)))

    def show(self, text: str) -> None:
        """Print what happens now."""
        with self._lock:
            click.echo(click.style(f"{self._clock.now():%H:%M}  ", dim=True) + text)

    def _show_event(self, delivery: Delivery) -> None:
        if self._verbose:
            self.show(f"{json.dumps(delivery.event)} → {', '.join(delivery.functions) or 'nobody'}")
        elif delivery.functions:
            self.show(line_of_event(delivery))

    def _show_invocation(self, invocation: Invocation) -> None:
        if self._verbose:
            said = [invocation.payload.decode("utf-8", "replace"), *invocation.log]
            text = "\n".join(f"      {line}" for line in said)
            self.show(f"{invocation.function}, attempt {invocation.attempt}:\n{text}")
            return
        line = line_of(invocation)
        if line is not None:
            self.show(click.style(line, fg="red") if invocation.failed else line)
