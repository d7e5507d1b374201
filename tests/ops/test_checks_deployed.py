"""A deployed stage on the local cloud: each thing broken changes its own check, and no other.

The remedies are then carried out as they are written, and all is well again. What moto has no
notion of is named where something else takes its place.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from moto.ses.models import ses_backends

from chalicelib.ec2.instances import OWNER_TAG
from chalicelib.settings.stage import FEATURES, Settings
from localcloud.aws import ACCOUNT_ID, DEFAULT_REGION
from localcloud.cloud import STAGE, LocalCloud, Ports
from localcloud.cloudflare import DEFAULT_TOKEN, Permission, Plan, Token
from ops import checks_api, checks_code, deployed_note, deployment
from ops.check import Level
from ops.cli import main
from ops.command import CommandError
from ops.deployer import RIGHTS
from ops.deployment import Deployment
from ops.doctor import worst
from ops.features import with_features
from ops.reach import Code
from ops.stages import ConfigError, ConfigFile
from ops.steps import INTERRUPTED
from ops.tagging import things
from tests.end_to_end.conftest import start_instance
from tests.ops.breakages import (
    ALL,
    DESKTOP,
    DOMAIN,
    ERRORS,
    FROM_THE_STACK,
    KEY,
    LAUNCH,
    NEW_TAGS,
    OLD_TAGS,
    PREFIX,
    ROUNDS,
    SEED,
    SENT,
    TABLE,
    WATCHDOG,
    api_of,
    attach,
    call,
    config,
    every,
    lose_note,
    own_table,
    schedule,
    secret_gone,
)
from tests.ops.deployed import PROJECT, CloudAccount, Deployed, names_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    from tests.ops.breakages import Break, Change

FROM, TO = "elephant@elephant.localhost", "ops@example.com"
READER = "reader_00000000000000000000000000000000"
VARIABLES = {"ALLOWED_ORIGINS": "https://app.example.com", "MAIL_FROM": FROM, "MAIL_TO": TO}
OK, FAILURE, WARNING, SKIPPED = Level.OK, Level.FAILURE, Level.WARNING, Level.SKIPPED


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Deploy the project with every feature to a local cloud, as an operator would.

    For one module at a time: moto keeps its state in this process, and other tests reset it.
    """
    with (
        LocalCloud(PROJECT.settings, Ports(), time_scale=0.001) as cloud,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in cloud.exports.items():
            patch.setenv(name, value)
        project = PROJECT.copy(tmp_path_factory.mktemp("doctor") / "project", cloud.cloudflare.url)
        code = Code(project.directory)
        for module in ("deployment", "teardown", "cli_stage"):
            patch.setattr(f"ops.{module}.Code", lambda _: code)  # which does not change
        it = Deployed(cloud, ConfigFile(project.directory), CloudAccount(cloud), code)
        variables = with_features(it.stage.variables, FEATURES, ()) | VARIABLES
        it.set_stage(variables=variables, alarm_email="ops@example.com", tags=OLD_TAGS)
        cloud.cloudflare.api._authenticator._tokens[READER] = Token(
            READER, frozenset({Permission.DNS_READ})
        )
        it.client("sesv2").create_email_identity(EmailIdentity=DOMAIN)
        it.deploy()
        patch.setattr(deployment, "forget_build", lambda _: None)  # or each takes seconds
        it.baseline = it.levels()
        yield it


@pytest.fixture
def seen(deployed: Deployed) -> Iterator[Deployed]:
    """Give the stage to a test that changes what is put back after it."""
    with deployed.put_back():
        yield deployed


def test_a_deployed_stage_is_green_and_is_not_changed_without_leave(deployed: Deployed) -> None:
    before = len(deployed.zone.history)
    (unproved,) = [each for each in deployed.examine().values() if each.name == "token's rights"]
    assert unproved.level is SKIPPED
    assert "doctor local --prove" in unproved.remedy
    assert len(deployed.zone.history) == before, "nothing is changed without leave"

    checks = deployed.examine(prove=True)

    assert (len(deployed.zone.history), deployed.zone.records) == (before + 2, ())
    key = deployed.client("secretsmanager").get_secret_value(SecretId=KEY)["SecretString"]
    assert not [name for name, check in checks.items() if key in check.found + check.remedy]
    assert "`elephant keys local` lists them" in checks["schedule key"].found
    not_ok = {name: check.level for name, check in checks.items() if check.level is not OK}
    assert not_ok == {
        **{f"log format {each}": SKIPPED for each in ALL},  # moto keeps no LoggingConfig
        "vCPU quota": SKIPPED,  # of which moto knows none
        **({"Python": WARNING} if sys.version_info < (3, 12) else {}),
    }
    assert "failed events api_handler" not in checks
    assert "failed events terminator" not in checks
    assert "watched groups" not in checks


def break_all(it: Deployed, breaks: list[Break]) -> dict[str, str]:
    """Break everything, and return the remedy of each check, which found just that."""
    every(*(each.change for each in breaks if each.change))(it)
    checks = it.examine()
    gone = it.baseline.keys() - checks.keys()
    assert it.changed(checks) == {each.check: each.level for each in breaks}, gone
    assert [each for each in breaks if each.found not in checks[each.check].found] == []
    return {each.check: checks[each.check].remedy for each in breaks}


@pytest.mark.parametrize("name", ROUNDS)
def test_what_is_broken_changes_its_check_and_the_remedy_repairs_it(
    deployed: Deployed, name: str
) -> None:
    mappings = deployed.client("lambda").list_event_source_mappings
    api, before = api_of(deployed), mappings()["EventSourceMappings"]

    remedies = break_all(deployed, ROUNDS[name])

    is_deployment = {"`elephant deploy local`" in each for each in remedies.values()}
    if name == "by commands":
        assert is_deployment == {False}
    elif name == "in config.json":
        lose_note(deployed)  # which makes no second API and no second mapping
    else:
        assert is_deployment == {True}
    deployed.carry_out(*remedies.values())
    assert deployed.levels() == deployed.baseline
    assert api_of(deployed) == api
    if name == "by hand":  # which put another table into the place of the former
        row = deployed.client("dynamodb").get_item(TableName=TABLE, Key={"id": {"S": "kept"}})
        assert "Item" in row
        assert all(tags == NEW_TAGS for tags in tags_in(deployed)), "the former ones are gone"
    else:
        after = mappings()["EventSourceMappings"]
        assert [each["UUID"] for each in after] == [each["UUID"] for each in before]


def tags_in(it: Deployed) -> list[dict[str, str]]:
    """Read the tags of what neither the stack nor Chalice tags, but for the stack's own."""
    found = things(it.config_file, it.stage, it.account, it.code.functions)
    tags = [each.read(it.account) for each in found]
    own = "aws-chalice", "elephant:stage"
    return [{key: each[key] for key in each if key not in own} for each in tags if each is not None]


def test_what_depends_on_something_deleted_is_skipped_and_says_so(deployed: Deployed) -> None:
    remedies = break_all(deployed, FROM_THE_STACK)
    (remedy,) = set(remedies.values())
    delete, deploy = remedy.split(", which keeps the meetings table, then ")
    deployed.client("dynamodb").delete_table(TableName=TABLE)  # the user's own
    assert deployed.ask("table").remedy == deploy
    with pytest.raises(KeyError):  # as the table's own check has said it
        deployed.ask("other terminators")

    deployed.carry_out(delete)
    deployed.client("lambda").delete_function(FunctionName=WATCHDOG)
    checks = deployed.examine()

    changed = deployed.changed(checks)
    broken = {name for name, level in changed.items() if level is FAILURE}
    assert broken == {"function dns_watchdog", "stack", "table"}
    causes = {checks[each].found.partition(" check ")[2] for each in changed.keys() - broken}
    assert causes == {"'function dns_watchdog'", "'stack'"}
    assert {*changed} - broken == {
        *(f"{each} dns_watchdog" for each in OF_A_FUNCTION),
        *OF_THE_STACK,
    }
    assert checks["stack"].remedy == checks["function dns_watchdog"].remedy == deploy
    deployed.carry_out(deploy)
    deployed.carry_out(deployed.ask("table recovery").remedy)  # of which moto's stacks know nothing
    assert deployed.levels() == deployed.baseline


OF_A_FUNCTION = "code", "concurrency", "limits", "permission", "role", "runtime", "variables"
OF_THE_STACK = (
    "alarm topic",
    "alarms",
    "desktop role",
    "failed events",
    "failure queue",
    "mail events",
    "meeting seed",
    "other terminators",
    "schedule key",
    "scheduler role",
    "schedules",
    "sent table",
    "stream mapping",
    "tags",
)


# What is seen, and put back by the test


def put_record(it: Deployed, instance_id: str = "i-0123456789abcdef0") -> None:
    """Make an instance's record with our owner comment."""
    name, comment = f"{instance_id}.{DOMAIN}", f"{it.cloud.settings.owner} managed by Elephant"
    it.zone.create({"type": "A", "name": name, "content": "192.0.2.7", "comment": comment})


def zone(**members: object) -> Change:
    return lambda it: it.set_zone(**members)


def variables(**members: str) -> Change:
    return lambda it: it.set_variables(**members)


def plain(**members: str) -> Change:
    """Look at the stage as one without features."""
    return lambda it: it.set_stage(variables=plain_variables(it) | members)


def plain_variables(it: Deployed) -> dict[str, str]:
    return with_features(it.stage.variables, (), FEATURES)


def answers(service: str, operation: str, of: str = "", **members: object) -> Change:
    """Have AWS answer otherwise: with these members, or with a list of what has them."""

    def answer(parsed: dict[str, Any], **_: object) -> None:
        for each in parsed[of] if of else [parsed]:
            each.update(members)

    return lambda it: it.hook(service, f"after-call.*.{operation}", answer)


def asked(service: str, operation: str, **arguments: str) -> Change:
    """Have AWS asked for something else, by default for what is not there."""

    def ask(params: dict[str, Any], **_: object) -> dict[str, Any]:
        return params | arguments

    return lambda it: it.hook(service, f"provide-client-params.*.{operation}", ask)


def own(name: str, key: str = "id", **stream: object) -> Change:
    """Have the stage use a table of the user's own."""
    return every(
        lambda it: own_table(it, name, key, **stream), lambda it: it.set_variables(TABLE_NAME=name)
    )


def readers(*names: str) -> Change:
    """Have functions of these names, besides the stage's own, read the table's stream."""
    arns = [LAUNCH_ARN.replace(LAUNCH, each) for each in (f"{PREFIX}-terminator", *names)]
    return mappings(EventSourceMappings=[{"FunctionArn": each} for each in arns])


mappings = partial(answers, "lambda", "ListEventSourceMappings")
keys = partial(answers, "secretsmanager", "GetSecretValue")
no_function = asked("lambda", "GetFunctionConfiguration", FunctionName="x")
function = partial(answers, "lambda", "GetFunctionConfiguration")
stack = partial(answers, "cloudformation", "DescribeStacks", "Stacks")
STORED_BY_HAND = {"prod/elephant/cloudflare", "elephant/local/dcv"}
"""The token and the desktops' certificate."""
OWN_ROLE = {"manage_iam_role": False, "iam_role_arn": f"arn:aws:iam::{ACCOUNT_ID}:role/mine"}
LAUNCH_ARN = f"arn:aws:lambda:{DEFAULT_REGION}:{ACCOUNT_ID}:function:{LAUNCH}"
DISABLED = {"Name": "launch-x", "Target": {"Arn": LAUNCH_ARN}, "State": "DISABLED"}
OF_STACK = {"LogicalResourceId": "MeetingsTable", "PhysicalResourceId": TABLE}
SHOP = {"AutoScalingGroupName": "shop"}
KEPT = OF_STACK | {"ResourceStatus": "CREATE_COMPLETE"}
with_group = every(
    variables(AUTO_SCALING_GROUPS="shop"),
    answers("autoscaling", "DescribeAutoScalingGroups", AutoScalingGroups=[SHOP]),
)
with_application = every(
    variables(CODEDEPLOY_APPLICATIONS="y"),
    call("codedeploy", "create_application", applicationName="y"),
)
no_table_of_the_stack = every(
    asked("dynamodb", "DescribeTable", TableName="missing"),
    answers("cloudformation", "ListStackResources", StackResourceSummaries=[KEPT]),
)
sent_otherwise = every(
    lambda it: own_table(it, "sent-otherwise", "key"),
    asked("dynamodb", "DescribeTable", TableName="sent-otherwise"),
)
unconfirmed = answers(
    "sns", "ListSubscriptionsByTopic", "Subscriptions", SubscriptionArn="PendingConfirmation"
)
sending = partial(answers, "sesv2", "GetAccount", ProductionAccessEnabled=True)
sandbox = answers("sesv2", "GetAccount", ProductionAccessEnabled=False)
no_events = answers("sesv2", "GetConfigurationSetEventDestinations", EventDestinations=[])
KEYS = json.dumps({"front": "a" * 32, "school": ["b" * 32]})
own_kms_key = answers("secretsmanager", "DescribeSecret", KmsKeyId="mine")
over_quota = every(put_record, zone(record_quota=0))
stream_of_keys = own("keys", StreamEnabled=True, StreamViewType="KEYS_ONLY")
rolled_back = stack(StackStatus="UPDATE_ROLLBACK_COMPLETE")
text_logs = function(LoggingConfig={"LogFormat": "Text"})
in_alarm = answers("cloudwatch", "DescribeAlarms", "MetricAlarms", StateValue="ALARM")
no_api = answers("apigateway", "GetRestApis", items=[])
no_mapping = mappings(EventSourceMappings=[])
never_retried = mappings("EventSourceMappings", MaximumRetryAttempts=0)
slow = mappings("EventSourceMappings", LastProcessingResult="PROBLEM: slow")
disabled = answers("scheduler", "ListSchedules", Schedules=[DISABLED])
failed_image = answers("ec2", "DescribeImages", "Images", State="failed")
SEEN: dict[str, list[tuple[Change, Level, str, str]]] = {
    "zone": [(zone(status="pending"), FAILURE, "is pending", "name servers")],
    "domain": [
        (zone(name="other.example"), FAILURE, "is not in the zone other", "--zone-id"),
        (zone(name="localhost"), WARNING, "but not *.elephant.localhost", "advanced certificate"),
        (
            every(zone(name="localhost"), variables(PROXIED="false")),
            OK,
            "is in the zone localhost",
            "",
        ),
        (zone(name="localhost", type="partial"), OK, "is in the zone localhost", ""),
    ],
    "SSL mode": [
        (zone(ssl="full"), WARNING, "it is 'full'", "Full (strict)"),
        (zone(ssl="flexible"), WARNING, "without TLS", "Full (strict)"),
        (variables(PROXIED="false"), OK, "are not proxied", ""),
    ],
    "records left": [
        (zone(record_quota=30), WARNING, "30 of 30", "larger plan"),
        (over_quota, FAILURE, "0 of 0: new desktops get no record", "larger plan"),
        (zone(plan=Plan.ENTERPRISE), OK, "the quota is the account's", ""),
    ],
    "owner in the zone": [(put_record, WARNING, "1 record of", "--owner elephant:ANOTHER")],
    "secret": [(own_kms_key, WARNING, "encrypted with the key mine", "allow kms:Decrypt")],
    "table": [
        (own("another", "name"), FAILURE, "has the key name (S)", "--table ANOTHER"),
        (plain(TABLE_NAME=""), OK, "none: DNS only", ""),
        (no_table_of_the_stack, FAILURE, "does not exist", "restore it from its backup"),
    ],
    "table stream": [(stream_of_keys, FAILURE, "it shows KEYS_ONLY", "StreamEnabled=false")],
    "other terminators": [
        (readers("elephant-o-terminator"), FAILURE, "elephant-o-terminator reads", "table ANOTHER"),
        (readers("reports"), OK, "no other stage", ""),
    ],
    "stack": [
        (stack(StackStatus="UPDATE_IN_PROGRESS"), WARNING, "is UPDATE_IN_PROGRESS", "wait"),
        (rolled_back, FAILURE, "is UPDATE_ROLLBACK_COMPLETE", "deploy local"),
    ],
    "role dns_watchdog": [(config("dns_watchdog", **OWN_ROLE), SKIPPED, "it is your own", "")],
    "function dns_watchdog": [
        (function(State="Failed"), FAILURE, "Lambda failed to initialize it", "deploy local"),
        (function(State="Pending"), WARNING, "it is Pending", "wait"),
    ],
    "failed events dns_watchdog": [(no_function, SKIPPED, "check 'function dns_watchdog'", "")],
    "log format dns_watchdog": [
        (text_logs, WARNING, "Text, which queries cannot read", "deploy local"),
        (function(LoggingConfig={"LogFormat": "JSON"}), OK, "JSON", ""),
    ],
    "alarms state": [(in_alarm, WARNING, ERRORS, "docs/operations.md")],
    "alarm topic": [(unconfirmed, WARNING, "not confirmed yet: ", "follow the link")],
    "API": [
        (config(api_gateway_stage="another"), FAILURE, "has no stage another", "deploy local"),
        (no_api, FAILURE, "no API calls the stage's function", "deploy local"),
    ],
    "stream mapping": [
        (no_mapping, FAILURE, "terminator reads nothing, not arn:", "deploy local"),
        (no_function, SKIPPED, "check 'function terminator'", ""),
        (never_retried, FAILURE, "MaximumRetryAttempts", "deploy local"),
        (slow, WARNING, "PROBLEM: slow", "see the logs"),
    ],
    "schedules": [(disabled, FAILURE, "terminated: launch-x", "enable them again")],
    "desktop role profile": [
        (asked("iam", "GetInstanceProfile", InstanceProfileName="x"), FAILURE, "not exist", "-")
    ],
    "certificate secret": [
        (variables(CERTIFICATE_SECRET="none"), FAILURE, "does not exist", "--secret none"),
        (variables(CERTIFICATE_SECRET=KEY), OK, KEY, ""),
    ],
    "desktops image": [
        (variables(AMI_ID="ami-00000000"), FAILURE, "is not in us-west-2", "--ami ANOTHER"),
        (failed_image, FAILURE, "is failed", "--ami ANOTHER"),
    ],
    "desktops security groups": [
        (variables(SECURITY_GROUP_IDS="sg-00000000"), FAILURE, "missing: sg-0", "-groups OTHERS"),
        (variables(VPC_ID="vpc-00000000"), FAILURE, "desktops start in vpc-0", "--vpc THEIRS"),
    ],
    "schedule key": [
        (keys(SecretString="{}"), FAILURE, "no key", f"--secret-id {KEY}"),
        (keys(SecretString="{broken"), FAILURE, "no key", f"--secret-id {KEY}"),
        (keys(SecretString='{"front": "short"}'), FAILURE, "can be guessed", f"--secret-id {KEY}"),
        (keys(SecretString=KEYS), OK, "2 keys", ""),
    ],
    "meeting seed": [(keys(SecretString=" short "), FAILURE, "too short", f"--secret-id {SEED}")],
    "invited": [(sandbox, WARNING, "gets no invitation", "--invitations off")],
    "mail events": [(no_events, WARNING, "does not put bounces on the event bus", "delete-stack")],
    "sent table": [(sent_otherwise, FAILURE, "is not id", "delete-stack")],
    "recipients": [
        (sending(SendingEnabled=False), FAILURE, "disabled (HEALTHY)", "--sending-enabled"),
        (sending(EnforcementStatus="SHUTDOWN"), FAILURE, "disabled (SHUTDOWN)", "Support Center"),
    ],
    "watched groups": [
        (variables(AUTO_SCALING_GROUPS="shop"), WARNING, ": shop", "--auto-scaling-groups"),
        (with_group, OK, "shop", ""),
    ],
    "watched applications": [
        (variables(CODEDEPLOY_APPLICATIONS="x"), WARNING, ": x", "--codedeploy-applications"),
        (with_application, OK, "y", ""),
    ],
}
"""By check: what is the case, its level, what it says, and the remedy."""


@pytest.mark.parametrize(
    ("name", "change", "level", "found", "remedy"),
    [(name, *case) for name, cases in SEEN.items() for case in cases],
)
def test_what_another_setting_or_a_person_repairs_is_reported(  # noqa: PLR0913 (a case)
    seen: Deployed, *, name: str, change: Change, level: Level, found: str, remedy: str
) -> None:
    change(seen)

    in_four_minutes = datetime.now(UTC) + timedelta(minutes=4)  # when nothing is young any more
    check = seen.ask(name, now=lambda: in_four_minutes)

    assert check.level is level
    assert found in check.found
    assert remedy in check.remedy


def test_what_depends_on_the_zone_is_skipped_and_says_so(seen: Deployed) -> None:
    seen.set_zone(paused=True)
    of_zone = dict.fromkeys(("domain", "SSL mode", "records left"), SKIPPED)
    checks = seen.examine()
    assert seen.changed(checks) == {"zone": FAILURE} | of_zone
    assert "Enable Cloudflare on Site" in checks["zone"].remedy
    seen.set_zone(paused=False)

    others = ("zone", "owner in the zone", "desktops' ports")
    of_token = of_zone | dict.fromkeys(others, SKIPPED)
    for text, broken in (
        (json.dumps({"CLOUDFLARE_TOKEN": "revoked_" + "0" * 32}), {"token": FAILURE}),
        (json.dumps({"TOKEN": DEFAULT_TOKEN}), {"secret": FAILURE, "token": SKIPPED}),
    ):
        seen.store_secret(text)
        checks = seen.examine()
        assert seen.changed(checks) == of_token | broken
        seen.carry_out(checks[next(iter(broken))].remedy)
        assert seen.ask("token").level is OK


def test_a_new_record_may_be_of_an_instance_that_ec2_does_not_show_yet(seen: Deployed) -> None:
    now = datetime.now(UTC)
    put_record(seen)
    assert seen.ask("owner in the zone", now=lambda: now).level is OK


def store_reader(it: Deployed) -> None:
    it.store_secret(json.dumps({"CLOUDFLARE_TOKEN": READER}))
    check = it.ask("SSL mode")
    assert (check.level, "may not read it" in check.found) == (SKIPPED, True)


def shorten_secret_arn(it: Deployed) -> None:
    client = it.client("secretsmanager")
    arn = client.describe_secret(SecretId=it.cloud.settings.secret_id)["ARN"]
    it.set_variables(SECRET_ARN=arn[: arn.rindex("-")])


without_stream = every(lambda it: own_table(it, "plain"), plain(TABLE_NAME="plain"))


@pytest.mark.parametrize(
    ("name", "change", "level", "end"),
    [
        ("token's rights", store_reader, FAILURE, "."),
        ("secret", lambda it: secret_gone(it.cloud.settings.secret_id)(it), FAILURE, "."),
        ("secret", shorten_secret_arn, FAILURE, ", then"),
        ("table stream", without_stream, WARNING, "."),  # which only meetings need
    ],
)
def test_a_single_remedy_repairs_what_it_is_for(
    seen: Deployed, name: str, change: Change, level: Level, end: str
) -> None:
    change(seen)

    check = seen.ask(name, prove=True)

    assert check.level is level
    seen.carry_out(check.remedy.partition(end)[0])
    assert seen.ask(name, prove=True).level is OK


def test_a_policy_of_the_settings_is_asked_for_and_none_too_many(seen: Deployed) -> None:
    attach(DESKTOP)(seen)
    arn = f"arn:aws:iam::{ACCOUNT_ID}:policy/more-{DESKTOP}"
    detach = seen.ask("desktop role").remedy.partition(", or ")[0]
    seen.set_variables(DESKTOP_POLICY_ARNS=arn)
    assert seen.ask("desktop role").level is OK
    seen.carry_out(detach)
    check = seen.ask("desktop role")
    assert (check.level, "lacks the policy" in check.found) == (FAILURE, True)
    seen.carry_out(check.remedy)
    assert seen.ask("desktop role").level is OK
    seen.carry_out(detach)


def test_code_that_was_built_elsewhere_is_fetched(
    seen: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    (build,) = (seen.config_file.directory / ".chalice/deployments").glob("*-python?.??.zip")
    hidden = build.parent.rename(build.parent.with_name("hidden"))
    unknown = seen.ask("code dns_watchdog")
    monkeypatch.setattr(Settings, "is_local", False)  # moto's code cannot be fetched
    content = (hidden / build.name).read_bytes()
    monkeypatch.setattr(checks_code, "_fetch", lambda _: content)
    fetched = seen.ask("code dns_watchdog")
    hidden.rename(build.parent)

    assert (unknown.level, fetched.level) == (SKIPPED, OK)
    assert "it was not built here" in unknown.found


# E-mails


def test_sender_and_recipients_that_are_not_verified_are_reported(
    seen: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen.cloud.aws.outbox.is_production = False
    domain = ses_backends[ACCOUNT_ID][DEFAULT_REGION].email_identities[DOMAIN]
    monkeypatch.setattr(domain, "verification_status", "PENDING")
    for name, found, end, repaired in (
        ("sender", f"SES may not send from {FROM}", " and follow", f"as {FROM} is verified"),
        ("recipients", f"are not verified: {TO}", ", and have", "1, each verified"),
    ):
        check = seen.ask(name)
        assert (check.level, found in check.found) == (FAILURE, True)
        seen.carry_out(check.remedy.partition(end)[0])
        check = seen.ask(name)
        assert (check.level, repaired in check.found) == (OK, True)
    for address in (FROM, TO):
        seen.client("sesv2").delete_email_identity(EmailIdentity=address)


def test_a_sample_of_each_e_mail_is_sent_with_the_operators_own_credentials(
    seen: Deployed, tmp_path: object
) -> None:
    done = seen.run("notify-test", STAGE)

    assert done.exit_code == 0, done.output
    mails = seen.cloud.aws.outbox.mails
    assert len(mails) == 6
    assert {(each.sender, each.recipients) for each in mails} == {(FROM, (TO,))}
    for mail in mails:
        assert mail.subject.startswith("Test: ")
        assert mail.subject in done.output
        assert mail.id in done.output
        assert "none of this has happened" in mail.text
        assert "none of this has happened" in mail.html
    assert done.output.endswith(f"Sent to {TO}.\n")

    done = seen.run("notify-test", STAGE, f"--html={tmp_path}/mails")  # they are looked at alone
    assert done.exit_code == 0, done.output
    assert f"6 e-mails are in {tmp_path}/mails" in done.output
    assert seen.cloud.aws.outbox.mails == mails


def test_samples_that_cannot_be_sent_are_explained(seen: Deployed) -> None:
    seen.cloud.aws.outbox.is_production = False
    done = seen.run("notify-test", STAGE)
    assert done.exit_code == 1
    assert f"could not send from {FROM}: SendEmail answered MessageRejected" in done.output
    assert TO in done.output

    seen.set_stage(variables=plain_variables(seen))
    done = seen.run("notify-test", STAGE)
    assert done.exit_code == 1
    assert "--with notifications --mail-from" in done.output


# Deploying again, turning features off, and removing the stage


def test_of_two_apis_a_person_chooses(seen: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (checks_api, deployed_note):
        monkeypatch.setattr(module, "apis_of", lambda *_: ["first", "second"])
    lose_note(seen)

    check = seen.ask("API")
    assert (check.level, "first, second" in check.found) == (FAILURE, True)
    with pytest.raises(ConfigError, match=r"several APIs .*second"):
        seen.deploy()


def test_meetings_stay_while_some_are_scheduled(seen: Deployed) -> None:
    """Nobody would end their desktops."""
    schedule(f"{PREFIX}-safety_net")(seen)
    seen.set_stage(variables=plain_variables(seen))

    with pytest.raises(ConfigError, match=r"1 schedule\(s\) .* such as launch-strange"):
        seen.deploy()

    seen.client("scheduler").delete_schedule(GroupName=PREFIX, Name="launch-strange")


@pytest.mark.parametrize("is_lost", [True, False])
def test_features_that_are_turned_off_leave_nothing_even_if_chalices_note_is_lost(
    deployed: Deployed,
    is_lost: bool,  # noqa: FBT001 (a case)
) -> None:
    before = deployed.stage.variables
    if is_lost:
        lose_note(deployed)
    deployed.set_stage(variables=plain_variables(deployed))

    deployed.deploy()

    found = names_in(deployed.cloud)
    left = {f"{PREFIX}-{each}" for each in ("dns_watchdog", "sweep")}
    assert found["FunctionName"] == {PREFIX, *left}  # a local stage's own route for events
    assert found["Rule"] == {f"{each}-event" for each in left}
    assert found["RoleName"] == {f"{PREFIX}-api_handler", *left}
    assert found["Secret"] == STORED_BY_HAND
    assert found["UUID"] == found["InstanceProfileName"] == set()
    assert SENT not in found["tables"]
    assert len(list(deployed.config_file.path.parent.glob("policy-local-*.json"))) == 3
    checks = deployed.examine()
    assert worst(list(checks.values())) == 0
    assert not {"sender", "schedules", "API"} & {*checks}
    deployed.set_stage(variables=before)
    deployed.deploy()
    assert deployed.levels() == deployed.baseline


def test_a_deployment_that_ends_in_chalice_leaves_all_readable_and_says_so(
    seen: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = seen.config_file.path.parent / f"deployed/{STAGE}.json"
    before = note.read_text()
    ends = iter(
        (
            KeyboardInterrupt(),
            CommandError("chalice deploy", 1, "AccessDenied: no"),
            KeyboardInterrupt(),
        )
    )

    def end(*_: object, on_line: Callable[[str], None], **__: object) -> None:
        on_line("Creating lambda function: x")
        note.write_text(before[:20])
        raise next(ends)

    monkeypatch.setattr(deployment, "run_chalice", end)
    ended, failed = seen.run("deploy", STAGE), seen.run("deploy", STAGE)

    assert (ended.exit_code, failed.exit_code, note.read_text()) == (INTERRUPTED, 1, before)
    assert "Interrupted at 'Functions, rules and roles (chalice deploy)'" in ended.output
    assert "run `elephant deploy local` again" in ended.output
    assert "  Creating lambda function: x\n" in failed.output
    assert "AWS refused a call of Chalice's" in failed.output
    assert names_in(seen.cloud)["Parameter"] == set(), "the lock is released"

    monkeypatch.setattr(Deployment, "has_token", lambda _: False)
    failed = seen.run("deploy", STAGE)
    assert f"Error: store one with `elephant token {STAGE}`" in failed.output
    assert "Nothing was deployed. To go on, run" in failed.output

    monkeypatch.setattr("ops.cli_deploy.is_terminal", lambda: True)
    asked = seen.run("deploy", STAGE)
    assert "holds this token already" in asked.output
    assert "Interrupted at 'Functions" in asked.output

    monkeypatch.setattr(Deployment, "deploy", lambda *_: "https://x.example/local/")
    done = seen.run("deploy", STAGE)
    assert done.output.index("✓ Doctor") < done.output.index("https://x.example/local/")
    assert done.exit_code == 0


def desktop(it: Deployed, owner: str | None) -> str:
    tags: Any = {"MeetingID": "abc", OWNER_TAG: owner or ""}
    return start_instance(it.client("ec2"), **tags)


def test_removing_the_stage_ends_schedules_first_and_reports_desktops(deployed: Deployed) -> None:
    schedule(f"{PREFIX}-safety_net")(deployed)
    ended, running = desktop(deployed, "elephant:local"), desktop(deployed, "elephant:local")
    unmarked, others = desktop(deployed, None), desktop(deployed, "elephant:dev")
    deployed.client("ec2").terminate_instances(InstanceIds=[ended])
    deployed.cloud.settle()
    before = names_in(deployed.cloud)

    kept = destroy(deployed, answer="n")
    said = kept.output.splitlines()
    goes, stays = said[: said.index("What stays:")], said[said.index("What stays:") :]
    assert f"Stage {STAGE} in account {ACCOUNT_ID}, {DEFAULT_REGION}:" in goes
    for what in (
        f"stack      {PREFIX}-support:",
        f"functions  {len(before['FunctionName'])}, with",
        "meetings   1 schedule of",
    ):
        assert any(line.startswith(f"  {what}") for line in goes), what
    assert any(f"{PREFIX}-schedule-key, {PREFIX}-meeting-seed" in line for line in goes)
    assert f"  table      {TABLE} with 0 rows" in stays
    assert f"  desktops   that run: {running}" in stays
    assert f"  perhaps    {unmarked}, without a stage's tag" in stays
    assert others not in kept.output
    assert (kept.exit_code, names_in(deployed.cloud)) == (INTERRUPTED, before)

    said = [line.strip() for line in destroy(deployed, "-v").output.splitlines()]
    assert "Supporting stack elephant-local-support".ljust(67) in "".join(said)
    removed = said.index(f"1 schedules removed from the group {PREFIX}")
    assert removed < said.index(f"remove function {PREFIX}-launch_ec2")
    assert f"remove rule {PREFIX}-notify_deployment-event" in said
    left = said[said.index("Stage local is removed. What remains, and removes it:") :]
    assert left[1] == f"table {TABLE} with 0 rows"
    assert (
        f"--instance-ids {running}"
        in left[left.index("1 desktop still running, which nothing ends now") + 1]
    )
    assert left[-3].endswith(f"(those of this stage among {unmarked})")
    assert left[-1] == f"elephant destroy {STAGE} --forget"
    groups = deployed.client("scheduler").list_schedule_groups()["ScheduleGroups"]
    assert PREFIX not in {each["Name"] for each in groups}
    found = names_in(deployed.cloud)
    assert found.pop("Secret") == STORED_BY_HAND
    assert SENT not in found["tables"]
    assert TABLE in found.pop("tables")
    assert set().union(*found.values()) == set()
    state = deployed.client("ec2").describe_instances(InstanceIds=[running])
    assert state["Reservations"][0]["Instances"][0]["State"]["Name"] == "running"


def test_the_deployers_policy_allows_what_deployments_call_and_nothing_else(
    deployed: Deployed,
) -> None:
    """CloudFormation's own calls, and those that only a change makes, are not seen here."""
    allowed = {action for rights in RIGHTS for action in rights.actions}
    needed = {f"{each.service}:{action}" for each in RIGHTS for action in each.deploy.split()}

    assert deployed.calls - allowed == set(), "add them to ops/deployer.py"
    assert not (unneeded := sorted(needed - deployed.calls)), f"not called: {unneeded}"


def test_data_is_removed_for_the_typed_name_alone_and_the_files_if_wanted(
    deployed: Deployed,
) -> None:
    """After the stage itself is removed."""
    secret = deployed.stage.settings.secret_id
    options = ("--table", TABLE, "--secret", secret, "--keep-records", "--forget")
    refused = destroy(deployed, *options, answer="y")
    assert "'y' is not 'local': nothing was removed" in refused.output
    assert TABLE in names_in(deployed.cloud)["tables"]

    done = destroy(deployed, *options, answer=STAGE)

    assert done.exit_code == 0, done.output
    assert "with its table and secret, type the stage's name" in done.output
    assert TABLE not in names_in(deployed.cloud)["tables"]
    assert deployed.client("secretsmanager").describe_secret(SecretId=secret)["DeletedDate"]
    assert STAGE not in deployed.config_file.names()
    assert not list(deployed.config_file.path.parent.glob("policy-local-*"))


def destroy(it: Deployed, *options: str, answer: str = "y") -> Result:
    words = ["destroy", STAGE, "--project", str(it.config_file.directory), *options]
    return CliRunner().invoke(main, words, input=f"{answer}\n")
