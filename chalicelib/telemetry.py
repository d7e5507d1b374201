"""Telemetry of a run: one structured log line, and metrics in the log (EMF, no calls).

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chalicelib.deadline import LambdaContext

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


@dataclass(frozen=True)
class Outcome:
    """The result of a run."""

    action: str
    reason: str
    details: Mapping[str, Any] = field(default_factory=dict)
    """Empty ones are omitted."""
    warnings: Sequence[str] = ()
    metrics: Mapping[str, int] | None = None
    """None counts the action."""
    error: Exception | None = None
    """What failed although everything else is done: raised after the report."""

    def to_dict(self) -> dict[str, Any]:
        """Serialize to JSON."""
        more = {**self.details, "warnings": list(self.warnings)}
        given = {name: value for name, value in more.items() if value}
        return {"action": self.action, "reason": self.reason, **given}

    @property
    def counts(self) -> dict[str, int]:
        """The counts by metric."""
        metrics = {self.action.capitalize(): 1} if self.metrics is None else self.metrics
        return {"Warnings": len(self.warnings), **metrics}


def reported(
    reporter: Reporter,
    context: LambdaContext,
    run: Callable[[dict[str, Any]], Outcome | None],
    logged: Mapping[str, Any] | None = None,
    gauges: Callable[[], Mapping[str, int]] = dict,
) -> dict[str, Any]:
    """Run, report once, and return the function's result; nothing is reported for None.

    `run` adds what the run is about to its argument, for the result and the report; `logged` is
    for the report alone, and `gauges` are metrics of every report: both are read when the run is
    over. What it raises is reported as a failure and raised, so that Lambda retries and alarms see
    it.
    """
    about: dict[str, Any] = {}
    run_id = {"request_id": context.aws_request_id}
    try:
        outcome = run(about)
    except Exception as error:
        reporter.failed({**run_id, **(logged or {}), **about}, {"Failed": 1, **gauges()}, error)
        raise
    if outcome is None:
        return {}
    result = about | outcome.to_dict()
    fields, counts = {**run_id, **(logged or {}), **result}, {**outcome.counts, **gauges()}
    if outcome.error:
        reporter.failed(fields, {**counts, "Failed": 1}, outcome.error)
        raise outcome.error
    reporter.succeeded(fields, counts)
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
