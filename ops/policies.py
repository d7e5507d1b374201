"""Each function's policy: exactly what its code calls, on exactly this stage's own things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ops.reach import ROUTES_FUNCTION, SWEEP, Code
from ops.stages import policy_file

if TYPE_CHECKING:
    from pathlib import Path

    from ops.stages import Stage


def policies(code: Code, stage: Stage) -> dict[str, dict[str, Any]]:
    """Make the policy of every function that the stage deploys, by its file's name."""
    return {
        policy_file(stage.name, function): policy(code, stage, function)
        for function in functions_of(code, stage)
    }


def functions_of(code: Code, stage: Stage) -> tuple[str, ...]:
    """Name the functions that the stage deploys: a stage on AWS has no routes."""
    return tuple(
        function
        for function in code.functions
        if function != ROUTES_FUNCTION or stage.settings.is_local
    )


def policy(code: Code, stage: Stage, function: str) -> dict[str, Any]:
    """Make one function's policy.

    Chalice adds nothing to a policy from a file, so the rights to log are in it; and the right to
    send to the queue of failed events, which Lambda uses in the function's name.
    """
    actions: dict[str, list[str]] = {}
    for call in code.calls(function):
        service = call.action.partition(":")[0]
        actions.setdefault(service, []).append(call.action)
    resources = _resources(stage)
    statements = [
        {
            "Sid": sid,
            "Effect": "Allow",
            "Action": sorted(set(actions[service])),
            "Resource": resource,
        }
        for service, (sid, resource) in resources.items()
        if service in actions and resource
    ]
    log_group = f"/aws/lambda/{stage.function_name(function)}"
    statements.append(
        {
            "Sid": "Logs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{_arn(stage, 'logs')}:log-group:{log_group}:*",
        }
    )
    if function not in {ROUTES_FUNCTION, SWEEP}:  # nobody waits for what these fail at
        statements.append(
            {
                "Sid": "FailedEvents",
                "Effect": "Allow",
                "Action": ["sqs:SendMessage"],
                "Resource": f"{_arn(stage, 'sqs')}:{stage.failure_queue}",
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}


def files(code: Code, stage: Stage, directory: Path) -> dict[Path, dict[str, Any]]:
    """Place the policies where Chalice looks for them."""
    return {
        directory / ".chalice" / name: document for name, document in policies(code, stage).items()
    }


def _resources(stage: Stage) -> dict[str, tuple[str, str]]:
    """Return by service a statement's name and the one thing that it is about."""
    table = stage.settings.table_name
    return {
        # DescribeInstances knows no rights on single instances:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
        "ec2": ("DescribeInstances", "*"),
        "dynamodb": ("MeetingsTable", f"{_arn(stage, 'dynamodb')}:table/{table}" if table else ""),
        "secretsmanager": ("CloudflareToken", secret_arn(stage)),
    }


def secret_arn(stage: Stage) -> str:
    """Spell the ARN of the stage's secret; Secrets Manager ends it with six characters of its own.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_iam-permissions.html
    """
    secret = stage.settings.secret_id
    if secret.startswith("arn:"):
        return secret
    return f"{_arn(stage, 'secretsmanager')}:secret:{secret}-??????"


def _arn(stage: Stage, service: str) -> str:
    return f"arn:{stage.partition}:{service}:{stage.region}:{stage.account}"
