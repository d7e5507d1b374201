"""Telemetry of a run: one structured log line, and metrics in the log (EMF, no calls).

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAMESPACE: Final = "Elephant"


class Reporter(Protocol):
    """Receives the one report of a run."""

    def succeeded(self, fields: Mapping[str, Any], counts: Mapping[str, int]) -> None:
        """Report what the run did."""
        ...

    def failed(
        self, fields: Mapping[str, Any], counts: Mapping[str, int], error: Exception
    ) -> None:
        """Report the run's failure and its error."""
        ...


class Outcome(Protocol):
    """The result of a run."""

    @property
    def counts(self) -> Mapping[str, int]:
        """The counts by metric."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Serialize to JSON: the function's result."""
        ...


def reported(
    reporter: Reporter, fields: Mapping[str, Any], run: Callable[[], Outcome]
) -> dict[str, Any]:
    """Run, report once, and return the function's result.

    `fields` are read when the run is over, so it may add to them. What it raises is reported as a
    failure and raised, so that Lambda retries and alarms see it.
    """
    try:
        outcome = run()
    except Exception as error:
        reporter.failed(fields, {"Failed": 1}, error)
        raise
    result = outcome.to_dict()
    reporter.succeeded({**fields, **result}, outcome.counts)
    return result


class LogReporter:
    """Reports by printing; the deployment's owner is the metrics' only dimension."""

    def __init__(self, function: str, owner: str) -> None:
        self._function = function
        self._owner = owner

    def succeeded(self, fields: Mapping[str, Any], counts: Mapping[str, int]) -> None:
        """Log at level INFO, or at level WARNING if the fields have warnings."""
        level = "WARNING" if fields.get("warnings") else "INFO"
        self._log(level, f"{fields['action']}: {fields['reason']}", fields)
        self._count(counts)

    def failed(
        self, fields: Mapping[str, Any], counts: Mapping[str, int], error: Exception
    ) -> None:
        """Log at level ERROR, without a traceback: Lambda prints that of what is raised."""
        name = type(error).__name__
        self._log("ERROR", f"failed: {name}: {error}", {**fields, "error": name})
        self._count(counts)

    def _log(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        _print(
            {
                "level": level,
                "message": message,
                "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "service": self._function,
                "owner": self._owner,
                **fields,
            }
        )

    def _count(self, counts: Mapping[str, int]) -> None:
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [["service"]],
            "Metrics": [{"Name": name, "Unit": "Count"} for name in counts],
        }
        _print(
            {
                "_aws": {
                    "Timestamp": int(time.time() * 1000),
                    "CloudWatchMetrics": [directive],
                },
                "service": self._owner,
                **{name: [float(value)] for name, value in counts.items()},
            }
        )


def _print(entry: Mapping[str, Any]) -> None:
    """Print one line in one write: steps of a run may print as well."""
    sys.stdout.write(json.dumps(entry, default=str) + "\n")
