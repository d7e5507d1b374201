"""A stage's functions: wired as in production, between a test's clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.container import Container

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.meetings.ending import Ending
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
        self._client: Any = clients.__getitem__
        self._clock, self._sleep = clock, sleep
        self._reports = reports

    @property
    def ending(self) -> Ending:
        return self._ending

    def _reporter(self, function: str) -> Reports:  # noqa: ARG002 (as inherited)
        return self._reports
