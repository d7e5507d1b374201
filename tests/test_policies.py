"""Least privilege: what is committed is what the code calls, linted, and nothing else.

`tests/ops/test_derive.py` holds `ops/calls.json` to the code, and these hold the policies to that
file. So a new call without a grant fails, and so does a grant that nothing calls.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from ops.configure import changes
from ops.deployer import deployer_policy
from ops.iam_page import EXAMPLE, PLAIN, iam_page
from ops.policies import policies
from ops.reach import Code
from ops.stack_roles import DESKTOP, SCHEDULER, role_of
from ops.stages import ConfigFile, Stage

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


def with_runs_joined(document: dict[str, Any]) -> dict[str, Any]:
    """Join the statements about RunInstances, which the linter wants to name everything at once.

    AWS asks about each kind of thing by itself, so each may have conditions of its own:
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ExamplePolicies_EC2.html#iam-example-runinstances
    """
    statements = document["Statement"]
    runs = [each for each in statements if each["Action"] == ["ec2:RunInstances"]]
    if not runs:
        return document
    joined: list[str] = []
    for each in runs:
        resources = each["Resource"]
        joined += resources if isinstance(resources, list) else [resources]
    one = {"Sid": "Run", "Effect": "Allow", "Action": ["ec2:RunInstances"], "Resource": joined}
    return document | {"Statement": [*(each for each in statements if each not in runs), one]}


DOCUMENTS = {
    **{path.name: json.loads(path.read_text()) for path in (PROJECT / ".chalice").glob("policy-*")},
    **{f"{name} of a stage with all": each for name, each in policies(CODE, EXAMPLE).items()},
    **{role: role_of(role, EXAMPLE).policy for role in (SCHEDULER, DESKTOP)},
    "deployer": deployer_policy(EXAMPLE),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_policy_passes_the_linter(name: str) -> None:
    assert lint(json.dumps(with_runs_joined(DOCUMENTS[name]))) == (0, [])


def test_the_linter_finds_what_is_wrong() -> None:
    """Otherwise its silence would mean nothing."""
    wrong = {"Effect": "Allow", "Action": "dynamodb:GetItm", "Resource": "*"}

    code, found = lint(json.dumps({"Version": "2012-10-17", "Statement": [wrong]}))

    assert (code, {each["issue"] for each in found}) == (1, {"UNKNOWN_ACTION"})


def rights_of(stage: Stage) -> dict[str, set[str]]:
    """Return which functions have each right: an action, or an action within a statement."""
    rights: defaultdict[str, set[str]] = defaultdict(set)
    for name, document in policies(CODE, stage).items():
        function = name.removeprefix("policy-prod-").removesuffix(".json")
        for statement in document["Statement"]:
            for action in statement["Action"]:
                rights[action].add(function)
                rights[f"{action.partition(':')[2]} {statement['Sid']}"].add(function)
    return rights


def test_a_stage_without_features_has_not_one_right_of_theirs() -> None:
    """What it has is what it had before there were any."""
    granted = rights_of(PLAIN)

    assert set.union(*granted.values()) == {"dns_watchdog", "sweep"}
    assert {right for right in granted if ":" in right} == {
        *(f"dynamodb:{each}" for each in ("BatchGetItem", "GetItem", "UpdateItem")),
        *(f"logs:{each}" for each in ("CreateLogGroup", "CreateLogStream", "PutLogEvents")),
        "ec2:DescribeInstances",
        "secretsmanager:GetSecretValue",
        "sqs:SendMessage",
    }


def test_who_may_start_end_and_schedule() -> None:
    """No other function, and none that answers the public, may touch EC2 or Cloudflare's token."""
    rights = rights_of(EXAMPLE)

    assert rights["ec2:RunInstances"] == rights["ec2:CreateTags"] == {"launch_ec2"}
    assert rights["ec2:TerminateInstances"] == {"launch_ec2", "safety_net", "terminator"}
    assert rights["scheduler:CreateSchedule"] == {"api_handler", "safety_net", "sweep"}
    assert rights["scheduler:DeleteSchedule"] == {"api_handler"}
    assert rights["PutItem MeetingsTable"] == {"api_handler"}
    assert rights["dynamodb:GetRecords"] == {"terminator", "invite"}
    assert rights["GetSecretValue CloudflareToken"] == {"dns_watchdog", "sweep"}
    notifying = {"notify_deployment", "notify_instance_termination", "sweep"}
    assert rights["ses:SendEmail"] == notifying
    assert rights["PutItem SentTable"] == notifying | {"invite"}
    assert rights["ses:SendRawEmail"] == rights["GetSecretValue ScheduleSeed"] == {"invite"}
    assert rights["codedeploy:GetDeployment"] == {"notify_deployment"}
