"""What the sweep brings right on the deployed stage, with the faults switched on.

A minute of AWS lasts a second here. Lambda's own retries are switched off, so what
an event leaves undone is left to the sweep.
"""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.cloud import LocalCloud, Ports
from localcloud.cloudflare import DEFAULT_TOKEN, Fault, FaultKind, Quota, Request, When
from tests.end_to_end.conftest import PROJECT, SWEEP, WATCHDOG, DeployedStage, start_instance, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


MINUTE = 1.0
BLOCK = 3600.0
"""Seconds of the cloud's clock; longer than any test takes."""
_numbers = count(1)


@pytest.fixture(scope="module")
def deployed(copied: Path) -> Iterator[Stage]:
    with LocalCloud(PROJECT.settings, Ports(), time_scale=MINUTE / 60) as cloud:
        cloud.deploy_with_chalice(PROJECT.copy(copied, cloud.cloudflare.url).directory)
        for function in (WATCHDOG, SWEEP):
            cloud.client("lambda").put_function_event_invoke_config(
                FunctionName=function, MaximumRetryAttempts=0
            )
        yield Stage(cloud)


@pytest.fixture
def stage(deployed: Stage) -> Iterator[Stage]:
    """Give the deployed stage without faults, and see that others' records are as they were."""
    cloudflare = deployed.cloud.cloudflare
    others = deployed.others()
    deployed.forget()
    yield deployed
    cloudflare.faults.clear()
    cloudflare.api.limiter.quota = Quota()
    assert [each for each in deployed.others() if each in others] == others


class Stage(DeployedStage):
    """The deployed stage: what happens in it, and what it did."""

    def __init__(self, cloud: LocalCloud) -> None:
        super().__init__(cloud)
        domain = cloud.settings.domain_root
        self.zone.create({"type": "A", "name": f"www.{domain}", "content": "198.51.100.80"})
        name = cloud.settings.record_name("i-0123456789abcdef0")
        comment = "elephant:another m=theirs r=teacher"
        self.zone.create(
            {"type": "A", "name": name, "content": "198.51.100.99", "comment": comment}
        )

    # What happens

    def launch(self) -> str:
        """Start the desktop of a new meeting."""
        meeting = f"meeting-{next(_numbers)}"
        self.put_row(meeting)
        return start_instance(self.ec2, MeetingID=meeting, Role="teacher")

    def launched(self) -> str:
        """Start a desktop and wait until its event is handled."""
        desktop = self.launch()
        self.settle()
        assert self.is_right(desktop)
        return desktop

    def stop(self, desktop: str) -> None:
        self.ec2.stop_instances(InstanceIds=[desktop])

    def give_elastic_ip(self, desktop: str) -> None:
        address = f"203.0.113.{next(_numbers)}"
        allocated = self.ec2.allocate_address(Domain="vpc", Address=address)["AllocationId"]
        self.ec2.associate_address(InstanceId=desktop, AllocationId=allocated)

    def sweep(self) -> Any:  # noqa: ANN401 (any JSON)
        """Let the sweep come due, and return its answer."""
        assert self.cloud.schedules.fire() == (SWEEP,)
        self.settle()
        run = self.runs(SWEEP)[-1]
        assert not run.failed, run.log
        return run.result

    def hold(self, method: str) -> None:
        """Let the next call of this method hang after Cloudflare has executed it."""
        held = Fault(FaultKind.DELAY, when=When.AFTER, method=method, seconds=600)
        self.cloud.cloudflare.faults.add(held)

    def is_held(self, method: str) -> bool:
        """Tell whether a run hangs in its call."""
        return method in [call.method for call in self.cloud.cloudflare.calls]

    def block(self) -> None:
        """Let another program use up Cloudflare's quota, so that it refuses us until `unblock`."""
        api = self.cloud.cloudflare.api
        api.limiter.quota = Quota(block=BLOCK)
        headers = {"Authorization": f"Bearer {DEFAULT_TOKEN}"}
        verify = Request("GET", "/client/v4/user/tokens/verify", headers=headers)
        for _ in range(Quota().calls + 1):
            api.handle(verify)
        api.clear_calls()

    def unblock(self) -> None:
        """Let so much time pass that Cloudflare answers again."""
        self.cloud.clock.skip(BLOCK)

    # What is

    def sweeps(self) -> list[str]:
        """Return what the sweeps did that did not fail."""
        return [run.result["action"] for run in self.runs(SWEEP) if not run.failed]

    def row_of(self, desktop: str) -> dict[str, str]:
        tags = {tag["Key"]: tag["Value"] for tag in self._describe(desktop)["Tags"]}
        return self.row(tags["MeetingID"])

    def is_right(self, desktop: str) -> bool:
        """Tell whether record and row are as the state of a meeting's only desktop asks for."""
        instance = self._describe(desktop)
        state, row = instance["State"]["Name"], self.row_of(desktop)
        if state == "running":
            link = {"status": "DNS_WRITTEN", "teacher_ec2_link": self.cloud.settings.link(desktop)}
            return self.records(desktop) == [instance["PublicIpAddress"]] and row == link
        statuses = {"TERMINATED"} if state == "terminated" else {"LAUNCHED", "DNS_WRITTEN"}
        return not self.records(desktop) and set(row) == {"status"} and row["status"] in statuses

    def others(self) -> list[str]:
        """Return the records that are not ours, letter by letter."""
        ours = f"{self.cloud.settings.owner} "
        return [
            json.dumps(record.as_json())
            for record in self.zone.records
            if not (record.fields.comment or "").startswith(ours)
        ]

    def _describe(self, desktop: str) -> Any:  # noqa: ANN401 (botocore's dictionaries)
        answer = self.ec2.describe_instances(InstanceIds=[desktop])
        return answer["Reservations"][0]["Instances"][0]


def test_whatever_goes_wrong_at_once_the_schedule_brings_all_right(stage: Stage) -> None:
    stopping, ending, moving, killed = (stage.launched() for _ in range(4))
    stage.forget()
    with stage.cloud.schedules:
        stage.hold("DELETE")
        stage.end(killed)
        until(lambda: stage.is_held("DELETE"))
        assert sum(stage.cloud.functions.kill(name) for name in (WATCHDOG, SWEEP)) > 0
        stage.block()
        stage.cloud.cloudflare.faults.add(Fault(FaultKind.DROP, when=When.AFTER, method="POST"))
        stage.end(ending)
        started = [stage.launch(), stage.launch()]
        with stage.cloud.bridge.losing():
            stage.stop(stopping)
            stage.give_elastic_ip(moving)
            started += [stage.launch(), stage.launch()]
        desktops = [stopping, ending, moving, killed, *started]
        until(lambda: "deferred" in stage.sweeps())
        stage.unblock()
        until(lambda: all(stage.is_right(desktop) for desktop in desktops))

    stage.settle()
    assert stage.sweep()["action"] == "unchanged"
    assert all(stage.is_right(desktop) for desktop in desktops)
