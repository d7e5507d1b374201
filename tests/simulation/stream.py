"""The table's stream: every change of a row, handed to the functions that read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.simulation.names import TERMINATOR

if TYPE_CHECKING:
    from tests.simulation.dynamodb import Item
    from tests.simulation.lambda_service import Invocation, Lambda

MOST_ATTEMPTS: Final = 3
"""How often a record is handed over, at most; then a message is in the queue of failures."""
RETRY_PAUSE: Final = 60.0
"""Seconds until a batch that failed is handed over again."""


class Stream:
    """The table's stream and its mapping to a function: one shard, in order, at least once.

    `lost` are the records that were given up on.
    """

    def __init__(self, reader: str = TERMINATOR) -> None:
        self._reader = reader
        self.waiting: list[dict[str, Any]] = []
        self.lost: list[dict[str, Any]] = []
        self.last: list[dict[str, Any]] = []
        """The batch that was handed over last."""
        self.next_at = 0.0
        """When the next batch is handed over, if it failed before."""
        self._run: Invocation | None = None
        self._attempts: dict[str, int] = {}
        self._written = 0

    def watch(self, item_id: str, before: Item, after: Item) -> None:
        if before == after:
            return
        self._written += 1
        kind = "MODIFY" if before and after else "INSERT" if after else "REMOVE"
        images = {"OldImage": before, "NewImage": after}
        self.waiting.append(
            {
                "eventName": kind,
                "eventSource": "aws:dynamodb",
                "dynamodb": {
                    "Keys": {"id": {"S": item_id}},
                    "SequenceNumber": f"{self._written:021d}",
                    **{name: image for name, image in images.items() if image},
                },
            }
        )

    def is_ready(self, functions: Lambda) -> bool:
        """Return True if a batch may be handed over: there is one, and none is being handled."""
        self.settle(functions)
        return bool(self.waiting) and self._run is None

    def hand_over(self, functions: Lambda, size: int, warm: int | None = 0) -> Invocation:
        self.last = self.waiting[:size]
        for record in self.last:
            number = record["dynamodb"]["SequenceNumber"]
            self._attempts[number] = self._attempts.get(number, 0) + 1
        self._run = self.hand_over_again(functions, warm)
        return self._run

    def hand_over_again(self, functions: Lambda, warm: int | None = 0) -> Invocation:
        """Begin a run with the last records, though another run may have them too."""
        return functions.invoke({"Records": list(self.last)}, function=self._reader, warm=warm)

    def settle(self, functions: Lambda) -> None:
        run = self._run
        if run is None or run in functions.running:
            return
        self._run = None
        handed = [each["dynamodb"]["SequenceNumber"] for each in run.event["Records"]]
        failed = handed
        if run.result is not None:
            answered = {each["itemIdentifier"] for each in run.result["batchItemFailures"]}
            assert answered <= set(handed), "a record is named that was not handed over"
            failed = handed[min(map(handed.index, answered), default=len(handed)) :]
        done = len(handed) - len(failed)
        self.next_at = run.clock.now + RETRY_PAUSE if failed else 0.0
        if failed and self._attempts[failed[0]] >= MOST_ATTEMPTS:
            self.lost.append(self.waiting[done])
            done += 1
        del self.waiting[:done]
