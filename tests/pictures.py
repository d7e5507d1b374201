"""Pictures of the pages for the documentation: `python -m tests.pictures`, `make pictures`.

A browser shows the pages as the product writes them, with a fixed time, size, language and names,
so that a picture changes only with its page.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from chalicelib.meeting_row.meeting import Meeting, Status
from chalicelib.meetings import booking_page, page
from chalicelib.meetings.admission import admit
from chalicelib.meetings.view import view
from tests import dashboard_picture
from tests.browser import PROGRAMS, Browser
from tests.end_to_end.booking_page import click, fill
from tests.servers import QuietHandler, QuietServer, serving

if TYPE_CHECKING:
    from tests.browser import Tab

PICTURES: Final = Path(__file__).parent.parent / "docs" / "pictures"
NOW: Final = datetime(2027, 3, 15, 9, 5, tzinfo=UTC)
LONGEST: Final = timedelta(hours=4)
DESKTOP: Final = "i-0a3c5e7f9b1d24680"


def meeting(number: int, start: str, status: Status, student: str, **more: str) -> Meeting:
    """Make up a meeting's row."""
    texts = {
        "meet_time": f"2027-03-{start}:00Z",
        "status": status,
        "duration_minutes": "60",
        "time_zone": "Europe/Berlin",
        "teacher_name": "Ada Lovelace",
        "student_name": student,
    }
    return Meeting.made(f"meeting-{number}", texts | more)


MEETINGS: Final = (
    meeting(1, "12T13:00", Status.TERMINATED, "Zoë Müller", termination_reason="SUCCESS"),
    meeting(2, "15T08:45", Status.IN_PROGRESS, "Ben Okafor", student_joined_at="1"),
    meeting(3, "16T15:00", Status.SCHEDULED, "Zoë Müller", time_zone="America/New_York"),
)
WAITED_FOR: Final = meeting(
    4, "15T09:10", Status.LAUNCHED, "Ben Okafor", student_ec2_id=DESKTOP, teacher_ec2_id=DESKTOP
)


class Handler(QuietHandler):
    """Answers with the pages, and with what the booking page's script asks for."""

    protocol_version = "HTTP/1.0"

    def take(self, _: bytes) -> None:
        """Answer a request."""
        path = urlsplit(self.path).path
        if path == "/":
            self._show(booking_page.render("", NOW), booking_page.HEADERS)
        elif path == "/meetings":
            links = {role: f"https://example.com/join/{role}" for role in ("teacher", "student")}
            shown = [view(each, links, NOW, LONGEST) for each in MEETINGS]
            document = {"caller": "office", "invitations": True, "meetings": shown, "next": None}
            self.answer(200, json.dumps(document).encode(), Content_Type="application/json")
        elif "text/html" in self.headers.get("Accept", ""):
            admission = admit(WAITED_FOR, "student", NOW, LONGEST, str)
            self._show(page.render(admission, WAITED_FOR, "student", "", NOW), page.HEADERS)
        else:
            self.answer(503, Retry_After="3600")

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002
        """Date every answer with the pictures' time, which the pages take for theirs."""
        return f"{NOW:%a, %d %b %Y %H:%M:%S} GMT"

    def _show(self, text: str, headers: dict[str, str]) -> None:
        policy = headers["Content-Security-Policy"]
        self.answer(
            200,
            text.encode(),
            Content_Type="text/html; charset=utf-8",
            Content_Security_Policy=policy,
        )


def booking(tab: Tab, url: str) -> None:
    """Sign in, and begin to fill in the form."""
    tab.go(f"{url}/")
    fill(tab, key="a-key-of-the-office-0123456789")
    click(tab, "ask-go")
    tab.wait_for("document.querySelectorAll('.meetings > *').length === 3")
    fill(tab, teacher_name="Ada Lovelace", student_name="Zoë Müller")


def waiting(tab: Tab, url: str) -> None:
    """Open a student's link while the desktop starts."""
    tab.go(f"{url}/join/meeting-4/student")


PAGES: Final = {"booking-page": (booking, 1000, 860), "waiting-page": (waiting, 640, 640)}


def main(directory: Path) -> None:
    """Take every picture."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        sys.exit("the pictures need Chromium (Debian: apt-get install chromium)")
    server = QuietServer(Handler)
    with (
        serving(server),
        tempfile.TemporaryDirectory() as profile,
        Browser(program, Path(profile)) as browser,
    ):
        for name, (go, width, height) in PAGES.items():
            with browser.open() as tab:
                tab.show(width, height, color_scheme="light")
                go(tab, f"http://127.0.0.1:{server.server_port}")
                tab.find("document.fonts.ready")
                (directory / f"{name}.png").write_bytes(tab.screenshot())
        with browser.open() as tab:
            dashboard_picture.take(tab, directory / "dashboard.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
