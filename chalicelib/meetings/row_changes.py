"""Changes of rows as the table's stream delivers them, each handled on its own.

A record that fails is returned to Lambda by its number, so that it is retried and eventually kept
in the queue of failed events; the others are handled.

https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.meeting_row.meeting import Meeting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.deadline import LambdaContext
    from chalicelib.telemetry import Outcome, Reporter


@dataclass(frozen=True)
class RowChange:
    """A record of the stream: a row was changed to this."""

    sequence_number: str
    meeting: Meeting

    @classmethod
    def parse(cls, record: object) -> RowChange | None:
        """Parse a record; None if it is not a change of a meeting's row.

        This skips inserts, removals and malformed records, which a retry would not fix.
        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html
        """
        match record:
            case {
                "eventName": "MODIFY",
                "dynamodb": {
                    "SequenceNumber": str(number),
                    "Keys": {"id": {"S": str(meeting_id)}},
                    "NewImage": dict(image),
                },
            } if number:
                return cls(number, Meeting(meeting_id, image))
            case _:
                return None


def handle_each(
    event: object, handle: Callable[[RowChange], None], ignore: Callable[[object], None]
) -> dict[str, Exception]:
    """Handle each change in a raw event of the stream; return the errors by sequence number.

    `ignore` gets the records that are none.
    """
    errors: dict[str, Exception] = {}
    for record in _records_of(event):
        change = RowChange.parse(record)
        if change is None:
            ignore(record)
            continue
        try:
            handle(change)
        except Exception as error:  # noqa: BLE001 (any error concerns only this record)
            errors[change.sequence_number] = error
    return errors


def finish(
    reporter: Reporter, context: LambdaContext, outcome: Outcome, errors: Mapping[str, Exception]
) -> dict[str, Any]:
    """Report a batch once, and return the partial batch response that has its errors retried."""
    fields = {"request_id": context.aws_request_id, **outcome.to_dict()}
    if errors:
        fields["failed"] = {number: repr(error) for number, error in errors.items()}
        reporter.failed(fields, outcome.counts, next(iter(errors.values())))
    else:
        reporter.succeeded(fields, outcome.counts)
    return {"batchItemFailures": [{"itemIdentifier": each} for each in errors]}


def _records_of(event: object) -> list[object]:
    records = event.get("Records") if isinstance(event, dict) else None
    return records if isinstance(records, list) else []
