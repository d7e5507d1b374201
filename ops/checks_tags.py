"""The check of the operator's own tags."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from ops.check import ok, question, warning
from ops.tagging import things
from ops.tags import differences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.check import Context, Finding

_CHALICES_OWN: Final = "aws-chalice"


@question("tags", needs=("stack",))
def tags(context: Context) -> Iterator[Finding]:
    """Whether what the stage has bears the operator's tags; desktops get theirs when launched."""
    wanted = context.stage.tags
    if not wanted:
        yield ok("the stage has none of its own")
        return
    found = [
        ("stack", context.stack.name, wanted, context.stack.tags()),
        *_of_functions(context),
        *(
            (each.kind, each.name, wanted, there)
            for each in things(
                context.config_file, context.stage, context.account, context.functions
            )
            if (there := each.read(context.account)) is not None
        ),
    ]
    for kind, group in groupby(sorted(found, key=lambda each: each[0]), lambda each: each[0]):
        members = list(group)
        wrong = [
            f"{name}: {said}" for _, name, due, has in members if (said := differences(due, has))
        ]
        if wrong:
            yield warning("; ".join(wrong), context.command("deploy"), of=kind)
        else:
            yield ok(f"all {len(members)}", of=kind)


def _of_functions(context: Context) -> Iterator[tuple[str, str, Mapping[str, str], dict[str, str]]]:
    for function in context.functions:
        deployed = context.deployed(function)
        if deployed is not None:
            arn = deployed["FunctionArn"]
            there = context.client("lambda").list_tags(Resource=arn).get("Tags", {})
            due = dict(context.expected(function).tags)
            due.pop(_CHALICES_OWN, None)
            yield "function", deployed["FunctionName"], due, there


QUESTIONS: Final = (tags,)
