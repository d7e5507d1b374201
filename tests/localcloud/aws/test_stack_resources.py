"""Types of CloudFormation that moto does not know, and the project's own stack made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws import MotoServer, aws_client

TEMPLATE = (Path(__file__).parents[3] / "ops/stack.yaml").read_text()
GROUP = {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": "group"}}
SECRET = {
    "Type": "AWS::SecretsManager::Secret",
    "Properties": {
        "Name": "key",
        "Description": "to schedule",
        "GenerateSecretString": {"PasswordLength": 43, "ExcludePunctuation": True},
    },
}
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "RoleName": "role",
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
        "Policies": [{"PolicyName": "one", "PolicyDocument": {"Statement": []}}],
    },
}
TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "TableName": "rows",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
}


class Aws:
    """An AWS of its own for each test, with one stack."""

    def __init__(self, server: MotoServer) -> None:
        self._server = server

    def client(self, service: str) -> Any:  # noqa: ANN401 - botocore's clients have no static type
        return aws_client(service, self._server.endpoint)

    def put(self, *, new: bool = False, **resources: object) -> None:
        """Make the stack, or update it, of these resources."""
        body = json.dumps({"Resources": resources or {"Topic": {"Type": "AWS::SNS::Topic"}}})
        self._put(body, (), new=new)

    def put_project(self, *, new: bool = False, **parameters: str) -> None:
        """Make the project's stack, or update it."""
        named = [{"ParameterKey": key, "ParameterValue": parameters[key]} for key in parameters]
        self._put(TEMPLATE, named, new=new)

    def _put(self, body: str, parameters: Any, *, new: bool) -> None:  # noqa: ANN401
        client = self.client("cloudformation")
        operation = client.create_stack if new else client.update_stack
        operation(StackName="stack", TemplateBody=body, Parameters=parameters)

    def delete(self) -> None:
        self.client("cloudformation").delete_stack(StackName="stack")

    def groups(self) -> list[str]:
        found = self.client("scheduler").list_schedule_groups()["ScheduleGroups"]
        return sorted(group["Name"] for group in found if group["Name"] != "default")

    def secrets(self) -> dict[str, str]:
        client = self.client("secretsmanager")
        names = [secret["Name"] for secret in client.list_secrets()["SecretList"]]
        return {name: client.get_secret_value(SecretId=name)["SecretString"] for name in names}

    def roles(self) -> list[str]:
        return sorted(role["RoleName"] for role in self.client("iam").list_roles()["Roles"])

    def stream(self) -> str | None:
        table = self.client("dynamodb").describe_table(TableName="rows")["Table"]
        return table["LatestStreamArn"] if table.get("StreamSpecification") else None


def with_(resource: dict[str, Any], **properties: object) -> dict[str, Any]:
    return resource | {"Properties": resource["Properties"] | properties}


@pytest.fixture
def aws() -> Any:  # noqa: ANN401 - an iterator
    with MotoServer() as server:
        yield Aws(server)


def test_a_schedule_group_comes_changes_and_goes(aws: Aws) -> None:
    aws.put(Group=GROUP, new=True)
    assert aws.groups() == ["group"]
    aws.put(Group=with_(GROUP, Tags=[{"Key": "stage", "Value": "dev"}]))
    arn = "arn:aws:scheduler:us-west-2:123456789012:schedule-group/group"
    tags = aws.client("scheduler").list_tags_for_resource(ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "stage", "Value": "dev"}]
    aws.put(Group=with_(GROUP, Name="other"))
    assert aws.groups() == ["other"]
    aws.put()
    assert aws.groups() == []


def test_a_secret_is_generated_once(aws: Aws) -> None:
    aws.put(Key=SECRET, new=True)
    (text,) = aws.secrets().values()
    assert len(text) == 43
    assert text.isalnum()
    aws.put(Key=with_(SECRET, Tags=[{"Key": "stage", "Value": "dev"}]))
    assert aws.secrets() == {"key": text}
    aws.put(Key=with_(SECRET, GenerateSecretString={}))
    assert len(aws.secrets()["key"]) == 32
    aws.put(Key=with_(SECRET, Name="other"))
    assert list(aws.secrets()) == ["other"]
    aws.put()
    assert aws.secrets() == {}


def test_a_secret_may_be_given(aws: Aws) -> None:
    given = {"Type": SECRET["Type"], "Properties": {"Name": "key", "SecretString": "told"}}
    aws.put(Key=given, new=True)
    assert aws.secrets() == {"key": "told"}


@pytest.mark.parametrize(
    ("resource", "what"),
    [
        (with_(GROUP, Colour="red"), "knows no Colour"),
        (with_(SECRET, KmsKeyId="any"), "knows no KmsKeyId"),
        (with_(SECRET, GenerateSecretString={"IncludeSpace": True}), "knows no IncludeSpace"),
    ],
)
def test_what_they_cannot_be_told_is_no_silent_loss(
    aws: Aws, resource: dict[str, Any], what: str
) -> None:
    with pytest.raises(ClientError, match=what):
        aws.put(It=resource, new=True)


def test_what_is_there_already_is_not_taken_over(aws: Aws) -> None:
    aws.client("scheduler").create_schedule_group(Name="group")
    aws.client("secretsmanager").create_secret(Name="key", SecretString="mine")
    for resource in (GROUP, SECRET):
        with pytest.raises(ClientError, match="already"):
            aws.put(It=resource, new=True)
    assert aws.secrets() == {"key": "mine"}


def test_what_somebody_deleted_is_not_in_the_way(aws: Aws) -> None:
    aws.put(Group=GROUP, Key=SECRET, new=True)
    aws.client("scheduler").delete_schedule_group(Name="group")
    aws.client("secretsmanager").delete_secret(SecretId="key", ForceDeleteWithoutRecovery=True)
    aws.delete()
    assert aws.client("cloudformation").describe_stacks()["Stacks"] == []


def test_a_role_changes_what_it_may_and_whom_it_trusts(aws: Aws) -> None:
    aws.put(Role=ROLE, new=True)
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}
    policy = {"PolicyName": "two", "PolicyDocument": {"Statement": [{"Effect": "Deny"}]}}
    aws.put(Role=with_(ROLE, AssumeRolePolicyDocument=trust, Policies=[policy]))
    iam = aws.client("iam")
    assert iam.get_role(RoleName="role")["Role"]["AssumeRolePolicyDocument"] == trust
    assert iam.list_role_policies(RoleName="role")["PolicyNames"] == ["two"]
    document = iam.get_role_policy(RoleName="role", PolicyName="two")["PolicyDocument"]
    assert document == policy["PolicyDocument"]
    aws.put(Role=with_(ROLE, RoleName="other"))
    assert aws.roles() == ["other"]


def test_a_table_gets_and_loses_its_stream(aws: Aws) -> None:
    aws.put(Table=TABLE, new=True)
    assert aws.stream() is None
    streaming = with_(TABLE, StreamSpecification={"StreamViewType": "NEW_AND_OLD_IMAGES"})
    aws.put(Table=streaming)
    stream = aws.stream()
    assert stream
    aws.put(Table=with_(streaming, Tags=[{"Key": "a", "Value": "b"}]))
    assert aws.stream() == stream
    aws.put(Table=TABLE)
    assert aws.stream() is None


def test_the_projects_stack_gets_and_loses_what_meetings_need(aws: Aws) -> None:
    common: dict[str, Any] = {
        "Stage": "dev",
        "Owner": "elephant:dev",
        "TableName": "rows",
        "CreateTable": "yes",
        "AlarmEmail": "",
        "HasSweep": "yes",
    }
    aws.put_project(new=True, HasMeetings="no", **common)
    found = []
    for has in ("yes", "no", "yes"):
        aws.put_project(HasMeetings=has, **common)
        profiles = aws.client("iam").list_instance_profiles()["InstanceProfiles"]
        held = [(p["InstanceProfileName"], [r["RoleName"] for r in p["Roles"]]) for p in profiles]
        found.append((aws.groups(), aws.roles(), list(aws.secrets()), held))
    with_meetings = (
        ["elephant-dev"],
        ["elephant-dev-desktop", "elephant-dev-scheduler"],
        ["elephant-dev-schedule-key", "elephant-dev-meeting-seed"],
        [("elephant-dev-desktop", ["elephant-dev-desktop"])],
    )
    assert found == [with_meetings, ([], [], [], []), with_meetings]
    aws.delete()
    assert (aws.groups(), aws.roles(), aws.secrets()) == ([], [], {})
