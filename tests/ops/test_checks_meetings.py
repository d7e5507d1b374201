"""A stage with meetings on the local cloud: each thing broken turns its own line, and no other.

The remedy that the line names is then carried out as it stands there, and all is well again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from moto.awslambda.models import lambda_backends
from moto.ec2.models import ec2_backends

from chalicelib.ec2.instances import OWNER_TAG
from localcloud.aws import ACCOUNT_ID, ANY_IMAGE, DEFAULT_REGION, make_security_group
from localcloud.cloud import STAGE, LocalCloud, Ports
from ops import deployment
from ops.check import Level
from ops.deployed_note import note_path
from ops.deployment import Removable
from ops.doctor import worst
from ops.features import with_features
from ops.meetings_table import TableError
from ops.reach import Code
from ops.stages import ConfigError, ConfigFile
from tests.ops.deployed import PROJECT, CloudAccount, Deployed, deployment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = "sg-0123456789abcdef0"
VARIABLES = {"AMI_ID": ANY_IMAGE, "SECURITY_GROUP_IDS": GROUP}
VARIABLES["ALLOWED_ORIGINS"] = "https://app.example.com"
SCHEDULES = "elephant-local"
SCHEDULER_ROLE = "elephant-local-scheduler"
DESKTOP = "elephant-local-desktop"
KEY = "elephant-local-schedule-key"
SEED = "elephant-local-meeting-seed"
TERMINATOR = "elephant-local-terminator"
TABLE = "elephant-meetings"
STATEMENT = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Deploy the project with meetings to a local cloud, as an operator would."""
    with (
        LocalCloud(PROJECT.settings, Ports(), time_scale=0.001) as cloud,
        pytest.MonkeyPatch.context() as patch,
    ):
        exports = cloud.exports
        for name, value in exports.items():
            patch.setenv(name, value)
        make_security_group(GROUP, DEFAULT_REGION)
        directory = tmp_path_factory.mktemp("meetings") / "project"
        project = PROJECT.copy(directory, cloud.cloudflare.url)
        config_file, code = ConfigFile(project.directory), Code(project.directory)
        it = Deployed(cloud, config_file, CloudAccount(cloud), code, exports)
        variables = with_features(it.stage.variables, ["meetings"], ()) | VARIABLES
        it.set_stage(variables=variables, alarm_email="ops@example.com")
        it.set_zone(ssl="strict")
        it.deploy()
        patch.setattr(deployment, "forget_build", lambda _: None)  # or each takes seconds
        it.baseline = {check.name: check.level for check in it.examine().values()}
        yield it


@pytest.fixture
def deployed(running: Deployed, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """Lead the operator's commands to the local cloud."""
    for name, value in running.exports.items():
        monkeypatch.setenv(name, value)
    return running


def test_a_stage_with_meetings_that_was_deployed_is_green(deployed: Deployed) -> None:
    checks = deployed.examine()

    assert worst(list(checks.values())) == 0
    told = {name for name, check in checks.items() if check.level is Level.OK}
    assert told >= {
        "schedules",
        "scheduler role",
        "desktop role",
        "desktop role profile",
        "schedule key",
        "meeting seed",
        "desktops image",
        "desktops security groups",
        "API",
        "API limits",
        "API own answers",
        "stream mapping",
        "failed events launch_ec2",
        "failed events safety_net",
        "logs api_handler",
        "logs terminator",
    }
    assert "failed events api_handler" not in checks
    assert "failed events terminator" not in checks


def test_the_key_is_long_and_told_nowhere(deployed: Deployed) -> None:
    key = deployed.client("secretsmanager").get_secret_value(SecretId=KEY)["SecretString"]

    found = deployed.examine()["schedule key"].found

    assert len(key) >= 40
    assert key not in found
    assert f"--secret-id {KEY}" in found


# What is broken, and which line that turns


def _trust(it: Deployed) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    it.client("iam").update_assume_role_policy(
        RoleName=SCHEDULER_ROLE,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )


def _policy(role: str, name: str) -> Callable[[Deployed], None]:
    def change(it: Deployed) -> None:
        it.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=POLICY)

    return change


def _attach(it: Deployed) -> None:
    policy = it.client("iam").create_policy(PolicyName="more", PolicyDocument=POLICY)["Policy"]
    it.client("iam").attach_role_policy(RoleName=DESKTOP, PolicyArn=policy["Arn"])


def _no_role_of_profile(it: Deployed) -> None:
    it.client("iam").remove_role_from_instance_profile(
        InstanceProfileName=DESKTOP, RoleName=DESKTOP
    )


def _schedule(target: str) -> Callable[[Deployed], None]:
    def change(it: Deployed) -> None:
        it.client("scheduler").create_schedule(
            GroupName=SCHEDULES,
            Name="launch-strange",
            ScheduleExpression="at(2099-01-01T00:00:00)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": f"arn:aws:lambda:{DEFAULT_REGION}:{ACCOUNT_ID}:function:{target}",
                "RoleArn": f"arn:aws:iam::{ACCOUNT_ID}:role/{SCHEDULER_ROLE}",
            },
        )

    return change


def _key(text: str) -> Callable[[Deployed], None]:
    def change(it: Deployed) -> None:
        it.client("secretsmanager").put_secret_value(SecretId=KEY, SecretString=text)

    return change


def _mapping(**members: Any) -> Callable[[Deployed], None]:  # noqa: ANN401
    def change(it: Deployed) -> None:
        client = it.client("lambda")
        (mapping,) = client.list_event_source_mappings()["EventSourceMappings"]
        client.update_event_source_mapping(UUID=mapping["UUID"], **members)

    return change


def _no_mapping(it: Deployed) -> None:
    client = it.client("lambda")
    (mapping,) = client.list_event_source_mappings()["EventSourceMappings"]
    client.delete_event_source_mapping(UUID=mapping["UUID"])


def _throttle(it: Deployed) -> None:
    it.client("apigateway").update_stage(
        restApiId=_api(it),
        stageName=STAGE,
        patchOperations=[
            {"op": "replace", "path": "/~1schedule/POST/throttling/rateLimit", "value": "500"}
        ],
    )


def _hide_answers(it: Deployed) -> None:
    it.client("apigateway").delete_gateway_response(restApiId=_api(it), responseType="DEFAULT_4XX")


def _no_stage(it: Deployed) -> None:
    it.client("apigateway").delete_stage(restApiId=_api(it), stageName=STAGE)


def _no_api(it: Deployed) -> None:
    it.client("apigateway").delete_rest_api(restApiId=_api(it))


def _api(it: Deployed) -> str:
    (api,) = it.client("apigateway").get_rest_apis()["items"]
    return str(api["id"])


def _no_retries(it: Deployed) -> None:
    it.client("lambda").delete_function_event_invoke_config(FunctionName=f"{SCHEDULES}-safety_net")


def _kept_for_ever(it: Deployed) -> None:
    it.client("logs").delete_retention_policy(logGroupName=f"/aws/lambda/{SCHEDULES}")


BREAKS: dict[str, tuple[Callable[[Deployed], None], str, str]] = {
    "scheduler's trust": (_trust, "scheduler role", "others than intended may"),
    "scheduler's policy": (_policy(SCHEDULER_ROLE, "start-meetings"), "scheduler role", "differs"),
    "scheduler's second policy": (
        _policy(SCHEDULER_ROLE, "more"),
        "scheduler role",
        "more as well",
    ),
    "desktops' policy": (_policy(DESKTOP, "report-progress"), "desktop role", "differs"),
    "desktops' profile": (_no_role_of_profile, "desktop role profile", "no role"),
    "strange schedule": (_schedule("another"), "schedules", "launch-strange"),
    "mapping off": (_mapping(Enabled=False), "stream mapping", "disabled"),
}
ROUNDS: dict[str, dict[str, tuple[Callable[[Deployed], None], str]]] = {
    "retries and limits": {
        "stream mapping": (_mapping(MaximumRetryAttempts=0), "MaximumRetryAttempts"),
        "API limits": (_throttle, "~1schedule/POST"),
        "API own answers": (_hide_answers, "DEFAULT_4XX: pages of https://app.example.com"),
        "failed events safety_net": (_no_retries, "are lost"),
        "logs api_handler": (_kept_for_ever, "forever"),
    },
    "answers and stage": {
        "stream mapping": (_mapping(FunctionResponseTypes=[]), "FunctionResponseTypes"),
        "API": (_no_stage, "no stage local"),
    },
    "filter and API": {
        "stream mapping": (_mapping(FilterCriteria={"Filters": []}), "FilterCriteria"),
        "API": (_no_api, "no API calls"),
    },
    "mapping": {"stream mapping": (_no_mapping, "reads nothing")},
}
"""Broken together, and mended by one deployment: by line, what breaks it and what it says."""


@pytest.mark.parametrize("name", ROUNDS)
def test_each_thing_broken_turns_its_line_and_a_deployment_mends_them_all(
    deployed: Deployed, name: str
) -> None:
    for break_, _ in ROUNDS[name].values():
        break_(deployed)

    checks = deployed.examine()

    changed = deployed.changed(checks)
    assert {each for each in changed if each in checks} == {*ROUNDS[name]}
    for line, (_, found) in ROUNDS[name].items():
        assert changed[line] is Level.FAILURE
        assert found in checks[line].found
        assert checks[line].remedy == "`elephant deploy local`"
    deployed.deploy()
    assert deployed.changed(deployed.examine()) == {}


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_turns_its_line_and_the_remedy_mends_it(
    deployed: Deployed, name: str
) -> None:
    break_, line, found = BREAKS[name]
    break_(deployed)

    checks = deployed.examine()

    changed = deployed.changed(checks)
    assert {each for each in changed if each in checks} == {line}
    assert changed[line] is Level.FAILURE
    assert found in checks[line].found
    deployed.carry_out(checks[line].remedy)
    assert deployed.changed(deployed.examine()) == {}


# What only another setting, or a person, mends


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("short", "a key that can be guessed"),
        ('{"front": "short"}', "a key that can be guessed"),
        ("", "no key"),
        ("{}", "no key"),
        ("{broken", "no key"),
    ],
)
def test_a_key_that_is_none_is_told_and_not_shown(deployed: Deployed, text: str, said: str) -> None:
    before = deployed.client("secretsmanager").get_secret_value(SecretId=KEY)["SecretString"]
    _key(text or " ")(deployed)

    check = deployed.examine()["schedule key"]

    assert check.level is Level.FAILURE
    assert said in check.found
    deployed.carry_out(check.remedy.partition(", or ")[0])
    assert deployed.examine()["schedule key"].level is Level.OK
    _key(before)(deployed)


def test_several_keys_by_name_are_fine(deployed: Deployed) -> None:
    before = deployed.client("secretsmanager").get_secret_value(SecretId=KEY)["SecretString"]
    _key(json.dumps({"front": "a" * 32, "school": ["b" * 32]}))(deployed)

    assert "2 key(s)" in deployed.examine()["schedule key"].found

    _key(before)(deployed)


def test_a_seed_that_is_too_short_is_told(deployed: Deployed) -> None:
    client = deployed.client("secretsmanager")
    before = client.get_secret_value(SecretId=SEED)["SecretString"]
    client.put_secret_value(SecretId=SEED, SecretString=" short ")

    check = deployed.examine()["meeting seed"]

    client.put_secret_value(SecretId=SEED, SecretString=before)
    assert check.level is Level.FAILURE
    assert f"put-secret-value --secret-id {SEED}" in check.remedy
    assert deployed.changed(deployed.examine()) == {}


def test_a_policy_attached_to_the_desktops_role_is_a_warning(deployed: Deployed) -> None:
    """A person may have attached it for their image."""
    _attach(deployed)

    check = deployed.examine()["desktop role"]

    assert check.level is Level.WARNING
    deployed.carry_out(check.remedy.partition(" unless ")[0])
    assert deployed.changed(deployed.examine()) == {}


def test_a_schedule_switched_off_is_told(deployed: Deployed) -> None:
    _schedule("elephant-local-launch_ec2")(deployed)
    client = deployed.client("scheduler")
    made = client.get_schedule(GroupName=SCHEDULES, Name="launch-strange")
    keys = ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    client.update_schedule(**{key: made[key] for key in keys}, State="DISABLED")

    check = deployed.examine()["schedules"]

    assert check.level is Level.FAILURE
    assert "launch-strange" in check.found
    client.delete_schedule(GroupName=SCHEDULES, Name="launch-strange")


@pytest.mark.parametrize(
    ("variables", "line", "said"),
    [
        ({"AMI_ID": "ami-00000000"}, "desktops image", "is not in us-west-2"),
        (
            {"SECURITY_GROUP_IDS": f"{GROUP},sg-00000000"},
            "desktops security groups",
            "missing: sg-00000000",
        ),
        ({"VPC_ID": "vpc-00000000"}, "desktops security groups", "but desktops start in vpc-0"),
    ],
)
def test_what_desktops_lack_is_told(
    deployed: Deployed, variables: dict[str, str], line: str, said: str
) -> None:
    before = deployed.stage.variables
    deployed.set_stage(variables={**before, **variables})

    checks = deployed.examine()

    deployed.set_stage(variables=before)
    assert checks[line].level is Level.FAILURE
    assert said in checks[line].found
    assert "elephant stage local --" in checks[line].remedy


def test_an_image_that_is_not_ready_is_told(deployed: Deployed) -> None:
    image = ec2_backends[ACCOUNT_ID][DEFAULT_REGION].amis[ANY_IMAGE]
    image.state = "failed"  # moto's are always available

    check = deployed.examine()["desktops image"]

    image.state = "available"
    assert check.level is Level.FAILURE
    assert f"{ANY_IMAGE} is failed" in check.found


def test_trouble_that_lambda_tells_of_is_a_warning(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mapping,) = lambda_backends[ACCOUNT_ID][DEFAULT_REGION].list_event_source_mappings("", "")
    answer = mapping.get_configuration() | {"LastProcessingResult": "PROBLEM: throttled"}
    monkeypatch.setattr(mapping, "get_configuration", lambda: answer)

    check = deployed.examine()["stream mapping"]

    assert check.level is Level.WARNING
    assert "PROBLEM: throttled" in check.found


def test_a_function_that_is_gone_leaves_its_mapping_unasked(deployed: Deployed) -> None:
    _no_mapping(deployed)
    deployed.client("lambda").delete_function(FunctionName=TERMINATOR)

    checks = deployed.examine()

    assert checks["stream mapping"].level is Level.SKIPPED
    deployed.carry_out(checks["function terminator"].remedy)
    assert deployed.changed(deployed.examine()) == {}


def _no_group(it: Deployed) -> None:
    it.client("scheduler").delete_schedule_group(Name=SCHEDULES)


def _no_key(it: Deployed) -> None:
    it.client("secretsmanager").delete_secret(SecretId=KEY, ForceDeleteWithoutRecovery=True)


def _no_seed(it: Deployed) -> None:
    it.client("secretsmanager").delete_secret(SecretId=SEED, ForceDeleteWithoutRecovery=True)


@pytest.mark.parametrize(
    ("remove", "line"),
    [
        (_no_group, "schedules"),
        (_no_key, "schedule key"),
        (_no_seed, "meeting seed"),
    ],
)
def test_what_the_stack_lost_it_makes_again_anew(
    deployed: Deployed, remove: Callable[[Deployed], None], line: str
) -> None:
    remove(deployed)

    checks = deployed.examine()

    assert {each for each in deployed.changed(checks) if each in checks} == {line}
    deployed.carry_out(checks[line].remedy)
    assert deployed.changed(deployed.examine()) == {}


def test_a_profile_that_is_gone_is_told(deployed: Deployed) -> None:
    client = deployed.client("iam")
    _no_role_of_profile(deployed)
    client.delete_instance_profile(InstanceProfileName=DESKTOP)

    check = deployed.examine()["desktop role profile"]

    client.create_instance_profile(InstanceProfileName=DESKTOP)
    client.add_role_to_instance_profile(InstanceProfileName=DESKTOP, RoleName=DESKTOP)
    assert check.level is Level.FAILURE
    assert "delete-stack" in check.remedy
    assert deployed.changed(deployed.examine()) == {}


def test_a_role_without_its_policy_is_told(deployed: Deployed) -> None:
    client = deployed.client("iam")
    where = {"RoleName": SCHEDULER_ROLE, "PolicyName": "start-meetings"}
    policy = client.get_role_policy(**where)["PolicyDocument"]
    client.delete_role_policy(**where)

    check = deployed.examine()["scheduler role"]

    client.put_role_policy(**where, PolicyDocument=json.dumps(policy))
    assert check.level is Level.FAILURE
    assert "or its policy is missing" in check.found
    assert deployed.changed(deployed.examine()) == {}


# Deploying again


def test_a_lost_note_makes_no_second_api_and_no_second_mapping(deployed: Deployed) -> None:
    mappings = deployed.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    api = _api(deployed)
    note_path(deployed.config_file, deployed.stage).unlink()

    deployed.deploy()

    assert _api(deployed) == api
    after = deployed.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert [each["UUID"] for each in after] == [each["UUID"] for each in mappings]
    assert deployed.changed(deployed.examine()) == {}


def test_of_two_apis_a_person_chooses(deployed: Deployed) -> None:
    note = note_path(deployed.config_file, deployed.stage)
    noted, first = note.read_text(), _api(deployed)
    resources = json.loads(noted)["resources"]
    others = [each for each in resources if each["resource_type"] != "rest_api"]
    second = deployed.client("apigateway").create_rest_api(name="elephant")["id"]
    _copy_root(deployed, first, second)
    note.write_text(json.dumps({"resources": others, "schema_version": "2.0"}))

    check = deployed.examine()["API"]
    with pytest.raises(ConfigError, match=f"several APIs .*{second}"):
        deployed.deploy()

    deployed.client("apigateway").delete_rest_api(restApiId=second)
    note.write_text(noted)
    assert check.level is Level.FAILURE
    assert second in check.found
    assert deployed.changed(deployed.examine()) == {}


def _copy_root(it: Deployed, first: str, second: str) -> None:
    """Have the second API call the stage's function as well."""
    client = it.client("apigateway")
    resources = client.get_resources(restApiId=first, embed=["methods"])["items"]
    methods = [
        (name, each)
        for resource in resources
        for name, each in resource.get("resourceMethods", {}).items()
    ]
    uri = next(each["methodIntegration"]["uri"] for name, each in methods if name == "POST")
    (root,) = client.get_resources(restApiId=second)["items"]
    where = {"restApiId": second, "resourceId": root["id"], "httpMethod": "POST"}
    client.put_method(**where, authorizationType="NONE")
    client.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)


def _table(it: Deployed, **stream: object) -> None:
    """Put a table of the user's own in the place of the stage's."""
    client = it.client("dynamodb")
    client.delete_table(TableName=TABLE)
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        **({"StreamSpecification": stream} if stream else {}),
    )


def test_a_table_without_a_stream_gets_one(deployed: Deployed) -> None:
    _table(deployed)
    deployed.client("dynamodb").put_item(TableName=TABLE, Item={"id": {"S": "kept"}})
    checks = deployed.examine()
    assert checks["table stream"].level is checks["stream mapping"].level is Level.FAILURE

    deployed.carry_out(checks["table stream"].remedy)

    checks = deployed.examine()
    assert checks["table stream"].level is checks["stream mapping"].level is Level.OK
    assert "stream mapping others" not in checks
    row = deployed.client("dynamodb").get_item(TableName=TABLE, Key={"id": {"S": "kept"}})
    assert "Item" in row


def test_a_stream_that_shows_too_little_is_told_and_left(deployed: Deployed) -> None:
    _table(deployed, StreamEnabled=True, StreamViewType="KEYS_ONLY")

    check = deployed.examine()["table stream"]
    with pytest.raises(TableError, match="shows KEYS_ONLY"):
        deployed.deploy()

    assert check.level is Level.FAILURE
    assert "StreamEnabled=false" in check.remedy
    _table(deployed, StreamEnabled=True, StreamViewType="NEW_IMAGE")
    deployed.deploy()
    assert worst(list(deployed.examine().values())) == 0


# Turning the feature off, and removing the stage


def test_the_feature_stays_while_meetings_wait(deployed: Deployed) -> None:
    """Nobody would end their desktops."""
    before = deployed.stage.variables
    _schedule("elephant-local-safety_net")(deployed)
    deployed.set_stage(variables=with_features(before, (), ["meetings"]))

    with pytest.raises(ConfigError, match=r"1 schedule\(s\) .* such as launch-strange"):
        deployed.deploy()

    deployed.set_stage(variables=before)
    deployed.client("scheduler").delete_schedule(GroupName=SCHEDULES, Name="launch-strange")
    assert worst(list(deployed.examine().values())) == 0


def test_turned_off_it_leaves_nothing_even_if_the_note_was_lost(deployed: Deployed) -> None:
    before = deployed.stage.variables
    for lost in (True, False):
        if lost:
            note_path(deployed.config_file, deployed.stage).unlink()
        deployed.set_stage(variables=with_features(before, (), ["meetings"]))

        deployed.deploy()

        functions = deployed.client("lambda").list_functions()["Functions"]
        assert {each["FunctionName"] for each in functions} == {
            "elephant-local",  # a local stage's own route for events
            "elephant-local-dns_watchdog",
            "elephant-local-sweep",
        }
        roles = {each["RoleName"] for each in deployed.client("iam").list_roles()["Roles"]}
        assert roles == {f"{SCHEDULES}-{each}" for each in ("api_handler", "dns_watchdog", "sweep")}
        mappings = deployed.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        assert mappings == []
        assert deployed.client("iam").list_instance_profiles()["InstanceProfiles"] == []
        assert _secrets(deployed) == [deployed.cloud.settings.secret_id]
        assert worst(list(deployed.examine().values())) == 0
        paths = deployed.config_file.path.parent.glob("policy-local-*.json")
        assert len(list(paths)) == 3
        deployed.set_stage(variables=before)
        deployed.deploy()
    assert worst(list(deployed.examine().values())) == 0


def _secrets(it: Deployed) -> list[str]:
    return [each["Name"] for each in it.client("secretsmanager").list_secrets()["SecretList"]]


def _desktops(it: Deployed, owner: str | None, count: int = 1) -> list[str]:
    tags = {"Project": "Elephant", "MeetingID": "abc"} | ({OWNER_TAG: owner} if owner else {})
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    started = it.client("ec2").run_instances(
        ImageId=ANY_IMAGE,
        MinCount=count,
        MaxCount=count,
        TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
    )["Instances"]
    return [each["InstanceId"] for each in started]


def test_removing_the_stage_ends_schedules_first_and_tells_of_desktops(deployed: Deployed) -> None:
    _schedule("elephant-local-safety_net")(deployed)
    desktops = _desktops(deployed, "elephant:local", 2)
    (unmarked,), (others,) = _desktops(deployed, None), _desktops(deployed, "elephant:dev")
    deployed.client("ec2").terminate_instances(InstanceIds=desktops[:1])
    said: list[str] = []

    for _ in range(2):
        deployment_of(deployed).destroy(Removable(), said.append, said.append)

    schedules = next(number for number, line in enumerate(said) if "schedules removed" in line)
    assert said[schedules] == "1 schedules removed from the group elephant-local"
    assert schedules < said.index("remove function elephant-local-launch_ec2")
    told = [line for line in said if "desktop(s)" in line]
    assert len(told) == 2
    assert told[0].startswith("1 desktop(s) of meetings run")
    assert f"--instance-ids {desktops[1]} --region" in told[0]
    assert told[1].endswith(f"nothing terminates those of this stage: {unmarked}")
    assert others not in "".join(said)
    groups = deployed.client("scheduler").list_schedule_groups()["ScheduleGroups"]
    assert SCHEDULES not in {each["Name"] for each in groups}
    assert deployed.client("lambda").list_functions()["Functions"] == []
    assert deployed.client("apigateway").get_rest_apis()["items"] == []
    assert deployed.client("lambda").list_event_source_mappings()["EventSourceMappings"] == []
    assert _secrets(deployed) == [deployed.cloud.settings.secret_id]
    state = deployed.client("ec2").describe_instances(InstanceIds=desktops[1:])
    assert state["Reservations"][0]["Instances"][0]["State"]["Name"] == "running"
