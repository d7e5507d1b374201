"""Checks of the deployed functions: state, configuration, permissions and logs."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError
from chalice.constants import DEFAULT_LAMBDA_MEMORY_SIZE, DEFAULT_LAMBDA_TIMEOUT

from ops.account import error_code
from ops.check import NOT_FOUND, failure, ok, question, skipped, warning
from ops.checks_stage import DEPRECATIONS, runtime
from ops.concurrency import configured, reserved
from ops.functions import CONCURRENCY, DEFAULTS, WATCHDOG
from ops.lambda_settings import LOG_DAYS, failures_of
from ops.policies import policy
from ops.reach import ROUTES_FUNCTION, SWEEP
from ops.role_policies import other_policies, trust_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ops.check import Ask, Context, Finding

    Look = Callable[[Context, str, Mapping[str, Any]], Iterable[Finding]]

_TRUSTED: Final = {"Service": "lambda.amazonaws.com"}
_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": _TRUSTED, "Action": "sts:AssumeRole"}],
}
_NO_ENTITY: Final = "NoSuchEntity"


def of_each_function(look: Look) -> Ask:
    """Check every existing function, and skip the others."""

    @wraps(look)
    def ask(context: Context) -> Iterator[Finding]:
        for name in context.functions:
            deployed = context.deployed(name)
            if deployed is None:
                yield skipped(f"depends on failed check 'function {name}'", of=name)
            else:
                yield from look(context, name, deployed)

    return ask


@question("function", needs=("credentials",))
def function(context: Context) -> Iterator[Finding]:
    """Whether every function exists and can be invoked."""
    for name in context.functions:
        full_name = context.stage.function_name(name)
        deployed = context.deployed(name)
        if deployed is None:
            yield failure(f"{full_name} does not exist", context.command("deploy"), of=name)
        else:
            yield _alive(context, name, deployed)


def _alive(context: Context, name: str, deployed: Mapping[str, Any]) -> Finding:
    full_name = deployed["FunctionName"]
    handler = "app.app" if name == ROUTES_FUNCTION else f"app.{name}"
    if deployed["Handler"] != handler:  # Chalice sets it when it creates a function, never again
        return failure(
            f"it calls {deployed['Handler']}, not {handler}",
            f"`aws lambda update-function-configuration --function-name {full_name} --handler "
            f"{handler} --region {context.stage.region}`",
            of=name,
        )
    state, update = deployed.get("State", "Active"), deployed.get("LastUpdateStatus", "Successful")
    if "Failed" in (state, update):
        reason = deployed.get("StateReason") or deployed.get("LastUpdateStatusReason") or "unknown"
        return failure(
            f"Lambda failed to initialize it: {reason}", context.command("deploy"), of=name
        )
    if state != "Active" or update != "Successful":
        return warning(f"it is {state}, its update {update}", "wait, then run this again", of=name)
    return ok(f"{full_name} is active, changed {deployed['LastModified'][:16]}", of=name)


@question("variables", needs=("credentials",))
@of_each_function
def variables(context: Context, name: str, deployed: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether a function has exactly the variables in config.json."""
    there = deployed.get("Environment", {}).get("Variables", {})
    wanted = context.expected(name).environment_variables
    problems = [
        *(f"{key} is missing" for key in sorted(wanted.keys() - there.keys())),
        *(f"{key} is not in config.json" for key in sorted(there.keys() - wanted.keys())),
        *(
            f"{key} is {there[key]!r}, not {wanted[key]!r}"
            for key in sorted(wanted.keys() & there.keys())
            if there[key] != wanted[key]
        ),
    ]
    if problems:
        yield failure("; ".join(problems), context.command("deploy"), of=name)
    else:
        yield ok(f"the {len(wanted)} in config.json", of=name)


@question("limits", needs=("credentials",))
@of_each_function
def limits(context: Context, name: str, deployed: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether a function has the timeout, memory and processor in config.json."""
    expected = context.expected(name)
    seconds = expected.lambda_timeout or DEFAULT_LAMBDA_TIMEOUT
    megabytes = expected.lambda_memory_size or DEFAULT_LAMBDA_MEMORY_SIZE
    there = deployed["Timeout"], deployed["MemorySize"], *deployed["Architectures"]
    found = f"{there[0]} s, {there[1]} MB, {there[2]}"
    if there != (seconds, megabytes, expected.lambda_architecture):
        found += f", not {seconds} s, {megabytes} MB, {expected.lambda_architecture}"
        yield failure(found, context.command("deploy"), of=name)
    else:
        yield ok(found, of=name)


@question("concurrency", needs=("credentials",))
@of_each_function
def concurrency(context: Context, name: str, deployed: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether a function has the reserved concurrency in config.json, and has any."""
    wanted = configured(context.config_file.load(), context.name, name)
    there = reserved(context.client("lambda"), deployed["FunctionName"])
    usual = context.command("stage", f"--concurrency {DEFAULTS[WATCHDOG][CONCURRENCY]}")
    if there != wanted:
        found = f"{_in_words(there)} reserved, not {_in_words(wanted)}"
        yield failure(found, context.command("deploy"), of=name)
    elif there == 0:
        found = "0 reserved, so it never runs"
        yield failure(found, f"{usual}, then {context.command('deploy')}", of=name)
    elif there is not None:
        yield ok(f"{there} reserved, which is also the maximum", of=name)
    elif name == WATCHDOG:
        yield warning(
            "none reserved: a burst of events may spend Cloudflare's quota, and other functions "
            "may take all executions of the account",
            f"{usual}, then {context.command('deploy')}",
            of=name,
        )
    elif name == SWEEP:
        yield warning(
            "none reserved: a sweep that takes longer than a minute may briefly undo what "
            "the next one repairs",
            f"{usual}, then {context.command('deploy')}",
            of=name,
        )


def _in_words(number: int | None) -> str:
    return "none" if number is None else str(number)


@question("runtime", needs=("credentials",))
@of_each_function
def deployed_runtime(context: Context, name: str, deployed: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether a function was deployed with this Python version."""
    there, here = deployed["Runtime"], runtime(context.python)
    if there != here:
        end = DEPRECATIONS.get(there)
        until = f" (supported until {end})" if end else ""
        yield warning(
            f"it runs on {there}{until}, and the next deployment from here changes it to {here}",
            f"{context.command('deploy')} to change it to {here}, or create .venv with that Python",
            of=name,
        )
    else:
        yield ok(str(there), of=name)


@question("role", needs=("credentials",))
@of_each_function
def role(context: Context, name: str, deployed: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether a function has exactly the permissions that its code needs."""
    if context.expected(name).iam_role_arn:
        yield skipped("it is your own: config.json sets iam_role_arn", of=name)
        return
    wanted = context.stage.role_name(name)
    there = deployed["Role"].rpartition("/")[2]
    if there != wanted:
        yield failure(f"it is {there}, not {wanted}", context.command("deploy"), of=name)
        return
    try:
        findings = list(_rights(context, name, wanted))
    except ClientError as error:
        if error_code(error) != _NO_ENTITY:
            raise
        findings = [
            failure(f"{wanted} or its policy is missing", context.command("deploy"), of=name)
        ]
    yield from findings or [ok(f"{wanted} has its policy and no others", of=name)]


def _rights(context: Context, name: str, role_name: str) -> Iterator[Finding]:
    iam = context.client("iam")
    trust = iam.get_role(RoleName=role_name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    if [statement.get("Principal") for statement in trust] != [_TRUSTED]:
        found = f"others than Lambda may assume the role {role_name}"
        yield failure(found, trust_command(role_name, _TRUST), of=name)
    document = iam.get_role_policy(RoleName=role_name, PolicyName=role_name)["PolicyDocument"]
    if document != policy(context.code, context.stage, name):
        found = f"the policy of {role_name} is not what the code needs"
        yield failure(found, context.command("deploy"), of=name)
    for other in other_policies(iam, role_name, role_name):
        yield failure(other.found, other.remedy, of=name)


@question("failed events", needs=("stack",))
def failed_events(context: Context) -> Iterator[Finding]:
    """Whether events that fail permanently go to the queue, after the expected retries."""
    queue = context.outputs.failure_queue_arn if context.outputs else ""
    client = context.client("lambda")
    for name in context.functions:
        full_name = context.stage.function_name(name)
        wanted = failures_of(name, queue)
        if wanted is None:
            continue
        if context.deployed(name) is None:
            yield skipped(f"depends on failed check 'function {name}'", of=name)
            continue
        try:
            there = client.get_function_event_invoke_config(FunctionName=full_name)
        except ClientError as error:
            if error_code(error) != NOT_FOUND:
                raise
            yield failure("are lost: no destination is set", context.command("deploy"), of=name)
            continue
        goes_to = there.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        tries = there.get("MaximumRetryAttempts"), there.get("MaximumEventAgeInSeconds")
        if goes_to != wanted.queue:
            found = f"go to {goes_to or 'nowhere'}, not to {wanted.queue or 'a queue'}"
            yield failure(found, context.command("deploy"), of=name)
        elif tries != (wanted.retries, wanted.oldest):
            found = f"are retried {tries[0]} times within {tries[1]} s, not {wanted.retries} "
            yield failure(f"{found}within {wanted.oldest} s", context.command("deploy"), of=name)
        else:
            yield ok(str(wanted), of=name)


@question("logs", needs=("credentials",))
def logs(context: Context) -> Iterator[Finding]:
    """Whether logs have a retention period, and the format that queries expect."""
    client = context.client("logs")
    for name in context.logged_functions:
        group = f"/aws/lambda/{context.stage.function_name(name)}"
        pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=group)
        there = {each["logGroupName"]: each for page in pages for each in page["logGroups"]}
        deploy = context.command("deploy")
        if group not in there:
            yield failure(f"log group {group} does not exist", deploy, of=name)
        elif not there[group].get("retentionInDays"):
            yield failure(
                f"{group} is kept forever, at a cost; it should be {LOG_DAYS} days",
                deploy,
                of=name,
            )
        else:
            yield ok(f"{group}, for {there[group]['retentionInDays']} days", of=name)


@question("log format", needs=("credentials",))
@of_each_function
def log_format(context: Context, name: str, deployed: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether Lambda's own lines are JSON, like the application's."""
    if name not in context.logged_functions:
        return
    there = deployed.get("LoggingConfig", {}).get("LogFormat")
    if there is None:
        yield skipped("not known; the local cloud has no such setting", of=name)
    elif there != "JSON":
        yield warning(f"{there}, which queries cannot read", context.command("deploy"), of=name)
    else:
        yield ok("JSON", of=name)


QUESTIONS: Final = (
    function,
    variables,
    limits,
    concurrency,
    deployed_runtime,
    role,
    failed_events,
    logs,
    log_format,
)
