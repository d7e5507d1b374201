"""What is counted is right: calls of an event and of a sweep, ours and the others'."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import instructions, octodns_zone, round_trips, sweeping
from bench.child_process import Child, ChildError
from bench.fleet import Fleet
from bench.servers import ROOT, Servers
from chalicelib.trust import AMAZON

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Deploy once: moto keeps its state in this process."""
    with Servers() as running:
        yield running


def test_an_event_of_the_deployed_zip(servers: Servers) -> None:
    with Child(servers.ours(), servers.variables) as child:
        found = round_trips.handle_all(servers, child, "ours", 0.0)
    calls = {kind: each.cloudflare for kind, each in found.items()}
    assert calls == {"create": 2, "no-op": 1, "delete": 2}
    assert servers.names() == []
    assert servers.row("ours")["status"] == "TERMINATED"


def test_an_event_of_the_guide(servers: Servers) -> None:
    with Child(servers.guide, servers.variables) as child:
        found = round_trips.handle_all(servers, child, "guide", 0.0)
        assert {(each.aws, each.cloudflare) for each in found.values()} == {(3, 2)}
        assert servers.names() == []
        assert servers.row("guide")["status"] == "TERMINATED"

        child.handle(servers.event(servers.desktop("named")))
        aws_calls = ["DescribeInstances", "GetSecretValue", "UpdateItem"]
        assert servers.take_calls() == (aws_calls, ["GET", "POST"])
        with pytest.raises(ChildError, match="KeyError: 'detail'"):
            child.handle({})


@pytest.mark.parametrize("who", ["ours", "guide"])
def test_who_parses_certificates_and_when(servers: Servers, who: str) -> None:
    system, roots = (
        path.read_text().count("BEGIN CERTIFICATE")
        for path in (servers.certificates.bundle, servers.task_root / AMAZON.relative_to(ROOT))
    )
    assert (system > 100, roots) == (True, 6)
    program = servers.ours() if who == "ours" else servers.guide
    event = servers.event(servers.desktop(f"parsed-by-{who}"))
    with Child(program, servers.variables) as child:
        parsed = [child.ready["certificates"]]
        parsed += [child.handle(event)["certificates"] for _ in range(2)]
        servers.disconnect()
        parsed.append(child.handle(event)["certificates"])
    ours = [roots, 2 * roots, 0, 2 * roots]
    assert parsed == (ours if who == "ours" else [0, 4 * system, 0, 4 * system])


def test_the_zip_has_byte_code_that_is_used(servers: Servers) -> None:
    compiled = [each.name for each in servers.task_root.rglob("*.pyc")]
    assert any(name.startswith("app.") for name in compiled)


def test_the_page_and_a_launch_do_what_is_counted(servers: Servers) -> None:
    with Child(servers.with_meetings("app"), servers.variables) as child:
        page = child.handle(instructions.page_event(servers))["result"]
    assert "Ada Lovelace" in page["body"]
    with Child(servers.with_meetings("launch_ec2"), servers.variables) as child:
        assert child.handle(instructions.launch_event(servers))["result"]["action"] == "launched"


def test_a_child_says_what_it_used_and_why_it_ended(servers: Servers) -> None:
    with Child(servers.guide, servers.variables) as child:
        ready = child.ready
    assert ready["ready"]["cpu"] > 0
    assert ready["memory"] > 2**20

    without = {name: value for name, value in servers.variables.items() if name != "ZONE_ID"}
    with pytest.raises(ChildError, match="KeyError: 'ZONE_ID'"):
        Child(servers.guide, without)


def test_a_sweep_makes_pages_and_batches(servers: Servers) -> None:
    taken = sweeping.Taken()
    fleet = Fleet(servers, 201)
    for scenario in ("all to create", "all to delete"):
        sweeping.sweep_once(servers, fleet, scenario, taken)
    assert taken.cloudflare == [3, 3]
    assert [sweeping.pages_and_batches(201, each) for each in sweeping.SCENARIOS] == [3, 1, 3]
    assert sweeping.pages_and_batches(10_000, "all to delete") == 52


def test_octodns_brings_a_zone_to_the_same_end(servers: Servers) -> None:
    fleet = Fleet(servers, 10, with_rows=False)
    servers.take_calls()
    assert octodns_zone.apply_octodns(servers, fleet)["result"] == 10
    _, calls = servers.take_calls()
    assert calls.count("POST") == 10
    domain = servers.settings.domain_root
    expected = {f"{name}.{domain}": address for name, address in map(fleet.record, range(10))}
    found = servers.standin.api.zones[0].records
    assert {record.name: record.fields.content for record in found} == expected
    assert all(record.fields.proxied for record in found)
