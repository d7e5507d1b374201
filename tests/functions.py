"""A stage's functions: wired as in production, between a test's clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.container.core import Container

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.settings.stage import Settings
    from tests.world import Reports


class Functions(Container):
    """What a new execution environment builds; nothing of it sleeps."""

    def __init__(
        self,
        settings: Settings,
        clients: Mapping[str, object],
        reports: Reports,
        clock: Callable[[], float],
        sleep: Callable[[float], None] = lambda _: None,
    ) -> None:
        super().__init__(settings)
        self.client: Any = clients.__getitem__
        self.clock, self.sleep = clock, sleep
        self._reports = reports

    def reporter(self, function: str) -> Reports:  # noqa: ARG002 (as inherited)
        return self._reports
