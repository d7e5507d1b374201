"""What AWS calls: the functions, rules and routes that Chalice makes of app.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chalice.test import Client

from chalicelib.settings.stage import SettingsError
from tests.application import PROJECT, load_app
from tests.world import DOMAIN, OWNER, RECORDS, SECRET, World, make_event

if TYPE_CHECKING:
    from types import ModuleType

ENVIRONMENT = {
    "DOMAIN_ROOT": DOMAIN,
    "ZONE_ID": "023e105f4ecef8ad9ca31a8372d0c353",
    "SECRET_ARN": SECRET,
    "OWNER": OWNER,
}


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> ModuleType:
    """Import app.py as Lambda does, with these variables."""
    return load_app(monkeypatch, ENVIRONMENT | environment)


@pytest.fixture
def app(world: World, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load(monkeypatch, CLOUDFLARE_API_URL=world.cloudflare.url)


def test_an_event_is_handled_through_chalice(app: ModuleType, world: World) -> None:
    instance_id = world.desktop()
    app.watchdog()  # making clients takes longer than the time that Chalice's test client gives

    with Client(app.app, project_dir=str(PROJECT)) as client:
        result = client.lambda_.invoke("dns_watchdog", make_event(instance_id)).payload

    assert (result["instance_id"], result["action"]) == (instance_id, "created")
    assert [name for name, _, _ in world.standing()] == [f"{instance_id}.{DOMAIN}"]


@pytest.mark.parametrize("event", [{}, {"version": "0"}, [], "x", None])
def test_an_event_of_any_shape_is_answered(app: ModuleType, event: object) -> None:
    """Chalice's own event class would raise KeyError before our code is asked."""
    with Client(app.app, project_dir=str(PROJECT)) as client:
        result = client.lambda_.invoke("dns_watchdog", event).payload

    assert result["action"] == "ignored"


def test_clients_are_made_once_for_an_environment(app: ModuleType) -> None:
    assert app.watchdog() is app.watchdog()
    assert app.sweeper() is app.sweeper()


@pytest.mark.parametrize("function", ["dns_watchdog", "sweep", "another"])
def test_only_what_a_function_needs_is_made_before_its_first_event(
    monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    app = load(monkeypatch, _HANDLER=f"app.{function}")

    made = {"dns_watchdog": app.watchdog, "sweep": app.sweeper}
    assert {name for name, make in made.items() if make.cache_info().currsize} == (
        {function} & set(made)
    )


def test_the_schedule_sweeps_through_chalice(app: ModuleType, world: World) -> None:
    world.put_row(status="LAUNCHED")
    instance_id = world.desktop()

    with Client(app.app, project_dir=str(PROJECT)) as client:
        event = client.events.generate_cw_event("aws.events", "Scheduled Event", {}, ["rule"])
        result = client.lambda_.invoke("sweep", event).payload

    assert result["action"] == "repaired"
    assert result["done"] == {"created": 1, "updated": 0, "deleted": 0, "rows": 1}
    assert [name for name, _, _ in world.standing()] == [f"{instance_id}.{DOMAIN}"]
    assert world.row()["status"] == "DNS_WRITTEN"


@pytest.mark.parametrize("event", [{}, {"version": "0"}, [], "x", None])
def test_whatever_starts_it_a_sweep_is_the_same(app: ModuleType, event: object) -> None:
    with Client(app.app, project_dir=str(PROJECT)) as client:
        result = client.lambda_.invoke("sweep", event).payload

    assert result["action"] == "unchanged"


def test_a_sweep_of_a_stage_without_a_table_touches_no_row(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it sweeps at all shows that it asks nothing of a table that is not there."""
    world.dynamodb.delete_table(TableName="elephant-meetings")
    app = load(monkeypatch, CLOUDFLARE_API_URL=world.cloudflare.url, TABLE_NAME="")
    world.desktop()

    with Client(app.app, project_dir=str(PROJECT)) as client:
        result = client.lambda_.invoke("sweep", {}).payload

    assert result["done"] == {"created": 1, "updated": 0, "deleted": 0, "rows": 0}


def test_a_sweep_writes_in_batches_as_large_as_the_stage_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = load(monkeypatch, CLOUDFLARE_API_URL=world.cloudflare.url, SWEEP_BATCH_SIZE="2")
    for _ in range(4):
        world.desktop()

    with Client(app.app, project_dir=str(PROJECT)) as client:
        client.lambda_.invoke("sweep", {})

    batch = ("POST", f"{RECORDS}/batch")
    assert world.dns_calls == [("GET", RECORDS), batch, batch]


@pytest.mark.parametrize("body", [{"instance-id": "{id}"}, make_event("{id}")])
def test_an_event_can_be_posted_by_hand(
    app: ModuleType, world: World, body: dict[str, Any]
) -> None:
    instance_id = world.desktop()
    text = json.dumps(body).replace("{id}", instance_id)

    with Client(app.app, project_dir=str(PROJECT)) as client:
        answer = client.http.post(
            "/events", body=text.encode(), headers={"Content-Type": "application/json"}
        )

    assert answer.status_code == 200
    assert answer.json_body["action"] == "created"


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"{", b""])
def test_what_is_no_event_is_refused_by_hand(app: ModuleType, body: bytes) -> None:
    with Client(app.app, project_dir=str(PROJECT)) as client:
        answer = client.http.post(
            "/events", body=body, headers={"Content-Type": "application/json"}
        )

    assert answer.status_code == 400


def test_a_stage_on_aws_has_no_route(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch).app.routes == {}


def test_wrong_settings_fail_at_once_and_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as raised:
        load(monkeypatch, ZONE_ID="example.com", DCV_PORT="eight")

    assert "ZONE_ID is 'example.com'" in str(raised.value)
    assert "DCV_PORT is 'eight'" in str(raised.value)


# What Chalice packages


def package(tmp_path: Path, stage: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `chalice package` in a copy of the project that has one more stage."""
    project = tmp_path / "project"
    (project / ".chalice").mkdir(parents=True)
    for name in ("app.py", "chalicelib"):
        (project / name).symlink_to(PROJECT / name)
    (project / "requirements.txt").write_text("")
    config = json.loads((PROJECT / ".chalice/config.json").read_text())
    policy = {"iam_policy_file": "policy.json"}
    config["stages"][stage] = {
        "environment_variables": ENVIRONMENT | environment,
        "lambda_functions": dict.fromkeys(("dns_watchdog", "sweep"), policy),
    }
    (project / ".chalice/config.json").write_text(json.dumps(config))
    (project / ".chalice/policy.json").write_text('{"Version": "2012-10-17", "Statement": []}')
    chalice = Path(sys.executable).parent / "chalice"
    return subprocess.run(  # noqa: S603 (Chalice, with arguments of our own)
        [chalice, "package", "--stage", stage, str(tmp_path / "out")],
        cwd=project,
        env=os.environ | {"PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_packaged_stage_is_two_functions_and_their_rules_with_no_api(tmp_path: Path) -> None:
    done = package(tmp_path, "prod")
    assert done.returncode == 0, done.stderr

    template = json.loads((tmp_path / "out/sam.json").read_text())

    kinds = sorted(resource["Type"] for resource in template["Resources"].values())
    assert kinds == ["AWS::IAM::Role"] * 2 + ["AWS::Serverless::Function"] * 2
    function = template["Resources"]["DnsWatchdog"]["Properties"]
    assert function["Handler"] == "app.dns_watchdog"
    (event,) = function["Events"].values()
    assert event["Properties"]["Pattern"] == {
        "source": ["aws.ec2"],
        "detail-type": ["EC2 Instance State-change Notification"],
        "detail": {
            "state": ["running", "stopping", "shutting-down"],
            "tags": {"Project": ["Elephant", {"exists": False}]},
        },
    }
    assert template["Resources"]["Sweep"]["Properties"]["Handler"] == "app.sweep"
    assert schedule(tmp_path) == "rate(1 minute)"


def test_the_sweeps_schedule_is_the_stages_own(tmp_path: Path) -> None:
    done = package(tmp_path, "prod", SWEEP_SCHEDULE="cron(0/5 * * * ? *)")
    assert done.returncode == 0, done.stderr

    assert schedule(tmp_path) == "cron(0/5 * * * ? *)"


def schedule(tmp_path: Path) -> str:
    """Return the expression of the one rule that starts the sweep."""
    template = json.loads((tmp_path / "out/sam.json").read_text())
    (event,) = template["Resources"]["Sweep"]["Properties"]["Events"].values()
    assert event["Type"] == "Schedule"
    return str(event["Properties"]["Schedule"])


def test_wrong_settings_stop_a_package_naming_every_one(tmp_path: Path) -> None:
    done = package(tmp_path, "prod", OWNER="prod", PROXIED="yes")

    assert done.returncode == 1
    assert done.stderr.startswith("Error: 2 setting(s) of this stage")
    assert "Traceback" not in done.stderr
    assert "OWNER is 'prod'; it must be one word beginning with 'elephant:'" in done.stderr
    assert "PROXIED is 'yes'; it must be 'true' or 'false'" in done.stderr
