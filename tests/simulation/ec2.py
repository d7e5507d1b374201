"""EC2 in memory: instances with their past, since EC2's answers may lag behind the truth."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.aws_edge import AwsEdge, client_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tests.simulation.clock import Clock
    from tests.simulation.promises import Promises
    from tests.simulation.strands import Strands

INCOMPLETE: Final = "incomplete"
"""A fault: the answer has no error, and nothing of what was asked for."""
PAGE_SIZE: Final = 3
"""EC2 may answer fewer than it was asked for; so small that most lists have several pages.
What is asked for by id comes in one."""


@dataclass(frozen=True)
class View:
    """An instance as it is from some moment on."""

    state: str
    launched_at: datetime
    tags: tuple[tuple[str, str], ...] = ()
    address: str | None = None
    reason: str = ""
    token: str = ""
    """Its launch's ClientToken."""

    def tag(self, key: str) -> str | None:
        """Return a tag's value."""
        return dict(self.tags).get(key)

    @classmethod
    def parse(cls, described: Mapping[str, Any]) -> View:
        """Read it from an element of DescribeInstances' answer."""
        return cls(
            described["State"]["Name"],
            described["LaunchTime"],
            tuple((tag["Key"], tag["Value"]) for tag in described["Tags"]),
            described.get("PublicIpAddress"),
        )

    def describe(self, instance_id: str) -> dict[str, Any]:
        """Spell it as an element of DescribeInstances' `Reservations[].Instances[]`."""
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
    past: list[tuple[float, View | None]] = field(default_factory=list)

    @property
    def view(self) -> View | None:
        """What it truly is; None once EC2 has forgotten it."""
        return self.past[-1][1]

    def at(self, moment: float) -> View | None:
        """Tell what it was at a moment; None before its launch."""
        return next((view for since, view in reversed(self.past) if since <= moment), None)

    def since(self, moment: float) -> list[View | None]:
        """List everything that it was from the moment on."""
        later = [view for since, view in self.past if since > moment]
        return [self.at(moment), *later]


class Ec2:
    """The region's instances, and a client of it.

    By id answers lag `lag` seconds behind, by filter `list_lag`. Without an error, answers lack
    instances: what is asked for by tag lacks `hidden` ones, what is asked for by id `mute` ones.
    `denied` ones EC2 says it does not know, asked by id, though it may list them.
    """

    def __init__(self, clock: Clock, strands: Strands, promises: Promises) -> None:
        self.hosts: dict[str, Host] = {}
        self.edge = AwsEdge(strands)
        self.lag = self.list_lag = 0.0
        self.hidden: set[str] = set()
        self.mute: set[str] = set()
        self.denied: set[str] = set()
        self.page_size = PAGE_SIZE
        self._clock = clock
        self._promises = promises

    # What happens to instances

    def launch(self, token: str = "", **tags: str) -> Host:
        """Launch an instance, which is pending."""
        host = Host(f"i-{len(self.hosts) + 1:017x}")
        self.hosts[host.id] = host
        view = View("pending", self._clock.moment, tuple(sorted(tags.items())), token=token)
        host.past.append((self._clock.now, view))
        return host

    def change(self, host: Host, **members: Any) -> None:  # noqa: ANN401
        """Let it become something else from now on."""
        if host.view is None:
            raise ValueError(f"{host.id} is gone")
        host.past.append((self._clock.now, replace(host.view, **members)))

    def forget(self, host: Host) -> None:
        """Let EC2 know it no more."""
        host.past.append((self._clock.now, None))

    # The client

    def describe_instances(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Stand in for the client's call of this name."""
        key = f"DescribeInstances {request}"
        with self._promises.reading(key):
            answer = self.edge.call(
                "DescribeInstances",
                lambda fault: self._answer(fault, **request),
                frozenset({INCOMPLETE}),
            )
        self._promises.saw_instances(answer, key)
        return dict(answer)

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
        filters = [(each["Name"], tuple(each["Values"])) for each in Filters]
        moment = self._clock.now - (self.lag if wanted else self.list_lag)
        is_by_id = wanted or any(name == "instance-id" for name, _ in filters)
        lacking = self.mute | self.denied if is_by_id else self.hidden
        self._promises.withholds(lacking)
        found = {
            host.id: view
            for host in self._hosts(wanted)
            if (view := host.at(moment))
            and all(_accepts(name, values, host.id, view) for name, values in filters)
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

    def _hosts(self, wanted: Iterable[str]) -> Iterable[Host]:
        return (
            [self.hosts[each] for each in wanted if each in self.hosts]
            if wanted
            else (self.hosts.values())
        )


def _not_found(ids: Sequence[str]) -> Exception:
    """Make EC2's answer to a question in which ids are unknown to it: it names them all."""
    named = ", ".join(ids)
    said = f"IDs '{named}' do" if len(ids) > 1 else f"ID '{named}' does"
    message = f"The instance {said} not exist"
    return client_error("InvalidInstanceID.NotFound", "DescribeInstances", message)


def _accepts(name: str, values: tuple[str, ...], instance_id: str, view: View) -> bool:
    if name.startswith("tag:"):
        actual = view.tag(name.removeprefix("tag:"))
    elif name == "instance-id":
        actual = instance_id
    elif name == "instance-state-name":
        actual = view.state
    elif name == "client-token":
        actual = view.token
    else:
        raise NotImplementedError(f"the simulation knows no filter {name}")
    return actual is not None and any(_pattern(value).fullmatch(actual) for value in values)


@cache
def _pattern(value: str) -> re.Pattern[str]:
    r"""Read a filter's value: `*` and `?` stand for any text and character, `\` for what follows.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html#Filtering_Resources_CLI
    """
    parts = re.findall(r"\\.|.", value, re.DOTALL)
    special = {"*": ".*", "?": "."}
    return re.compile("".join(special.get(part, re.escape(part[-1])) for part in parts), re.DOTALL)
