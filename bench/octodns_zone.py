"""Bringing a whole zone of N records to what it should be: our sweep, and octodns.

octodns is used as its own command uses it: plan, then apply. So that both do the same, the sweep
here has no meetings table; it still asks EC2 what there should be, which octodns is given.

external-dns is not run: that it writes in batches, and how large they are, is read from its code.
https://github.com/kubernetes-sigs/external-dns/blob/master/provider/cloudflare/cloudflare_batch.go
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from bench.child_process import Child, Program
from bench.figure import Figure, Spread
from bench.fleet import Fleet
from bench.servers import ROOT
from chalicelib.cloudflare.zone import BATCH_SIZE
from localcloud.cloudflare import DEFAULT_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.servers import Servers

GROUP: Final = "A zone of N records, DNS only"
COUNTS: Final = (10, 100, 1_000)
STEPS: Final = ("from nothing to right", "from right to right")

EXTERNAL_DNS_BATCH: Final = 200
"""Its `defaultBatchChangeSize`."""

OTHER: Final = Program("bench.octodns_program", "bring", (ROOT,), is_isolated=False)


@dataclass
class Taken:
    """What bringing a zone took."""

    calls: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


def measure(servers: Servers, *, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """Bring zones of every size, each twice, in new processes."""
    figures = []
    for count in COUNTS[:1] if quick else COUNTS:
        fleet = Fleet(servers, count, with_rows=False)
        runs = {"ours": _sweep, "octodns": apply_octodns}
        taken = {who: {step: Taken() for step in STEPS} for who in runs}
        for turn in range(1 if quick else 3):
            for who, run in runs.items():
                servers.clear_zone()
                for step in STEPS:
                    say(f"{who}, {count:,}, {step}, {turn + 1}")
                    _take(servers, fleet, run, taken[who][step])
        for step in STEPS:
            figures += _figures(count, step, taken["ours"][step], taken["octodns"][step])
    return [*figures, _external_dns()]


def _external_dns() -> Figure:
    """Compare the calls that write 1,000 records."""
    ours, other = (Spread.exact(ceil(1_000 / size)) for size in (BATCH_SIZE, EXTERNAL_DNS_BATCH))
    note = (
        "read from the code of both, not run; external-dns's default registry adds a TXT record to "
        "each record, which makes it 10"
    )
    name = "batches of changes for 1,000 from nothing"
    return Figure(GROUP, name, "", ours, other, "external-dns", note=note)


def _take(
    servers: Servers,
    fleet: Fleet,
    run: Callable[[Servers, Fleet], dict[str, Any]],
    taken: Taken,
) -> None:
    servers.take_calls()
    answer = run(servers, fleet)
    _, calls = servers.take_calls()
    if len(servers.names()) != fleet.count:
        raise ValueError(f"the zone has {len(servers.names())} of {fleet.count} records: {answer}")
    taken.calls.append(len(calls))
    taken.cpu.append(answer["cpu"])
    taken.wall.append(answer["wall"])


def _sweep(servers: Servers, fleet: Fleet) -> dict[str, Any]:
    with fleet, Child(servers.sweep, servers.variables | {"TABLE_NAME": ""}) as child:
        return child.handle({})


def apply_octodns(servers: Servers, fleet: Fleet) -> dict[str, Any]:
    """Let octodns bring the zone to the fleet's records, in a new process."""
    records = dict(map(fleet.record, range(fleet.count)))
    with Child(OTHER, servers.variables | servers.all_roots) as child:
        return child.handle(
            {"domain": servers.settings.domain_root, "records": records, "token": DEFAULT_TOKEN}
        )


def _figures(count: int, step: str, ours: Taken, other: Taken) -> list[Figure]:
    def figure(name: str, unit: str, of: str, factor: float = 1) -> Figure:
        mine, theirs = (Spread.of(getattr(each, of)).scaled(factor) for each in (ours, other))
        return Figure(GROUP, f"{name}, {count:,} {step}", unit, mine, theirs, "octodns")

    return [
        figure("calls to Cloudflare", "", "calls"),
        figure("CPU", "ms", "cpu", 1000),
        figure("time", "ms", "wall", 1000),
    ]
