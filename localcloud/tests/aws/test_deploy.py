"""Chalice's deployments to the local AWS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from localcloud.aws import Bridge, copy_project

from .conftest import chalice_deploy, sample_project

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Cloud, Sample


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
        cloud.functions.wait_idle(100)
        item = dynamodb.get_item(TableName="seen", Key={"id": {"S": instance}})["Item"]
        assert item["state"]["S"] == state
    assert [attempt.attempt for attempt in cloud.attempts("sample-dev-watch")] == [1] * 4
    logs = cloud.client("logs").filter_log_events(logGroupName="/aws/lambda/sample-dev-watch")
    messages = [event["message"] for event in logs["events"]]
    assert any(f"{instance} is shutting-down" in message for message in messages)


def test_a_second_deployment_updates_the_first(cloud: Cloud, sample: Sample) -> None:
    app = sample.project / "app.py"
    assert cloud.functions.invoke("sample-dev-add", {"a": 1, "b": 2}).result == 3
    app.write_text(app.read_text().replace('event["a"] + event["b"]', "-1"))
    assert "Updating lambda function: sample-dev-add" in chalice_deploy(cloud, sample.project)
    assert cloud.functions.invoke("sample-dev-add", {"a": 1, "b": 2}).result == -1


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
