"""Checks of the API and of the table's stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ops.api import (
    THROTTLES,
    address_of,
    api_stage,
    apis_of,
    origin_of_answers,
    origins_let_in,
    throttles_of,
)
from ops.check import failure, ok, question, skipped, warning
from ops.stream import mappings, readers_of, wrong_limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.check import Context, Finding


@question("API", needs=("credentials",))
def api(context: Context) -> Iterator[Finding]:
    """Whether the stage has exactly one API, deployed, with the right throttling."""
    if not context.stage.settings.meetings:
        return
    deploy, gateway = context.command("deploy"), context.client("apigateway")
    found = apis_of(gateway, context.stage)
    if not found:
        yield failure("no API calls the stage's function", deploy)
        return
    if len(found) > 1:
        yield failure(
            f"there are several: {', '.join(found)}",
            "remove the unused ones: `aws apigateway delete-rest-api --rest-api-id …"
            f" --region {context.stage.region}`",
        )
        return
    name = api_stage(context.config_file.load(), context.stage)
    limits = throttles_of(gateway, found[0], name)
    if limits is None:
        yield failure(f"{found[0]} has no stage {name}", deploy)
        return
    if name == context.name:
        yield ok(address_of(found[0], context.stage, name))
    else:
        yield warning(
            f"{address_of(found[0], context.stage, name)}, but its alarm watches an API stage "
            f"{context.name}",
            f"remove api_gateway_stage from the stage in .chalice/config.json, then {deploy}: the "
            "API's address changes",
        )
    yield _answers(context, found[0])
    wrong = [where for where, wanted in THROTTLES.items() if limits.get(where) != wanted]
    if wrong:
        yield failure(f"wrong throttling: {', '.join(wrong)}", deploy, of="limits")
    else:
        every, writes = THROTTLES["*/*"], THROTTLES["~1schedule/POST"]
        said = f"{every.rate:g} requests a second, {writes.rate:g} to schedule a meeting"
        yield ok(said, of="limits")


def _answers(context: Context, api_id: str) -> Finding:
    """Check whether a front end may read API Gateway's own answers."""
    wanted = origin_of_answers(context.stage)
    found = origins_let_in(context.client("apigateway"), api_id)
    wrong = [kind for kind, origin in found.items() if origin != wanted]
    if wrong:
        return failure(
            f"{', '.join(wrong)}: pages of {wanted or 'no origin'} should read them",
            context.command("deploy"),
            of="own answers",
        )
    return ok(f"pages of {wanted or 'no origin'} may read them", of="own answers")


@question("stream mapping", needs=("stack",))
def stream_mapping(context: Context) -> Iterator[Finding]:
    """Whether the table's stream is read by whom it should, and bad records do not block it."""
    if not context.stage.settings.meetings or context.outputs is None:
        return
    table = context.client("dynamodb").describe_table(TableName=context.stage.settings.table_name)[
        "Table"
    ]
    queue = context.outputs.failure_queue_arn
    for reader in readers_of(context.stage):
        if context.deployed(reader) is None:
            yield skipped(f"depends on failed check 'function {reader}'")
        else:
            yield from _mapping(context, reader, table.get("LatestStreamArn"), queue)


def _mapping(context: Context, reader: str, stream: str | None, queue: str) -> Iterator[Finding]:
    deploy = context.command("deploy")
    there = mappings(context.client("lambda"), context.stage, reader)
    reading = [each for each in there if each["EventSourceArn"] == stream]
    if not reading:
        found = "another stream" if there else "nothing"
        yield failure(f"{reader} reads {found}, not {stream or 'a stream of the table'}", deploy)
        return
    mapping = reading[0]
    if mapping["State"] in {"Disabled", "Disabling"}:
        yield failure(
            f"it is disabled: {mapping.get('StateTransitionReason', 'no reason given')}",
            f"`aws lambda update-event-source-mapping --uuid {mapping['UUID']} --enabled --region "
            f"{context.stage.region}`",
        )
        return
    wrong = wrong_limits(mapping, queue, reader)
    if wrong:
        yield failure(f"wrong settings: {', '.join(wrong)}", deploy)
    elif str(mapping.get("LastProcessingResult", "")).startswith("PROBLEM"):
        yield warning(
            f"Lambda says {mapping['LastProcessingResult']}",
            f"see the logs of the function, then {deploy}",
        )
    else:
        yield ok(f"{reader} reads {stream}")
    if len(there) > len(reading):
        yield warning(f"{reader} reads another stream as well", deploy, of="others")


QUESTIONS: Final = (api, stream_mapping)
