"""DynamoDB streams: a table's changes, delivered to the mapped functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moto.events.models import EventPattern

from .batches import StreamPolicy

if TYPE_CHECKING:
    from moto.awslambda.models import EventSourceMapping, LambdaBackend
    from moto.dynamodb.models.table import StreamRecord

    from .functions import Functions


def feed(
    backend: LambdaBackend,
    function_arn: str,
    change: StreamRecord,
    stream_arn: str,
    functions: Functions,
) -> None:
    """Queue one change for the function, if a mapping that is there and enabled lets it through.

    See https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html.
    """
    record = _record(change, stream_arn, backend.region_name, int(functions.clock.time()))
    for mapping in list(backend._event_source_mappings.values()):  # noqa: SLF001 - no public way lists them unfiltered
        ends = (mapping.function_arn, mapping.event_source_arn)
        if ends == (function_arn, stream_arn) and mapping.enabled and _lets_in(mapping, record):
            functions.invoke_from_stream(function_arn, mapping.uuid, record, _policy(mapping))


def _policy(mapping: EventSourceMapping) -> StreamPolicy:
    destinations = mapping.destination_config or {}
    return StreamPolicy(
        batch_size=mapping.batch_size,
        retries=_limit(mapping.max_retry_attempts),
        max_age=_limit(mapping.max_record_age),
        bisects=bool(mapping.bisect_on_error),
        reports_failures="ReportBatchItemFailures" in (mapping.function_response_types or ()),
        on_failure=(destinations.get("OnFailure") or {}).get("Destination") or None,
    )


def _limit(number: int | None) -> int | None:
    """Return a mapping's limit: -1 is none, as is nothing."""
    return None if number is None or number < 0 else int(number)


def _lets_in(mapping: EventSourceMapping, record: dict[str, Any]) -> bool:
    """Apply the mapping's filters: the change passes if it matches any, or there are none.

    See https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html.
    """
    filters = (mapping.filter_criteria or {}).get("Filters") or []
    patterns = [EventPattern(None, json.loads(each["Pattern"])) for each in filters]
    return not patterns or any(pattern.matches_event(record) for pattern in patterns)  # type: ignore[arg-type]


def _record(change: StreamRecord, stream_arn: str, region: str, created: int) -> dict[str, Any]:
    record = change.to_json()
    details = record["dynamodb"] | {"ApproximateCreationDateTime": created}
    return record | {"awsRegion": region, "dynamodb": details, "eventSourceARN": stream_arn}
