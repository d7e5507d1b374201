"""What AWS calls in a stage with meetings: the feature's functions and routes, and no others."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from moto.ec2.models import ec2_backends

from chalicelib.dns.provider import DnsError
from chalicelib.meetings import parts
from localcloud.cloudflare import Fault, FaultKind
from tests.application import load_app
from tests.world import ACCOUNT, DOMAIN, OWNER, REGION, SECRET, TABLE, World

if TYPE_CHECKING:
    from types import ModuleType

    from botocore.session import Session

STAGE = {
    "DOMAIN_ROOT": DOMAIN,
    "ZONE_ID": "023e105f4ecef8ad9ca31a8372d0c353",
    "SECRET_ARN": SECRET,
    "OWNER": OWNER,
}
FEATURE = {
    "FEATURES": "meetings",
    "AMI_ID": "ami-0123456789abcdef0",
    "SECURITY_GROUP_IDS": "sg-0123456789abcdef0",
    "ALLOWED_ORIGINS": "https://app.example.com",
}
BUILDERS = {
    "app": {"build_scheduling", "build_join"},
    "launch_ec2": {"build_launch"},
    "safety_net": {"build_safety_net"},
    "terminator": {"build_terminator"},
    "dns_watchdog": set[str](),
}
ROUTES = {"/schedule": ["OPTIONS", "POST"], "/join/{meeting_id}/{role}": ["GET"]}
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:elephant-test"


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> ModuleType:
    """Import app.py as Lambda does, in a stage with meetings."""
    return load_app(monkeypatch, STAGE | FEATURE | environment)


@pytest.fixture(autouse=True)
def _fresh_environment() -> None:
    """Begin as a new execution environment does."""
    for name in dir(parts):
        if name.startswith("build_"):
            getattr(parts, name).cache_clear()


@pytest.fixture
def app(world: World, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    world.secrets.create_secret(Name="elephant-test-schedule-key", SecretString="k" * 40)
    return load(monkeypatch, CLOUDFLARE_API_URL=world.cloudflare.url, AWS_REGION=REGION)


class Context:
    """Lambda's context."""

    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def __init__(self, name: str = "") -> None:
        self.invoked_function_arn = ARN + name

    def get_remaining_time_in_millis(self) -> float:
        return 60_000


def invoke(app: ModuleType, function: str, event: object) -> Any:  # noqa: ANN401
    """Invoke a function as Lambda does, and return what it answers."""
    return getattr(app, function)(event, Context(f"-{function}"))


def ask(app: ModuleType, method: str, path: str, resource: str, **headers: str) -> Any:  # noqa: ANN401
    """Send a request as API Gateway does, and return its answer."""
    names = ("meeting_id", "role") if resource != "/schedule" else ()
    event = {
        "resource": resource,
        "httpMethod": method,
        "headers": {name.replace("_", "-"): text for name, text in headers.items()},
        "multiValueQueryStringParameters": None,
        "pathParameters": dict(zip(names, path.split("/")[2:], strict=True)) or None,
        "stageVariables": None,
        "requestContext": {
            "httpMethod": method,
            "resourcePath": resource,
            "path": f"/api{path}",
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "body": "{}" if method == "POST" else None,
        "isBase64Encoded": False,
    }
    return app.app(event, Context())


def test_the_feature_is_three_functions_and_two_routes_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_it, without = load(monkeypatch).app, load(monkeypatch, FEATURES="").app

    assert {path: sorted(methods) for path, methods in with_it.routes.items()} == ROUTES
    assert without.routes == {}
    assert set(with_it.handler_map) - set(without.handler_map) == {
        "launch_ec2",
        "safety_net",
        "terminator",
        "schedule_meeting",
        "join",
    }


@pytest.mark.parametrize("handler", BUILDERS)
def test_only_what_a_function_needs_is_made_before_its_first_event(
    monkeypatch: pytest.MonkeyPatch, handler: str
) -> None:
    load(monkeypatch, _HANDLER=f"app.{handler}")

    made = {
        name
        for name in dir(parts)
        if name.startswith("build_") and getattr(parts, name).cache_info().currsize
    }
    assert made == BUILDERS[handler]


def test_a_deployment_without_the_tables_stream_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SystemExit, match=r"TABLE_STREAM_ARN is missing: .*elephant deploy"):
        load(monkeypatch, AWS_CHALICE_CLI_MODE="true")


def test_a_deployment_maps_the_tables_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}/stream/2026-11-21T00:00:00.000"

    app = load(monkeypatch, AWS_CHALICE_CLI_MODE="true", TABLE_STREAM_ARN=arn).app

    (stream,) = (each for each in app.event_sources if each.name == "terminator")
    assert stream.stream_arn == arn


def test_a_local_stage_needs_no_stream_to_answer_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://127.0.0.1:1/client/v4"

    app = load(monkeypatch, AWS_CHALICE_CLI_MODE="true", CLOUDFLARE_API_URL=url).app

    assert sorted(app.routes) == sorted([*ROUTES, "/events"])


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_whoever_shows_no_key_is_refused_and_may_read_that_in_a_browser(
    app: ModuleType, content_type: str
) -> None:
    headers = {"Origin": "https://app.example.com", "Content_Type": content_type}

    answer = ask(app, "POST", "/schedule", "/schedule", **headers)

    assert answer["statusCode"] == 401
    assert answer["headers"]["Access-Control-Allow-Origin"] == "https://app.example.com"


def test_a_preflight_is_answered(app: ModuleType) -> None:
    answer = ask(app, "OPTIONS", "/schedule", "/schedule", Origin="https://app.example.com")

    assert answer["statusCode"] == 204
    assert "authorization" in answer["headers"]["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(("role", "status"), [("teacher", 404), ("Teacher", 400)])
def test_an_unknown_meeting_or_role_is_answered(app: ModuleType, role: str, status: int) -> None:
    path = f"/join/abcdefgh12345678/{role}"

    answer = ask(app, "GET", path, "/join/{meeting_id}/{role}", Accept="application/json")

    assert answer["statusCode"] == status
    assert "message" in json.loads(answer["body"])


def test_a_request_without_parameters_is_answered(app: ModuleType) -> None:
    """An event made by hand has null for them: the guide's own function fails at that."""
    resource = "/join/{meeting_id}/{role}"
    event = {
        "resource": resource,
        "requestContext": {
            "httpMethod": "GET",
            "resourcePath": resource,
            "path": "/api/join",
            "identity": {},
        },
        "headers": {},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
    }

    assert app.app(event, Context())["statusCode"] == 400


@pytest.mark.parametrize("function", ["launch_ec2", "safety_net"])
@pytest.mark.parametrize("event", [{}, [], None, {"meeting_id": 1, "meetingId": 1}])
def test_an_event_that_names_no_meeting_is_ignored(
    app: ModuleType, function: str, event: object
) -> None:
    assert invoke(app, function, event)["action"] == "ignored"


def test_an_unknown_meeting_is_neither_launched_nor_ended(app: ModuleType, world: World) -> None:
    meeting = {"meeting_id": "abcdefgh12345678", "meetingId": "abcdefgh12345678"}

    assert invoke(app, "launch_ec2", meeting)["action"] == "ignored"
    assert invoke(app, "safety_net", meeting)["action"] == "left"
    assert world.ec2.describe_instances()["Reservations"] == []


@pytest.mark.parametrize("event", [{"Records": []}, {"Records": [{}]}])
def test_a_stream_without_changes_fails_at_nothing(app: ModuleType, event: object) -> None:
    assert invoke(app, "terminator", event) == {"batchItemFailures": []}


def test_the_sweep_looks_after_what_was_left_running_even_without_cloudflare(
    app: ModuleType, world: World, session: Session
) -> None:
    # given a meeting that should have been ended long ago, and a Cloudflare that does not answer
    start = datetime.now(UTC) - timedelta(hours=1)
    world.put_row("m1", status="HEALTHY", meet_time=f"{start:%Y-%m-%dT%H:%M:%SZ}")
    instance_id = world.desktop()
    launched = ec2_backends[ACCOUNT][REGION].get_instance(instance_id)
    launched.launch_time = start.replace(tzinfo=None)
    scheduler: Any = session.create_client("scheduler")
    scheduler.create_schedule_group(Name="elephant-test")
    world.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, status=503, times=9))

    # when the sweep runs
    with pytest.raises(DnsError):
        invoke(app, "sweep", {})

    # then it is looked at again all the same
    (schedule,) = scheduler.list_schedules(GroupName="elephant-test")["Schedules"]
    assert schedule["Name"].startswith("safety-m1-")
    found = scheduler.get_schedule(GroupName="elephant-test", Name=schedule["Name"])
    assert found["Target"]["Arn"] == f"{ARN}-safety_net"
    assert json.loads(found["Target"]["Input"]) == {"meetingId": "m1"}
