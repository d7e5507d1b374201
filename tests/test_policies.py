"""Least privilege: what is committed is what the code calls, linted, and nothing else.

The calls are read from the code (ops/reach.py); mypy holds the code to the `…Client` protocols that
it reads. So a new call without a grant fails here, and so does a grant that nothing calls.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ops.configure import changes
from ops.iam_page import EXAMPLE, PLAIN
from ops.policies import functions_of, policies, policy
from ops.reach import SERVICES, Code
from ops.stack_roles import DESKTOP, SCHEDULER, role_of
from ops.stages import ConfigFile

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parent.parent
CONFIG = ConfigFile(PROJECT)
CODE = Code(PROJECT)
POLICIES = sorted((PROJECT / ".chalice").glob("policy-*.json"))


def trees() -> Iterator[ast.Module]:
    for path in (PROJECT / "app.py", *sorted((PROJECT / "chalicelib").rglob("*.py"))):
        yield ast.parse(path.read_text(), str(path))


@pytest.mark.parametrize("name", CONFIG.names())
def test_every_stages_files_are_what_the_code_asks_for(name: str) -> None:
    found = changes(CONFIG, CODE, CONFIG.stage(name))

    assert not found, "".join(each.difference(PROJECT) for each in found)


def lint(document: str) -> tuple[int, list[dict[str, Any]]]:
    """Ask AWS's rules as the linter knows them; it prints a finding a line."""
    parliament = Path(sys.executable).parent / "parliament"
    done = subprocess.run(  # noqa: S603 (the linter)
        [parliament, "--json"], input=document, capture_output=True, text=True, check=False
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_every_policy_passes_the_linter(path: Path) -> None:
    document = json.loads(path.read_text())

    assert lint(json.dumps(with_runs_joined(document))) == (0, [])


@pytest.mark.parametrize("function", functions_of(CODE, EXAMPLE))
def test_every_policy_of_a_stage_with_all_features_passes_the_linter(function: str) -> None:
    document = with_runs_joined(policy(CODE, EXAMPLE, function))

    assert lint(json.dumps(document)) == (0, [])


@pytest.mark.parametrize("role", [SCHEDULER, DESKTOP])
def test_every_policy_of_the_supporting_stack_passes_the_linter(role: str) -> None:
    assert lint(json.dumps(role_of(role, EXAMPLE).policy)) == (0, [])


def with_runs_joined(document: dict[str, Any]) -> dict[str, Any]:
    """Join the statements about RunInstances, which the linter wants to name everything at once.

    AWS asks about each kind of thing by itself, so each may have conditions of its own:
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ExamplePolicies_EC2.html#iam-example-runinstances
    """
    runs = [each for each in document["Statement"] if each["Action"] == ["ec2:RunInstances"]]
    if not runs:
        return document
    joined: list[str] = []
    for each in runs:
        resources = each["Resource"]
        joined += resources if isinstance(resources, list) else [resources]
    others = [each for each in document["Statement"] if each not in runs]
    one = {"Sid": "Run", "Effect": "Allow", "Action": ["ec2:RunInstances"], "Resource": joined}
    return document | {"Statement": [*others, one]}


def test_the_linter_finds_what_is_wrong() -> None:
    """Otherwise its silence would mean nothing."""
    wrong = {"Effect": "Allow", "Action": "dynamodb:GetItm", "Resource": "*"}

    code, found = lint(json.dumps({"Version": "2012-10-17", "Statement": [wrong]}))

    assert code == 1
    assert "UNKNOWN_ACTION" in {each["issue"] for each in found}


def test_a_stage_without_features_has_not_one_right_of_theirs() -> None:
    """What it has is what it had before there were any."""
    plain = policies(CODE, PLAIN)

    assert list(plain) == ["policy-prod-dns_watchdog.json", "policy-prod-sweep.json"]
    granted = {
        action
        for document in plain.values()
        for statement in document["Statement"]
        for action in statement["Action"]
    }
    assert granted == {
        "dynamodb:BatchGetItem",
        "dynamodb:GetItem",
        "dynamodb:UpdateItem",
        "ec2:DescribeInstances",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "secretsmanager:GetSecretValue",
        "sqs:SendMessage",
    }


def test_who_may_start_end_and_schedule() -> None:
    """Nobody else, and nobody who answers strangers may touch EC2 or Cloudflare's token."""
    rights: dict[str, set[str]] = {}
    for name, document in policies(CODE, EXAMPLE).items():
        function = name.removeprefix("policy-prod-").removesuffix(".json")
        for statement in document["Statement"]:
            for action in statement["Action"]:
                rights.setdefault(action, set()).add(function)
                if action == "dynamodb:PutItem":
                    rights.setdefault(f"put {statement['Sid']}", set()).add(function)
            if statement["Sid"] == "CloudflareToken":
                rights.setdefault("token", set()).add(function)

    assert rights["ec2:RunInstances"] == rights["ec2:CreateTags"] == {"launch_ec2"}
    assert rights["ec2:TerminateInstances"] == {"launch_ec2", "safety_net", "terminator"}
    assert rights["scheduler:CreateSchedule"] == {"api_handler", "safety_net", "sweep"}
    assert rights["scheduler:DeleteSchedule"] == {"api_handler"}
    assert rights["put MeetingsTable"] == {"api_handler"}
    assert rights["dynamodb:GetRecords"] == {"terminator"}
    assert rights["token"] == {"dns_watchdog", "sweep"}
    notifying = {"notify_deployment", "notify_instance_termination", "sweep"}
    assert rights["ses:SendEmail"] == rights["put SentTable"] == notifying
    assert rights["codedeploy:GetDeployment"] == {"notify_deployment"}


def test_what_the_protocols_name_is_called_and_nothing_else() -> None:
    declared: set[str] = set()
    called: set[str] = set()
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name in SERVICES:
                methods = [each.name for each in node.body if isinstance(each, ast.FunctionDef)]
                declared.update(methods)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
                called.update({node.attr} if node.value.attr == "_client" else ())

    assert called == declared


def test_a_client_is_handed_to_classes_and_used_there_as_their_client() -> None:
    """Whoever used one otherwise would escape the reading of calls."""
    made: set[str] = set()
    uses: set[str] = set()
    for tree in trees():
        parents = {
            id(child): node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "_client":
                uses.add(type(parents[id(node)]).__name__)
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "client"
            ):
                made.add(ast.literal_eval(node.args[0]))
                for use in handed_on(parents, node):
                    assert is_for_a_class(parents, use), ast.unparse(use)
    sources = "".join(
        path.read_text() for path in (PROJECT / "chalicelib").rglob("*.py") if path.name != "aws.py"
    )

    assert made == set(SERVICES.values())
    assert uses == {"Assign", "Attribute"}
    assert "create_client" not in sources
    assert "boto3" not in sources


def handed_on(parents: dict[int, ast.AST], made: ast.Call) -> list[ast.AST]:
    """Return where a client goes: itself, or each use of the variable that it is put into."""
    around = parents[id(made)]
    values: list[ast.expr] = [made]
    if isinstance(around, ast.Tuple):
        values, around = around.elts, parents[id(around)]
    if not isinstance(around, ast.Assign):
        return [made]
    (target,) = around.targets
    names = target.elts if isinstance(target, ast.Tuple) else [target]
    name = names[values.index(made)]
    assert isinstance(name, ast.Name)
    scope: ast.AST = around
    while not isinstance(scope, ast.FunctionDef):
        scope = parents[id(scope)]
    return [
        node
        for node in ast.walk(scope)
        if isinstance(node, ast.Name) and node.id == name.id and isinstance(node.ctx, ast.Load)
    ]


def is_for_a_class(parents: dict[int, ast.AST], use: ast.AST) -> bool:
    around = parents[id(use)]
    return (
        isinstance(around, ast.Call)
        and isinstance(around.func, ast.Name)
        and around.func.id[:1].isupper()
    )
