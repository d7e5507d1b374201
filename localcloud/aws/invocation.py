"""Result of a Lambda invocation."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Literal

_LOG_TAIL = 4096

Source = Literal["request", "async", "stream"]


@dataclass(frozen=True)
class FunctionError:
    """A function's failure as Lambda reports it."""

    type: str
    message: str


@dataclass(frozen=True)
class Invocation:
    """One finished run of a function.

    `payload` is the response or the error document, as bytes of JSON. `attempt` counts from 1;
    `retry_in` is the seconds until Lambda would try this event again, None if it would not.
    `duration` is in seconds, and `init_duration` what starting the environment took, None if it
    was warm.
    """

    function: str
    request_id: str
    source: Source
    attempt: int
    event: object
    payload: bytes
    failed: bool
    log: tuple[str, ...]
    duration: float
    init_duration: float | None
    retry_in: float | None = None

    @property
    def result(self) -> Any:  # noqa: ANN401 - JSON
        """What the function returned; None if it failed."""
        return None if self.failed else json.loads(self.payload or b"null")

    @property
    def error(self) -> FunctionError | None:
        """What went wrong; None if nothing did."""
        if not self.failed:
            return None
        document = json.loads(self.payload or b"{}")
        return FunctionError(
            str(document.get("errorType", "")), str(document.get("errorMessage", ""))
        )

    @property
    def log_tail(self) -> str:
        """The last 4 KB of the log in base64, the form of X-Amz-Log-Result."""
        text = "\n".join(self.log).encode()
        return base64.b64encode(text[-_LOG_TAIL:]).decode()
