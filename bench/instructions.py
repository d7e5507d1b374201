"""What a new environment computes until its first event is handled, over HTTPS, in instructions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bench import callgrind, sweeping
from bench.callgrind import Counted, Part
from bench.figure import Figure, Limit, Spread
from bench.fleet import Fleet
from chalicelib.clock import format_time
from chalicelib.meetings.keys import hash_of
from chalicelib.resource_names import StageNames

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.child_process import Program
    from bench.servers import Servers

GROUP: Final = "New environment over HTTPS, in millions of instructions"
READY_LIMIT: Final = Limit(0.60, of_other=True)
FIRST_EVENT_LIMIT: Final = Limit(0.55, of_other=True)

READY: Final = "until ready"
EVENT: Final = "first event"
PARTS: Final = {
    "interpreter": "interpreter and Lambda's runtime client",
    "urllib3": "importing urllib3",
    "botocore": "importing botocore",
    "chalice": "importing chalice",
    "own": "own modules, clients",
}
BOTH: Final = f"{READY} and {EVENT}"
TLS: Final = "TLS"
KINDS: Final = ("create", "delete")
WARM: Final = "warm event"
SWEEP: Final = "warm sweep of 10, nothing to do"
EACH_MORE: Final = "sweep, each instance more, nothing to do"

_NAMES: Final = {"botocore.session": "botocore", "boto3": "botocore", "chalice.app": "chalice"}
Parts = dict[str, Part]


def measure(servers: Servers, *, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """Count ours and the guide's; nothing without valgrind."""
    if not callgrind.is_installed():
        say("valgrind is not installed, so no instructions are counted")
        return []
    say("ours")
    ours = _count(servers, servers.ours())
    say("the guide's")
    figures = _figures(ours, _count(servers, servers.guide))
    say("the sweep")
    figures += _sweeps(servers, 10, 100 if quick else 1_000)
    if quick:
        return figures
    for name, handler, event in (
        ("join page", "app", page_event(servers)),
        ("launch_ec2", "launch_ec2", launch_event(servers)),
    ):
        say(name)
        with Counted(servers.with_meetings(handler), servers.variables) as counted:
            first, _ = counted.handle(event)
        figures.append(_figure(f"{name}, {READY}", counted.ready.instructions))
        figures.append(_figure(f"{name}, {EVENT}", first.instructions))
    return figures


def _count(servers: Servers, program: Program) -> Parts:
    """Start a desktop in a new environment, repeat its event, then once more with new connections.

    At last a second desktop starts and ends.
    """
    event = servers.event(servers.desktop(f"counted-{program.module}"))
    with Counted(program, servers.variables) as counted:
        parts = {_NAMES.get(name, name): part for name, part in counted.parts.items()}
        parts[EVENT], _ = counted.handle(event)
        parts["warm"], _ = counted.handle(event)
        servers.disconnect()
        parts["reconnecting"], _ = counted.handle(event)
        instance_id = servers.desktop(f"counted-again-{program.module}")
        parts["create"], _ = counted.handle(servers.event(instance_id))
        servers.terminate(instance_id)
        parts["delete"], _ = counted.handle(servers.event(instance_id, "shutting-down"))
    return parts


def _sweeps(servers: Servers, few: int, many: int) -> list[Figure]:
    """Count a sweep with nothing to do, and what it takes for each instance more."""
    small, warm = _sweep(servers, few, 2)
    (large,) = _sweep(servers, many, 1)
    each = (large.instructions - small.instructions) / (many - few)
    return [_figure(SWEEP, warm.instructions), _figure(EACH_MORE, each)]


def _sweep(servers: Servers, count: int, times: int) -> list[Part]:
    """Sweep so often in a new environment. Raises SweepError if one changes something."""
    fleet = Fleet(servers, count)
    sweeping.sweep_once(servers, fleet, sweeping.SCENARIOS[0], sweeping.Taken())
    parts = []
    with fleet, Counted(servers.sweep, servers.variables) as counted:
        for _ in range(times):
            part, answer = counted.handle({})
            if answer["result"]["action"] != "unchanged":
                raise sweeping.SweepError(f"nothing to do with {count}: {answer['result']}")
            parts.append(part)
    return parts


def page_event(servers: Servers) -> dict[str, Any]:
    """Make the request for the page of a meeting that waits for its desktops."""
    servers.put_row("page", **_scheduled(), teacher_key_hash=hash_of("key"))
    resource, path = "/join/{meeting_id}/{role}", {"meeting_id": "page", "role": "teacher"}
    return {
        "headers": {"Accept": "text/html"},
        "multiValueQueryStringParameters": {"key": ["key"]},
        "pathParameters": path,
        "stageVariables": None,
        "requestContext": {
            "httpMethod": "GET",
            "resourcePath": resource,
            "path": f"/api{resource.format_map(path)}",
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "body": None,
        "isBase64Encoded": False,
    }


def launch_event(servers: Servers) -> dict[str, Any]:
    """Make the event that launches the desktops of a meeting, and what it needs."""
    arn = servers.with_meetings("launch_ec2").variables["FUNCTION_ARN"]
    profile = StageNames.of(arn).instance_profile
    servers.client("iam").create_instance_profile(InstanceProfileName=profile)
    servers.put_row("launched", **_scheduled())
    return {"meeting_id": "launched"}


def _scheduled() -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "status": "SCHEDULED",
        "meet_time": format_time(now + timedelta(minutes=5)),
        "teacher_name": "Ada Lovelace",
        "student_name": "Zoë",
    }


def _figures(ours: Parts, guide: Parts) -> list[Figure]:
    def row(name: str, *of: str, limit: Limit | None = None) -> Figure:
        mine, theirs = (_sum(parts, of) for parts in (ours, guide))
        return _figure(name, mine.instructions, theirs.instructions, limit)

    whole = (*PARTS, EVENT)
    our_tls, guides_tls = (_sum(parts, whole).tls for parts in (ours, guide))
    return [
        row(READY, *PARTS, limit=READY_LIMIT),
        *(row(f"of it {words}", name) for name, words in PARTS.items()),
        row(EVENT, EVENT),
        row(BOTH, *whole, limit=FIRST_EVENT_LIMIT),
        _figure(f"of it {TLS}", our_tls, guides_tls),
        *(row(f"{WARM}, {kind}", kind) for kind in KINDS),
        row(f"{WARM}, nothing to do", "warm"),
        row("the same after all connections were closed", "reconnecting"),
    ]


def _sum(parts: Parts, names: tuple[str, ...]) -> Part:
    return sum((parts[name] for name in names if name in parts), Part())


def _figure(
    name: str, ours: float, other: float | None = None, limit: Limit | None = None
) -> Figure:
    mine, theirs = (None if each is None else Spread.exact(each / 1e6) for each in (ours, other))
    return Figure(GROUP, name, "M", mine, theirs, "" if other is None else "guide", limit)
