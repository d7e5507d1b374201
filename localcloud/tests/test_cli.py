"""The commands that control a running local cloud."""

from __future__ import annotations

import json
import socket
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from localcloud.cli import main
from localcloud.cloud import LocalCloud, Ports

from .test_cloud import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVENT = {
    "id": "1",
    "source": "aws.codedeploy",
    "detail-type": "CodeDeploy Deployment State-change Notification",
    "time": "2026-11-21T15:00:00Z",
    "account": "111122223333",
    "region": "eu-west-1",
    "detail": {"application": "shop", "state": "SUCCESS"},
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(SETTINGS, Ports()) as running:
        yield running


def output(port: int, *arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(main, [*arguments, "--aws-port", str(port)])
    assert done.exit_code == status, done.output
    return done.output


def do(cloud: LocalCloud, *arguments: str) -> Any:  # noqa: ANN401 (JSON)
    return json.loads(output(cloud.aws.port, *arguments))


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ("tick --aws-port={free}", 1, "no local AWS at port {free}"),
        ("fault list --cloudflare-port={free}", 1, "elephant-local up"),
        ("fault add wrong-name --cloudflare-port={cloudflare}", 2, "needs a name"),
        ("demo --project {directory}", 1, "config.json is missing: run this in the project"),
    ],
)
def test_what_cannot_be_done_is_said_without_a_traceback(
    cloud: LocalCloud, tmp_path: Path, arguments: str, status: int, said: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    ports = {"cloudflare": urlsplit(cloud.cloudflare.url).port, "free": free}

    done = CliRunner().invoke(main, arguments.format(directory=tmp_path, **ports).split())

    assert done.exit_code == status
    assert said.format(**ports) in done.stderr
    assert isinstance(done.exception, SystemExit)


def test_faults_and_quota_are_switched_on_and_off(cloud: LocalCloud) -> None:
    def control(*arguments: str) -> Any:  # noqa: ANN401 (JSON)
        option = f"--cloudflare-port={urlsplit(cloud.cloudflare.url).port}"
        return json.loads(CliRunner().invoke(main, [*arguments, option]).stdout)

    added = control("fault", "add", "drop", "--when", "after", "--times", "0")
    (fault,) = control("fault", "list")
    assert added == [fault]
    assert (fault["kind"], fault["when"], fault["times"]) == ("drop", "after", None)
    assert control("fault", "clear") == []
    assert control("quota", "--calls", "10")["calls"] == 10


def test_the_clock_is_advanced_and_shown(cloud: LocalCloud) -> None:
    before = datetime.fromisoformat(do(cloud, "clock")["now"])
    shown = do(cloud, "forward", "--minutes", "30")
    assert shown["invoked"] == do(cloud, "tick") == []
    assert datetime.fromisoformat(shown["now"]) - before >= timedelta(minutes=30)
    later = datetime.fromisoformat(output(cloud.aws.port, "clock", "--plus", "12").strip())
    assert later - before >= timedelta(minutes=42)
    assert "no one-off schedule is pending" in output(cloud.aws.port, "forward", status=1)


def test_refusals_are_switched_on_and_off(cloud: LocalCloud) -> None:
    full = "InsufficientInstanceCapacity"
    expected = [{"code": full, "zone": "us-west-2a", "times": None, "skip": 0}]
    zone = ("--zone", "us-west-2a", "--times", "0")
    assert do(cloud, "refusal", "add", full, *zone) == expected
    assert do(cloud, "refusal", "list") == expected
    assert do(cloud, "refusal", "clear") == []
    assert "'NoLuck' is none of" in output(cloud.aws.port, "refusal", "add", "NoLuck", status=1)


def test_an_event_is_put_on_the_bus_as_one_of_this_account_and_region(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    events: list[Any] = []
    cloud.bridge.on_event(lambda delivery: events.append(delivery.event))
    file = tmp_path / "event.json"
    file.write_text(json.dumps(EVENT))
    assert do(cloud, "event", str(file)) == []
    assert events == [EVENT | {"account": "123456789012", "region": "us-west-2"}]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "is not valid JSON"),
        ("{}", "not an EventBridge event: it has no detail, detail-type, id, source, time"),
    ],
)
def test_a_file_that_is_no_event_is_refused(
    cloud: LocalCloud, tmp_path: Path, text: str, error: str
) -> None:
    file = tmp_path / "event.json"
    file.write_text(text)
    assert error in output(cloud.aws.port, "event", str(file), status=1)


def test_sent_mails_are_printed_and_written_for_a_browser(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    port = cloud.aws.port
    assert output(port, "mails") == "No e-mail was sent.\n"
    client = cloud.client("sesv2")
    client.create_email_identity(EmailIdentity="example.com")
    body = {"Text": {"Data": "Look there."}, "Html": {"Data": "<p>Look.</p>"}}
    client.send_email(
        FromEmailAddress="a@example.com",
        Destination={"ToAddresses": ["b@example.org", "c@example.org"]},
        Content={"Simple": {"Subject": {"Data": "It failed"}, "Body": body}},
    )
    printed = output(port, "mails", f"--html={tmp_path}")
    assert "From:    a@example.com\nTo:      b@example.org, c@example.org\n" in printed
    assert "Subject: It failed\n\nLook there.\n" in printed
    assert (tmp_path / "1.html").read_text() == "<p>Look.</p>"
    assert do(cloud, "mails", "--json", "--clear")[0]["subject"] == "It failed"
    assert output(port, "mails") == "No e-mail was sent.\n"
