"""What AWS calls in a stage with meetings: the feature's functions and routes, and no others."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from chalice.app import IAMAuthorizer

from chalicelib.dns.provider import DnsError
from localcloud.cloudflare import Fault, FaultKind
from tests.application import ARN, MEETINGS, STAGE, gateway_event, invoke, load_app
from tests.world import ACCOUNT, REGION, TABLE, Context, World

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from botocore.session import Session

ROUTES = {
    "/": ["GET"],
    "/schedule": ["OPTIONS", "POST"],
    "/meetings": ["GET", "OPTIONS"],
    "/meetings/{meeting_id}": ["DELETE", "GET", "OPTIONS", "PATCH"],
    "/join/{meeting_id}/{role}": ["GET"],
    "/desktop": ["GET"],
    "/desktop/healthy": ["POST"],
    "/desktop/finished": ["POST"],
    "/dcv/{instance_id}": ["POST"],
}
DESKTOPS = {"/desktop", "/desktop/healthy", "/desktop/finished"}
ORIGIN = {"Origin": "https://app.example.com"}
ID = "abcdefgh12345678"
INVALID: tuple[object, ...] = ({}, [], None, {"meeting_id": 1, "meetingId": 1})
EMPTY: tuple[object, ...] = ({"Records": []}, {"Records": [{}]})
CLI = {"AWS_CHALICE_CLI_MODE": "true"}


@pytest.fixture
def app(world: World, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    world.secrets.create_secret(Name="elephant-test-schedule-key", SecretString="k" * 40)
    return load_app(monkeypatch, STAGE | MEETINGS | {"CLOUDFLARE_API_URL": world.cloudflare.url})


def ask(
    app: ModuleType, method: str, path: Mapping[str, str] | None, headers: Mapping[str, str]
) -> Any:  # noqa: ANN401
    """Send a request as API Gateway does, and return its answer; a join link's has parameters."""
    route = "/schedule" if method in ROUTES["/schedule"] else "/join/{meeting_id}/{role}"
    there = f"/api{route.format_map(path or {'meeting_id': '', 'role': ''})}"
    body = "{}" if method == "POST" else None
    event = gateway_event(method, route, there, headers=headers, pathParameters=path, body=body)
    return app.app(event, Context(invoked_function_arn=ARN))


def test_the_feature_is_three_functions_and_its_routes_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_it = load_app(monkeypatch, STAGE | MEETINGS).app
    without = load_app(monkeypatch, STAGE | {"FEATURES": ""}).app

    assert {path: sorted(methods) for path, methods in with_it.routes.items()} == ROUTES
    assert without.routes == {}
    functions = {"launch_ec2", "safety_net", "terminator"}
    handlers = {"schedule_meeting", "own_meetings", "own_meeting", "booking_page"}
    handlers |= {"join", "sign_in", "desktop", "desktop_healthy", "desktop_finished"}
    assert set(with_it.handler_map) - set(without.handler_map) == functions | handlers
    signed = {
        path
        for path, methods in with_it.routes.items()
        for route in methods.values()
        if isinstance(route.authorizer, IAMAuthorizer)
    }
    assert signed == DESKTOPS


def test_without_sign_in_nobody_can_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    app = load_app(monkeypatch, STAGE | MEETINGS | {"DESKTOP_SIGN_IN": "none"}).app
    assert set(ROUTES) - set(app.routes) == {"/dcv/{instance_id}"}


@pytest.mark.parametrize("route", [*sorted(DESKTOPS), "/dcv/{instance_id}"])
def test_desktops_and_their_dcv_servers_reach_their_functions(app: ModuleType, route: str) -> None:
    (method,) = ROUTES[route]
    path = {"instance_id": "i-1"}
    event = gateway_event(method, route, f"/api{route}", pathParameters=path)
    answer = app.app(event, Context(invoked_function_arn=ARN))
    assert answer["statusCode"] == (403 if route in DESKTOPS else 400)


def test_a_deployment_maps_the_tables_stream_and_cannot_do_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SystemExit, match=r"TABLE_STREAM_ARN is missing: .*elephant deploy"):
        load_app(monkeypatch, STAGE | MEETINGS | CLI)

    arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}/stream/2026-11-21T00:00:00.000"
    app = load_app(monkeypatch, {"TABLE_STREAM_ARN": arn}).app
    (stream,) = (each for each in app.event_sources if each.name == "terminator")
    assert stream.stream_arn == arn


def test_a_local_stage_needs_no_stream_to_answer_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    url = {"CLOUDFLARE_API_URL": "http://127.0.0.1:1/client/v4"}
    app = load_app(monkeypatch, STAGE | MEETINGS | CLI | url).app

    assert sorted(app.routes) == sorted([*ROUTES, "/events"])


def test_every_request_reaches_its_function(app: ModuleType) -> None:
    """A hand-made event has null for parameters, at which the guide's own function fails."""
    for content_type in ("application/json", "text/plain", ""):
        refused = ask(app, "POST", None, ORIGIN | {"Content-Type": content_type})
        assert refused["statusCode"] == 401
        assert refused["headers"]["Access-Control-Allow-Origin"] == ORIGIN["Origin"]

    preflight = ask(app, "OPTIONS", None, ORIGIN)
    assert preflight["statusCode"] == 204
    assert "authorization" in preflight["headers"]["Access-Control-Allow-Headers"]

    for role, status in (("teacher", 404), ("Teacher", 400)):
        path = {"meeting_id": ID, "role": role}
        answer = ask(app, "GET", path, {"Accept": "application/json"})
        assert answer["statusCode"] == status
        assert "message" in json.loads(answer["body"])
    assert ask(app, "GET", None, {})["statusCode"] == 400


@pytest.mark.parametrize("path", ["/api", "/api/"])
def test_the_booking_page_is_at_the_apis_own_address(app: ModuleType, path: str) -> None:
    event = gateway_event("GET", "/", path, headers={"Host": "api.example.com"})
    answer = app.app(event, Context(invoked_function_arn=ARN))
    assert answer["statusCode"] == 200
    assert 'data-api="https://api.example.com/api"' in answer["body"]


def test_every_event_reaches_its_function(app: ModuleType, world: World) -> None:
    for function in ("launch_ec2", "safety_net"):
        for event in INVALID:
            assert invoke(app, function, event)["action"] == "ignored"
    assert invoke(app, "launch_ec2", {"meeting_id": ID})["action"] == "ignored"
    assert invoke(app, "safety_net", {"meetingId": ID})["action"] == "left"
    assert world.ec2.describe_instances()["Reservations"] == []
    for event in EMPTY:
        assert invoke(app, "terminator", event) == {"batchItemFailures": []}


def test_the_sweep_checks_what_was_left_running_even_without_cloudflare(
    app: ModuleType, world: World, session: Session
) -> None:
    start = datetime.now(UTC) - timedelta(hours=1)
    world.put_row("m1", status="HEALTHY", meet_time=f"{start:%Y-%m-%dT%H:%M:%SZ}")
    world.age(world.desktop(), minutes=60)
    scheduler: Any = session.create_client("scheduler")
    scheduler.create_schedule_group(Name="elephant-test")
    world.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, status=503, times=9))

    with pytest.raises(DnsError):
        invoke(app, "sweep", {})

    (schedule,) = scheduler.list_schedules(GroupName="elephant-test")["Schedules"]
    assert schedule["Name"].startswith("safety-m1-")
    found = scheduler.get_schedule(GroupName="elephant-test", Name=schedule["Name"])
    assert found["Target"]["Arn"] == f"{ARN}-safety_net"
    assert json.loads(found["Target"]["Input"]) == {"meetingId": "m1"}
