"""A launch and the AWS that it meets, in memory, with what moto leaves out.

moto starts an instance for every RunInstances, with any token; EC2 starts one for a token in
each zone, shows it only after a while, and may have no room. Every call can go wrong, and lets
other runs go on before it and after it.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]

from chalicelib.clock import format_time
from chalicelib.meeting_row.meeting import Status
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
from tests.simulation.clock import Clock
from tests.simulation.dynamodb import updated
from tests.simulation.ec2 import Region, accepts
from tests.simulation.names import IMAGE
from tests.world import ACCOUNT, REGION, TABLE, Context, Reports, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.settings.stage import Settings

ID: Final = "abcdefgh12345678"
GROUP: Final = "sg-0123456789abcdef0"
API_URL: Final = "https://api.example.com/api"
LAUNCH_ARN: Final = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:elephant-test-launch_ec2"
MEETINGS: Final = {"FEATURES": "meetings", "AMI_ID": IMAGE, "SECURITY_GROUP_IDS": GROUP}
SETTINGS: Final = make_settings(**MEETINGS)
BEGINNING: Final = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
FAULTS: Final = (REFUSED, LOST, TWICE, DIED_BEFORE, DIED_AFTER)


class Cloud(Region):
    """EC2 and the meetings table as they truly are, and a client of both."""

    def __init__(self, lag: float = 0.0) -> None:
        super().__init__(Clock(BEGINNING.timestamp()))
        self.lag = lag
        self.items: dict[str, dict[str, Any]] = {}
        self.agenda: list[dict[str, Any]] = []
        """What the index has, besides the meeting itself."""
        self.statuses: list[str] = []
        self.reports = Reports()
        self.requests: list[dict[str, Any]] = []
        self.subnets_asked_for: object = None
        self.refusals: dict[str, list[str]] = {}
        """The codes with which a subnet refuses, one after the other; the last one stands."""

    def functions(self, client: object, settings: Settings = SETTINGS) -> Functions:
        """Make the functions that reach the cloud by this client."""
        return Functions(
            settings,
            {"ec2": client, "dynamodb": client},
            self.reports,
            clock=self._clock,
            sleep=self.pass_time,
        )

    def put_row(self, starts: float = 10, /, **attributes: str) -> None:
        """Write the row of a meeting that starts so many minutes after the beginning."""
        start = format_time(BEGINNING + timedelta(minutes=starts))
        texts = {"id": ID, "status": "SCHEDULED", "meet_time": start, "api_url": API_URL}
        texts |= attributes
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

    def put_desktop(self, role: str = "teacher", number: int = 0) -> str:
        """Put a desktop that a launch did not record, or a person started."""
        now, self._clock.now = self._clock.now, self._clock.now - 100 + number
        host = self.launch(MeetingID=ID, Role=role, Project="Elephant")
        self._clock.now = now
        return host.id

    def living(self, role: str | None = None) -> list[str]:
        """Return the ids of the desktops that run, of all roles or of one."""
        return [
            each.id
            for each in self.hosts.values()
            if not each.view.is_gone and role in {None, each.view.tag("Role")}
        ]

    def started_by_role(self) -> Counter[str | None]:
        """Count what was ever started."""
        return Counter(each.view.tag("Role") for each in self.hosts.values())

    def pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds)

    def refusal(self, subnet: str) -> str | None:
        codes = self.refusals.get(subnet, [""])
        return codes.pop(0) if len(codes) > 1 else codes[0]

    # The calls

    def get_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        item = self.items.get(request["Key"]["id"]["S"])
        return {"Item": dict(item)} if item else {}

    def query(self, **_: Any) -> dict[str, Any]:  # noqa: ANN401
        return {"Items": self.agenda}

    def update_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        key = request["Key"]["id"]["S"]
        self.items[key] = updated(self.items.get(key), request)
        status = self.items[key].get("status", {"S": ""})["S"]
        if status and status not in self.statuses[-1:]:
            self.statuses.append(status)
        return {"Attributes": dict(self.items[key])}

    def describe_images(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        assert request == {"ImageIds": [IMAGE]}
        return {"Images": [self.image()]}

    def describe_subnets(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        self.subnets_asked_for = request["Filters"]
        return {"Subnets": self.subnets}

    def describe_instances(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        filters = {each["Name"]: each["Values"] for each in request["Filters"]}
        found = [
            {"Instances": [each.view.describe(each.id)]}
            for each in self.hosts.values()
            if each.at(self._clock.now - self.lag) and accepts(filters, each.id, each.view)
        ]
        return {"Reservations": found}

    def run_instances(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        self.requests.append(request)
        host = self.started(request)
        return {"Instances": [host.view.describe(host.id)]}

    def terminate_instances(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        (instance_id,) = request["InstanceIds"]
        self.change(self.known(instance_id, "TerminateInstances"), state="terminated")
        return {}


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
            launch = self.cloud.functions(client, self.settings).meetings.launch
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


def require_promises(cloud: Cloud) -> None:
    """Require what always holds, at the end and after the safety net's look."""
    assert set(cloud.started_by_role().values()) <= {1}, cloud.started_by_role()
    order = [list(Status).index(Status(status)) for status in cloud.statuses]
    assert order == sorted(order), cloud.statuses
    for host in cloud.hosts.values():
        assert host.view.meeting == ID
        assert host.view.is_project
    cloud.pass_time(3600)
    client: Any = cloud
    row = Meetings(client, TABLE).read_row(ID)
    if row:
        cloud.functions(cloud).meetings.ending.end_meeting(row, "NO_SHOW_TIMEOUT")
    assert cloud.living() == []
