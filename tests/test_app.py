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
from tests.application import PROJECT, STAGE, invoke, load_app
from tests.world import DOMAIN, RECORDS, TABLE, World, make_event

if TYPE_CHECKING:
    from types import ModuleType

INVALID: tuple[object, ...] = ({}, {"version": "0"}, [], "x", None)


@pytest.fixture
def app(world: World, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_app(monkeypatch, STAGE | {"CLOUDFLARE_API_URL": world.cloudflare.url})


def test_an_event_is_handled_through_chalice(app: ModuleType, world: World) -> None:
    instance_id = world.desktop()
    app.watchdog()  # making clients takes longer than the time that Chalice's test client gives

    with Client(app.app, project_dir=str(PROJECT)) as client:
        result = client.lambda_.invoke("dns_watchdog", make_event(instance_id)).payload

    assert (result["instance_id"], result["action"]) == (instance_id, "created")
    assert [name for name, _, _ in world.standing()] == [f"{instance_id}.{DOMAIN}"]


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


def test_invalid_events_are_ignored_and_sweep_alike(app: ModuleType) -> None:
    """Chalice's own event class would raise KeyError before our code is called."""
    for event in INVALID:
        assert invoke(app, "dns_watchdog", event)["action"] == "ignored"
        assert invoke(app, "sweep", event)["action"] == "unchanged"


@pytest.mark.parametrize("function", ["dns_watchdog", "sweep", "another"])
def test_a_function_builds_what_it_needs_once_and_before_its_first_event(
    monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    app = load_app(monkeypatch, STAGE | {"_HANDLER": f"app.{function}"})

    builders = {"dns_watchdog": app.watchdog, "sweep": app.sweeper}
    for name, build in builders.items():
        assert build.cache_info().currsize == (name == function)
        assert build() is build()


def test_a_sweep_of_a_stage_without_a_table_needs_none_and_batches_as_the_stage_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.dynamodb.delete_table(TableName=TABLE)
    variables = {"TABLE_NAME": "", "SWEEP_BATCH_SIZE": "2"}
    app = load_app(monkeypatch, STAGE | variables | {"CLOUDFLARE_API_URL": world.cloudflare.url})
    for _ in range(4):
        world.desktop()

    result = invoke(app, "sweep", {})

    assert result["done"] == {"created": 4, "updated": 0, "deleted": 0, "rows": 0}
    batch = ("POST", f"{RECORDS}/batch")
    assert world.dns_calls == [("GET", RECORDS), batch, batch]


def test_a_local_stage_takes_events_by_hand(app: ModuleType, world: World) -> None:
    first, second = world.desktop(), world.desktop()

    def post(body: bytes) -> Any:  # noqa: ANN401
        headers = {"Content-Type": "application/json"}
        return client.http.post("/events", body=body, headers=headers)

    with Client(app.app, project_dir=str(PROJECT)) as client:
        for event in ({"instance-id": first}, make_event(second)):
            answer = post(json.dumps(event).encode())
            assert (answer.status_code, answer.json_body["action"]) == (200, "created")
        for body in (b"[]", b'"x"', b"null", b"{", b""):
            assert post(body).status_code == 400


def test_a_stage_on_aws_has_no_route_and_its_own_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = "cron(0/5 * * * ? *)"
    app = load_app(monkeypatch, STAGE | {"SWEEP_SCHEDULE": schedule}).app

    assert app.routes == {}
    (sweep,) = (each for each in app.event_sources if each.name == "sweep")
    assert sweep.schedule_expression == schedule


def test_wrong_settings_fail_at_once_and_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as raised:
        load_app(monkeypatch, STAGE | {"ZONE_ID": "example.com", "DCV_PORT": "eight"})

    assert "ZONE_ID is 'example.com'" in str(raised.value)
    assert "DCV_PORT is 'eight'" in str(raised.value)


# What Chalice packages


def package(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `chalice package` in a copy of the project that has one more stage."""
    project = tmp_path / "project"
    (project / ".chalice").mkdir(parents=True)
    for name in ("app.py", "chalicelib"):
        (project / name).symlink_to(PROJECT / name)
    (project / "requirements.txt").write_text("")
    config = json.loads((PROJECT / ".chalice/config.json").read_text())
    policy = {"iam_policy_file": "policy.json"}
    config["stages"]["prod"] = {
        "environment_variables": STAGE | environment,
        "lambda_functions": dict.fromkeys(("dns_watchdog", "sweep"), policy),
    }
    (project / ".chalice/config.json").write_text(json.dumps(config))
    (project / ".chalice/policy.json").write_text('{"Version": "2012-10-17", "Statement": []}')
    chalice = Path(sys.executable).parent / "chalice"
    return subprocess.run(  # noqa: S603 (Chalice, with arguments of our own)
        [chalice, "package", "--stage", "prod", str(tmp_path / "out")],
        cwd=project,
        env=os.environ | {"PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_packaged_stage_is_two_functions_and_their_rules_with_no_api(tmp_path: Path) -> None:
    done = package(tmp_path)
    assert done.returncode == 0, done.stderr

    resources = json.loads((tmp_path / "out/sam.json").read_text())["Resources"]

    kinds = sorted(resource["Type"] for resource in resources.values())
    assert kinds == ["AWS::IAM::Role"] * 2 + ["AWS::Serverless::Function"] * 2
    watchdog, sweep = (resources[name]["Properties"] for name in ("DnsWatchdog", "Sweep"))
    assert (watchdog["Handler"], sweep["Handler"]) == ("app.dns_watchdog", "app.sweep")
    (event,), (schedule,) = (each["Events"].values() for each in (watchdog, sweep))
    assert event["Properties"]["Pattern"] == {
        "source": ["aws.ec2"],
        "detail-type": ["EC2 Instance State-change Notification"],
        "detail": {
            "state": ["running", "stopping", "shutting-down"],
            "tags": {"Project": ["Elephant", {"exists": False}]},
        },
    }
    assert schedule["Type"] == "Schedule"
    assert schedule["Properties"]["Schedule"] == "rate(1 minute)"


def test_wrong_settings_stop_a_package_naming_every_one(tmp_path: Path) -> None:
    done = package(tmp_path, OWNER="prod", PROXIED="yes")

    assert done.returncode == 1
    assert done.stderr.startswith("Error: 2 setting(s) of this stage")
    assert "Traceback" not in done.stderr
    assert "OWNER is 'prod'; it must be one word beginning with 'elephant:'" in done.stderr
    assert "PROXIED is 'yes'; it must be 'true' or 'false'" in done.stderr
