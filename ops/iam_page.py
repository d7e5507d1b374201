"""`docs/iam.md`: which function may do what, and which line of code needs it; and the desktops."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final

from ops.policies import functions_of, policy
from ops.reach import ROUTES_FUNCTION
from ops.stack_roles import DESKTOP, SCHEDULER, role_of
from ops.stages import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.reach import Code
    from ops.stack_roles import Role

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
_PAGE: Final = Path(__file__).with_suffix(".md")
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
    "SendMail": "ses:SendEmail",
}
"""The call that needs a right which no call is named after, by the statement's name."""


def iam_page(code: Code) -> str:
    """Write the page."""
    scheduler, desktop = (role_of(each, EXAMPLE) for each in (SCHEDULER, DESKTOP))
    return Template(_PAGE.read_text()).substitute(
        plain=" and ".join(f"`{each}`" for each in functions_of(code, PLAIN)),
        functions="".join(_function(code, each) for each in functions_of(code, EXAMPLE)),
        scheduler=scheduler.name,
        scheduler_rights=_table(scheduler),
        desktop=desktop.name,
        desktop_rights=_table(desktop),
    )


def _function(code: Code, name: str) -> str:
    routes = "\nThe routes. In a local stage, `POST /events` adds what events need.\n"
    head = f"\n## `{name}`\n{routes if name == ROUTES_FUNCTION else ''}"
    rows = "".join(_rows(code, name))
    return f"{head}\n| action | on | if | needed by |\n|---|---|---|---|\n{rows}"


def _table(role: Role) -> str:
    rows = (
        f"| `{statement['Action']}` | {_resources(statement)} | {_conditions(statement)} |\n"
        for statement in role.policy["Statement"]
    )
    return "| action | on | if |\n|---|---|---|\n" + "".join(rows)


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
