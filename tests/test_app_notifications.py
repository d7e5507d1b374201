"""What AWS calls in a stage with notifications: the feature's functions, and no others."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from moto.ec2.models import ec2_backends

from chalicelib import aws
from chalicelib.cloudflare.client import CloudflareError
from chalicelib.meetings import parts as meetings_parts
from chalicelib.notifications import parts
from chalicelib.notifications.events import deployment_pattern, termination_pattern
from localcloud.cloudflare import Fault, FaultKind
from tests.application import PROJECT, load_app
from tests.notifications.harness import SENT, VARIABLES, Stage, event, run_of
from tests.world import ACCOUNT, DOMAIN, OWNER, REGION, SECRET

if TYPE_CHECKING:
    from types import ModuleType

    from botocore.session import Session

    from tests.world import World

STAGE = {
    "DOMAIN_ROOT": DOMAIN,
    "ZONE_ID": "023e105f4ecef8ad9ca31a8372d0c353",
    "SECRET_ARN": SECRET,
    "OWNER": OWNER,
}
MEETINGS = {
    "FEATURES": "meetings,notifications",
    "AMI_ID": "ami-0123456789abcdef0",
    "SECURITY_GROUP_IDS": "sg-0123456789abcdef0",
}
BUILDERS = {
    "notify_instance_termination": {"build_termination_reports"},
    "notify_deployment": {"build_deployment_reports"},
    "dns_watchdog": set[str](),
}


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> ModuleType:
    """Import app.py as Lambda does, in a stage with notifications."""
    return load_app(monkeypatch, STAGE | VARIABLES | environment)


@pytest.fixture(autouse=True)
def _fresh_environment() -> None:
    """Begin as a new execution environment does."""
    aws._session.cache_clear()
    for module in (parts, meetings_parts):
        for name in dir(module):
            if name.startswith("build_"):
                getattr(module, name).cache_clear()


@pytest.fixture
def stage(world: World, session: Session) -> Stage:
    return Stage(world, session)


@pytest.fixture
def app(world: World, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load(monkeypatch, CLOUDFLARE_API_URL=world.cloudflare.url, AWS_REGION=REGION)


def invoke(app: ModuleType, function: str, event: object) -> Any:  # noqa: ANN401 (what it answers)
    """Invoke a function as Lambda does, and return what it answers."""
    return getattr(app, function)(event, run_of(function))


def forlorn(stage: Stage) -> str:
    """Have a desktop that never got an address, for a long time."""
    desktop = stage.world.launch(public=False, Role="student", MeetingID="m1")
    launched = ec2_backends[ACCOUNT][REGION].get_instance(desktop)
    launched.launch_time = (datetime.now(UTC) - timedelta(hours=1)).replace(tzinfo=None)
    return desktop


def test_the_feature_is_two_functions_more(monkeypatch: pytest.MonkeyPatch) -> None:
    with_it, without = load(monkeypatch).app, load(monkeypatch, FEATURES="").app
    with_meetings = load(monkeypatch, **MEETINGS).app

    ours = {"notify_instance_termination", "notify_deployment"}
    assert set(with_it.handler_map) - set(without.handler_map) == ours
    assert with_it.routes == {}
    assert set(with_meetings.handler_map) > ours | {"launch_ec2", "terminator"}


def test_the_rules_ask_for_what_the_stage_names(monkeypatch: pytest.MonkeyPatch) -> None:
    app = load(monkeypatch)

    rules = {each.name: each.event_pattern for each in app.app.event_sources[2:]}

    assert rules == {
        "notify_instance_termination": termination_pattern(app.settings.notifications),
        "notify_deployment": deployment_pattern(app.settings.notifications),
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


def test_functions_that_send_nothing_load_nothing_of_e_mails() -> None:
    """The watchdog is what must be fast."""
    code = (
        "import app, sys; app.watchdog(); print('chalicelib.notifications.layout' in sys.modules)"
    )
    done = subprocess.run(  # noqa: S603 (this Python, with code of our own)
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=STAGE | VARIABLES | {"AWS_DEFAULT_REGION": REGION, "_HANDLER": "app.dns_watchdog"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_a_failed_instance_becomes_an_e_mail(app: ModuleType, stage: Stage) -> None:
    result = invoke(app, "notify_instance_termination", event("autoscaling-elb-health-check"))

    assert result["action"] == "notified"
    assert stage.subjects == [
        "i-0123456789abcdef0 terminated: ELB system health check failed (web)"
    ]
    assert OWNER in stage.mails[0].body


@pytest.mark.parametrize(("features", "count"), [(MEETINGS, 1), ({}, 0)])
def test_a_meeting_that_was_never_healthy_becomes_an_e_mail_where_there_are_meetings(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, features: dict[str, str], count: int
) -> None:
    stage.world.put_row("m1", status="TERMINATED", termination_reason="NEVER_HEALTHY")
    desktop = stage.ended("Client.UserInitiatedShutdown", MeetingID="m1", Role="teacher")
    app = load(monkeypatch, AWS_REGION=REGION, **features)

    invoke(app, "notify_instance_termination", event("ec2-terminated", **{"instance-id": desktop}))

    assert len(stage.mails) == count


def test_a_deployment_becomes_an_e_mail(app: ModuleType, stage: Stage) -> None:
    result = invoke(app, "notify_deployment", event("codedeploy-success"))

    assert result["action"] == "notified"
    assert stage.subjects == ["shop deployed to production"]


def test_a_repeated_event_becomes_none(app: ModuleType, stage: Stage) -> None:
    for _ in range(3):
        invoke(app, "notify_deployment", event("codedeploy-success"))

    assert len(stage.mails) == 1


@pytest.mark.parametrize("function", ["notify_instance_termination", "notify_deployment"])
@pytest.mark.parametrize("shape", [{}, [], "x", None])
def test_an_event_of_any_shape_is_answered(app: ModuleType, function: str, shape: object) -> None:
    assert invoke(app, function, shape)["action"] == "ignored"


def test_what_fails_is_told_to_lambda(app: ModuleType, stage: Stage) -> None:
    stage.ses.delete_email_identity(EmailIdentity="example.com")

    with pytest.raises(Exception, match="not verified"):
        invoke(app, "notify_deployment", event("codedeploy-success"))


def test_the_sweep_tells_of_desktops_without_an_address(
    app: ModuleType, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    desktop = forlorn(stage)

    assert invoke(app, "sweep", {})["action"] == "unchanged"

    assert stage.subjects == ["Student's desktop without an address for 1 h"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["instances"] for each in lines if each.get("action") == "notified"] == [[desktop]]


def test_the_sweep_tells_of_them_even_without_cloudflare(app: ModuleType, stage: Stage) -> None:
    forlorn(stage)
    stage.world.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, status=503, times=9))

    with pytest.raises(CloudflareError):
        invoke(app, "sweep", {})

    assert len(stage.mails) == 1


def test_the_sweep_repairs_even_if_no_e_mail_can_be_sent(app: ModuleType, stage: Stage) -> None:
    stage.world.dynamodb.delete_table(TableName=SENT)
    forlorn(stage)
    lost = stage.world.desktop(meeting="m2")

    with pytest.raises(Exception, match="not found"):
        invoke(app, "sweep", {})

    assert [name for name, _, _ in stage.world.standing()] == [f"{lost}.{DOMAIN}"]


def test_a_sweep_of_a_stage_without_the_feature_sends_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = load(monkeypatch, FEATURES="", CLOUDFLARE_API_URL=stage.world.cloudflare.url)
    forlorn(stage)

    invoke(app, "sweep", {})

    assert stage.mails == []
