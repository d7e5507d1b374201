"""`docs/iam.md`: which function may do what, and which line of code needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ops.policies import policy
from ops.stages import Stage

if TYPE_CHECKING:
    from ops.reach import Code

EXAMPLE: Final = Stage(
    "prod",
    "111122223333",
    "us-west-2",
    {
        "DOMAIN_ROOT": "example.com",
        "ZONE_ID": "0123456789abcdef0123456789abcdef",
        "SECRET_ARN": "prod/elephant/cloudflare",
        "OWNER": "elephant:prod/us-west-2",
    },
)
_HEAD: Final = """\
# Which function may do what

Generated from the code by `python -m ops iam > docs/iam.md`; `make test` fails when it is stale.
The resources are those of a stage `prod` in account 111122223333, us-west-2.

Each function has a role of its own with one inline policy, made by `python -m ops stage` from the
calls to AWS that the function's code can reach. The rights to log and to send to the queue of
failed events are there because Chalice adds nothing to a policy from a file; Lambda uses them in
the function's name.
"""
_WHY: Final = {
    "logs": "Lambda writes the function's log",
    "sqs": "Lambda puts an event here that failed every time",
}


def iam_page(code: Code) -> str:
    """Write the page."""
    parts = [_HEAD]
    for function in code.functions:
        parts.append(f"\n## `{function}`\n")
        if function == "api_handler":
            parts.append("\nThe routes of a local stage alone; no stage on AWS has it.\n")
        parts.append("\n| action | on | needed by |\n|---|---|---|\n")
        needed: dict[str, list[str]] = {}
        for call in code.calls(function):
            link = f"[{call.file}:{call.line}](../{call.file}#L{call.line})"
            needed.setdefault(call.action, []).append(link)
        for statement in policy(code, EXAMPLE, function)["Statement"]:
            for action in statement["Action"]:
                why = ", ".join(needed.get(action, [])) or _WHY[action.partition(":")[0]]
                parts.append(f"| `{action}` | `{statement['Resource']}` | {why} |\n")
    return "".join(parts)
