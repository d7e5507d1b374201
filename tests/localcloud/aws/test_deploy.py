"""Chalice's deployments to the local AWS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from localcloud.aws import Bridge, aws_environment, copy_project, deploy
from ops.chalice import run_chalice
from ops.command import CommandError

from .conftest import sample_project

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Cloud, Sample


def test_chalice_deploys_unchanged(cloud: Cloud, sample: Sample) -> None:
    functions = cloud.client("lambda").list_functions()["Functions"]
    names = {function["FunctionName"] for function in functions}
    assert names == {"sample-dev", "sample-dev-watch", "sample-dev-add"}
    (rule,) = cloud.client("events").list_rules()["Rules"]
    assert rule["Name"] == "sample-dev-watch-event"
    assert "Resources deployed:" in sample.output


@pytest.mark.usefixtures("sample")
def test_an_instances_changes_reach_the_deployed_handler(cloud: Cloud) -> None:
    bridge = Bridge(cloud.functions)
    ec2, dynamodb = cloud.client("ec2"), cloud.client("dynamodb")
    answer = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
    instance = answer["Instances"][0]["InstanceId"]
    changes = [
        (lambda **_: None, "running"),
        (ec2.stop_instances, "stopping"),
        (ec2.start_instances, "running"),
        (ec2.terminate_instances, "shutting-down"),
    ]
    for change, state in changes:
        change(InstanceIds=[instance])
        bridge.flush()
        cloud.functions.wait_idle(20)
        item = dynamodb.get_item(TableName="seen", Key={"id": {"S": instance}})["Item"]
        assert item["state"]["S"] == state
    assert [attempt.attempt for attempt in cloud.attempts("sample-dev-watch")] == [1] * 4
    log = "\n".join(cloud.functions.logs("sample-dev-watch"))
    assert f"{instance} is shutting-down" in log


def test_chalices_other_commands_find_what_was_deployed(cloud: Cloud, sample: Sample) -> None:
    environment = aws_environment(cloud.server.endpoint)
    cloud.functions.invoke(
        "sample-dev-watch", Bridge(cloud.functions).state_change("i-1", "running")
    )
    output = run_chalice(("logs", "--stage", "dev", "-n", "watch"), sample.project, environment)
    assert "i-1 is running" in output


def test_a_second_deployment_updates_the_first(cloud: Cloud, sample: Sample) -> None:
    app = sample.project / "app.py"
    assert cloud.functions.invoke("sample-dev-add", {"a": 1, "b": 2}).result == 3
    app.write_text(app.read_text().replace('event["a"] + event["b"]', "-1"))
    lines: list[str] = []
    output = deploy(sample.project, "dev", cloud.server.endpoint, on_line=lines.append)
    assert cloud.functions.invoke("sample-dev-add", {"a": 1, "b": 2}).result == -1
    assert "Updating lambda function: sample-dev-add" in lines
    assert output.splitlines() == lines


def test_the_users_own_aws_is_never_used(
    cloud: Cloud, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:1")
    deploy(sample.project, "dev", cloud.server.endpoint)


def test_a_failed_deployment_raises_with_what_chalice_said(cloud: Cloud, tmp_path: Path) -> None:
    project = sample_project(tmp_path)
    (project / "app.py").write_text("raise LookupError('TABLE_NAME is missing')")
    with pytest.raises(CommandError, match="TABLE_NAME is missing") as raised:
        deploy(project, "dev", cloud.server.endpoint)
    assert raised.value.code != 0
    assert "chalice deploy --stage dev" in str(raised.value)


def test_variables_reach_the_application(cloud: Cloud, tmp_path: Path) -> None:
    project = sample_project(tmp_path)
    (project / "app.py").write_text("import os\nraise LookupError(os.environ['WORD'])")
    with pytest.raises(CommandError, match="LookupError: elephant"):
        deploy(project, "dev", cloud.server.endpoint, variables={"WORD": "elephant"})


def test_a_copy_has_what_is_deployed_and_no_memory_of_it(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    project = sample_project(tmp_path / "source")
    for name in ("deployed/dev.json", "deployments/old.zip", "policy-watch.json"):
        (project / ".chalice" / name).parent.mkdir(exist_ok=True)
        (project / ".chalice" / name).write_text("{}")
    for name in (
        "chalicelib/__pycache__/x.pyc",
        "chalicelib/watchdog/handler.py",
        "tests/test_x.py",
    ):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("")
    copy = copy_project(project, tmp_path / "new" / "copy")
    found = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert found == {
        "app.py",
        "requirements.txt",
        "chalicelib/watchdog/handler.py",
        ".chalice/config.json",
        ".chalice/policy-watch.json",
    }
    assert json.loads((copy / ".chalice" / "config.json").read_text())["app_name"] == "sample"
