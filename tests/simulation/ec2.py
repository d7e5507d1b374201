"""EC2 in memory: instances with their past, since EC2's answers may lag behind the truth."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.aws_edge import AwsEdge, client_error
from tests.simulation.names import IMAGE
from tests.world import OWNER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.simulation.clock import Clock
    from tests.simulation.invariants import Invariants
    from tests.simulation.tasks import Tasks

INCOMPLETE: Final = "incomplete"
"""A fault: the answer has no error, and nothing of what was asked for."""
PAGE_SIZE: Final = 3
"""EC2 may answer fewer than it was asked for; so small that most lists have several pages.
What is asked for by id comes in one."""
ZONES: Final = {"subnet-0a": "us-west-2a", "subnet-0b": "us-west-2b", "subnet-0c": "us-west-2c"}
"""The Availability Zone of each subnet."""
ROOT: Final = "/dev/sda1"
NO_ROOM: Final = "InsufficientInstanceCapacity"
NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class View:
    """An instance as it is from some moment on; false before its launch, and once forgotten."""

    state: str = ""
    launched_at: datetime = NEVER
    tags: tuple[tuple[str, str], ...] = ()
    address: str | None = None
    reason: str = ""

    def __bool__(self) -> bool:
        return bool(self.state)

    def tag(self, key: str) -> str | None:
        return dict(self.tags).get(key)

    @property
    def is_project(self) -> bool:
        """Whether it has our tag, and no other stage's owner tag."""
        return self.tag("Project") == "Elephant" and self.tag("elephant:owner") in {None, OWNER}

    @property
    def is_live(self) -> bool:
        return self.is_project and self.state == "running" and bool(self.address)

    @property
    def is_gone(self) -> bool:
        return self.state in {"", "shutting-down", "terminated"}

    @property
    def meeting(self) -> str:
        return self.tag("MeetingID") or ""

    @property
    def assignment(self) -> tuple[str, str] | None:
        role = self.tag("Role")
        return (self.meeting, role) if self.meeting and role else None

    @classmethod
    def parse(cls, described: Mapping[str, Any]) -> View:
        return cls(
            described["State"]["Name"],
            described["LaunchTime"],
            tuple((tag["Key"], tag["Value"]) for tag in described["Tags"]),
            described.get("PublicIpAddress"),
        )

    def describe(self, instance_id: str) -> dict[str, Any]:
        described: dict[str, Any] = {
            "InstanceId": instance_id,
            "State": {"Name": self.state},
            "LaunchTime": self.launched_at,
            "StateTransitionReason": self.reason,
            "Tags": [{"Key": key, "Value": value} for key, value in self.tags],
        }
        if self.address:
            described["PublicIpAddress"] = self.address
        return described


@dataclass(eq=False)
class Host:
    """An instance, from its launch until EC2 forgets it."""

    id: str
    past: list[tuple[float, View]] = field(default_factory=list)

    @property
    def view(self) -> View:
        """What it truly is."""
        return self.past[-1][1]

    @property
    def launched_at(self) -> float:
        return self.past[0][0]

    def at(self, moment: float) -> View:
        return next((view for since, view in reversed(self.past) if since <= moment), View())

    def since(self, moment: float) -> list[View]:
        """List everything that it was from the moment on."""
        later = [view for since, view in self.past if since > moment]
        return [self.at(moment), *later]


class Region:
    """The region's instances, and what each client token was used for.

    By id EC2 knows an instance `lag` seconds after its launch. A token is known in one zone only,
    since every request names a subnet:
    https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html#run-instances-idempotency
    """

    def __init__(self, clock: Clock) -> None:
        self.hosts: dict[str, Host] = {}
        self.lag = 0.0
        self.volume_gb = 30
        shared = {"AvailableIpAddressCount": 250, "MapPublicIpOnLaunch": True}
        self.subnets: list[dict[str, object]] = [
            {"SubnetId": subnet, "AvailabilityZone": zone, **shared}
            for subnet, zone in ZONES.items()
        ]
        self._tokens: dict[tuple[str, str], tuple[str, Host | None]] = {}
        """What a client token was used for in a subnet, and what came of it."""
        self._clock = clock

    def launch(self, **tags: str) -> Host:
        host = Host(f"i-{len(self.hosts) + 1:017x}")
        self.hosts[host.id] = host
        view = View("pending", self._clock.moment, tuple(sorted(tags.items())))
        host.past.append((self._clock.now, view))
        return host

    def change(self, host: Host, **members: Any) -> None:  # noqa: ANN401
        assert host.view, f"{host.id} is gone"
        host.past.append((self._clock.now, replace(host.view, **members)))

    def image(self) -> dict[str, Any]:
        root = {"DeviceName": ROOT, "Ebs": {"VolumeSize": self.volume_gb, "SnapshotId": "snap-0"}}
        image = {"ImageId": IMAGE, "State": "available", "RootDeviceName": ROOT}
        return {**image, "BlockDeviceMappings": [root]}

    def refusal(self, subnet: str) -> str | None:
        """Return the code with which a subnet's zone takes no instance, if it takes none."""
        raise NotImplementedError

    def started(self, request: Mapping[str, Any]) -> Host:
        """Return what a request of RunInstances starts, or started before. Raises ClientError."""
        if request["ImageId"] != IMAGE:
            raise client_error("InvalidAMIID.NotFound", "RunInstances")
        subnet = request["NetworkInterfaces"][0]["SubnetId"]
        key, asked = (subnet, request["ClientToken"]), json.dumps(request, sort_keys=True)
        asked_before, host = self._tokens.setdefault(key, (asked, None))
        if asked_before != asked:
            raise client_error("IdempotentParameterMismatch", "RunInstances")
        if host:
            if host.view.is_gone:
                raise client_error("IdempotentInstanceTerminated", "RunInstances")
            return host
        if code := self.refusal(subnet):
            raise client_error(code, "RunInstances")
        tags = {
            tag["Key"]: tag["Value"]
            for each in request["TagSpecifications"]
            if each["ResourceType"] == "instance"
            for tag in each["Tags"]
        }
        host = self.launch(**tags)
        self._tokens[key] = asked, host
        return host

    def known(self, instance_id: str, operation: str) -> Host:
        """Return an instance that EC2 knows by now. Raises ClientError if it does not."""
        host = self.hosts.get(instance_id)
        if host is None or not host.view or not host.at(self._clock.now - self.lag):
            raise client_error("InvalidInstanceID.NotFound", operation, instance_id)
        return host


class Ec2(Region):
    """A region, and a client of it.

    By id answers lag `lag` seconds behind, by filter `list_lag`. Without an error, answers lack
    instances: what is asked for by tag lacks `hidden` ones, what is asked for by id `mute` ones.
    `denied` ones EC2 says it does not know, asked by id, though it may list them.

    `full` zones take no instance, `closed` says with which code none does. A call to terminate
    what is younger than the lag is answered as if there were no such instance; `end` is how an
    instance is ended, and EventBridge hears of it.
    """

    def __init__(self, clock: Clock, tasks: Tasks, invariants: Invariants) -> None:
        super().__init__(clock)
        self.edge = AwsEdge(tasks)
        self.list_lag = 0.0
        self.hidden: set[str] = set()
        self.mute: set[str] = set()
        self.denied: set[str] = set()
        self.page_size = PAGE_SIZE
        self.full: set[str] = set()
        self.closed: str | None = None
        self.end: Callable[[Host], None]
        self._invariants = invariants

    def forget(self, host: Host) -> None:
        host.past.append((self._clock.now, View()))

    def desktops_of(self, meeting: str, role: str | None = None) -> list[Host]:
        """List the project's instances of a meeting that have not terminated."""
        return [
            host
            for host in self.hosts.values()
            if not host.view.is_gone
            and host.view.is_project
            and host.view.meeting == meeting
            and role in {None, host.view.tag("Role")}
        ]

    def refusal(self, subnet: str) -> str | None:
        return self.closed or (NO_ROOM if ZONES[subnet] in self.full else None)

    # The client

    def describe_instances(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        key = f"DescribeInstances {request}"
        with self._invariants.reading(key):
            answer = self.edge.call(
                "DescribeInstances",
                lambda fault: self._answer(fault, **request),
                frozenset({INCOMPLETE}),
            )
        self._invariants.saw_instances(answer, key)
        return dict(answer)

    def run_instances(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        run = self._invariants.run

        def execute(_: str | None) -> dict[str, Any]:
            host = self.started(request)
            self._invariants.started(run, host)
            return {"Instances": [host.view.describe(host.id)]}

        return dict(self.edge.call("RunInstances", execute))

    def terminate_instances(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        run = self._invariants.run

        def execute(_: str | None) -> dict[str, Any]:
            hosts = [self.known(each, "TerminateInstances") for each in request["InstanceIds"]]
            for host in hosts:
                self._invariants.ends(run, host)
                if not host.view.is_gone:
                    self.end(host)
            ended = [
                {"InstanceId": each.id, "CurrentState": {"Name": "shutting-down"}} for each in hosts
            ]
            return {"TerminatingInstances": ended}

        return dict(self.edge.call("TerminateInstances", execute))

    def describe_images(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        def execute(_: str | None) -> dict[str, Any]:
            if request["ImageIds"] != [IMAGE]:
                raise client_error("InvalidAMIID.NotFound", "DescribeImages")
            return {"Images": [self.image()]}

        return dict(self.edge.call("DescribeImages", execute))

    def describe_subnets(self, **_: Any) -> Mapping[str, Any]:  # noqa: ANN401
        return dict(self.edge.call("DescribeSubnets", lambda _: {"Subnets": self.subnets}))

    def _answer(
        self,
        fault: str | None,
        InstanceIds: Iterable[str] = (),  # noqa: N803 (the API's own names)
        Filters: Iterable[Mapping[str, Any]] = (),  # noqa: N803
        MaxResults: int = 1000,  # noqa: N803
        NextToken: str = "",  # noqa: N803
    ) -> dict[str, Any]:
        if fault == INCOMPLETE and InstanceIds:
            return {"Reservations": []}
        wanted = list(InstanceIds)
        filters = {each["Name"]: each["Values"] for each in Filters}
        moment = self._clock.now - (self.lag if wanted else self.list_lag)
        is_by_id = wanted or "instance-id" in filters
        lacking = self.mute | self.denied if is_by_id else self.hidden
        self._invariants.withholds(lacking)
        hosts = [self.hosts[each] for each in wanted or self.hosts if each in self.hosts]
        found = {
            host.id: view
            for host in hosts
            if (view := host.at(moment))
            and accepts(filters, host.id, view)
            and host.id not in lacking
        }
        missing = sorted(set(wanted) - found.keys() - (self.mute - self.denied))
        if missing:
            raise _not_found(missing)
        left = sorted(each for each in found if each > NextToken)
        page = left if wanted else left[: min(self.page_size, MaxResults)]
        described = [found[each].describe(each) for each in page]
        answer = {"Reservations": [{"Instances": [each]} for each in described]}
        return answer | ({"NextToken": page[-1]} if len(left) > len(page) else {})


def _not_found(ids: Sequence[str]) -> Exception:
    """Make EC2's answer to a question in which ids are unknown to it: it names them all."""
    named = ", ".join(ids)
    said = f"IDs '{named}' do" if len(ids) > 1 else f"ID '{named}' does"
    message = f"The instance {said} not exist"
    return client_error("InvalidInstanceID.NotFound", "DescribeInstances", message)


def accepts(filters: Mapping[str, Sequence[str]], instance_id: str, view: View) -> bool:
    """Return whether an instance is among what these filters ask for."""
    actual = {f"tag:{key}": value for key, value in view.tags} | {"instance-id": instance_id}
    return all(actual.get(name) in values for name, values in filters.items())
