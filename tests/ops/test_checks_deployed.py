"""A deployed stage on the local cloud: each thing broken turns its own line, and no other.

The remedy that the line names is then carried out as it stands there, and all is well again. What
moto has no notion of is named where something else stands in.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from moto.awslambda.models import lambda_backends
from moto.cloudformation.models import cloudformation_backends
from moto.dynamodb.models import dynamodb_backends
from moto.sns.models import sns_backends

from chalicelib.settings.stage import FEATURES, Settings
from localcloud.aws import ACCOUNT_ID, DEFAULT_REGION
from localcloud.cloud import STAGE, LocalCloud, Ports
from localcloud.cloudflare import DEFAULT_TOKEN, Permission, Plan, Token
from ops import checks_code, deployment
from ops.check import Level
from ops.doctor import worst
from ops.features import with_features
from ops.reach import Code
from ops.stages import ConfigFile
from tests.ops.deployed import PROJECT, CloudAccount, Deployed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


FUNCTION = "elephant-local-dns_watchdog"
RULE = f"{FUNCTION}-event"
SWEEP = "elephant-local-sweep"
QUEUE = "elephant-local-failed-events"
TABLE = "elephant-meetings"
DOMAIN = "elephant.example"
READER = "reader_00000000000000000000000000000000"
OLD_PYTHON = sys.version_info < (3, 12)
SKIPPED = Level.SKIPPED
DEPLOY = "`elephant deploy local`"
STACK_ANEW = (
    "`aws cloudformation delete-stack --stack-name elephant-local-support --region us-west-2`, "
    f"which keeps the table, then {DEPLOY}"
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Deploy the project to a local cloud, as an operator would.

    For one module at a time: moto keeps its state in this process, and other tests begin it anew.
    """
    with (
        LocalCloud(PROJECT.settings, Ports(), time_scale=0.001) as cloud,
        pytest.MonkeyPatch.context() as patch,
    ):
        exports = cloud.exports
        for name, value in exports.items():
            patch.setenv(name, value)
        project = PROJECT.copy(tmp_path_factory.mktemp("doctor") / "project", cloud.cloudflare.url)
        config_file, code = ConfigFile(project.directory), Code(project.directory)
        deployed = Deployed(cloud, config_file, CloudAccount(cloud), code, exports)
        plain = with_features(deployed.stage.variables, (), FEATURES)
        deployed.set_stage(variables=plain, alarm_email="ops@example.com")
        cloud.cloudflare.api._authenticator._tokens[READER] = Token(
            READER, frozenset({Permission.DNS_READ})
        )
        deployed.set_zone(ssl="strict")
        deployed.deploy()
        patch.setattr(deployment, "forget_build", lambda _: None)  # or each takes seconds
        for check in deployed.examine().values():
            if check.name.startswith("table") and check.level is not Level.OK:
                deployed.carry_out(check.remedy)  # a table of the user's own, without them
        deployed.baseline = {check.name: check.level for check in deployed.examine().values()}
        yield deployed


@pytest.fixture
def deployed(running: Deployed, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """Lead the operator's commands to the local cloud."""
    for name, value in running.exports.items():
        monkeypatch.setenv(name, value)
    return running


def test_a_stage_that_was_deployed_is_green(deployed: Deployed) -> None:
    checks = deployed.examine(prove=True)
    assert worst(list(checks.values())) == 0
    assert {name for name, check in checks.items() if check.level is Level.SKIPPED} == {
        "log format dns_watchdog",  # moto keeps no LoggingConfig
        "log format sweep",
    }
    assert {name for name, check in checks.items() if check.level is Level.WARNING} == (
        {"Python"} if OLD_PYTHON else set()
    )


def test_nothing_is_changed_without_leave(deployed: Deployed) -> None:
    before = len(deployed.zone.history)
    checks = deployed.examine()
    assert len(deployed.zone.history) == before
    assert checks["token's rights"].level is Level.SKIPPED
    assert "doctor local --prove" in checks["token's rights"].remedy
    assert deployed.examine(prove=True)["token's rights"].level is Level.OK
    assert len(deployed.zone.history) == before + 2
    assert deployed.zone.records == ()


# What is broken, and which lines that turns


def _edit_policy(it: Deployed) -> None:
    path = it.config_file.path.with_name("policy-local-dns_watchdog.json")
    path.write_text(path.read_text().replace("GetItem", "DeleteItem"))


def _delete_policy(it: Deployed) -> None:
    it.config_file.path.with_name("policy-local-dns_watchdog.json").unlink()


def _longer_timeout(it: Deployed) -> None:
    config = it.config_file.load()
    config["stages"][STAGE]["lambda_timeout"] = 90
    it.config_file.path.write_text(json.dumps(config, indent=2) + "\n")


def _config_concurrency(number: int | None) -> Callable[[Deployed], None]:
    def change(it: Deployed) -> None:
        config = it.config_file.load()
        functions = config["stages"][STAGE]["lambda_functions"]
        functions["dns_watchdog"]["reserved_concurrency"] = number
        it.config_file.path.write_text(json.dumps(config, indent=2) + "\n")

    return change


def _concurrency(number: int, function: str = FUNCTION) -> Callable[[Deployed], None]:
    def change(it: Deployed) -> None:
        it.client("lambda").put_function_concurrency(
            FunctionName=function, ReservedConcurrentExecutions=number
        )

    return change


def _no_concurrency(it: Deployed) -> None:
    it.client("lambda").delete_function_concurrency(FunctionName=FUNCTION)


def _nothing_to_reserve(it: Deployed) -> None:
    _config_concurrency(None)(it)
    _no_concurrency(it)


def _switched_off(it: Deployed) -> None:
    _config_concurrency(0)(it)
    _concurrency(0)(it)


def _function(**members: object) -> Callable[[Deployed], None]:
    def change(it: Deployed) -> None:
        it.client("lambda").update_function_configuration(FunctionName=FUNCTION, **members)

    return change


def _variables(it: Deployed) -> None:
    there = it.stage.variables
    others = {key: there[key] for key in there if key != "OWNER"}
    others |= {"ZONE_ID": "f" * 32, "MINE": "a secret of mine"}
    _function(Environment={"Variables": others})(it)


def _rezipped(change: Callable[[dict[str, bytes]], None]) -> Callable[[Deployed], None]:
    """Deploy by hand a zip that was built here, after a change: what an older checkout built."""

    def deploy(it: Deployed) -> None:
        builds = it.config_file.directory / ".chalice/deployments"
        with zipfile.ZipFile(next(builds.glob("*-python*.zip"))) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        change(files)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        (builds / "other.zip").write_bytes(packed.getvalue())
        it.client("lambda").update_function_code(FunctionName=FUNCTION, ZipFile=packed.getvalue())

    return deploy


def _other_zip(it: Deployed) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", "")
    it.client("lambda").update_function_code(FunctionName=FUNCTION, ZipFile=packed.getvalue())


def _role_policy(it: Deployed) -> None:
    document = it.client("iam").get_role_policy(RoleName=FUNCTION, PolicyName=FUNCTION)
    wider = json.dumps(document["PolicyDocument"]).replace("DescribeInstances", "*")
    it.client("iam").put_role_policy(RoleName=FUNCTION, PolicyName=FUNCTION, PolicyDocument=wider)


def _no_role_policy(it: Deployed) -> None:
    it.client("iam").delete_role_policy(RoleName=FUNCTION, PolicyName=FUNCTION)


def _second_policy(it: Deployed) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}],
    }
    it.client("iam").put_role_policy(
        RoleName=FUNCTION, PolicyName="by-hand", PolicyDocument=json.dumps(document)
    )


def _attached_policy(it: Deployed) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}],
    }
    created = it.client("iam").create_policy(PolicyName="mine", PolicyDocument=json.dumps(document))
    it.client("iam").attach_role_policy(RoleName=FUNCTION, PolicyArn=created["Policy"]["Arn"])


def _trust(it: Deployed) -> None:
    role = it.client("iam").get_role(RoleName=FUNCTION)["Role"]
    document = role["AssumeRolePolicyDocument"]
    document["Statement"][0]["Principal"] = {"AWS": "arn:aws:iam::210987654321:root"}
    it.client("iam").update_assume_role_policy(
        RoleName=FUNCTION, PolicyDocument=json.dumps(document)
    )


def _other_role(it: Deployed) -> None:
    _function(Role=f"arn:aws:iam::{ACCOUNT_ID}:role/elephant-local-api_handler")(it)


def _disable_rule(it: Deployed) -> None:
    it.client("events").disable_rule(Name=RULE)


def _other_pattern(it: Deployed) -> None:
    it.client("events").put_rule(Name=RULE, EventPattern=json.dumps({"source": ["aws.ec2"]}))


def _other_schedule(it: Deployed) -> None:
    it.client("events").put_rule(Name=f"{SWEEP}-event", ScheduleExpression="rate(1 day)")


def _sweeps_tried_again(it: Deployed) -> None:
    client = it.client("lambda")
    client.put_function_event_invoke_config(FunctionName=SWEEP, MaximumRetryAttempts=2)


def _sweeps_in_the_queue(it: Deployed) -> None:
    client = it.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName=SWEEP,
        MaximumRetryAttempts=0,
        MaximumEventAgeInSeconds=60,
        DestinationConfig=_elsewhere(),
    )


def _no_target(it: Deployed) -> None:
    it.client("events").remove_targets(Rule=RULE, Ids=["1"])


def _no_rule(it: Deployed) -> None:
    _no_target(it)
    it.client("events").delete_rule(Name=RULE)


def _no_permission(it: Deployed) -> None:
    client = it.client("lambda")
    policy = json.loads(client.get_policy(FunctionName=FUNCTION)["Policy"])
    for statement in policy["Statement"]:
        client.remove_permission(FunctionName=FUNCTION, StatementId=statement["Sid"])


def _permission_for_another_rule(it: Deployed) -> None:
    _no_permission(it)
    it.client("lambda").add_permission(
        FunctionName=FUNCTION,
        StatementId="other",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=f"arn:aws:events:{DEFAULT_REGION}:{ACCOUNT_ID}:rule/another",
    )


def _no_failure_destination(it: Deployed) -> None:
    it.client("lambda").delete_function_event_invoke_config(FunctionName=FUNCTION)


def _invoke_config(**members: object) -> Callable[[Deployed], None]:
    def change(it: Deployed) -> None:
        client = it.client("lambda")
        there = client.get_function_event_invoke_config(FunctionName=FUNCTION)
        kept = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
        wanted = {key: there[key] for key in kept} | members
        client.put_function_event_invoke_config(FunctionName=FUNCTION, **wanted)

    return change


def _elsewhere() -> dict[str, object]:
    return {"OnFailure": {"Destination": f"arn:aws:sqs:{DEFAULT_REGION}:{ACCOUNT_ID}:mine"}}


def _no_retention(it: Deployed) -> None:
    it.client("logs").delete_retention_policy(logGroupName=f"/aws/lambda/{FUNCTION}")


def _no_log_group(it: Deployed) -> None:
    it.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{FUNCTION}")


def _no_stream(it: Deployed) -> None:
    it.client("dynamodb").update_table(
        TableName=TABLE, StreamSpecification={"StreamEnabled": False}
    )
    # moto would not enable one again
    dynamodb_backends[ACCOUNT_ID][DEFAULT_REGION].tables[TABLE].latest_stream_label = None


def _no_recovery(it: Deployed) -> None:
    it.client("dynamodb").update_continuous_backups(
        TableName=TABLE,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
    )


def _template_of_before(it: Deployed) -> None:
    client = it.client("cloudformation")
    parameters = client.describe_stacks(StackName=it.stack)["Stacks"][0]["Parameters"]
    body = client.get_template(StackName=it.stack)["TemplateBody"]
    client.update_stack(
        StackName=it.stack,
        TemplateBody=str(body).replace("Created and updated by", "Made by"),
        Parameters=parameters,
        Tags=[{"Key": "elephant:stage", "Value": STAGE}],
    )


def _silence(it: Deployed) -> None:
    it.client("cloudwatch").disable_alarm_actions(AlarmNames=["elephant-local-errors"])


def _unsubscribe(it: Deployed) -> None:
    client = it.client("sns")
    for each in client.list_subscriptions()["Subscriptions"]:
        client.unsubscribe(SubscriptionArn=each["SubscriptionArn"])


def _other_shape(it: Deployed) -> None:
    it.client("secretsmanager").put_secret_value(
        SecretId=it.cloud.settings.secret_id, SecretString=json.dumps({"TOKEN": DEFAULT_TOKEN})
    )


def _no_alarm(it: Deployed) -> None:
    it.client("cloudwatch").delete_alarms(AlarmNames=["elephant-local-quota-low"])


def _no_topic(it: Deployed) -> None:
    arn = f"arn:aws:sns:{DEFAULT_REGION}:{ACCOUNT_ID}:elephant-local-alarms"
    it.client("sns").delete_topic(TopicArn=arn)


def _no_queue(it: Deployed) -> None:
    sqs = it.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"])


def _failed_event(it: Deployed) -> None:
    sqs = it.client("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"], MessageBody="{}")


Break = tuple["Callable[[Deployed], None]", dict[str, Level]]


def _fails(name: str, *functions: str) -> dict[str, Level]:
    """Expect a line to fail, of the function of events if no other is named."""
    return {f"{name} {each}": Level.FAILURE for each in functions or ("dns_watchdog",)}


_ALL: Final = ("api_handler", "dns_watchdog", "sweep")


# Each round is mended by the one remedy that every line of it names.
ROUNDS: dict[str, list[Break]] = {
    "changed by hand": [
        (_variables, _fails("variables")),
        (_function(Timeout=3), _fails("limits")),
        (_concurrency(3), _fails("concurrency")),
        (_other_schedule, _fails("rule", "sweep")),
        (_sweeps_tried_again, _fails("failed events", "sweep")),
        (_function(Runtime="python3.10"), {"runtime dns_watchdog": Level.WARNING}),
        (_rezipped(lambda files: files.update({"app.py": b"# older"})), _fails("code")),
        (_role_policy, _fails("role")),
        (_disable_rule, _fails("rule")),
        (_permission_for_another_rule, _fails("permission")),
        (_invoke_config(DestinationConfig=_elsewhere()), _fails("failed events")),
        (_no_retention, _fails("logs")),
        (_template_of_before, {"stack": Level.WARNING}),
    ],
    "deleted by hand": [
        (_function(MemorySize=128), _fails("limits")),
        (_no_concurrency, _fails("concurrency")),
        (_concurrency(2, SWEEP), _fails("concurrency", "sweep")),
        (_sweeps_in_the_queue, _fails("failed events", "sweep")),
        (_other_zip, _fails("code")),
        (_no_role_policy, _fails("role")),
        (_no_rule, _fails("rule")),
        (_no_permission, _fails("permission")),
        (_no_failure_destination, _fails("failed events")),
        (_no_log_group, _fails("logs")),
    ],
    "changed in config.json": [
        (lambda it: it.set_variable("DCV_PORT", "2053"), _fails("variables", *_ALL)),
        (
            lambda it: it.set_variable("EVENT_TAGS", "required"),
            _fails("variables", *_ALL) | _fails("rule"),
        ),
        (
            lambda it: it.set_variable("SWEEP_SCHEDULE", "rate(5 minutes)"),
            _fails("variables", *_ALL) | _fails("rule", "sweep"),
        ),
        (_longer_timeout, _fails("limits", "dns_watchdog")),
        (_config_concurrency(5), _fails("concurrency")),
        (_rezipped(lambda files: files.update({"chalicelib/extra.py": b""})), _fails("code")),
        (_other_role, _fails("role")),
        (_invoke_config(MaximumRetryAttempts=0), _fails("failed events")),
    ],
    "deleted from the stack": [
        (_no_alarm, {"alarms": Level.FAILURE}),
        (_no_topic, {"alarm topic": Level.FAILURE}),
        (_no_queue, {"failure queue": Level.FAILURE}),
    ],
}


@pytest.mark.parametrize("name", ROUNDS)
def test_each_thing_broken_turns_its_line_and_one_remedy_mends_them_all(
    deployed: Deployed, name: str
) -> None:
    expected: dict[str, Level] = {}
    mend = DEPLOY if "stack" not in name else STACK_ANEW
    for break_, lines in ROUNDS[name]:
        break_(deployed)
        expected |= lines
        checks = deployed.examine()
        assert deployed.changed(checks) == expected
        assert all(mend in checks[line].remedy for line in lines)
    deployed.carry_out(mend)
    assert deployed.changed(deployed.examine()) == {}


_NOT_LOOKED_AT: Final = dict.fromkeys(
    ("zone", "domain", "SSL mode", "records left", "owner in the zone"), Level.SKIPPED
)

# Each is mended by commands that its line names.
BREAKS: dict[str, Break] = {
    "policy file edited": (_edit_policy, {"files": Level.FAILURE}),
    "policy file deleted": (_delete_policy, {"files": Level.FAILURE}),
    "handler renamed": (_function(Handler="app.watch"), _fails("function")),
    "nothing reserved": (_nothing_to_reserve, {"concurrency dns_watchdog": Level.WARNING}),
    "switched off": (_switched_off, _fails("concurrency")),
    "second policy": (_second_policy, _fails("role")),
    "policy attached": (_attached_policy, _fails("role")),
    "trust by hand": (_trust, _fails("role")),
    "stream off": (_no_stream, {"table stream": Level.WARNING}),
    "recovery off": (_no_recovery, {"table recovery": Level.WARNING}),
    "nobody subscribed": (_unsubscribe, {"alarm topic": Level.WARNING}),
    "events failed": (_failed_event, {"failure queue": Level.WARNING}),
    "alarms silenced": (_silence, {"alarms actions": Level.WARNING}),
    "secret of another shape": (
        _other_shape,
        {"secret": Level.FAILURE, "token": Level.SKIPPED} | _NOT_LOOKED_AT,
    ),
    "token revoked": (
        lambda it: it.store_token("revoked_" + "0" * 32),
        {"token": Level.FAILURE} | _NOT_LOOKED_AT,
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_turns_its_line_and_the_remedy_mends_it(
    deployed: Deployed, name: str
) -> None:
    break_, lines = BREAKS[name]
    break_(deployed)
    checks = deployed.examine()
    assert deployed.changed(checks) == lines
    deployed.carry_out(checks[next(iter(lines))].remedy)
    assert deployed.changed(deployed.examine()) == {}


# What a remedy outside of our reach mends, and the test undoes


def _put_record(it: Deployed, name: str) -> None:
    """Make a record with our marker."""
    comment = f"{it.cloud.settings.owner} managed by Elephant"
    it.zone.create({"type": "A", "name": name, "content": "192.0.2.7", "comment": comment})


def _in_four_minutes() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=4)


SEEN: dict[str, tuple[Callable[[Deployed], None], dict[str, Level], str]] = {
    "zone paused": (
        lambda it: it.set_zone(paused=True),
        {"zone": Level.FAILURE} | dict.fromkeys(("domain", "SSL mode", "records left"), SKIPPED),
        "Enable Cloudflare on Site",
    ),
    "zone pending": (
        lambda it: it.set_zone(status="pending"),
        {"zone": Level.FAILURE} | dict.fromkeys(("domain", "SSL mode", "records left"), SKIPPED),
        "name servers",
    ),
    "zone of another domain": (
        lambda it: it.set_zone(name="other.example"),
        {"domain": Level.FAILURE},
        "--zone-id",
    ),
    "two labels deep": (
        lambda it: it.set_zone(name="example"),
        {"domain": Level.WARNING},
        "advanced certificate",
    ),
    "any certificate": (
        lambda it: it.set_zone(ssl="full"),
        {"SSL mode": Level.WARNING},
        "Full (strict)",
    ),
    "no TLS": (
        lambda it: it.set_zone(ssl="flexible"),
        {"SSL mode": Level.WARNING},
        "Full (strict)",
    ),
    "few records": (
        lambda it: it.set_zone(record_quota=30),
        {"records left": Level.WARNING},
        "larger plan",
    ),
    "no records": (
        lambda it: it.set_zone(record_quota=0),
        {"records left": Level.FAILURE},
        "larger plan",
    ),
    "record of an unknown instance": (
        lambda it: _put_record(it, f"i-0123456789abcdef0.{DOMAIN}"),
        {"owner in the zone": Level.WARNING},
        "--owner elephant:ANOTHER",
    ),
    "record of another domain root": (
        lambda it: _put_record(it, f"i-0123456789abcdef0.qa.{DOMAIN}"),
        {"owner in the zone": Level.WARNING},
        "--owner elephant:ANOTHER",
    ),
}


@pytest.mark.parametrize("name", SEEN)
def test_what_cloudflare_shows_is_told(deployed: Deployed, name: str) -> None:
    break_, lines, remedy = SEEN[name]
    before = deployed.zone.zone
    break_(deployed)
    checks = deployed.examine(now=_in_four_minutes)
    deployed.zone.zone = before
    for record in deployed.zone.records:
        deployed.zone.delete(record.id)
    assert deployed.changed(checks) == lines
    assert remedy in checks[next(iter(lines))].remedy


def test_what_does_not_matter_is_no_warning(deployed: Deployed) -> None:
    before, zone = deployed.stage.variables, deployed.zone.zone
    deployed.set_variable("PROXIED", "false")
    deployed.set_zone(name="example", ssl="off", plan=Plan.ENTERPRISE)
    checks = deployed.examine()
    deployed.zone.zone = zone
    deployed.set_stage(variables=before)
    assert {checks[name].level for name in ("domain", "SSL mode", "records left")} == {Level.OK}
    assert "not proxied" in checks["SSL mode"].found
    assert "the quota is the account's" in checks["records left"].found


def test_the_state_of_the_stack_is_told(deployed: Deployed) -> None:
    (stack,) = cloudformation_backends[ACCOUNT_ID][DEFAULT_REGION].stacks.values()
    found = {}
    for status in ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"):
        stack.status = status  # moto's are at rest and never fail
        found[status] = deployed.changed(deployed.examine())["stack"]
    stack.status = "UPDATE_COMPLETE"
    assert found == {
        "UPDATE_IN_PROGRESS": Level.WARNING,
        "UPDATE_ROLLBACK_COMPLETE": Level.FAILURE,
    }


def test_a_role_of_the_users_own_is_not_looked_at(deployed: Deployed) -> None:
    before = deployed.config_file.path.read_text()
    config = deployed.config_file.load()
    own = {"manage_iam_role": False, "iam_role_arn": f"arn:aws:iam::{ACCOUNT_ID}:role/mine"}
    config["stages"][STAGE]["lambda_functions"]["dns_watchdog"] |= own
    deployed.config_file.path.write_text(json.dumps(config, indent=2) + "\n")
    checks = deployed.examine()
    deployed.config_file.path.write_text(before)
    assert deployed.changed(checks) == {"role dns_watchdog": SKIPPED}


def test_code_that_was_built_elsewhere_is_fetched(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    (build,) = (deployed.config_file.directory / ".chalice/deployments").glob("*-python*.zip")
    hidden = build.parent.rename(build.parent.with_name("hidden"))
    unknown = deployed.examine()
    monkeypatch.setattr(Settings, "is_local", False)  # moto's code cannot be fetched
    content = (hidden / build.name).read_bytes()
    monkeypatch.setattr(checks_code, "_fetch", lambda _: content)
    fetched = deployed.examine()
    hidden.rename(build.parent)
    assert deployed.changed(unknown) == {f"code {each}": SKIPPED for each in _ALL}
    assert "it was not built here" in unknown["code dns_watchdog"].found
    assert fetched["code dns_watchdog"].level is Level.OK


def test_records_of_known_instances_and_new_ones_are_ours(deployed: Deployed) -> None:
    client = deployed.client("ec2")
    launched = client.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
    known = launched["Instances"][0]["InstanceId"]
    deployed.cloud.settle()
    _put_record(deployed, f"{known}.{DOMAIN}")
    later = deployed.examine(now=_in_four_minutes)
    _put_record(deployed, f"i-0123456789abcdef0.{DOMAIN}")
    checks = deployed.examine()
    for record in deployed.zone.records:
        deployed.zone.delete(record.id)
    client.terminate_instances(InstanceIds=[known])
    assert deployed.changed(checks) == deployed.changed(later) == {}


def test_a_token_that_may_only_read_is_found_out_by_the_proof(deployed: Deployed) -> None:
    deployed.store_token(READER)
    checks = deployed.examine()
    assert deployed.changed(checks) == {"SSL mode": SKIPPED}
    assert "may not read it" in checks["SSL mode"].found
    proved = deployed.examine(prove=True)
    assert deployed.changed(proved)["token's rights"] is Level.FAILURE
    deployed.carry_out(proved["token's rights"].remedy)
    assert deployed.examine(prove=True)["token's rights"].level is Level.OK


def test_an_alarm_in_alarm_is_told_with_what_to_do(deployed: Deployed) -> None:
    client = deployed.client("cloudwatch")
    alarm = "elephant-local-errors"
    client.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
    checks = deployed.examine()
    client.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="a test")
    assert deployed.changed(checks) == {"alarms state": Level.WARNING}
    assert alarm in checks["alarms state"].found
    assert "docs/operations.md" in checks["alarms state"].remedy


def test_a_subscription_that_was_not_confirmed_is_told(deployed: Deployed) -> None:
    subscriptions = sns_backends[ACCOUNT_ID][DEFAULT_REGION].subscriptions
    (arn,) = subscriptions
    subscriptions[arn].arn = "PendingConfirmation"  # moto needs no confirmation
    checks = deployed.examine()
    subscriptions[arn].arn = arn
    assert deployed.changed(checks) == {"alarm topic": Level.WARNING}
    assert "ops@example.com" in checks["alarm topic"].found
    assert "follow the link" in checks["alarm topic"].remedy


def test_without_an_address_nobody_is_told(deployed: Deployed) -> None:
    _unsubscribe(deployed)
    deployed.set_stage(alarm_email="")
    checks = deployed.examine()
    assert deployed.changed(checks) == {"alarm topic": Level.WARNING}
    deployed.carry_out(checks["alarm topic"].remedy.replace("YOU@EXAMPLE.COM", "you@example.com"))
    assert deployed.changed(deployed.examine()) == {}


def test_a_function_that_lambda_could_not_set_up_is_told(deployed: Deployed) -> None:
    function = lambda_backends[ACCOUNT_ID][DEFAULT_REGION].get_function(FUNCTION)
    found = {}
    for state in ("Failed", "Pending"):
        function.state = state  # moto's are always active
        found[state] = deployed.changed(deployed.examine())
    function.state = "Active"
    assert found == {
        "Failed": {"function dns_watchdog": Level.FAILURE},
        "Pending": {"function dns_watchdog": Level.WARNING},
    }


def test_a_rule_for_other_events_or_without_its_function_is_told(deployed: Deployed) -> None:
    client = deployed.client("events")
    rule = client.describe_rule(Name=RULE)
    targets = client.list_targets_by_rule(Rule=RULE)["Targets"]
    _other_pattern(deployed)
    other = deployed.examine()
    client.put_rule(Name=RULE, EventPattern=rule["EventPattern"])
    _no_target(deployed)
    idle = deployed.examine()
    client.put_targets(Rule=RULE, Targets=targets)
    assert deployed.changed(other) == deployed.changed(idle) == _fails("rule")
    assert "matches" in other["rule dns_watchdog"].found
    assert "does not start" in idle["rule dns_watchdog"].found
    assert deployed.changed(deployed.examine()) == {}


def test_log_formats_are_told(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    function = lambda_backends[ACCOUNT_ID][DEFAULT_REGION].get_function(FUNCTION)
    configuration = function.get_configuration()
    for format_, level in (("Text", Level.WARNING), ("JSON", Level.OK)):
        answer = configuration | {"LoggingConfig": {"LogFormat": format_}}
        monkeypatch.setattr(function, "get_configuration", lambda answer=answer: answer)
        assert deployed.examine()["log format dns_watchdog"].level is level


def test_what_stands_on_something_deleted_is_skipped_and_says_so(deployed: Deployed) -> None:
    deployed.client("lambda").delete_function(FunctionName=FUNCTION)
    changed = deployed.changed(deployed.examine())
    assert changed.pop("function dns_watchdog") is Level.FAILURE
    assert set(changed.values()) == {SKIPPED}
    assert {name.removesuffix(" dns_watchdog") for name in changed} == {
        "variables",
        "limits",
        "concurrency",
        "runtime",
        "role",
        "code",
        "permission",
        "failed events",
    }
    deployed.client("cloudformation").delete_stack(StackName=deployed.stack)
    checks = deployed.examine()
    assert checks["stack"].level is Level.FAILURE
    for name in ("failed events", "alarms", "alarm topic", "failure queue"):
        assert checks[name].level is SKIPPED
        assert "failed check 'stack'" in checks[name].found
    assert checks["stack"].remedy == checks["function dns_watchdog"].remedy
    deployed.carry_out(checks["stack"].remedy)
    assert deployed.changed(deployed.examine()) == {}


def test_a_table_deleted_is_made_again(deployed: Deployed) -> None:
    deployed.client("dynamodb").delete_table(TableName=TABLE)
    for _ in range(2):  # the first was the user's, the second is the stack's
        checks = deployed.examine()
        assert checks["table"].level is Level.FAILURE
        deployed.carry_out(checks["table"].remedy)
        assert deployed.examine()["table"].level is Level.OK
        deployed.client("dynamodb").delete_table(TableName=TABLE)
    deployed.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    checks = deployed.examine()
    assert checks["table"].level is Level.FAILURE
    assert "--table ANOTHER" in checks["table"].remedy
    deployed.carry_out(checks["table"].remedy.replace("ANOTHER", "elephant-local-meetings"))
    checks = deployed.examine()
    assert checks["table"].level is Level.OK
    assert worst(list(checks.values())) == 0


def test_a_stage_without_table_needs_none(deployed: Deployed) -> None:
    before = deployed.stage.variables
    deployed.set_variable("TABLE_NAME", "")
    checks = deployed.examine()
    deployed.set_stage(variables=before)
    assert checks["table"].found == "none: DNS only"
    assert "table stream" not in checks


def test_a_secret_deleted_is_made_again_by_ops_token(deployed: Deployed) -> None:
    deployed.client("secretsmanager").delete_secret(
        SecretId=deployed.cloud.settings.secret_id, ForceDeleteWithoutRecovery=True
    )
    checks = deployed.examine()
    assert checks["secret"].level is Level.FAILURE
    deployed.carry_out(checks["secret"].remedy)
    assert deployed.examine()["secret"].level is Level.OK


def test_a_part_of_an_arn_finds_a_secret_that_functions_may_not_read(deployed: Deployed) -> None:
    client = deployed.client("secretsmanager")
    arn = client.describe_secret(SecretId=deployed.cloud.settings.secret_id)["ARN"]
    deployed.set_variable("SECRET_ARN", arn[: arn.rindex("-")])
    checks = deployed.examine()
    assert checks["secret"].level is Level.FAILURE
    assert arn in checks["secret"].remedy
    deployed.carry_out(checks["secret"].remedy)
    assert worst(list(deployed.examine().values())) == 0
    key = deployed.client("kms").create_key()["KeyMetadata"]["Arn"]
    client.update_secret(SecretId=arn, KmsKeyId=key)
    assert deployed.examine()["secret"].level is Level.WARNING
