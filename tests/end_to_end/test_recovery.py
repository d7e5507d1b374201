"""What the sweep brings right on the deployed stage, with the faults switched on.

A minute of AWS lasts a second here. Lambda's own retries are switched off, so what
an event leaves undone is left to the sweep.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from localcloud.cloud import LocalCloud, Ports
from localcloud.cloudflare import DEFAULT_TOKEN, Fault, FaultKind, Quota, Request, When
from tests.end_to_end.conftest import PROJECT, SWEEP, WATCHDOG, DeployedStage, start_instance, until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from localcloud.cloudflare import Record


MINUTE = 1.0
BLOCK = 3600.0
"""Seconds of the cloud's clock; longer than any test takes."""
HANGS = Fault(FaultKind.DELAY, when=When.AFTER, method="DELETE", seconds=600)
"""The next deletion hangs after Cloudflare has executed it."""
_numbers = count(1)


@pytest.fixture
def stage(copied: Path) -> Iterator[Stage]:
    """Deploy the stage, and see that others' records stay as they are."""
    with LocalCloud(PROJECT.settings, Ports(), time_scale=MINUTE / 60) as cloud:
        cloud.deploy_with_chalice(PROJECT.copy(copied, cloud.cloudflare.url).directory)
        for function in (WATCHDOG, SWEEP):
            cloud.client("lambda").put_function_event_invoke_config(
                FunctionName=function, MaximumRetryAttempts=0
            )
        deployed = Stage(cloud)
        others = deployed.others()
        yield deployed
        assert deployed.others() == others


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

    def give_elastic_ip(self, desktop: str) -> None:
        allocated = self.ec2.allocate_address(Domain="vpc", Address="203.0.113.7")["AllocationId"]
        self.ec2.associate_address(InstanceId=desktop, AllocationId=allocated)

    def block(self) -> None:
        """Let another program use up Cloudflare's quota, so that it refuses us for a `BLOCK`."""
        api = self.cloud.cloudflare.api
        api.limiter.quota = Quota(block=BLOCK)
        headers = {"Authorization": f"Bearer {DEFAULT_TOKEN}"}
        verify = Request("GET", "/client/v4/user/tokens/verify", headers=headers)
        for _ in range(Quota().calls + 1):
            api.handle(verify)
        api.clear_calls()

    # What is

    def sweeps(self) -> list[str]:
        """Return what the sweeps did that did not fail."""
        return [run.result["action"] for run in self.runs(SWEEP) if not run.failed]

    def are_right(self, desktops: Iterable[str]) -> bool:
        """Tell whether record and row are as the state of each meeting's only desktop asks for."""
        return all(self._is_right(desktop) for desktop in desktops)

    def _is_right(self, desktop: str) -> bool:
        answer = self.ec2.describe_instances(InstanceIds=[desktop])
        instance = answer["Reservations"][0]["Instances"][0]
        tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
        state, row = instance["State"]["Name"], self.row(tags["MeetingID"])
        if state == "running":
            link = {"status": "DNS_WRITTEN", "teacher_ec2_link": self.cloud.settings.link(desktop)}
            return self.records(desktop) == [instance["PublicIpAddress"]] and row == link
        statuses = {"TERMINATED"} if state == "terminated" else {"LAUNCHED", "DNS_WRITTEN"}
        return not self.records(desktop) and set(row) == {"status"} and row["status"] in statuses

    def others(self) -> list[Record]:
        """Return the records that are not ours."""
        ours = f"{self.cloud.settings.owner} "
        records = self.zone.records
        return [each for each in records if not (each.fields.comment or "").startswith(ours)]


def test_whatever_goes_wrong_at_once_the_schedule_brings_all_right(stage: Stage) -> None:
    desktops = [stage.launch() for _ in range(4)]
    stopping, ending, moving, killed = desktops
    stage.settle()
    assert stage.are_right(desktops)
    stage.forget()
    cloudflare = stage.cloud.cloudflare
    with stage.cloud.schedules:
        cloudflare.faults.add(HANGS)
        stage.end(killed)
        until(lambda: "DELETE" in [call.method for call in cloudflare.calls])
        assert sum(stage.cloud.functions.kill(name) for name in (WATCHDOG, SWEEP)) > 0
        stage.block()
        cloudflare.faults.add(Fault(FaultKind.DROP, when=When.AFTER, method="POST"))
        stage.end(ending)
        desktops += [stage.launch(), stage.launch()]
        with stage.cloud.bridge.losing():
            stage.ec2.stop_instances(InstanceIds=[stopping])
            stage.give_elastic_ip(moving)
            desktops += [stage.launch(), stage.launch()]
        until(lambda: "deferred" in stage.sweeps())
        stage.cloud.clock.skip(BLOCK)  # then Cloudflare answers again
        until(lambda: stage.are_right(desktops))

    stage.settle()
    assert stage.cloud.schedules.fire() == (SWEEP,)
    stage.settle()
    last = stage.runs(SWEEP)[-1]
    assert (last.failed, last.result["action"]) == (False, "unchanged"), last.log
    assert stage.are_right(desktops)
