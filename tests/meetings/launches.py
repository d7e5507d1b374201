"""A launch and the AWS that it meets, in memory, with what moto leaves out.

moto starts an instance for every RunInstances, with any token; EC2 starts one for a token in
each zone, shows it only after a while, and may have no room. Every call can go wrong, and lets
other runs go on before it and after it.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]

from chalicelib.clock import format_time, time_at
from chalicelib.meeting_row.meeting import ROLES, Status
from chalicelib.meeting_row.table import Meetings
from tests.functions import Functions
from tests.meetings.faults import (
    DIED_AFTER,
    DIED_BEFORE,
    LOST,
    REFUSED,
    TWICE,
    Died,
    Faults,
    FaultyClient,
)
from tests.simulation.aws_edge import client_error
from tests.simulation.dynamodb import updated
from tests.world import ACCOUNT, REGION, TABLE, Context, Reports, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.settings.stage import Settings

ID: Final = "abcdefgh12345678"
AMI: Final = "ami-0123456789abcdef0"
GROUP: Final = "sg-0123456789abcdef0"
LAUNCH_ARN: Final = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:elephant-test-launch_ec2"
MEETINGS: Final = {"FEATURES": "meetings", "AMI_ID": AMI, "SECURITY_GROUP_IDS": GROUP}
SETTINGS: Final = make_settings(**MEETINGS)
BEGINNING: Final = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
ZONES: Final = ("a", "b", "c")
NO_ROOM: Final = "InsufficientInstanceCapacity"

FAULTS: Final = (REFUSED, LOST, TWICE, DIED_BEFORE, DIED_AFTER)


@dataclass
class Machine:
    """An instance that was started."""

    id: str
    zone: str
    request: Mapping[str, Any]
    launched_at: datetime
    state: str = "running"

    @property
    def tags(self) -> dict[str, str]:
        (listed,) = (
            each["Tags"]
            for each in self.request["TagSpecifications"]
            if each["ResourceType"] == "instance"
        )
        return {each["Key"]: each["Value"] for each in listed}

    @property
    def lives(self) -> bool:
        return self.state == "running"

    def describe(self) -> dict[str, Any]:
        """Format it as DescribeInstances does."""
        tags = [{"Key": key, "Value": value} for key, value in self.tags.items()]
        state = {"Name": self.state}
        return {"InstanceId": self.id, "State": state, "LaunchTime": self.launched_at, "Tags": tags}


class Cloud:
    """EC2 and the meetings table as they truly are."""

    def __init__(self, lag: float = 0.0) -> None:
        self.now = BEGINNING.timestamp()
        self.lag = lag
        """Seconds for which EC2 knows nothing of what it just started."""
        self.machines: list[Machine] = []
        self.items: dict[str, dict[str, Any]] = {}
        self.statuses: list[str] = []
        self.reports = Reports()
        self.volume_gb = 30
        self.subnets_asked_for: object = None
        self.subnets: list[dict[str, object]] = [
            {"SubnetId": f"subnet-{zone}", "AvailabilityZone": zone, "MapPublicIpOnLaunch": True}
            for zone in ZONES
        ]
        self.refusals: dict[str, list[str]] = {}
        """The codes with which a zone refuses, one after the other; the last one stands."""
        self._tokens: dict[tuple[str, str], tuple[str, Machine]] = {}

    def functions(self, client: object, settings: Settings = SETTINGS) -> Functions:
        """Make the functions that reach the cloud by this client."""
        return Functions(
            settings,
            {"ec2": client, "dynamodb": client},
            self.reports,
            clock=lambda: self.now,
            sleep=self.pass_time,
        )

    def put_row(self, starts: float = 10, /, **attributes: str) -> None:
        """Write the row of a meeting that starts so many minutes after the beginning."""
        start = format_time(BEGINNING + timedelta(minutes=starts))
        texts = {"id": ID, "status": "SCHEDULED", "meet_time": start} | attributes
        self.items[ID] = {name: {"S": text} for name, text in texts.items() if text}

    def change_row(self, **attributes: str) -> None:
        """Write attributes as others do; not if the row is gone."""
        if ID in self.items:
            self.items[ID] |= {name: {"S": text} for name, text in attributes.items()}

    def claim(self) -> None:
        """Claim the meeting as the safety net does before it ends the desktops."""
        self.change_row(termination_reason="NO_SHOW_TIMEOUT")

    def row(self) -> dict[str, str]:
        return {name: value["S"] for name, value in self.items.get(ID, {}).items()}

    def put_desktop(self, role: str = "teacher", number: int = 0, **tags: str) -> str:
        """Put a desktop that a launch did not record, or a person started."""
        every = {"MeetingID": ID, "Role": role, "Project": "Elephant"} | tags
        listed = [{"Key": key, "Value": value} for key, value in every.items()]
        request = {"TagSpecifications": [{"ResourceType": "instance", "Tags": listed}]}
        machine = Machine(f"i-{number + 100:017x}", "z", request, time_at(self.now - 100 + number))
        self.machines.append(machine)
        return machine.id

    def living(self, role: str | None = None) -> list[str]:
        """Return the ids of the desktops that run, of all roles or of one."""
        return [
            each.id for each in self.machines if each.lives and role in {None, each.tags["Role"]}
        ]

    def started(self) -> Counter[str]:
        """Count what was ever started, by role."""
        return Counter(each.tags["Role"] for each in self.machines)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    # The calls

    def get_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        item = self.items.get(request["Key"]["id"]["S"])
        return {"Item": dict(item)} if item else {}

    def update_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        key = request["Key"]["id"]["S"]
        self.items[key] = updated(self.items.get(key), request)
        status = self.items[key].get("status", {"S": ""})["S"]
        if status and status not in self.statuses[-1:]:
            self.statuses.append(status)
        return {"Attributes": dict(self.items[key])}

    def describe_images(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        assert request == {"ImageIds": [AMI]}
        return {"Images": [self.image()]}

    def image(self) -> dict[str, Any]:
        device = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": self.volume_gb}}
        return {"ImageId": AMI, "RootDeviceName": "/dev/sda1", "BlockDeviceMappings": [device]}

    def describe_subnets(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        self.subnets_asked_for = request["Filters"]
        return {"Subnets": self.subnets}

    def describe_instances(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        wanted = {each["Name"]: each["Values"] for each in request["Filters"]}
        found = [each for each in self.machines if self._is_shown(each) and _is_asked(each, wanted)]
        return {"Reservations": [{"Instances": [each.describe() for each in found]}]}

    def run_instances(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        zone = request["NetworkInterfaces"][0]["SubnetId"].removeprefix("subnet-")
        key, asked = (request["ClientToken"], zone), json.dumps(request, sort_keys=True)
        if key in self._tokens:
            asked_before, machine = self._tokens[key]
            if asked_before != asked:
                raise client_error("IdempotentParameterMismatch", "RunInstances")
            if not machine.lives:
                raise client_error("IdempotentInstanceTerminated", "RunInstances")
            return {"Instances": [machine.describe()]}
        codes = self.refusals.get(zone)
        if codes:
            code = codes.pop(0) if len(codes) > 1 else codes[0]
            if code:
                raise client_error(code, "RunInstances")
        machine = Machine(f"i-{len(self.machines):017x}", zone, request, time_at(self.now))
        self.machines.append(machine)
        self._tokens[key] = asked, machine
        return {"Instances": [machine.describe()]}

    def terminate_instances(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        (instance_id,) = request["InstanceIds"]
        for machine in self.machines:
            if machine.id == instance_id and self._is_shown(machine):
                machine.state = "terminated"
                return {}
        raise client_error("InvalidInstanceID.NotFound", "TerminateInstances")

    def _is_shown(self, machine: Machine) -> bool:
        return self.now >= machine.launched_at.timestamp() + self.lag


def _is_asked(machine: Machine, wanted: Mapping[str, list[str]]) -> bool:
    actual = {f"tag:{key}": value for key, value in machine.tags.items()}
    actual |= {"instance-id": machine.id, "instance-state-name": machine.state}
    return all(actual[name] in values for name, values in wanted.items())


class Invocation:
    """One run of the function, and what goes wrong in it."""

    def __init__(self, cloud: Cloud, settings: Settings = SETTINGS, **faults: Any) -> None:  # noqa: ANN401
        self.cloud = cloud
        self.settings = settings
        self.faults = Faults(pause=_pause, **faults)
        self.result: dict[str, Any] | None = None
        self.error: BaseException | None = None

    @property
    def calls(self) -> list[str]:
        return self.faults.calls

    @property
    def outcome(self) -> dict[str, Any]:
        assert self.error is None, self.error
        assert self.result
        return self.result

    @property
    def failure(self) -> str:
        assert self.error
        return f"{type(self.error).__name__}: {self.error}"

    def run(self, event: object = None, context: Context | None = None) -> None:
        """Run the function to its end, as a new execution environment would."""
        event = {"meeting_id": ID} if event is None else event
        context = context or Context(60_000, invoked_function_arn=LAUNCH_ARN)
        try:
            client = FaultyClient(self.cloud, self.faults)
            launch = self.cloud.functions(client, self.settings).launch
            self.result = launch.handle(event, context)
        except (Exception, Died) as error:  # noqa: BLE001 (Lambda does not tell them apart)
            self.error = error


def _pause() -> None:
    hub = getcurrent().parent
    if hub is not None:
        hub.switch()


def interleave(runs: list[Invocation], choose: Callable[[int], int]) -> None:
    """Let runs go on by turns; `choose` picks one of as many as can."""
    alive = [greenlet(run.run) for run in runs]
    while alive:
        chosen = alive[choose(len(alive))]
        chosen.switch()
        alive = [each for each in alive if not each.dead]


def launch(
    cloud: Cloud,
    event: object = None,
    *,
    context: Context | None = None,
    **more: Any,  # noqa: ANN401
) -> Invocation:
    run = Invocation(cloud, **more)
    run.run(event, context)
    return run


def require_promises(cloud: Cloud, *, most: int = 1) -> None:
    """Require what always holds, at the end and after the safety net's look."""
    assert all(count <= most for count in cloud.started().values()), cloud.started()
    for role in ROLES:
        assert len(cloud.living(role)) <= 1
    order = [list(Status).index(Status(status)) for status in cloud.statuses]
    assert order == sorted(order), cloud.statuses
    for machine in cloud.machines:
        assert machine.tags["MeetingID"] == ID
        assert machine.tags["Project"] == "Elephant"
    cloud.pass_time(3600)
    client: Any = cloud
    row = Meetings(client, TABLE).read_row(ID)
    if row:
        cloud.functions(cloud).ending.end_meeting(row, "NO_SHOW_TIMEOUT")
    assert cloud.living() == []
