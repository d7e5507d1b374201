"""A packaged stage is the one that `elephant deploy` makes, and CloudFormation can deploy it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.api import ManualArgs, lint  # type: ignore[import-untyped]
from click.testing import CliRunner
from samtranslator.translator.transform import transform  # type: ignore[import-untyped]

from localcloud.cloud import LocalCloud, Ports
from ops.api import THROTTLES, Throttle
from ops.cli import main
from ops.lambda_settings import failures_of
from ops.stages import ConfigFile
from ops.stream import limits
from tests.end_to_end.conftest import PROJECT, start_instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ops.stages import Stage

STAGE = "local"
FUNCTION = "AWS::Serverless::Function"


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(PROJECT.settings, Ports()) as running:
        running.client("dynamodb").delete_table(TableName=running.settings.table_name)
        yield running


@pytest.fixture(scope="module")
def project(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("package") / "project"
    return PROJECT.copy(directory, cloud.cloudflare.url).directory


@pytest.fixture(scope="module")
def stage(project: Path) -> Stage:
    return ConfigFile(project).stage(STAGE)


@pytest.fixture(scope="module")
def packaged(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Package it without credentials, or anything else of AWS."""
    made = tmp_path_factory.mktemp("made")
    arguments = ["package", STAGE, str(made), f"--project={project}"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "--stack-name elephant-local-support" in done.output
    return made


@pytest.fixture
def template(packaged: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((packaged / "template.json").read_text())
    return made


def of_kind(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    resources = template["Resources"].values()
    return [each["Properties"] for each in resources if each["Type"] == kind]


def test_it_is_valid_on_aws(packaged: Path) -> None:
    text = (packaged / "template.json").read_text()
    assert lint(text, config=ManualArgs(regions=["us-west-2"])) == []


def test_its_functions_are_those_that_deploy_makes(template: dict[str, Any], stage: Stage) -> None:
    functions, roles = (of_kind(template, each) for each in (FUNCTION, "AWS::IAM::Role"))
    names = {each["Handler"].partition(".")[2].replace("app", "api_handler") for each in functions}
    made = {each["FunctionName"]: each for each in functions}
    assert set(made) == {stage.function_name(each) for each in names}
    assert {stage.role_name(each) for each in names} <= {str(each["RoleName"]) for each in roles}
    for each in names:
        function = made[stage.function_name(each)]
        expected = failures_of(each, "queue")
        settings = function.get("EventInvokeConfig")
        assert (settings is None) is (expected is None)
        if settings and expected:
            assert settings["MaximumRetryAttempts"] == expected.retries
            assert settings["MaximumEventAgeInSeconds"] == expected.oldest
            assert ("DestinationConfig" in settings) is expected.is_kept
        assert function["LoggingConfig"]["LogFormat"] == "JSON"
    (reading,) = made["elephant-local-terminator"]["Events"].values()
    wanted = limits("queue", "terminator")
    assert {name: reading["Properties"][name] for name in wanted} == wanted | {
        "DestinationConfig": reading["Properties"]["DestinationConfig"]
    }
    (watching,) = made["elephant-local-dns_watchdog"]["Events"].values()
    assert watching["Properties"]["RuleName"] == stage.rule_name("dns_watchdog")


def test_its_api_has_the_limits_that_deploy_sets(template: dict[str, Any]) -> None:
    (api,) = of_kind(template, "AWS::Serverless::Api")
    limits_of = {
        f"{each['ResourcePath']}/{each['HttpMethod']}": Throttle(
            each["ThrottlingRateLimit"], each["ThrottlingBurstLimit"]
        )
        for each in api["MethodSettings"]
    }
    assert limits_of == {f"/{where}": throttle for where, throttle in THROTTLES.items()}
    assert api["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]


def test_with_a_table_that_exists_its_stream_is_asked_for(project: Path, tmp_path: Path) -> None:
    arguments = ["package", STAGE, str(tmp_path), "--existing-table", f"--project={project}"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    made = json.loads((tmp_path / "template.json").read_text())
    assert "Default" not in made["Parameters"]["TableStreamArn"]
    assert made["Parameters"]["CreateTable"]["Default"] == "no"


@pytest.mark.filterwarnings("ignore::UserWarning")  # moto names the kinds that it leaves out
def test_cloudformation_deploys_it_and_an_instance_gets_its_record(
    packaged: Path, template: dict[str, Any], cloud: LocalCloud
) -> None:
    """As far as moto goes: its CloudFormation imports no REST API, and reads no stream."""
    store = cloud.client("s3")
    where = {"Bucket": "packages", "Key": "deployment.zip"}
    store.create_bucket(
        Bucket=where["Bucket"], CreateBucketConfiguration={"LocationConstraint": cloud.region}
    )
    store.put_object(Body=(packaged / where["Key"]).read_bytes(), **where)
    for function in of_kind(template, FUNCTION):
        function["CodeUri"] = where
    whole = transform(template, {}, _NoPolicies())
    left_out = ("AWS::ApiGateway", "AWS::Lambda::EventSourceMapping")
    whole["Resources"] = {
        name: each
        for name, each in whole["Resources"].items()
        if not each["Type"].startswith(left_out) and "API" not in name
    }
    del whole["Outputs"]

    name = {"StackName": "elephant-local-support"}
    stacks = cloud.client("cloudformation")
    stacks.create_stack(TemplateBody=json.dumps(whole), **name)

    (stack,) = stacks.describe_stacks(**name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    instance = start_instance(cloud.client("ec2"))
    cloud.settle()
    zone = cloud.cloudflare.api.zone(cloud.settings.zone_id)
    assert len(zone.named(cloud.settings.record_name(instance))) == 1


class _NoPolicies:
    """Names no policies of AWS's own: the roles have theirs."""

    def load(self) -> dict[str, str]:
        return {}
