"""Clients of AWS that many tests use one after the other: making one takes 20 ms."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

from botocore.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class LendingSession(Session):
    """A session that keeps the clients it makes while it lends, and lends them again.

    What a test registers on a client's events, or sets on the client, is undone at its return.
    """

    def __init__(self) -> None:
        super().__init__()
        self._idle: dict[tuple[str, str | None], list[Any]] = defaultdict(list)
        self._returns: list[Callable[[], None]] | None = None

    @contextmanager
    def lending(self) -> Iterator[None]:
        """Lend every client that is asked for, until the end of the block."""
        outer, self._returns = self._returns, []
        try:
            yield
        finally:
            for give_back in self._returns:
                give_back()
            self._returns = outer

    def create_client(  # type: ignore[override]  # one signature for all services
        self,
        service_name: str,
        region_name: str | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Lend a client, or make one that is nobody else's: with options, or outside of a block."""
        if self._returns is None or options:
            return super().create_client(service_name, region_name, **options)
        idle = self._idle[service_name, region_name]
        client: Any = idle.pop() if idle else super().create_client(service_name, region_name)
        emitter = client.meta.events._emitter  # a copy of it has handlers of its own
        members, handlers = dict(vars(client)), dict(vars(copy(emitter)))

        def give_back() -> None:
            vars(client).clear()
            vars(client).update(members)
            vars(emitter).update(handlers)
            idle.append(client)

        self._returns.append(give_back)
        return client
