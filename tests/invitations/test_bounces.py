"""A letter that came back is noted for the person whom it was for, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.invitations.bounces import bounce_pattern
from tests.meetings.launches import ID
from tests.notifications.harness import run_of

if TYPE_CHECKING:
    from tests.invitations.harness import Invitations

EVENT = json.loads((Path(__file__).parent / "bounce.json").read_text())


def event(kind: str = "Email Bounced", bounce: str = "Permanent", **tags: str) -> dict[str, Any]:
    """Return SES's event about a letter with these tags."""
    found: dict[str, Any] = json.loads(json.dumps(EVENT))
    found["detail-type"] = kind
    found["detail"]["bounce"]["bounceType"] = bounce
    found["detail"]["mail"]["tags"] |= {
        name.replace("__", ":"): [text] for name, text in tags.items()
    }
    return found


def noted(stage: Invitations, said: object) -> str:
    """Handle an event, and return what was done."""
    return str(
        stage.functions().invitations.note_bounce.handle(said, run_of("note_bounce"))["action"]
    )


@pytest.mark.parametrize("kind", ["Email Bounced", "Email Rejected"])
def test_the_row_says_that_a_letter_came_back(stage: Invitations, kind: str) -> None:
    stage.book(teacher_mail="invitation 0 sent", student_mail="invitation 0 sent")

    assert noted(stage, event(kind)) == "updated"
    assert stage.marks() == ("invitation 0 bounced", "invitation 0 sent")
    assert noted(stage, event(kind)) == "unchanged"
    assert stage.world.reports.lines[0][2]["NotInvited"] == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "invitation 0 bounced"),  # SES was faster than the run that sent it
        ("reminder 0 sent", "reminder 0 bounced"),
        ("invitation 1 sent", "invitation 1 sent"),
    ],
)
def test_only_what_was_sent_for_the_same_time_came_back(
    stage: Invitations, before: str, after: str
) -> None:
    stage.book(teacher_mail=before)

    noted(stage, event())

    assert stage.marks()[0] == after


def test_a_letter_that_came_back_before_it_was_noted_as_sent_stays_so(stage: Invitations) -> None:
    stage.book(student_email="")
    stage.faults.meanwhile["update_item"] = lambda: noted(stage, event())

    stage.feed()

    assert stage.marks()[0] == "invitation 0 bounced"


@pytest.mark.parametrize(
    "said",
    [
        event(ses__configuration_set="") | {"source": "aws.ec2"},
        event(**{"ses__configuration-set": "elephant-other-invitations"}),
        event(bounce="Transient"),  # of the subtype General: an absence, perhaps
        event(role="observer"),
        event(letter="bill"),
        event(number="one"),
        event("Email Delivered"),
        event(meeting="gone"),
        None,
    ],
)
def test_other_events_are_left_alone(stage: Invitations, said: object) -> None:
    stage.book(teacher_mail="invitation 0 sent")

    assert noted(stage, said) == "ignored"
    assert stage.marks()[0] == "invitation 0 sent"


def test_the_rule_lets_in_what_has_a_meetings_tag() -> None:
    pattern = bounce_pattern()

    assert EVENT["source"] in pattern["source"]
    assert EVENT["detail-type"] in pattern["detail-type"]
    assert EVENT["detail"]["mail"]["tags"]["meeting"] == [ID]
