"""Whom a pipeline's role trusts, and what it may not touch.

What it has to be allowed is compared with a deployment's calls in `test_checks_deployed.py`.
"""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner

from localcloud.aws import ACCOUNT_ID, DEFAULT_REGION
from ops.cli import main
from ops.deployer import deployer_policy, trust_policy
from ops.stages import Stage
from tests.ops.projects import ROOT

VARIABLES = {
    "DOMAIN_ROOT": "example.com",
    "ZONE_ID": "0" * 32,
    "SECRET_ARN": "elephant/prod/cloudflare",
    "OWNER": "elephant:prod",
    "TABLE_NAME": "elephant-prod-meetings",
}
STAGE = Stage("prod", ACCOUNT_ID, DEFAULT_REGION, VARIABLES)
ONLY_READ = ("Get", "Describe", "List")


def test_the_policy_is_short_enough_for_a_role() -> None:
    policy = deployer_policy(STAGE)
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    assert len(json.dumps(policy, separators=(",", ":"))) <= 10_240


def is_limited(statement: dict[str, Any]) -> bool:
    """Whether it is about what bears the stage's name, or its tag."""
    named = all("prod" in each for each in statement["Resource"])
    tagged = json.dumps(statement.get("Condition", {}).get("StringEquals", {}))
    return named or '"prod"' in tagged


def test_what_is_written_has_the_stages_name_or_cannot_be_named() -> None:
    unnamed = {
        action
        for statement in deployer_policy(STAGE)["Statement"]
        for action in statement["Action"]
        if not is_limited(statement)
        if not action.partition(":")[2].startswith(ONLY_READ)
    }
    assert unnamed == {
        "apigateway:DELETE",
        "apigateway:GET",
        "apigateway:PATCH",
        "apigateway:POST",
        "apigateway:PUT",
        "lambda:CreateEventSourceMapping",
        "lambda:DeleteEventSourceMapping",
        "lambda:UpdateEventSourceMapping",
        "logs:DeleteQueryDefinition",
        "logs:PutQueryDefinition",
        "ses:CreateConfigurationSet",
        "sns:SetSubscriptionAttributes",
        "sns:Unsubscribe",
    }


def test_the_role_trusts_one_environment_of_one_repository() -> None:
    (statement,) = trust_policy(STAGE, "example/desktops")["Statement"]
    provider = "token.actions.githubusercontent.com"
    assert statement["Principal"]["Federated"].endswith(f":oidc-provider/{provider}")
    assert statement["Condition"] == {
        "StringEquals": {
            f"{provider}:aud": "sts.amazonaws.com",
            f"{provider}:sub": "repo:example/desktops:environment:prod",
        }
    }


def test_anything_but_one_repository_is_refused() -> None:
    for given in ("example", "example/*", "a/b:*"):
        done = CliRunner().invoke(
            main, ["deployer", "local", f"--project={ROOT}", f"--trust={given}"]
        )
        assert done.exit_code == 1
        assert "it must be OWNER/REPOSITORY" in done.output
