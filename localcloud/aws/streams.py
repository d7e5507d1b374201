"""DynamoDB streams: what a table's changes mean for the functions that are mapped to it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moto.events.models import EventPattern

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

    Its filter and its number of retries count; each change is a batch of its own. See
    https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html.
    """
    record = _record(change, stream_arn, backend.region_name)
    for mapping in list(backend._event_source_mappings.values()):  # noqa: SLF001 - no public way lists them unfiltered
        ends = (mapping.function_arn, mapping.event_source_arn)
        if ends == (function_arn, stream_arn) and mapping.enabled and _lets_in(mapping, record):
            functions.invoke_from_stream(
                function_arn, {"Records": [record]}, retries=_retries(mapping)
            )


def _retries(mapping: EventSourceMapping) -> int | None:
    """Return the mapping's number of retries, None for no limit."""
    retries = mapping.max_retry_attempts
    return None if retries is None or retries < 0 else int(retries)


def _lets_in(mapping: EventSourceMapping, record: dict[str, Any]) -> bool:
    """Apply the mapping's filters: the change passes if it matches any, or there are none.

    See https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html.
    """
    filters = (mapping.filter_criteria or {}).get("Filters") or []
    patterns = [EventPattern(None, json.loads(each["Pattern"])) for each in filters]
    return not patterns or any(pattern.matches_event(record) for pattern in patterns)  # type: ignore[arg-type]


def _record(change: StreamRecord, stream_arn: str, region: str) -> dict[str, Any]:
    record = change.to_json()
    details = dict(record["dynamodb"])
    created = details.get("ApproximateCreationDateTime")
    if isinstance(created, datetime):
        details["ApproximateCreationDateTime"] = int(created.timestamp())
    return record | {"awsRegion": region, "dynamodb": details, "eventSourceARN": stream_arn}
