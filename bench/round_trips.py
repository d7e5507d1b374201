"""Sequential round trips from event to row, and calls, of one event.

Every call is made to take a known time longer. By how many times that an event then takes longer
is the number of calls that wait for one another, however fast the machine is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from bench import latencies
from bench.child_process import Child
from bench.figure import Figure, Limit, Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.child_process import Program
    from bench.latencies import Rounds
    from bench.servers import Servers

GROUP: Final = "One event"
DELAY: Final = 0.2
SETTING_UP: Final = 2
"""Round trips of a new connection: one of TCP, one of TLS 1.3."""

KINDS: Final = ("create", "no-op", "delete")
_LIMITS: Final = {"create": Limit(3), "delete": Limit(3)}
_CALL_LIMITS: Final = {"create": Limit(2), "delete": Limit(2)}


@dataclass(frozen=True)
class Event:
    """What one event took; `rounds` are only known if every call was slow."""

    wall: float
    cpu: float
    aws: int
    cloudflare: int
    rounds: Rounds


@dataclass
class Taken:
    """What the events of one kind took."""

    trips: list[float] = field(default_factory=list)
    aws: list[float] = field(default_factory=list)
    cloudflare: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    rounds: Rounds = ()


def measure(servers: Servers, *, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """Measure ours and the guide's, by turns."""
    times = 1 if quick else 5
    programs = {"ours": servers.ours(), "guide": servers.guide}
    taken = {name: {kind: Taken() for kind in KINDS} for name in programs}
    children = {name: Child(program, servers.variables) for name, program in programs.items()}
    try:
        for name, child in children.items():  # the first event makes the connections
            handle_all(servers, child, f"warm-{name}", 0.0)
        for turn in range(times):
            for name, child in children.items():
                say(f"{name}, {turn + 1} of {times}")
                _compare(servers, child, f"{name}-{turn}", taken[name])
    finally:
        servers.slow(0.0)
        for child in children.values():
            child.close()
    firsts = {name: {setting_up: [] for setting_up in (0, SETTING_UP)} for name in programs}  # type: dict[str, dict[int, list[float]]]
    for turn in range(1 if quick else 3):
        for name, program in programs.items():
            for setting_up, found in firsts[name].items():
                say(f"first event of {name}, {turn + 1}")
                found.append(first_event(servers, program, setting_up))
    figures = _figures(taken["ours"], taken["guide"], firsts["ours"], firsts["guide"])
    created = {name: kinds["create"] for name, kinds in taken.items()}
    rounds = {name: each.rounds for name, each in created.items()}
    cpu = {name: Spread.of(each.cpu).middle for name, each in created.items()}
    return figures + latencies.measure(rounds, cpu)


def first_event(servers: Servers, program: Program, setting_up: int) -> float:
    """Count the round trips of a new environment's first event.

    A new connection costs `setting_up` round trips more.
    """
    elapsed: list[float] = []
    for delay in (0.0, DELAY):
        servers.slow(0.0)
        instance_id = servers.desktop(f"first-{program.module}-{setting_up}-{delay}")
        with Child(program, servers.variables) as child:
            servers.slow(delay, delay * setting_up)
            elapsed.append(child.handle(servers.event(instance_id))["wall"])
    servers.slow(0.0)
    return (elapsed[1] - elapsed[0]) / DELAY


def _compare(servers: Servers, child: Child, meeting: str, taken: dict[str, Taken]) -> None:
    fast = handle_all(servers, child, f"{meeting}-fast", 0.0)
    slow = handle_all(servers, child, f"{meeting}-slow", DELAY)
    for kind in KINDS:
        event = slow[kind]
        taken[kind].trips.append((event.wall - fast[kind].wall) / DELAY)
        taken[kind].cpu.append(event.cpu)
        taken[kind].aws.append(event.aws)
        taken[kind].cloudflare.append(event.cloudflare)
        taken[kind].rounds = event.rounds


def handle_all(servers: Servers, child: Child, meeting: str, delay: float) -> dict[str, Event]:
    """Start a desktop, repeat its event, end it."""
    found = {}
    servers.slow(0.0)
    instance_id = servers.desktop(meeting)
    for kind in KINDS:
        if kind == "delete":
            servers.slow(0.0)
            servers.terminate(instance_id)
        servers.slow(delay)
        servers.take_calls()
        state = "shutting-down" if kind == "delete" else "running"
        answer = child.handle(servers.event(instance_id, state))
        aws, cloudflare = servers.take_timed_calls()
        rounds = latencies.rounds_of([*aws, *cloudflare], delay)
        found[kind] = Event(answer["wall"], answer["cpu"], len(aws), len(cloudflare), rounds)
    return found


def _figures(
    ours: dict[str, Taken],
    guide: dict[str, Taken],
    our_first: dict[int, list[float]],
    guides_first: dict[int, list[float]],
) -> list[Figure]:
    figures = []
    for kind in KINDS:
        a, b = ours[kind], guide[kind]
        trips, guides_trips = Spread.of(a.trips), Spread.of(b.trips)
        whole = _figure(f"round trips, {kind}", "", _whole(trips), _whole(guides_trips))
        calls = _figure(f"calls to Cloudflare, {kind}", "", a.cloudflare, b.cloudflare)
        figures += [
            replace(whole, limit=_LIMITS.get(kind)),
            _figure(f"round trips as measured, {kind}", "", trips, guides_trips),
            replace(calls, limit=_CALL_LIMITS.get(kind)),
            _figure(f"calls to AWS, {kind}", "", a.aws, b.aws),
            _figure(f"CPU, {kind}", "ms", a.cpu, b.cpu, 1000),
        ]
    words = {0: "round trips, first event", SETTING_UP: "the same, with setting up connections"}
    return figures + [_figure(words[key], "", our_first[key], guides_first[key]) for key in words]


def _figure(
    name: str,
    unit: str,
    ours: Spread | Sequence[float],
    guide: Spread | Sequence[float],
    factor: float = 1,
) -> Figure:
    mine, theirs = (
        each if isinstance(each, Spread) else Spread.of(each).scaled(factor)
        for each in (ours, guide)
    )
    return Figure(GROUP, name, unit, mine, theirs, "guide")


def _whole(measured: Spread) -> Spread:
    return Spread.exact(float(round(measured.middle)))
