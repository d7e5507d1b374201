"""What all simulated AWS services share: a call lets others go on, and may fail as AWS's do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, ReadTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.tasks import Tasks

LATENCY: Final = 0.02


@dataclass(frozen=True)
class AwsFault:
    """How a call fails: with an error's code, or (`timeout`) without an answer.

    The call is carried out all the same if `executed`. botocore's own attempts lie below: this is
    how the last of them ended. With an `operation` it is a call of that one which fails.
    """

    code: str
    executed: bool = False
    operation: str | None = None


TIMEOUT: Final = "timeout"
WRITTEN_BEFORE: Final = "written-before"
"""A fault: the call is made, its answer lost, and botocore's second attempt finds it made."""


class AwsEdge:
    """The way to a service and back. Faults strike the next calls, in order."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self.faults: list[AwsFault] = []

    def call(
        self,
        operation: str,
        execute: Callable[[str | None], Any],
        own: frozenset[str] = frozenset(),
    ) -> Any:  # noqa: ANN401
        """Carry a call out, between two moments at which others may go on.

        `execute` gets the code of a fault that is one of the service's `own`.
        """
        self._tasks.pause(f"before {operation}", LATENCY)
        fault = self._fault_of(operation)
        code = fault.code if fault else None
        error = _error(fault, operation) if fault and code not in own | {WRITTEN_BEFORE} else None
        answer = None
        if code == WRITTEN_BEFORE:
            execute(None)
        if error is None or (fault and fault.executed):
            answer = execute(code if code in own else None)
        self._tasks.pause(f"after {operation}", LATENCY)
        if error:
            raise error
        return answer

    def _fault_of(self, operation: str) -> AwsFault | None:
        for fault in self.faults:
            if fault.operation in {None, operation}:
                self.faults.remove(fault)
                return fault
        return None


def client_error(code: str, operation: str, message: str = "as the simulation has it") -> Exception:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def _error(fault: AwsFault, operation: str) -> Exception:
    if fault.code == TIMEOUT:
        return ReadTimeoutError(endpoint_url="https://aws.example")
    return client_error(fault.code, operation)
