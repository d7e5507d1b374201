"""What a run says of itself: one structured log line, and metrics in the log (EMF, no calls).

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMESPACE: Final = "Elephant"


class Reporter(Protocol):
    """Takes the one report of a run."""

    def succeeded(self, fields: Mapping[str, Any], counts: Mapping[str, int]) -> None:
        """Say what the run did."""
        ...

    def failed(
        self, fields: Mapping[str, Any], counts: Mapping[str, int], error: Exception
    ) -> None:
        """Say that the run failed, and with what."""
        ...


class PowertoolsReporter:
    """Reports through Powertools; the deployment's owner is the metrics' one dimension."""

    def __init__(self, function: str, owner: str) -> None:
        self._owner = owner
        self._logger = Logger(service=function, owner=owner)

    def succeeded(self, fields: Mapping[str, Any], counts: Mapping[str, int]) -> None:
        """Log at the level of information, or as a warning if the fields hold any."""
        log = self._logger.warning if fields.get("warnings") else self._logger.info
        log(f"{fields['action']}: {fields['reason']}", extra=dict(fields))
        self._count(counts)

    def failed(
        self, fields: Mapping[str, Any], counts: Mapping[str, int], error: Exception
    ) -> None:
        """Log as an error, without a traceback: Lambda prints that of what is raised."""
        name = type(error).__name__
        self._logger.error("failed: %s: %s", name, error, extra={**fields, "error": name})
        self._count(counts)

    def _count(self, counts: Mapping[str, int]) -> None:
        metrics = EphemeralMetrics(namespace=NAMESPACE, service=self._owner)
        for name, value in counts.items():
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
        metrics.flush_metrics()
