"""What AWS calls: the functions, rules and routes that Chalice makes of app.py."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from chalice.test import Client

from chalicelib.ec2.event import event_pattern
from chalicelib.settings.stage import SettingsError
from tests.application import MEETINGS, PROJECT, STAGE, built, invoke, load_app
from tests.notifications.harness import VARIABLES
from tests.world import RECORDS, TABLE, World, make_event, make_settings

if TYPE_CHECKING:
    from types import ModuleType

INVALID: tuple[object, ...] = ({}, {"version": "0"}, [], "x", None)


@pytest.fixture
def app(world: World, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_app(monkeypatch, STAGE | {"CLOUDFLARE_API_URL": world.cloudflare.url})


def test_invalid_events_are_ignored_and_sweep_alike(app: ModuleType) -> None:
    """Chalice's own event class would raise KeyError before our code is called."""
    for event in INVALID:
        assert invoke(app, "dns_watchdog", event)["action"] == "ignored"
        assert invoke(app, "sweep", event)["action"] == "unchanged"


@pytest.mark.parametrize(
    ("handler", "builders"),
    [
        ("dns_watchdog", {"watchdog"}),
        ("sweep", {"sweep"}),
        ("app", {"scheduling", "join", "sign_in"}),
        ("launch_ec2", {"launch"}),
        ("safety_net", {"safety_net"}),
        ("terminator", {"terminator"}),
        ("notify_instance_termination", {"termination_reports"}),
        ("notify_deployment", {"deployment_reports"}),
        ("another", set()),
    ],
)
def test_a_function_builds_what_it_needs_once_and_before_its_first_event(
    monkeypatch: pytest.MonkeyPatch, handler: str, builders: set[str]
) -> None:
    variables = STAGE | MEETINGS | VARIABLES | {"FEATURES": "meetings,notifications"}

    app = load_app(monkeypatch, variables | {"_HANDLER": f"app.{handler}"})

    assert built(app) == builders


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


@pytest.mark.parametrize("schedule", ["rate(1 minute)", "cron(0/5 * * * ? *)"])
def test_a_stage_on_aws_is_two_functions_and_their_rules_with_no_api(
    monkeypatch: pytest.MonkeyPatch, schedule: str
) -> None:
    app = load_app(monkeypatch, STAGE | {"SWEEP_SCHEDULE": schedule}).app

    assert (app.routes, app.pure_lambda_functions) == ({}, [])
    watchdog, sweep = app.event_sources
    assert (watchdog.name, sweep.name) == ("dns_watchdog", "sweep")
    assert watchdog.event_pattern == event_pattern(make_settings())
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

    assert "2 settings of this stage" in str(raised.value)
    assert "OWNER is 'prod'; it must be one word beginning with 'elephant:'" in str(raised.value)
    assert "PROXIED is 'yes'; it must be 'true' or 'false'" in str(raised.value)
