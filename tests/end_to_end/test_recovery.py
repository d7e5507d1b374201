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
from tests.end_to_end.conftest import (
    PROJECT,
    SWEEP,
    WATCHDOG,
    DeployedStage,
    start_instance,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


RULE = "elephant-local-sweep-event"
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
        self.give_to_another("i-0123456789abcdef0")

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

    def give_to_another(self, instance_id: str) -> None:
        """Let another owner have a record under an instance's name."""
        record = {
            "type": "A",
            "name": self.cloud.settings.record_name(instance_id),
            "content": "198.51.100.99",
            "comment": "elephant:another m=theirs r=teacher",
        }
        self.zone.create(record)

    def sweep(self) -> Any:  # noqa: ANN401 (any JSON)
        """Let the sweep come due, and return its answer."""
        assert self.cloud.schedules.fire() == (SWEEP,)
        self.settle()
        run = self.runs(SWEEP)[-1]
        assert not run.failed, run.log
        return run.result

    def hold(self, method: str, when: When) -> None:
        """Let the next call of this method hang, before or after Cloudflare executes it."""
        held = Fault(FaultKind.DELAY, when=when, method=method, seconds=600)
        self.cloud.cloudflare.faults.add(held)

    def let_go(self, when: When) -> None:
        """Let Cloudflare execute, after all, what it was asked before the run was killed."""
        calls = len(self.cloud.cloudflare.calls)
        self.cloud.cloudflare.faults.release()
        until(lambda: len(self.cloud.cloudflare.calls) > calls or when is When.AFTER)

    def kill_the_held_run(self, method: str, when: When) -> None:
        """Wait until a run hangs in its call, and kill it."""
        self.cloud.bridge.flush()
        if when is When.BEFORE:
            until(lambda: not self.cloud.cloudflare.faults.faults)
        else:
            until(lambda: method in self.methods())
        assert self.cloud.functions.kill(WATCHDOG) == 1
        self.settle()

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

    def answers(self, function: str) -> list[Any]:
        """Return what the function's runs answered; None for one that failed."""
        return [each.result for each in self.runs(function)]

    def actions(self, function: str) -> list[str]:
        return [answer["action"] if answer else "failed" for answer in self.answers(function)]

    def methods(self) -> list[str]:
        """Return the methods of the calls to Cloudflare."""
        return [call.method for call in self.cloud.cloudflare.calls]

    def writes(self) -> list[str]:
        return [method for method in self.methods() if method != "GET"]

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


# A run that was killed


@pytest.mark.parametrize("when", list(When))
def test_a_run_killed_while_its_desktop_started_is_finished(stage: Stage, when: When) -> None:
    stage.hold("POST", when)
    desktop = stage.launch()
    stage.kill_the_held_run("POST", when)
    assert stage.answers(WATCHDOG) == [None]
    assert len(stage.records(desktop)) == (when is When.AFTER)
    assert stage.row_of(desktop) == {"status": "LAUNCHED"}

    answer = stage.sweep()

    assert stage.is_right(desktop)
    assert (answer["action"], answer["done"]["created"], answer["done"]["rows"]) == (
        "repaired",
        int(when is When.BEFORE),
        1,
    )
    stage.let_go(when)
    assert stage.is_right(desktop)
    assert stage.sweep()["action"] == "unchanged"


@pytest.mark.parametrize("when", list(When))
def test_a_run_killed_while_its_desktop_ended_is_finished(stage: Stage, when: When) -> None:
    desktop = stage.launched()
    stage.forget()
    stage.hold("DELETE", when)
    stage.end(desktop)
    stage.kill_the_held_run("DELETE", when)
    assert stage.answers(WATCHDOG) == [None]
    assert len(stage.records(desktop)) == (when is When.BEFORE)

    answer = stage.sweep()

    assert stage.is_right(desktop)
    assert (answer["action"], answer["done"]["deleted"]) == ("repaired", int(when is When.BEFORE))
    stage.let_go(when)
    assert stage.is_right(desktop)
    assert stage.sweep()["action"] == "unchanged"


def test_a_write_that_arrives_after_its_desktops_end_is_undone(stage: Stage) -> None:
    stage.hold("POST", When.BEFORE)
    desktop = stage.launch()
    stage.kill_the_held_run("POST", When.BEFORE)
    with stage.cloud.bridge.losing():
        stage.end(desktop)
    stage.sweep()
    assert stage.is_right(desktop)
    stage.let_go(When.BEFORE)
    assert len(stage.records(desktop)) == 1

    answer = stage.sweep()

    assert (answer["action"], answer["done"]["deleted"]) == ("repaired", 1)
    assert stage.is_right(desktop)


# Events that never come


def test_one_sweep_does_what_lost_events_asked_for(stage: Stage) -> None:
    stopping, ending, moving, staying = (stage.launched() for _ in range(4))
    stage.forget()
    with stage.cloud.bridge.losing():
        starting = stage.launch()
        stage.stop(stopping)
        stage.end(ending)
        stage.give_elastic_ip(moving)
    desktops = (starting, stopping, ending, moving)
    assert not any(stage.is_right(desktop) for desktop in desktops)

    answer = stage.sweep()

    assert all(stage.is_right(desktop) for desktop in (*desktops, staying))
    assert answer["action"] == "repaired"
    assert answer["done"] == {"created": 1, "updated": 1, "deleted": 2, "rows": 3}
    assert stage.methods() == ["GET", "POST"]
    assert stage.answers(WATCHDOG) == []
    assert stage.sweep()["action"] == "unchanged"


def test_what_another_owner_has_is_reported_and_stays_letter_by_letter(stage: Stage) -> None:
    with stage.cloud.bridge.losing():
        desktop = stage.launch()
    stage.give_to_another(desktop)
    others = stage.others()

    warned = stage.sweep()
    with stage.cloud.bridge.losing():
        stage.end(desktop)
    ended = stage.sweep()

    assert "belongs to elephant:another; left unchanged" in warned["warnings"][0]
    assert stage.row_of(desktop) == {"status": "TERMINATED"}
    assert ended["done"]["deleted"] == 0
    assert stage.writes() == []
    assert stage.others() == others


# Cloudflare refuses


def test_after_a_block_one_sweep_brings_what_started_meanwhile(stage: Stage) -> None:
    stage.block()
    desktops = [stage.launch()]
    stage.settle()
    assert stage.sweep()["action"] == "deferred"
    stage.cloud.cloudflare.api.clear_calls()
    for _ in range(3):
        desktops.append(stage.launch())
        stage.settle()
    assert stage.actions(WATCHDOG) == ["deferred"] * 4

    assert stage.sweep()["action"] == "deferred"

    stage.unblock()
    answer = stage.sweep()

    assert (answer["action"], answer["done"]["created"]) == ("repaired", len(desktops))
    assert all(stage.is_right(desktop) for desktop in desktops)
    assert stage.methods() == ["GET", "POST"]


# All at once


def test_whatever_goes_wrong_at_once_the_schedule_brings_all_right(stage: Stage) -> None:
    stopping, ending, moving, killed = (stage.launched() for _ in range(4))
    stage.forget()
    with stage.cloud.schedules:
        stage.hold("DELETE", When.AFTER)
        stage.end(killed)
        until(lambda: "DELETE" in stage.methods())
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
        until(lambda: "deferred" in stage.actions(SWEEP))
        stage.unblock()
        until(lambda: all(stage.is_right(desktop) for desktop in desktops))

    stage.settle()
    assert stage.sweep()["action"] == "unchanged"
    assert all(stage.is_right(desktop) for desktop in desktops)


# What was deployed


def test_the_rule_of_the_sweep_fires_it_every_minute(stage: Stage) -> None:
    events = stage.cloud.client("events")
    rule = events.describe_rule(Name=RULE)
    function = stage.cloud.client("lambda").get_function(FunctionName=SWEEP)["Configuration"]

    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert rule["State"] == "ENABLED"
    assert not rule.get("EventPattern")
    (target,) = events.list_targets_by_rule(Rule=RULE)["Targets"]
    assert target["Arn"] == function["FunctionArn"]
    policy = json.loads(stage.cloud.client("lambda").get_policy(FunctionName=SWEEP)["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Action"] == "lambda:InvokeFunction"
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": rule["Arn"]}}


def test_the_role_of_the_sweep_is_the_file(stage: Stage, copied: Path) -> None:
    file = copied / ".chalice/policy-local-sweep.json"
    assert stage.policy(SWEEP) == json.loads(file.read_text())
