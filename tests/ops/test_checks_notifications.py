"""A stage with notifications on the local cloud: each thing broken turns its own line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from moto.ses.models import EmailIdentity, ses_backends

from localcloud.aws import ACCOUNT_ID, DEFAULT_REGION
from localcloud.cloud import STAGE, LocalCloud, Ports
from ops import deployment
from ops.check import Level
from ops.cli import main
from ops.deployed_note import note_path
from ops.deployment import Removable
from ops.doctor import worst
from ops.features import with_features
from ops.reach import Code
from ops.stages import ConfigFile
from tests.ops.deployed import PROJECT, CloudAccount, Deployed, deployment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

FROM, TO = "elephant@elephant.example", "ops@example.com"
VARIABLES = {"MAIL_FROM": FROM, "MAIL_TO": TO}
SENT = "elephant-local-sent"
GROUP, APPLICATION = "shop", "till"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Deploy the project with notifications alone to a local cloud, as an operator would."""
    with (
        LocalCloud(PROJECT.settings, Ports(), time_scale=0.001) as cloud,
        pytest.MonkeyPatch.context() as patch,
    ):
        exports = cloud.exports
        for name, value in exports.items():
            patch.setenv(name, value)
        directory = tmp_path_factory.mktemp("notifications") / "project"
        project = PROJECT.copy(directory, cloud.cloudflare.url, features=False)
        config_file, code = ConfigFile(project.directory), Code(project.directory)
        it = Deployed(cloud, config_file, CloudAccount(cloud), code, exports)
        variables = with_features(it.stage.variables, ["notifications"], ["meetings"]) | VARIABLES
        it.set_stage(variables=variables, alarm_email="ops@example.com")
        it.set_zone(ssl="strict")
        cloud.client("sesv2").create_email_identity(EmailIdentity="elephant.example")
        it.deploy()
        patch.setattr(deployment, "forget_build", lambda _: None)  # or each takes seconds
        it.baseline = {check.name: check.level for check in it.examine().values()}
        yield it


@pytest.fixture
def deployed(running: Deployed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    """Lead the operator's commands to the local cloud, where all is well."""
    for name, value in running.exports.items():
        monkeypatch.setenv(name, value)
    before = running.stage.variables
    yield running
    running.cloud.aws.outbox.is_production = True
    running.cloud.aws.outbox.clear()
    for name in running.client("sesv2").list_email_identities()["EmailIdentities"]:
        if name["IdentityName"] != "elephant.example":
            running.client("sesv2").delete_email_identity(EmailIdentity=name["IdentityName"])
    _identity().verification_status = "SUCCESS"
    running.set_stage(variables=before)


def _identity(name: str = "elephant.example") -> EmailIdentity:
    found: EmailIdentity = ses_backends[ACCOUNT_ID][DEFAULT_REGION].email_identities[name]
    return found


def test_a_stage_with_notifications_that_was_deployed_is_green(deployed: Deployed) -> None:
    checks = deployed.examine()

    assert not [check for check in checks.values() if check.level is Level.FAILURE]
    told = {name for name, check in checks.items() if check.level is Level.OK}
    assert told >= {
        "sender",
        "recipients",
        "sent table",
        "rule notify_deployment",
        "rule notify_instance_termination",
        "permission notify_deployment",
        "failed events notify_instance_termination",
        "logs notify_deployment",
        "role notify_instance_termination",
    }
    assert not {name for name in checks if name.startswith("watched")}


def test_a_sender_that_nobody_verified_is_told_and_the_remedy_verifies_it(
    deployed: Deployed,
) -> None:
    _identity().verification_status = "PENDING"

    check = deployed.examine()["sender"]

    assert check.level is Level.FAILURE
    assert f"SES may not send from {FROM}" in check.found
    deployed.carry_out(check.remedy.partition(" and follow")[0])
    check = deployed.examine()["sender"]
    assert (check.level, check.found) == (Level.OK, f"{FROM}, as {FROM} is verified")


def test_in_the_sandbox_every_recipient_has_to_be_verified(deployed: Deployed) -> None:
    deployed.cloud.aws.outbox.is_production = False

    check = deployed.examine()["recipients"]

    assert check.level is Level.FAILURE
    assert check.found.endswith(f"are not verified: {TO}")
    deployed.carry_out(check.remedy.partition(", and have")[0])
    check = deployed.examine()["recipients"]
    assert check.level is Level.OK
    assert "1, each verified" in check.found


@pytest.mark.parametrize(
    "answer",
    [
        {"SendingEnabled": False, "EnforcementStatus": "HEALTHY"},
        {"SendingEnabled": True, "EnforcementStatus": "SHUTDOWN"},
    ],
)
def test_an_account_whose_sending_was_stopped_is_told(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, answer: dict[str, object]
) -> None:
    client = deployed.client("sesv2")
    monkeypatch.setattr(client, "get_account", lambda: {"ProductionAccessEnabled": True} | answer)

    check = deployed.examine()["recipients"]

    assert check.level is Level.FAILURE
    assert f"disabled ({answer['EnforcementStatus']})" in check.found


def _never(it: Deployed) -> None:
    it.client("dynamodb").update_time_to_live(
        TableName=SENT,
        TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"},
    )


def _no_table(it: Deployed) -> None:
    it.client("dynamodb").delete_table(TableName=SENT)


def _other_table(it: Deployed) -> None:
    _no_table(it)
    it.client("dynamodb").create_table(
        TableName=SENT,
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def _pattern(it: Deployed) -> None:
    it.client("events").put_rule(
        Name="elephant-local-notify_instance_termination-event",
        EventPattern='{"source": ["aws.ec2"]}',
        State="ENABLED",
    )


@pytest.mark.parametrize(
    ("break_", "line", "level", "said"),
    [
        (_never, "sent table", Level.WARNING, "forever"),
        (_no_table, "sent table", Level.FAILURE, f"table {SENT} does not exist"),
        (_other_table, "sent table", Level.FAILURE, "is not id"),
        (_pattern, "rule notify_instance_termination", Level.FAILURE, "matches"),
    ],
)
def test_what_is_broken_turns_its_line_and_the_remedy_mends_it(
    deployed: Deployed, break_: Callable[[Deployed], None], line: str, level: Level, said: str
) -> None:
    break_(deployed)

    checks = deployed.examine()

    assert deployed.changed(checks) == {line: level}
    assert said in checks[line].found
    deployed.carry_out(checks[line].remedy)
    assert deployed.changed(deployed.examine()) == {}


def test_groups_and_applications_that_are_not_there_are_told(deployed: Deployed) -> None:
    variables = {"AUTO_SCALING_GROUPS": GROUP, "CODEDEPLOY_APPLICATIONS": APPLICATION}
    deployed.set_stage(variables={**deployed.stage.variables, **variables})

    checks = deployed.examine()

    for of, option, name in (
        ("groups", "--auto-scaling-groups", GROUP),
        ("applications", "--codedeploy-applications", APPLICATION),
    ):
        check = checks[f"watched {of}"]
        assert check.level is Level.WARNING
        assert check.found.endswith(f": {name}")
        assert option in check.remedy


def test_groups_and_applications_that_are_there_are_fine(deployed: Deployed) -> None:
    variables = {"AUTO_SCALING_GROUPS": GROUP, "CODEDEPLOY_APPLICATIONS": APPLICATION}
    deployed.set_stage(variables={**deployed.stage.variables, **variables})
    deployed.client("codedeploy").create_application(applicationName=APPLICATION)
    scaling = deployed.client("autoscaling")
    scaling.create_launch_configuration(
        LaunchConfigurationName="any", ImageId="ami-12c6146b", InstanceType="t3.micro"
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        LaunchConfigurationName="any",
        MinSize=0,
        MaxSize=0,
        AvailabilityZones=["us-west-2a"],
    )

    checks = deployed.examine()

    assert checks["watched groups"].level is checks["watched applications"].level is Level.OK


# A sample of each e-mail


def notify_test(it: Deployed, *arguments: str) -> Result:
    place = f"--project={it.config_file.directory}"
    return CliRunner().invoke(main, ["notify-test", STAGE, place, *arguments])


def test_a_sample_of_each_kind_is_sent_with_the_operators_own_credentials(
    deployed: Deployed,
) -> None:
    done = notify_test(deployed)

    assert done.exit_code == 0, done.output
    mails = deployed.cloud.aws.outbox.mails
    assert len(mails) == 6
    assert {(each.sender, each.recipients) for each in mails} == {(FROM, (TO,))}
    for mail in mails:
        assert mail.subject.startswith("Test: ")
        assert mail.subject in done.output
        assert mail.id in done.output
        assert "none of this has happened" in mail.text
        assert "none of this has happened" in mail.html
    assert done.output.endswith(f"Sent to {TO}.\n")


def test_samples_can_be_looked_at_without_sending_them(
    deployed: Deployed, tmp_path: object
) -> None:
    target = f"{tmp_path}/mails"

    done = notify_test(deployed, f"--html={target}")

    assert done.exit_code == 0, done.output
    assert f"6 e-mails are in {target}" in done.output
    assert deployed.cloud.aws.outbox.mails == ()


def test_what_ses_refuses_is_said_clearly(deployed: Deployed) -> None:
    deployed.cloud.aws.outbox.is_production = False

    done = notify_test(deployed)

    assert done.exit_code == 1
    assert f"could not send from {FROM}: SendEmail answered MessageRejected" in done.output
    assert TO in done.output


def test_a_stage_without_the_feature_says_how_to_turn_it_on(deployed: Deployed) -> None:
    plain = with_features(deployed.stage.variables, (), ["notifications"])
    deployed.set_stage(variables=plain)

    done = notify_test(deployed)

    assert done.exit_code == 1
    assert "--with notifications --mail-from" in done.output


# Turning the feature off


def _names(it: Deployed) -> dict[str, set[str]]:
    functions = it.client("lambda").list_functions()["Functions"]
    return {
        "functions": {each["FunctionName"] for each in functions},
        "rules": {each["Name"] for each in it.client("events").list_rules()["Rules"]},
        "roles": {each["RoleName"] for each in it.client("iam").list_roles()["Roles"]},
        "tables": {*it.client("dynamodb").list_tables()["TableNames"]},
    }


@pytest.mark.parametrize("lost", [True, False])
def test_turned_off_it_leaves_nothing_even_if_chalices_note_was_lost(
    deployed: Deployed,
    lost: bool,  # noqa: FBT001 (a case)
) -> None:
    before = deployed.stage.variables
    if lost:
        note_path(deployed.config_file, deployed.stage).unlink()
    deployed.set_stage(variables=with_features(before, (), ["notifications"]))

    deployed.deploy()

    for kind, names in _names(deployed).items():
        assert not [each for each in names if "notify" in each or each == SENT], kind
    checks = deployed.examine()
    assert worst(list(checks.values())) == 0
    assert "sender" not in checks
    deployed.set_stage(variables=before)
    deployed.deploy()
    assert deployed.changed(deployed.examine()) == {}


def test_removing_the_stage_leaves_nothing_of_it(deployed: Deployed) -> None:
    said: list[str] = []

    deployment_of(deployed).destroy(Removable(), said.append, said.append)

    for kind, names in _names(deployed).items():
        assert not [each for each in names if "notify" in each or each == SENT], kind
    assert "remove rule elephant-local-notify_deployment-event" in said
