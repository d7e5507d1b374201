"""The desktops of a local cloud: the kit's agent as it is, for each instance of their image."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.aws import ANY_IMAGE
from localcloud.cloud import LocalCloud, Ports
from localcloud.dcv import CommandError
from localcloud.desktop import TOOLS, Kit, MissingToolError, require_tools
from localcloud.visitor import Visitor

from .test_cloud import AMI, WITH_MEETINGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from localcloud.aws import Invocation
    from localcloud.desktop import Desktop

APP = """
from chalice.app import Chalice, IAMAuthorizer, Response

app = Chalice(app_name="desks", configure_logs=False)
signed = IAMAuthorizer()

@app.route("/desktop", authorizer=signed)
def desktop():
    return {"meeting_id": "m1", "role": "teacher", "room_url": None}

@app.route("/desktop/healthy", methods=["POST"], content_types=["*/*"], authorizer=signed)
def healthy():
    return {}

@app.route("/desktop/finished", methods=["POST"], content_types=["*/*"], authorizer=signed)
def finished():
    return {}

@app.route("/dcv/{instance_id}", methods=["POST"], content_types=["*/*"])
def dcv(instance_id):
    is_good = b"authenticationToken=good&" in app.current_request.raw_body
    yes = "<auth result='yes'><username>elephant</username></auth>"
    return Response(yes if is_good else "<auth result='no'/>")
"""
HEALTHY = "reported that the desktop is healthy"
_numbers = count(1)


@dataclass
class Stage:
    """A cloud with an API for desktops, and their role."""

    cloud: LocalCloud
    invocations: list[Invocation] = field(default_factory=list)

    def allow(self, *paths: str) -> None:
        """Let desktops call these paths of the API, and no others."""
        arn = "arn:aws:execute-api:us-west-2:123456789012:*/*"
        statement = {"Effect": "Allow", "Action": "execute-api:Invoke"}
        document = {
            "Version": "2012-10-17",
            "Statement": [statement | {"Resource": [f"{arn}/{path}" for path in paths]}],
        }
        self.cloud.client("iam").put_role_policy(
            RoleName="desktop", PolicyName="may", PolicyDocument=json.dumps(document)
        )

    def start(self, **settings: Any) -> Desktop:  # noqa: ANN401 (of RunInstances)
        tags = {"MeetingID": f"m{next(_numbers)}", "Role": "teacher"}
        tags["elephant:api"] = self.cloud.api_url
        spec = [{"Key": key, "Value": value} for key, value in tags.items()]
        request = {
            "ImageId": AMI,
            "MinCount": 1,
            "MaxCount": 1,
            "IamInstanceProfile": {"Name": "desktop"},
            "MetadataOptions": {"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
            "TagSpecifications": [{"ResourceType": "instance", "Tags": spec}],
        }
        answer = self.cloud.client("ec2").run_instances(**(request | settings))
        return self.cloud.desktops.find(answer["Instances"][0]["InstanceId"])

    def calls(self, desktop: Desktop, path: str) -> list[Any]:
        """Return the events of the desktop's calls."""
        events: list[Any] = [each.event for each in self.invocations]
        return [
            event
            for event in events
            if event["path"] == path
            and event["requestContext"]["identity"].get("userArn", "").endswith(desktop.instance_id)
        ]

    def state(self, desktop: Desktop) -> str:
        answer = self.cloud.client("ec2").describe_instances(InstanceIds=[desktop.instance_id])
        return str(answer["Reservations"][0]["Instances"][0]["State"]["Name"])

    def address(self, desktop: Desktop) -> str:
        """Have a record made for the desktop; return the address that it gives it."""
        answer = self.cloud.client("ec2").describe_instances(InstanceIds=[desktop.instance_id])
        content = answer["Reservations"][0]["Instances"][0]["PublicIpAddress"]
        name = self.cloud.settings.record_name(desktop.instance_id)
        zone = self.cloud.cloudflare.api.zone(self.cloud.settings.zone_id)
        zone.create({"type": "A", "name": name, "content": content, "proxied": True})
        return f"https://{name}:8443/"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    project = tmp_path_factory.mktemp("desks")
    (project / ".chalice").mkdir()
    (project / "app.py").write_text(APP)
    (project / "requirements.txt").touch()
    config = {"version": "2.0", "app_name": "desks", "stages": {"local": {}}}
    (project / ".chalice/config.json").write_text(json.dumps(config))
    hook = '#!/bin/sh\necho \'{"recording": "s3://recordings/1"}\'\n'
    kit = Kit(files={"etc/elephant/finish.d/10-upload": hook}, poll_seconds=0.2)
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": [trust | {"Action": "sts:AssumeRole"}]}
    with LocalCloud(WITH_MEETINGS, Ports(), kit=kit) as cloud:
        iam = cloud.client("iam")
        iam.create_role(RoleName="desktop", AssumeRolePolicyDocument=json.dumps(document))
        iam.create_instance_profile(InstanceProfileName="desktop")
        iam.add_role_to_instance_profile(InstanceProfileName="desktop", RoleName="desktop")
        cloud.deploy_with_chalice(project)
        stage = Stage(cloud)
        cloud.functions.on_finished(stage.invocations.append)
        yield stage


@pytest.fixture
def stage(running: Stage) -> Iterator[Stage]:
    running.allow("*/desktop", "*/desktop/*")
    yield running
    ids = [desktop.instance_id for desktop in running.cloud.desktops.running()]
    if ids:
        running.cloud.client("ec2").terminate_instances(InstanceIds=ids)
    running.cloud.desktops.flush()


def test_a_desktop_reports_signed_with_its_role_and_is_reached_by_its_name(stage: Stage) -> None:
    desktop = stage.start()
    desktop.wait_for(HEALTHY)
    assert len(stage.calls(desktop, "/desktop/healthy")) == 1
    visitor, address = Visitor(stage.cloud.edge), stage.address(desktop)
    assert visitor.look(f"{address}?authToken=guessed").status == 401
    with visitor.stay(f"{address}?authToken=good") as screen:
        assert (screen.status, screen.headline) == (200, "You are on the teacher's desktop")


@pytest.mark.parametrize(("behaviour", "state"), [("terminate", "terminated"), ("stop", "stopped")])
def test_a_desktop_that_has_finished_reports_and_powers_off(
    stage: Stage, behaviour: str, state: str
) -> None:
    desktop = stage.start(InstanceInitiatedShutdownBehavior=behaviour)
    desktop.wait_for(HEALTHY)
    (report,) = stage.cloud._act_on_desktops({"do": "finish", "meeting": desktop.meeting_id})
    assert (report["instance"], report["role"]) == (desktop.instance_id, "teacher")
    desktop.wait_until_ended()
    (call,) = stage.calls(desktop, "/desktop/finished")
    assert json.loads(call["body"]) == {"recording": "s3://recordings/1", "finished": True}
    assert stage.state(desktop) == state


def test_a_desktop_runs_while_its_instance_does(stage: Stage) -> None:
    desktop = stage.start()
    desktop.wait_for(HEALTHY)
    visitor, address = Visitor(stage.cloud.edge), stage.address(desktop)
    ec2 = stage.cloud.client("ec2")
    ec2.stop_instances(InstanceIds=[desktop.instance_id])
    assert stage.cloud.desktops.running() == []
    assert visitor.look(address).status == 522
    desktop.journal.clear()
    with stage.cloud.bridge.losing():
        ec2.start_instances(InstanceIds=[desktop.instance_id])
    assert stage.cloud.desktops.running() == [desktop]
    desktop.wait_for("created the DCV session")
    stage.cloud._act_on_desktops({"do": "shutdown"})
    assert stage.cloud.desktops.running() == []


def test_an_agent_that_dies_is_started_again(stage: Stage) -> None:
    desktop = stage.start()
    desktop.wait_for(HEALTHY)
    desktop.journal.clear()
    assert desktop._process is not None
    os.kill(desktop._process.pid, signal.SIGKILL)
    desktop.wait_for("is the teacher's desktop")
    assert len(stage.calls(desktop, "/desktop/healthy")) == 1


def test_a_desktop_does_what_its_role_allows_and_nothing_else(stage: Stage) -> None:
    stage.allow("GET/desktop")
    desktop = stage.start()
    desktop.wait_for("is not authorized to perform: execute-api:Invoke on resource")
    assert stage.calls(desktop, "/desktop") != []
    assert stage.calls(desktop, "/desktop/healthy") == []
    stage.allow("*/desktop", "*/desktop/*")
    desktop.wait_for(HEALTHY)


def test_only_instances_of_the_desktops_image_are_desktops(stage: Stage) -> None:
    with pytest.raises(LookupError, match="is no desktop"):
        stage.start(ImageId=ANY_IMAGE)
    assert stage.cloud.desktops.running() == []


def test_what_a_desktop_cannot_do_is_said(stage: Stage) -> None:
    desktop = stage.start()
    with pytest.raises(ValueError, match="not 'dance'"):
        stage.cloud._act_on_desktops({"do": "dance"})
    assert stage.cloud._act_on_desktops({"do": "finish", "role": "observer"}) == []
    with pytest.raises(CommandError, match="dance: not found"):
        desktop.run_command("dance", [])
    with pytest.raises(CommandError, match="only dcvserver is here"):
        desktop.run_command("systemctl", ["start", "cron"])


def test_a_machine_without_what_the_agent_needs_is_told_so_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    require_tools()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=" and ".join(TOOLS)):
        require_tools()
