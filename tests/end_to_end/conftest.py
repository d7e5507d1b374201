"""Deployed stages: the project as Chalice deploys it, each module's on a local cloud of its own.

For one module at a time: moto keeps its state in this process, and other tests reset it.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.aws import Invocation
    from localcloud.cloud import LocalCloud

PROJECT = Project(Path(__file__).parents[2])
WATCHDOG, SWEEP = "elephant-local-dns_watchdog", "elephant-local-sweep"
TABLE = "elephant-meetings"
PATIENCE = 1800.0
"""Seconds to wait for what must happen, on a machine that is as busy as can be."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these tests more time than others have."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(2 * PATIENCE))


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the deployed copy of the project is."""
    return tmp_path_factory.mktemp("stage") / "project"


def start_instance(client: Any, *, address: bool = True, **tags: str) -> str:  # noqa: ANN401
    """Start an instance of the project (`Project=""` for none), as a person would."""
    every = {"Project": "Elephant"} | tags
    listed = [{"Key": key, "Value": value} for key, value in every.items() if value]
    spec = {"ResourceType": "instance", "Tags": listed}
    answer = client.run_instances(
        ImageId="ami-12c6146b",
        MinCount=1,
        MaxCount=1,
        NetworkInterfaces=[{"DeviceIndex": 0, "AssociatePublicIpAddress": address}],
        TagSpecifications=[spec] if listed else [],
    )
    return str(answer["Instances"][0]["InstanceId"])


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Return once the condition holds; fail if that takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.02)


class DeployedStage:
    """A deployed stage: what happens in it, what is, and every run that has ended."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.finished: list[Invocation] = []
        self.ec2 = cloud.client("ec2")
        self._dynamodb = cloud.client("dynamodb")
        self.zone = cloud.cloudflare.api.zone(cloud.settings.zone_id)
        cloud.functions.on_finished(self.finished.append)

    def forget(self) -> None:
        """Forget what was called and what ran so far."""
        self.finished.clear()
        self.cloud.cloudflare.api.clear_calls()

    def settle(self) -> None:
        """Wait until every change to an instance has been handled."""
        self.cloud.settle(PATIENCE)

    def start(self, meeting: str, *, address: bool = True) -> str:
        """Start a teacher's desktop, and let its events be handled."""
        instance_id = start_instance(self.ec2, address=address, MeetingID=meeting, Role="teacher")
        self.settle()
        return instance_id

    def end(self, instance_id: str) -> None:
        self.ec2.terminate_instances(InstanceIds=[instance_id])

    def end_all(self) -> None:
        """Terminate every instance, so that no later sweep has to look after it."""
        running = [{"Name": "instance-state-name", "Values": ["running"]}]
        answer = self.ec2.describe_instances(Filters=running)
        for reservation in answer["Reservations"]:
            for instance in reservation["Instances"]:
                self.end(instance["InstanceId"])
        self.settle()

    def put_row(self, meeting: str, status: str = "LAUNCHED") -> None:
        item = {"id": {"S": meeting}, "status": {"S": status}}
        self._dynamodb.put_item(TableName=TABLE, Item=item)

    def row(self, meeting: str) -> dict[str, str]:
        """Return a meeting's row without its id."""
        answer = self._dynamodb.get_item(TableName=TABLE, Key={"id": {"S": meeting}})
        item = answer["Item"].items()
        return {key: next(iter(value.values())) for key, value in item if key != "id"}

    def records(self, instance_id: str) -> list[str]:
        """Return the addresses under an instance's name."""
        name = self.cloud.settings.record_name(instance_id)
        return [record.fields.content for record in self.zone.named(name)]

    def runs(self, function: str) -> list[Invocation]:
        return [each for each in self.finished if each.function == function]

    def failed_events(self, about: str) -> list[Any]:
        """Receive what is in the queue of failed events and names this."""
        sqs = self.cloud.client("sqs")
        url = sqs.get_queue_url(QueueName="elephant-local-failed-events")["QueueUrl"]
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(each["Body"]) for each in received if about in each["Body"]]
