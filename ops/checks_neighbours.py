"""Checks for other stages that use the same tag, table or stream."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from chalicelib.ec2.instances import OWNER_TAG, Instances
from ops.account import error_code
from ops.check import NOT_FOUND, failure, ok, question, warning
from ops.neighbours import Neighbour, Over, conflicts
from ops.stages import APP
from ops.stream import READER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.check import Context, Finding


@question("other stages", needs=("configuration",))
def other_stages(context: Context) -> Iterator[Finding]:
    """Whether another stage of this project uses the same table or tag."""
    found = conflicts(context.config_file, Neighbour.of(context.stage))
    others = [each for each in found if each.over is not Over.OWNER]  # which "owner" has said
    for each in others:
        level = failure if each.over is Over.TABLE else warning
        remedy = f"{context.command('stage')} with {each.remedy}, then {context.command('deploy')}"
        yield level(each.found, remedy, of=f"{each.other} {each.over}")
    if not others:
        yield ok("none uses this table or tag in the same account and region")


@question("other desktops", needs=("credentials",))
def other_desktops(context: Context) -> Finding:
    """Whether stages outside this project launch desktops with the same tag."""
    settings = context.stage.settings
    tag = "=".join(settings.project_tag)
    every = Instances(context.client("ec2"), settings.project_tag, None).of_project()
    owners = Counter(
        each.tags[OWNER_TAG]
        for each in every
        if not each.has_ended and each.tags.get(OWNER_TAG, settings.owner) != settings.owner
    )
    if not owners:
        return ok(f"nobody else launches desktops with the tag {tag}")
    said = ", ".join(f"{count} of {owner}" for owner, count in sorted(owners.items()))
    return warning(
        f"desktops of other stages have the tag {tag} as well: {said}. They are left alone, but "
        "every such stage takes an instance launched by hand for its own",
        f"{context.command('stage', '--project-tag ANOTHER')} before anything in this stage runs, "
        f"then {context.command('deploy')}",
    )


@question("other terminators", needs=("stack",))
def other_terminators(context: Context) -> Iterator[Finding]:
    """Whether another stage's terminator reads the stream of this stage's table."""
    if not context.stage.settings.meetings:
        return
    name = str(context.stage.settings.table_name)
    try:
        table = context.client("dynamodb").describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error_code(error) != NOT_FOUND:
            raise
        return  # which another check has said
    pages = context.client("lambda").get_paginator("list_event_source_mappings")
    readers = {
        each["FunctionArn"].rpartition(":")[2]
        for page in pages.paginate(EventSourceArn=table.get("LatestStreamArn", name))
        for each in page["EventSourceMappings"]
    }
    others = sorted(
        each
        for each in readers - {context.stage.function_name(READER)}
        if each.startswith(f"{APP}-") and each.endswith(f"-{READER}")
    )
    if others:
        yield failure(
            f"{', '.join(others)} reads the stream of {name} as well, and ends this stage's "
            "meetings",
            "give one of the two stages its own table with `elephant stage NAME --table "
            "ANOTHER`, then deploy it",
        )
    else:
        yield ok(f"no other stage reads the stream of {name}")


OF_THE_PROJECT: Final = (other_stages,)
OF_THE_ACCOUNT: Final = (other_desktops, other_terminators)
