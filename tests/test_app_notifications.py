"""What AWS calls in a stage with notifications: the feature's functions, and no others."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from chalicelib.dns.provider import DnsError
from chalicelib.invitations.bounces import bounce_pattern
from chalicelib.notifications.events import deployment_pattern, termination_pattern
from localcloud.cloudflare import Fault, FaultKind
from tests.application import MEETINGS, PROJECT, STAGE, invoke, load_app
from tests.notifications.harness import SENT, VARIABLES, Stage, event
from tests.world import DOMAIN, OWNER, REGION

if TYPE_CHECKING:
    from types import ModuleType

    from botocore.session import Session

    from tests.world import World

INVALID: tuple[object, ...] = ({}, [], "x", None)
pytestmark = pytest.mark.usefixtures("new_environment")
FUNCTIONS = {"notify_instance_termination", "notify_deployment"}
FAILED = "i-0123456789abcdef0 terminated: ELB system health check failed (web)"
BOTH = MEETINGS | {"FEATURES": "meetings,notifications"}


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> ModuleType:
    """Import app.py as Lambda does, in a stage with notifications."""
    return load_app(monkeypatch, STAGE | VARIABLES | environment)


@pytest.fixture
def stage(world: World, session: Session) -> Stage:
    return Stage(world, session)


@pytest.fixture
def app(world: World, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load(monkeypatch, CLOUDFLARE_API_URL=world.cloudflare.url)


@pytest.fixture
def unreachable(stage: Stage) -> str:
    """Have a desktop that has run without an address for a long time."""
    desktop = stage.world.launch(public=False, Role="student", MeetingID="m1")
    stage.world.age(desktop, minutes=60)
    return desktop


def test_the_feature_is_two_functions_more_with_their_rules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_it, with_both = load(monkeypatch), load(monkeypatch, **BOTH).app
    without = load(monkeypatch, FEATURES="").app

    assert set(with_it.app.handler_map) - set(without.handler_map) == FUNCTIONS
    assert with_it.app.routes == {}
    assert set(with_both.handler_map) > FUNCTIONS | {"launch_ec2", "terminator"}
    rules = {each.name: each.event_pattern for each in with_it.app.event_sources[2:]}
    assert rules == {
        "notify_instance_termination": termination_pattern(with_it.settings.notifications),
        "notify_deployment": deployment_pattern(with_it.settings.notifications),
    }


def test_with_meetings_people_are_invited_unless_that_is_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    invites, quiet = (load(monkeypatch, **BOTH, INVITATIONS=each) for each in ("on", "off"))

    more = set(invites.app.handler_map) - set(quiet.app.handler_map)

    assert more == {"invite", "note_bounce"}
    sources = {each.name: each for each in invites.app.event_sources}
    assert sources["invite"].stream_arn == sources["terminator"].stream_arn
    assert sources["note_bounce"].event_pattern == bounce_pattern()
    assert invoke(invites, "invite", {}) == {"batchItemFailures": []}
    assert invoke(invites, "note_bounce", {})["action"] == "ignored"


def test_functions_that_send_nothing_load_nothing_of_e_mails() -> None:
    """The watchdog is what must be fast."""
    layout = "'chalicelib.notifications.layout' in sys.modules"
    code = f"import app, sys; app.container.watchdog; print({layout})"
    variables = STAGE | VARIABLES | {"AWS_DEFAULT_REGION": REGION, "_HANDLER": "app.dns_watchdog"}

    said = subprocess.check_output([sys.executable, "-c", code], cwd=PROJECT, env=variables)  # noqa: S603

    assert said == b"False\n"


@pytest.mark.parametrize(
    ("function", "name", "subject"),
    [
        ("notify_instance_termination", "autoscaling-elb-health-check", FAILED),
        ("notify_deployment", "codedeploy-success", "shop deployed to production"),
    ],
)
def test_each_event_becomes_one_e_mail_and_invalid_ones_are_ignored(
    app: ModuleType, stage: Stage, function: str, name: str, subject: str
) -> None:
    for invalid in INVALID:
        assert invoke(app, function, invalid)["action"] == "ignored"

    actions = [invoke(app, function, event(name))["action"] for _ in range(2)]
    assert actions == ["notified", "unchanged"]
    assert stage.subjects == [subject]
    assert OWNER in stage.mails[0].body


@pytest.mark.parametrize("cloudflare_works", [True, False])
def test_the_sweep_reports_desktops_without_an_address_even_without_cloudflare(
    app: ModuleType, stage: Stage, unreachable: str, *, cloudflare_works: bool
) -> None:
    if cloudflare_works:
        assert invoke(app, "sweep", {})["action"] == "unchanged"
    else:
        stage.world.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, status=503, times=9))
        with pytest.raises(DnsError):
            invoke(app, "sweep", {})

    assert stage.subjects == ["Student's desktop without an address for 1 h"]
    assert unreachable in stage.mails[0].body


@pytest.mark.usefixtures("unreachable")
def test_the_sweep_repairs_even_if_no_e_mail_can_be_sent(app: ModuleType, stage: Stage) -> None:
    stage.world.dynamodb.delete_table(TableName=SENT)
    lost = stage.world.desktop(meeting="m2")

    with pytest.raises(Exception, match="not found"):
        invoke(app, "sweep", {})

    assert [name for name, _, _ in stage.world.standing()] == [f"{lost}.{DOMAIN}"]


def test_a_sweep_with_all_features_lists_instances_once_and_reads_each_row_once(
    stage: Stage, unreachable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = stage.world
    world.put_row("m1", status="LAUNCHED")
    app = load(monkeypatch, **BOTH, CLOUDFLARE_API_URL=world.cloudflare.url)
    invoke(app, "sweep", {})
    assert unreachable in stage.mails[0].body
    for part in (app.container.instances, app.container.table):
        world._recorded(part._client)

    assert invoke(app, "sweep", {})["action"] == "unchanged"

    assert world.aws_calls == ["DescribeInstances", "BatchGetItem"]


def test_an_idle_minute_with_every_feature_sends_at_most_two_metrics(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = stage.world
    app = load(monkeypatch, **BOTH, CLOUDFLARE_API_URL=world.cloudflare.url)
    instance_id = world.desktop()
    world.put_row(teacher_ec2_id=instance_id)
    invoke(app, "sweep", {})
    capsys.readouterr()

    assert invoke(app, "sweep", {})["action"] == "unchanged"

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    sent = [
        metric["Name"]
        for line in lines
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ())
        for metric in directive["Metrics"]
    ]
    assert len(lines) >= 1
    assert len(sent) <= 2, sent
