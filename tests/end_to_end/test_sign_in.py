"""From the booking, or the join link, to the desktop's screen in a real browser.

The stage is deployed, its desktops run the kit, and their names lead through Cloudflare's edge.
"""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from chalicelib.meetings.lifetime import LEAD
from localcloud.aws import ACCOUNT_ID
from localcloud.caller import Caller
from localcloud.cloud import LocalCloud, Ports
from localcloud.desktop import Kit
from localcloud.story_of_selftest import pace_of
from localcloud.trial import Trial
from localcloud.visitor import Visitor
from ops import cli_selftest
from ops.cli import main
from ops.selftest.instance import RUN_TAG
from tests.browser import Browser, Names, find_chromium
from tests.end_to_end.booking_page import act, at, click, confirm, fill, is_shown, meeting_of
from tests.end_to_end.conftest import PROJECT, TABLE, DeployedStage, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

DESCRIBE = ("describe-session", "elephant", "--json")
HEADLINE = "document.querySelector('h1').textContent"


class Stage(DeployedStage):
    """The deployed stage, and a meeting in it."""

    def __init__(self, cloud: LocalCloud) -> None:
        super().__init__(cloud)
        secret = cloud.client("secretsmanager")
        stored = secret.get_secret_value(SecretId="elephant-local-schedule-key")
        self.key = str(stored["SecretString"])
        self.start_time = cloud.clock.now().replace(microsecond=0) + timedelta(minutes=12)
        wanted = {
            "teacher_name": "Ada",
            "student_name": "Ben",
            "meet_time": self.start_time.isoformat(),
        }
        answer = Caller(cloud.api_url).schedule(wanted, self.key)
        assert answer.status == 201, answer.text
        self.meeting = str(answer.document["meeting_id"])
        self.link = str(answer.document["student_link"])

    def now(self) -> datetime:
        """Return the stage's time, in whole minutes as the page has them."""
        return self.cloud.clock.now().replace(second=0, microsecond=0)

    def when(self, form: str, time: datetime) -> dict[str, str]:
        """Return what one enters into a form of the page for a time."""
        local = time.astimezone(ZoneInfo("Europe/Berlin"))
        return {f"{form}__date": f"{local:%F}", f"{form}__time": f"{local:%H:%M}"}

    def letters(self, to: str, kind: str) -> list[str]:
        """Return the texts of the letters of a kind that somebody got."""
        mails = self.cloud.aws.outbox.mails
        return [each.text for each in mails if each.recipients == (to,) and kind in each.subject]

    def desktops_of(self, row: Mapping[str, str]) -> list[str]:
        """Return the meeting's desktops that run."""
        mine = {row["teacher_ec2_id"], row["student_ec2_id"]}
        return [
            each.instance_id for each in self.cloud.desktops.running() if each.instance_id in mine
        ]

    def launch(self) -> None:
        """Let the time come at which the desktops start, and none pass after it.

        A page may be about to enter meanwhile, and its ticket is good for a minute.
        """
        self.cloud.pass_until(self.start_time - LEAD)


@pytest.fixture(scope="module")
def stage(copied: Path) -> Iterator[Stage]:
    kit = Kit(poll_seconds=0.5)
    sender = f"elephant@{PROJECT.settings.domain_root}"
    settings = PROJECT.settings_with(
        FEATURES="meetings,notifications", MAIL_FROM=sender, MAIL_TO=sender
    )
    with LocalCloud(settings, Ports(), time_scale=0.01, kit=kit) as cloud:
        project = PROJECT.copy(copied, cloud.cloudflare.url).directory
        mail = (f"--mail-from={sender}", f"--mail-to={sender}")
        cloud.change_stage(project, "--with=notifications", *mail)
        cloud.deploy(project)
        yield Stage(cloud)


@pytest.fixture
def browser(stage: Stage, tmp_path: Path) -> Iterator[Browser]:
    edge = stage.cloud.edge
    names = Names(f"*.{stage.cloud.settings.domain_root}", edge.address, edge.key_hash)
    with Browser(find_chromium(), tmp_path / "profile", names) as opened:
        yield opened


def test_a_link_leads_to_the_desktops_screen_and_back_to_it_after_a_break(
    stage: Stage, browser: Browser
) -> None:
    """Meanwhile nobody else gets in at the address that the browser shows."""
    with browser.open() as tab:
        tab.go(stage.link)
        assert tab.find(HEADLINE) == "Your meeting is booked"
        stage.launch()

        tab.wait_for(f'{HEADLINE} === "You are on the student\'s desktop"')
        tab.wait_for("document.body.dataset.connected === 'yes'")

        row = stage.row(stage.meeting)
        assert row["status"] == "IN_PROGRESS"
        address = str(tab.find("location.href"))
        assert address.startswith(f"{row['student_ec2_link']}/?authToken=")
        assert address.endswith("#elephant")
        assert Visitor(stage.cloud.edge).look(address).stream is None
        assert tab.complaints == []

    (desktop,) = (each for each in stage.cloud.desktops.running() if each.role == "student")
    until(lambda: '"num-of-connections": 0' in desktop.dcv.command(DESCRIBE))
    with browser.open() as tab:
        tab.go(address)
        tab.wait_for("document.body.dataset.connected === 'yes'")
        assert tab.find(HEADLINE) == "You are on the student's desktop"


def test_who_has_a_key_and_a_browser_books_moves_enters_and_ends_a_meeting(
    stage: Stage, browser: Browser
) -> None:
    """And nothing else: the links come by e-mail."""
    start = stage.now() + timedelta(hours=3)
    with browser.open() as page, browser.open() as desktop:
        page.go(f"{stage.cloud.api_url}/")
        fill(page, key=stage.key)
        click(page, "ask-go")
        page.wait_for(is_shown("app"))
        fill(page, teacher_name="Grace", student_name="Linus", **stage.when("book", start))
        fill(page, teacher_email="grace@example.com", student_email="linus@example.com")
        click(page, "book-go")
        page.wait_for(f"{at('booked-mails')}.textContent.includes('sent to linus@example.com')")
        page.wait_for(f"{at('mine-list')}.textContent.includes('Linus')")

        act(page, "Move", "Linus")
        start -= timedelta(hours=2)
        fill(page, **stage.when("move", start))
        assert "The meeting is on" in confirm(page)
        until(lambda: stage.letters("linus@example.com", "New time") != [])
        assert len(stage.letters("linus@example.com", "Invitation")) == 1
        until(lambda: stage.letters("grace@example.com", "New time") != [])

        (letter,) = stage.letters("linus@example.com", "New time")
        (link,) = re.findall(r"https?://\S+/join/\S+", letter)
        desktop.go(link)  # a page that is opened later might wait for a click
        assert desktop.find(HEADLINE) == "Your meeting is booked"
        stage.cloud.pass_until(start - LEAD)  # and no further: see `launch`
        desktop.wait_for(f'{HEADLINE} === "You are on the student\'s desktop"')
        meeting = link.partition("/join/")[2].partition("/")[0]
        assert stage.row(meeting)["status"] == "IN_PROGRESS"

        click(page, "refresh")
        page.wait_for(f"{meeting_of('Linus')}.textContent.includes('End now')")
        act(page, "End now", "Linus")
        assert "ended" in confirm(page)
        stage.cloud.settle()
        row = stage.row(meeting)
        assert (row["status"], row["termination_reason"]) == ("TERMINATED", "CANCELLED")
        until(lambda: not stage.desktops_of(row))
        desktop.go(link)
        desktop.wait_for(f'{HEADLINE} === "This meeting is over"')
        assert page.complaints == []


class Typing:
    """Somebody who presses Enter until a meeting is healthy, then lets people finish, and goes."""

    def __init__(self, stage: Stage, links: Callable[[], list[str]]) -> None:
        self._stage = stage
        self._links = links
        self.statuses: list[str] = []

    def readline(self) -> str:
        """Return the next line; the end of the input is an empty one."""
        booking, _, student = self._links()
        assert Caller(booking).request("GET", "", None).status == 200
        assert Caller(student).look(student).status in {200, 202}
        self.statuses.append(self._stage.row(student.split("/")[-2])["status"])
        match self.statuses[-1]:
            case "HEALTHY":
                return "f\n"
            case "TERMINATED":
                return ""
            case _:
                return "\n"


def test_who_tries_it_lets_time_pass_and_everybody_finish(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = ""

    def links() -> list[str]:
        nonlocal printed
        printed += capsys.readouterr().out
        return re.findall(r"^http://\S+", printed, re.MULTILINE)

    typing = Typing(stage, links)
    monkeypatch.setattr(sys, "stdin", typing)
    Trial(stage.cloud).run()
    assert (typing.statuses[0], *typing.statuses[-2:]) == ("SCHEDULED", "HEALTHY", "TERMINATED")
    assert "The links lead to the desktops now" in printed
    assert "Lambda:      created: running at" in printed


def test_the_stage_proves_itself_and_the_report_names_nothing_of_it(
    stage: Stage, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a meeting of its own; its desktops need this machine's time."""
    for name, value in stage.cloud.exports.items():
        monkeypatch.setenv(name, value)
    pace = pace_of(stage.cloud)

    def sleep(_: float) -> None:
        time.sleep(0.02)
        pace.sleep(1)

    monkeypatch.setattr(cli_selftest, "PACE", replace(pace, sleep=sleep))
    report = tmp_path / "report.json"
    options = f"selftest local --project={copied} --meeting --yes --report={report}".split()

    result = CliRunner().invoke(main, options)

    assert result.exit_code == 0, result.output
    assert "22 of 22 promises kept" in result.output
    found = json.loads(report.read_text())
    assert found["kept"]
    settings = stage.cloud.settings
    secret = (settings.domain_root, settings.zone_id, settings.owner, "i-0", ACCOUNT_ID, stage.key)
    assert not [each for each in secret if each in report.read_text()]
    assert "the row, with id, status" in found["facts"]["DynamoDB returns with a failed condition"]


def test_a_self_test_that_is_interrupted_leaves_nothing(
    stage: Stage, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stage.cloud.exports.items():
        monkeypatch.setenv(name, value)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_selftest, "PACE", replace(pace_of(stage.cloud), sleep=interrupt))
    report = tmp_path / "report.json"
    options = f"selftest local --project={copied} --report={report}".split()

    result = CliRunner().invoke(main, options, input="y\nn\n")

    assert result.exit_code == 130
    assert "what was launched is terminated" in result.output
    assert not json.loads(report.read_text())["kept"]
    tagged = [{"Name": "tag-key", "Values": [RUN_TAG]}]
    found = stage.ec2.describe_instances(Filters=tagged)["Reservations"]
    assert {each["Instances"][0]["State"]["Name"] for each in found} == {"terminated"}
    rows = stage.cloud.client("dynamodb").scan(TableName=TABLE)["Items"]
    assert not [each for each in rows if each["id"]["S"].startswith("selftest-")]
