"""From the join link to the desktop's screen in a real browser, with nothing but the link.

The stage is deployed, its desktops run the kit, and their names lead through Cloudflare's edge.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localcloud.caller import Caller
from localcloud.cloud import LocalCloud, Ports
from localcloud.desktop import Kit
from localcloud.visitor import Visitor
from tests.browser import Browser, Names, find_chromium
from tests.end_to_end.conftest import PROJECT, DeployedStage, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DESCRIBE = ("describe-session", "elephant", "--json")
HEADLINE = "document.querySelector('h1').textContent"


class Stage(DeployedStage):
    """The deployed stage, and a meeting in it."""

    def __init__(self, cloud: LocalCloud) -> None:
        super().__init__(cloud)
        secret = cloud.client("secretsmanager")
        key = secret.get_secret_value(SecretId="elephant-local-schedule-key")["SecretString"]
        self.start_time = cloud.clock.now().replace(microsecond=0) + timedelta(minutes=12)
        wanted = {
            "teacher_name": "Ada",
            "student_name": "Ben",
            "meet_time": self.start_time.isoformat(),
        }
        answer = Caller(cloud.api_url).schedule(wanted, key)
        assert answer.status == 201, answer.text
        self.meeting = str(answer.document["meeting_id"])
        self.link = str(answer.document["student_link"])

    def launch(self) -> None:
        """Let the time come at which the desktops start."""
        self.cloud.pass_until(self.start_time - timedelta(minutes=9))


@pytest.fixture(scope="module")
def stage(copied: Path) -> Iterator[Stage]:
    kit = Kit(poll_seconds=0.5)
    with LocalCloud(PROJECT.settings, Ports(), time_scale=0.01, kit=kit) as cloud:
        cloud.deploy(PROJECT.copy(copied, cloud.cloudflare.url).directory)
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
