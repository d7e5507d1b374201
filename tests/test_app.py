"""What AWS calls: the functions, rules and routes that Chalice makes of app.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chalice.test import Client

from chalicelib.ec2.event import event_pattern
from chalicelib.settings.stage import SettingsError
from tests.application import PROJECT, STAGE, built, invoke, load_app
from tests.world import DOMAIN, RECORDS, TABLE, World, make_event, make_settings

if TYPE_CHECKING:
    from types import ModuleType

INVALID: tuple[object, ...] = ({}, {"version": "0"}, [], "x", None)


@pytest.fixture
def app(world: World, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_app(monkeypatch, STAGE | {"CLOUDFLARE_API_URL": world.cloudflare.url})


def test_an_event_is_handled_through_chalice(app: ModuleType, world: World) -> None:
    instance_id = world.desktop()
    assert (
        app.container.watchdog
    )  # making clients takes longer than the time that Chalice's test client gives

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

    handlers = {"dns_watchdog": {"watchdog"}, "sweep": {"sweep"}}
    assert built(app) == handlers.get(function, set())


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


@pytest.mark.parametrize(
    ("variables", "error"), [({}, SettingsError), ({"AWS_CHALICE_CLI_MODE": "true"}, SystemExit)]
)
def test_wrong_settings_fail_at_once_and_all_together(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], error: type[BaseException]
) -> None:
    monkeypatch.setattr(sys, "argv", ["chalice", "package", "--stage", "prod"])

    with pytest.raises(error) as raised:
        load_app(monkeypatch, STAGE | variables | {"OWNER": "prod", "PROXIED": "yes"})

    assert "2 setting(s) of this stage" in str(raised.value)
    assert "OWNER is 'prod'; it must be one word beginning with 'elephant:'" in str(raised.value)
    assert "PROXIED is 'yes'; it must be 'true' or 'false'" in str(raised.value)


def test_a_packaged_stage_is_two_functions_and_their_rules_with_no_api(tmp_path: Path) -> None:
    (tmp_path / ".chalice").mkdir()
    for name in ("app.py", "chalicelib"):
        (tmp_path / name).symlink_to(PROJECT / name)
    (tmp_path / "requirements.txt").write_text("")
    config = json.loads((PROJECT / ".chalice/config.json").read_text())
    policy = {"iam_policy_file": "policy.json"}
    config["stages"]["prod"] = {
        "environment_variables": STAGE,
        "lambda_functions": dict.fromkeys(("dns_watchdog", "sweep"), policy),
    }
    (tmp_path / ".chalice/config.json").write_text(json.dumps(config))
    (tmp_path / ".chalice/policy.json").write_text('{"Version": "2012-10-17", "Statement": []}')
    subprocess.run(  # noqa: S603 (Chalice, with arguments of our own)
        [Path(sys.executable).parent / "chalice", "package", "--stage", "prod", "out"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )

    resources = json.loads((tmp_path / "out/sam.json").read_text())["Resources"]

    kinds = sorted(resource["Type"] for resource in resources.values())
    assert kinds == ["AWS::IAM::Role"] * 2 + ["AWS::Serverless::Function"] * 2
    watchdog, sweep = (resources[name]["Properties"] for name in ("DnsWatchdog", "Sweep"))
    assert (watchdog["Handler"], sweep["Handler"]) == ("app.dns_watchdog", "app.sweep")
    (event,), (schedule,) = (each["Events"].values() for each in (watchdog, sweep))
    assert event["Properties"]["Pattern"] == event_pattern(make_settings())
    assert schedule["Type"] == "Schedule"
    assert schedule["Properties"]["Schedule"] == "rate(1 minute)"
