"""Least privilege: what is committed is what the code calls, linted, and nothing else.

`tests/ops/test_derive.py` holds `ops/calls.json` to the code, and these hold the policies to that
file. So a new call without a grant fails, and so does a grant that nothing calls.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ops.configure import changes
from ops.iam_page import EXAMPLE, PLAIN, iam_page
from ops.policies import policies
from ops.reach import Code
from ops.stack_roles import DESKTOP, SCHEDULER, role_of
from ops.stages import ConfigFile

PROJECT = Path(__file__).parent.parent
CONFIG = ConfigFile(PROJECT)
CODE = Code(PROJECT)


@pytest.mark.parametrize("name", CONFIG.names())
def test_every_stages_files_are_what_the_code_asks_for(name: str) -> None:
    found = changes(CONFIG, CODE, CONFIG.stage(name))

    assert not found, "".join(each.difference(PROJECT) for each in found)


def test_the_page_is_the_one_of_this_code() -> None:
    assert (PROJECT / "docs/iam.md").read_text() == iam_page(CODE), "run `python -m ops.derive`"


def lint(document: str) -> tuple[int, list[dict[str, Any]]]:
    """Ask AWS's rules as the linter knows them; it prints a finding a line."""
    parliament = Path(sys.executable).parent / "parliament"
    done = subprocess.run(  # noqa: S603 (the linter)
        [parliament, "--json"], input=document, capture_output=True, text=True, check=False
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", policies(CODE, EXAMPLE))
def test_every_policy_of_a_stage_with_all_features_passes_the_linter(name: str) -> None:
    document = with_runs_joined(policies(CODE, EXAMPLE)[name])

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
