"""The handler of letters that came back: the row says so, and so does the page.

https://docs.aws.amazon.com/ses/latest/dg/monitoring-eventbridge.html
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from chalicelib.invitations.delivery import write_mark
from chalicelib.invitations.letters import Kind, Mark, Outcome
from chalicelib.meeting_row.meeting import ROLES
from chalicelib.meeting_row.table import decide_again
from chalicelib.resource_names import StageNames
from chalicelib.telemetry import Outcome as Report
from chalicelib.telemetry import reported

if TYPE_CHECKING:
    from chalicelib.deadline import LambdaContext
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.telemetry import Reporter

SOURCE: Final = "aws.ses"
BOUNCED: Final = "Email Bounced"
REJECTED: Final = "Email Rejected"
CONFIGURATION_SET: Final = "ses:configuration-set"
"""The tag that SES adds."""


def bounce_pattern() -> dict[str, Any]:
    """Build the pattern of the rule of `note_bounce`.

    Other stages of the account match it as well, since no setting says the stage's name; the code
    leaves their letters alone.
    """
    return {
        "source": [SOURCE],
        "detail-type": [BOUNCED, REJECTED],
        "detail": {"mail": {"tags": {"meeting": [{"exists": True}]}}},
    }


@dataclass(frozen=True)
class Bounce:
    """A letter that did not arrive."""

    meeting_id: str
    role: str
    mark: Mark

    @classmethod
    def parse(cls, event: object, place: StageNames) -> Bounce | None:
        """Parse any event; None if it is not about a letter of this stage that did not arrive.

        A general bounce that is not permanent may be an automatic reply, to a letter that arrived.
        """
        match event:
            case {
                "source": "aws.ses",
                "detail-type": "Email Bounced",
                "detail": {"bounce": {"bounceType": "Transient", "bounceSubType": "General"}},
            }:
                return None
            case {
                "source": "aws.ses",
                "detail-type": "Email Bounced" | "Email Rejected",
                "detail": {
                    "mail": {
                        "tags": {
                            "ses:configuration-set": [place.mail_events],
                            "meeting": [str(meeting_id)],
                            "role": [str(role)],
                            "letter": [str(kind)],
                            "number": [str(number)],
                        }
                    }
                },
            } if role in ROLES and kind.upper() in Kind.__members__ and number.isdigit():
                mark = Mark(Kind[kind.upper()], int(number), Outcome.BOUNCED)
                return cls(meeting_id, role, mark)
        return None


class Bounces:
    """Notes what came back; one for each execution environment."""

    def __init__(self, *, table: Meetings, reporter: Reporter) -> None:
        self._table = table
        self._reporter = reporter

    def handle(self, event: object, context: LambdaContext) -> dict[str, Any]:
        """Note the bounce in the event, report once, and return the result.

        Errors are raised, so that Lambda retries.
        """
        place = StageNames.of(context.invoked_function_arn)
        return reported(self._reporter, context, lambda about: self._handle(event, place, about))

    def _handle(self, event: object, place: StageNames, about: dict[str, Any]) -> Report:
        bounce = Bounce.parse(event, place)
        if bounce is None:
            return Report("ignored", "it is about no letter of this stage that did not arrive")
        about |= {"meeting_id": bounce.meeting_id, "role": bounce.role}
        return decide_again(lambda: self._note(bounce))

    def _note(self, bounce: Bounce) -> Report:
        """Note it unless a later letter was sent; SES may say it before the sender noted it."""
        meeting = self._table.read_row(bounce.meeting_id)
        if meeting is None:
            return Report("ignored", "there is no such meeting")
        noted = Mark.of(meeting, bounce.role)
        if noted and noted.number > bounce.mark.number:
            return Report("ignored", f"the last letter is another one: {noted}")
        kind = max(noted.kind, bounce.mark.kind) if noted else bounce.mark.kind
        mark = Mark(kind, bounce.mark.number, Outcome.BOUNCED)
        if mark == noted:
            return Report("unchanged", str(mark))
        write_mark(self._table, meeting, bounce.role, mark)
        return Report("updated", str(mark), metrics={"NotInvited": 1})
