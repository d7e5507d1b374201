"""`docs/iam.md`: which function may do what, and which line of code needs it; and the desktops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ops.policies import functions_of, policy
from ops.stack_roles import DESKTOP, SCHEDULER, role_of
from ops.stages import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.reach import Code

_PLAIN: Final = {
    "DOMAIN_ROOT": "example.com",
    "ZONE_ID": "0123456789abcdef0123456789abcdef",
    "SECRET_ARN": "prod/elephant/cloudflare",
    "OWNER": "elephant:prod/us-west-2",
}
_PLACE: Final = ("prod", "111122223333", "us-west-2")
PLAIN: Final = Stage(*_PLACE, _PLAIN)
"""A stage without features."""

EXAMPLE: Final = Stage(
    *_PLACE,
    _PLAIN
    | {
        "FEATURES": "meetings,notifications",
        "AMI_ID": "ami-0123456789abcdef0",
        "SECURITY_GROUP_IDS": "sg-0123456789abcdef0",
        "KEY_NAME": "desktops",
        "VPC_ID": "vpc-0123456789abcdef0",
        "MAIL_FROM": "elephant@example.com",
        "MAIL_TO": "ops@example.org",
        "AUTO_SCALING_GROUPS": "shop",
        "CODEDEPLOY_APPLICATIONS": "shop",
    },
)
_HEAD: Final = """\
# Which function may do what

Generated from the code by `elephant iam > docs/iam.md`; `make test` fails when it is stale.
The resources are those of a stage `prod` in account 111122223333, us-west-2, with the features
`meetings` and `notifications`. A stage without them has {plain} alone, with none of
the rights that only a feature's code needs.

Each function has a role of its own with one inline policy, made by `elephant stage` from the
calls to AWS that the function's code can reach. The rights to log, to read the table's stream and
to send to the queue of failed events are there because Chalice adds nothing to a policy from a
file; Lambda uses them in the function's name.
"""
_WHY: Final = {
    "logs": "Lambda writes the function's log",
    "sqs": "Lambda puts an event here that failed every time",
    "dynamodb": "Lambda reads the table's stream",
}
_FOLLOWS: Final = {
    "RunDesktops": "ec2:RunInstances",
    "TagDesktops": "ec2:RunInstances",
    "PassDesktopRole": "ec2:RunInstances",
    "PassSchedulerRole": "scheduler:CreateSchedule",
}
"""The call that needs a right which no call is named after, by the statement's name."""

_SCHEDULER: Final = """
## EventBridge Scheduler

Starts the functions with the role `{name}`, of the supporting stack. The functions can
pass it no other, and only schedules of the stage's own group may take it.

"""
_DESKTOP: Final = """
## A desktop

Each desktop has the instance profile `{name}`, of the supporting stack. What runs on
it may report that it is healthy, and that its side has finished, and look up its link:

"""
_DESKTOP_USE: Final = """
So its programs name what they read and write, or AWS refuses:

    aws dynamodb get-item --table-name TABLE --key '{"id": {"S": "MEETING"}}' \\
        --projection-expression '#s, teacher_ec2_link' \\
        --expression-attribute-names '{"#s": "status"}'
    aws dynamodb update-item --table-name TABLE --key '{"id": {"S": "MEETING"}}' \\
        --update-expression 'SET teacher_session_data = :d' \\
        --condition-expression 'attribute_exists(id)' \\
        --expression-attribute-values '{":d": {"S": "…"}}'

It cannot list meetings (no Query, no Scan), read names, e-mail addresses and keys, remove rows,
change a link, an instance's id or the reason of an end, or touch EC2.

What this cannot prevent: IAM does not tell one desktop's role from another's, nor which meeting is
whose. Whoever controls a desktop *and knows the id of another meeting* may write any status and
session data into that row: it could make a meeting look healthy too early, or finished, which ends
its desktops 15 minutes after its start. Ids are 16 characters of a cryptographic source, and a
desktop learns its own alone. Without `attribute_exists(id)` in the condition, an update of an id
that is nobody's makes a row of those attributes, which the application ignores. So give people on
desktops no way to the instance's credentials: block 169.254.169.254 for their users.
"""


def iam_page(code: Code) -> str:
    """Write the page."""
    plain = " and ".join(f"`{each}`" for each in functions_of(code, PLAIN))
    parts = [_HEAD.format(plain=plain)]
    for function in functions_of(code, EXAMPLE):
        parts.append(f"\n## `{function}`\n")
        if function == "api_handler":
            parts.append("\nThe routes. In a local stage, `POST /events` adds what events need.\n")
        parts.append("\n| action | on | if | needed by |\n|---|---|---|---|\n")
        parts += _rows(code, function)
    for logical_id, text in ((SCHEDULER, _SCHEDULER), (DESKTOP, _DESKTOP)):
        role = role_of(logical_id, EXAMPLE)
        parts.append(text.format(name=role.name))
        parts.append("| action | on | if |\n|---|---|---|\n")
        parts += [
            f"| `{statement['Action']}` | {_resources(statement)} | {_conditions(statement)} |\n"
            for statement in role.policy["Statement"]
        ]
    parts.append(_DESKTOP_USE)
    return "".join(parts)


def _rows(code: Code, function: str) -> list[str]:
    needed: dict[str, list[str]] = {}
    for call in code.calls(function, EXAMPLE.settings):
        link = f"[{call.file}:{call.line}](../{call.file}#L{call.line})"
        needed.setdefault(call.action, []).append(link)
    rows = []
    for statement in policy(code, EXAMPLE, function)["Statement"]:
        for action in statement["Action"]:
            call_of_it = _FOLLOWS.get(statement["Sid"], action)
            why = ", ".join(needed.get(call_of_it, [])) or _WHY[action.partition(":")[0]]
            where, condition = _resources(statement), _conditions(statement)
            rows.append(f"| `{action}` | {where} | {condition} | {why} |\n")
    return rows


def _resources(statement: Mapping[str, Any]) -> str:
    resources = statement["Resource"]
    listed = resources if isinstance(resources, list) else [resources]
    return ", ".join(f"`{each}`" for each in listed)


def _conditions(statement: Mapping[str, Any]) -> str:
    """Format conditions shorter than IAM does."""
    found = []
    for operator, keys in statement.get("Condition", {}).items():
        for key, value in keys.items():
            values = value if isinstance(value, list) else [value]
            every = " all of" if operator.startswith("ForAllValues") else ""
            found.append(f"{every} `{key}` {_WORDS[operator]} {_listed(values)}".strip())
    return "; ".join(found)


_WORDS: Final = {
    "StringEquals": "is",
    "ArnEquals": "is",
    "StringEqualsIfExists": "is, if there is one,",
    "ForAllValues:StringEquals": "are among",
}


def _listed(values: list[str]) -> str:
    return ", ".join(f"`{each}`" for each in values)
