"""A stage with invitations in moto's AWS: a row, its stream, and what people get."""

from __future__ import annotations

import email
from datetime import timedelta
from email.policy import default
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from icalendar import Calendar

from chalicelib.clock import format_time
from chalicelib.meetings.keys import hash_of, join_keys, key_hash_attribute
from tests.meetings.launches import ID
from tests.notifications.harness import PLACE, Stage, run_of

if TYPE_CHECKING:
    from email.message import EmailMessage

    from botocore.session import Session

    from tests.world import World

SEED = "s" * 43
SENDER = "elephant@example.com"
TEACHER, STUDENT = "ada@example.net", "bob@example.net"
API = "https://api.example.com/prod"
LINKS = {
    role: f"{API}/join/{ID}/{role}?key={key}" for role, key in join_keys(SEED.encode(), ID).items()
}
START = timedelta(days=2)


class Got(NamedTuple):
    """A letter as its recipient gets it."""

    to: str
    subject: str
    text: str
    html: str
    event: Any
    method: str | None
    message: EmailMessage

    @classmethod
    def parse(cls, raw: str) -> Got:
        message = email.message_from_string(raw, policy=default)
        part = message.get_body(("calendar",))
        found = Calendar.from_ical(part.get_content()) if part else None
        return cls(
            message["To"],
            message["Subject"],
            _content(message, "plain"),
            _content(message, "html"),
            found.walk("VEVENT")[0] if found else None,
            str(found["METHOD"]) if found else None,
            message,
        )


def _content(message: EmailMessage, kind: Any) -> str:  # noqa: ANN401
    part = message.get_body((kind,))
    assert part
    return str(part.get_content())


class Invitations(Stage):
    """A stage with both features and one meeting, two days ahead."""

    def __init__(self, world: World, session: Session) -> None:
        super().__init__(world, session)
        world.secrets.create_secret(Name=PLACE.seed_secret, SecretString=SEED)
        self._clients["secretsmanager"] = cast("Any", world.secrets)
        self.has_meetings = True
        self.waits: list[float] = []

    def book(self, **attributes: str) -> None:
        """Write the row of a confirmed meeting."""
        texts = {
            "status": "SCHEDULED",
            "meet_time": format_time(self.now() + START),
            "scheduled_by": "office",
            "scheduled_at": format_time(self.now()),
            "duration_minutes": "60",
            "time_zone": "Europe/Berlin",
            "teacher_name": "Ada Lovelace",
            "student_name": "Bob",
            "teacher_email": TEACHER,
            "student_email": STUDENT,
            "jitsi_url": "https://meet.example.org/abc",
            "api_url": API,
        }
        keys = join_keys(SEED.encode(), ID)
        texts |= {key_hash_attribute(role): hash_of(key) for role, key in keys.items()}
        self.world.put_row(ID, **texts | attributes)

    def change(self, **attributes: str) -> None:
        """Change the row as others do."""
        self.world.put_row(ID, **self.world.row(ID) | attributes)

    def record(self, number: int = 1, **attributes: str) -> dict[str, Any]:
        """Return the stream's record of the row as it is now."""
        image = {"id": ID} | self.world.row(ID) | attributes
        return {
            "eventName": "MODIFY",
            "dynamodb": {
                "SequenceNumber": str(number),
                "Keys": {"id": {"S": ID}},
                "NewImage": {name: {"S": text} for name, text in image.items()},
            },
        }

    def feed(self, *records: dict[str, Any], run: str = "1") -> list[str]:
        """Handle records, by default one of the row as it is; return the numbers that failed."""
        event = {"Records": list(records) or [self.record()]}
        functions = self.functions()
        functions.sleep = self.waits.append
        answer = functions.invitations.invite.handle(event, run_of("invite", run))
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def follow(self, **attributes: str) -> list[str]:
        """Change the row, and handle what follows until nothing does; return the subjects."""
        self.change(**attributes)
        before = len(self.mails)
        row: dict[str, str] = {}
        while row != self.world.row(ID):
            row = self.world.row(ID)
            assert self.feed() == []
        return [each.subject for each in self.letters[before:]]

    @property
    def letters(self) -> list[Got]:
        return [Got.parse(each.raw_data) for each in self.mails]

    def letter(self, to: str) -> Got:
        """Return the last letter to an address."""
        return [each for each in self.letters if each.to == to][-1]

    def marks(self) -> tuple[str | None, str | None]:
        row = self.world.row(ID)
        return row.get("teacher_mail"), row.get("student_mail")
