"""The command line's talk with a local cloud that runs."""

from __future__ import annotations

import json
import socket
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from localcloud.cli import main
from localcloud.cloud import LocalCloud, Ports

from .test_cloud import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(SETTINGS, Ports()) as running:
        yield running


def do(cloud: LocalCloud, *arguments: str) -> Any:  # noqa: ANN401 (whatever JSON it prints)
    done = CliRunner().invoke(main, [*arguments, "--aws-port", str(cloud.aws.port)])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def fail(cloud: LocalCloud, *arguments: str) -> str:
    done = CliRunner().invoke(main, [*arguments, "--aws-port", str(cloud.aws.port)])
    assert done.exit_code == 1
    return done.output


def test_tick_fires_the_schedules_and_shows_what_was_invoked(cloud: LocalCloud) -> None:
    assert do(cloud, "tick") == []


def test_tick_without_a_local_cloud_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    done = CliRunner().invoke(main, ["tick", "--aws-port", str(port)])

    assert done.exit_code == 1
    assert f"no local AWS at port {port}" in done.output
    assert "elephant-local up" in done.output
    assert "--aws-port" in done.output


def test_forward_lets_time_pass_and_clock_shows_it(cloud: LocalCloud) -> None:
    before = datetime.fromisoformat(do(cloud, "clock")["now"])
    told = do(cloud, "forward", "--minutes", "30")
    assert timedelta(minutes=29) < datetime.fromisoformat(told["now"]) - before
    assert told["invoked"] == []


def test_desktops_are_told_what_to_do(cloud: LocalCloud) -> None:
    assert do(cloud, "desktop", "healthy", "--role", "teacher") == []


def test_refusals_are_switched_on_and_off(cloud: LocalCloud) -> None:
    full = "InsufficientInstanceCapacity"
    expected = [{"code": full, "zone": "us-west-2a", "times": None, "skip": 0}]
    zone = ("--zone", "us-west-2a", "--times", "0")
    assert do(cloud, "refusal", "add", full, *zone) == expected
    assert do(cloud, "refusal", "list") == expected
    assert do(cloud, "refusal", "clear") == []
    assert "'NoLuck' is none of" in fail(cloud, "refusal", "add", "NoLuck")


EVENT = {
    "id": "1",
    "source": "aws.codedeploy",
    "detail-type": "CodeDeploy Deployment State-change Notification",
    "time": "2026-11-21T15:00:00Z",
    "account": "111122223333",
    "region": "eu-west-1",
    "detail": {"application": "shop", "state": "SUCCESS"},
}


def test_event_puts_a_file_on_the_bus_as_one_of_this_account_and_region(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    told: list[Any] = []
    cloud.bridge.on_event(lambda delivery: told.append(delivery.event))
    file = tmp_path / "event.json"
    file.write_text(json.dumps(EVENT))

    assert do(cloud, "event", str(file)) == []

    assert told == [EVENT | {"account": "123456789012", "region": "us-west-2"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not valid JSON"),
        ("{}", "not an EventBridge event: it has no detail, detail-type, id, source, time"),
    ],
)
def test_event_refuses_what_is_none(
    cloud: LocalCloud, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "event.json"
    file.write_text(text)

    assert said in fail(cloud, "event", str(file))


def test_mails_prints_what_was_sent_and_writes_it_for_a_browser(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    def mails(*options: str) -> str:
        done = CliRunner().invoke(main, ["mails", *options, f"--aws-port={cloud.aws.port}"])
        assert done.exit_code == 0, done.output
        return done.output

    assert mails() == "No e-mail was sent.\n"
    client = cloud.client("sesv2")
    client.create_email_identity(EmailIdentity="example.com")
    client.send_email(
        FromEmailAddress="a@example.com",
        Destination={"ToAddresses": ["b@example.org", "c@example.org"]},
        Content={
            "Simple": {
                "Subject": {"Data": "It failed"},
                "Body": {"Text": {"Data": "Look there."}, "Html": {"Data": "<p>Look.</p>"}},
            }
        },
    )

    printed = mails(f"--html={tmp_path}")

    assert "From:    a@example.com\nTo:      b@example.org, c@example.org\n" in printed
    assert "Subject: It failed\n\nLook there.\n" in printed
    assert (tmp_path / "1.html").read_text() == "<p>Look.</p>"
    assert json.loads(mails("--json", "--clear"))[0]["subject"] == "It failed"
    assert mails() == "No e-mail was sent.\n"
