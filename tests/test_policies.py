"""Least privilege: each function may do what its code calls on AWS, and nothing else.

The code's calls are declared once: a boundary module's `…Client` protocol names the operations
that mypy lets the code call. These tests hold the protocols, the calls and the policies together.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore import xform_name

from chalicelib.settings import Settings
from tests.world import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.session import Session

PROJECT = Path(__file__).parent.parent
SERVICES = {
    "Ec2Client": "ec2",
    "DynamoDbClient": "dynamodb",
    "SecretsManagerClient": "secretsmanager",
}
CONFIG = json.loads((PROJECT / ".chalice/config.json").read_text())
FUNCTIONS = [
    (stage, function, values["iam_policy_file"])
    for stage, stage_config in CONFIG["stages"].items()
    for function, values in stage_config["lambda_functions"].items()
]


def trees() -> Iterator[ast.Module]:
    for path in (PROJECT / "app.py", *sorted((PROJECT / "chalicelib").glob("*.py"))):
        yield ast.parse(path.read_text(), str(path))


def declared() -> dict[str, set[str]]:
    """Return the methods that the client protocols declare, by service."""
    found: dict[str, set[str]] = {}
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Client"):
                methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
                found[SERVICES[node.name]] = methods
    return found


def called() -> set[str]:
    """Return the methods that are called on clients, which live in attributes named `_client`."""
    return {
        node.attr
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "_client"
    }


def actions(session: Session) -> set[str]:
    """Return the IAM actions of the declared calls."""
    names = {}
    for service in SERVICES.values():
        for operation in session.get_service_model(service).operation_names:
            names[service, xform_name(operation)] = f"{service}:{operation}"
    return {names[service, method] for service, found in declared().items() for method in found}


def statements(file: str) -> list[dict[str, Any]]:
    policy = json.loads((PROJECT / ".chalice" / file).read_text())
    return list(policy["Statement"])


def test_what_is_declared_is_called_and_nothing_else() -> None:
    assert called() == set().union(*declared().values())


def test_clients_are_made_only_for_declared_services() -> None:
    made = {
        node.args[0].value
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "client"
        and isinstance(node.args[0], ast.Constant)
    }

    assert made == set(declared())


@pytest.mark.parametrize(("stage", "function", "file"), FUNCTIONS)
def test_a_policy_grants_exactly_what_the_code_calls(
    session: Session, stage: str, function: str, file: str
) -> None:
    granted = {action for statement in statements(file) for action in statement["Action"]}
    logs = {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}

    assert granted == actions(session) | logs, f"{stage} {function}"


@pytest.mark.parametrize(("stage", "function", "file"), FUNCTIONS)
def test_a_policy_is_for_this_stages_own_table_secret_and_log_group(
    stage: str, function: str, file: str
) -> None:
    settings = Settings.parse(CONFIG["stages"][stage]["environment_variables"])
    name = f"elephant-{stage}" + ("" if function == "api_handler" else f"-{function}")

    resources = {
        statement["Action"][0].partition(":")[0]: statement["Resource"]
        for statement in statements(file)
    }

    where = f"{REGION}:{ACCOUNT}"
    assert resources == {
        "ec2": "*",  # DescribeInstances knows no resource-level rights
        "dynamodb": f"arn:aws:dynamodb:{where}:table/{settings.table_name}",
        "secretsmanager": f"arn:aws:secretsmanager:{where}:secret:{settings.secret_id}-??????",
        "logs": f"arn:aws:logs:{where}:log-group:/aws/lambda/{name}:*",
    }


def test_every_stage_has_a_policy_of_its_own_for_every_function() -> None:
    files = [file for _, _, file in FUNCTIONS]

    assert CONFIG["autogen_policy"] is False
    assert len(set(files)) == len(files)
    assert {function for _, function, _ in FUNCTIONS} == {"dns_watchdog", "api_handler"}
