"""The sweep by hand: what status, plan and sweep show, change and answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from localcloud.cloudflare import Fault, FaultKind
from ops.cli import main
from tests.ops.projects import code, edit_stages
from tests.world import ACCOUNT, DOMAIN, OWNER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from tests.world import World

    Ops = Callable[..., Result]

OURS = f"{OWNER} managed by Elephant"
UNKNOWN = "i-00000000000000000"
OTHER = "elephant:other/us-west-2 managed by Elephant"


@pytest.fixture
def ops(project: Path, monkeypatch: pytest.MonkeyPatch) -> Ops:
    """Run commands on the stage."""
    monkeypatch.setattr("ops.deployment.Code", lambda _: code())
    monkeypatch.setenv("COLUMNS", "200")

    def run(command: str, *options: str) -> Result:
        return CliRunner().invoke(main, [command, "test", "--project", str(project), *options])

    return run


def document(result: Result) -> Any:  # noqa: ANN401 (JSON)
    return json.loads(result.stdout)


def make_drift(world: World) -> tuple[str, str, str]:
    """One instance lacks its record, one has another owner's, one has ended, one EC2 denies."""
    world.put_row(status="LAUNCHED")
    lacking, blocked, gone = world.desktop(), world.desktop("student"), world.launch()
    world.put_record(f"{blocked}.{DOMAIN}", comment=OTHER)
    world.put_record(f"{gone}.{DOMAIN}", comment=OURS)
    world.terminate(gone)
    world.put_record(f"{UNKNOWN}.{DOMAIN}", comment=OURS)
    return lacking, blocked, gone


def test_status_lays_instances_records_and_rows_side_by_side(world: World, ops: Ops) -> None:
    lacking, blocked, gone = make_drift(world)
    before = world.standing()

    shown, told = ops("status"), document(ops("status", "--json"))

    assert shown.exit_code == 0
    for said in (lacking, blocked, gone, "m1 teacher, no link, LAUNCHED", "3 to be repaired"):
        assert said in shown.stdout
    lines = {line["instance"]: line for line in told["instances"]}
    assert told["drift"] is True
    assert lines[lacking]["drift"] == [
        f"create at {world.address(lacking)}",
        "row m1: teacher_ec2_link set, status DNS_WRITTEN",
    ]
    meeting = {"id": "m1", "role": "teacher", "has_row": True, "is_linked": False}
    assert lines[lacking]["meeting"] == meeting | {"status": "LAUNCHED"}
    assert lines[blocked]["drift"] == []
    assert lines[blocked]["others"] == ["192.0.2.200 (elephant:other/us-west-2)"]
    assert "belongs to elephant:other/us-west-2" in lines[blocked]["warnings"][0]
    assert (lines[gone]["state"], lines[gone]["records"]) == ("terminated", ["192.0.2.200"])
    assert world.standing() == before


def test_status_of_what_is_anothers_says_whose_it_is(world: World, ops: Ops, project: Path) -> None:
    for _ in range(2):
        world.put_record(f"{world.launch()}.{DOMAIN}", comment=OTHER)
    world.put_own("i-0123456789abcdef0")
    config = project / ".chalice/config.json"
    edit_stages(config, lambda stages: stages.update(other=stages["test"]))

    shown, told = ops("status"), document(ops("status", "--json"))

    assert "2 running, 1 record of ours; nothing that a sweep can repair" in shown.stdout
    taken, unknown = told["foreign"]
    assert taken.startswith(
        "2 running instances with a name that has a record of another owner: el"
    )
    assert unknown.startswith("EC2 knows no instance here for 1 record of ours; if deleted ones")
    assert "warning: stage 'other' has the owner" in shown.stdout
    assert len(told["conflicts"]) == 3


def test_plan_shows_what_a_sweep_does_changes_nothing_and_exits_with_2(
    world: World, ops: Ops
) -> None:
    lacking, _, gone = make_drift(world)
    moved = world.launch()
    world.put_record(f"{moved}.{DOMAIN}", comment=OURS)
    before = world.standing()

    shown, told = ops("plan"), document(ops("plan", "--json"))

    assert shown.exit_code == 2
    assert f"{lacking}.{DOMAIN}" in shown.stdout
    keys = ("action", "kind", "name", "reason")
    changes = [[each[key] for key in keys] for each in told["changes"]]
    new = world.address(moved)
    assert changes == [
        ["delete", "record", f"{gone}.{DOMAIN}", "terminated"],
        ["update", "record", f"{moved}.{DOMAIN}", f"running at {new}"],
        ["create", "record", f"{lacking}.{DOMAIN}", f"running at {world.address(lacking)}"],
        ["update", "row", "m1", "matches its desktops"],
    ]
    assert told["changes"][1]["change"] == f"from 192.0.2.200 to {new}"
    (waiting,) = told["waiting"]
    assert waiting.startswith(f"{UNKNOWN}: EC2 does not know this instance; its record is within")
    assert (told["drift"], told["unsafe"]) == (True, "")
    assert world.standing() == before
    assert world.row() == {"status": "LAUNCHED"}


def test_plan_exits_with_0_and_status_shows_no_drift_when_there_is_nothing_to_do(
    world: World, ops: Ops
) -> None:
    world.desktop()
    world.launch(Project="Other")
    assert ops("sweep").exit_code == 0

    result = ops("plan", "--json")

    assert (result.exit_code, document(result)["drift"]) == (0, False)
    assert "1 running, 1 record of ours; no drift" in ops("status").stdout
    assert document(ops("status", "--json"))["drift"] is False


def test_sweep_repairs_and_says_what_it_did_and_what_is_left(world: World, ops: Ops) -> None:
    lacking, blocked, gone = make_drift(world)

    result = ops("sweep")

    assert result.exit_code == 0
    assert f"create {lacking}.{DOMAIN}" in result.stdout
    assert f"delete {gone}.{DOMAIN}" in result.stdout
    assert f"warning: the record {blocked}.{DOMAIN}" in result.stdout
    assert f"waiting: {UNKNOWN}.{DOMAIN}" in result.stdout
    assert "repaired: 1 created, 1 deleted, 1 row updated" in result.stdout
    assert world.row()["status"] == "DNS_WRITTEN"
    assert ops("plan").exit_code == 0

    world.launch()
    world.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, method="POST"))
    result = ops("sweep")
    assert result.exit_code == 1
    assert "left: create" in result.stdout
    assert "deferred: 1 deferred to the next run" in result.stdout


def test_deletions_without_proof_are_held_back_until_they_are_forced(
    world: World, ops: Ops
) -> None:
    untagged = [world.launch(Project="") for _ in range(12)]
    ended = world.launch(Project="")
    for instance_id in (*untagged, ended):
        world.put_record(f"{instance_id}.{DOMAIN}", comment=OURS)
    world.terminate(ended)

    planned, held = document(ops("plan", "--json")), ops("sweep")

    assert planned["unsafe"].startswith("12 deletions would be held back: EC2 shows no reason")
    assert held.stdout.count("  held back: delete i-") == 12
    assert "repaired: 1 deleted, 12 deletions held back" in held.stdout
    assert (held.exit_code, len(world.records())) == (1, 12)
    assert "repaired: 12 deleted" in ops("sweep", "--force").stdout
    assert world.records() == ()


def test_the_wrong_account_is_noticed_before_anything_is_looked_at(
    world: World, ops: Ops, project: Path
) -> None:
    ops("status")
    path = project / ".chalice/config.json"
    path.write_text(path.read_text().replace(ACCOUNT, "100000000000"))
    world.forget_calls()

    result = ops("sweep", "--force")

    assert result.exit_code == 1
    assert "is in account 100000000000" in result.stderr
    assert world.dns_calls == []
