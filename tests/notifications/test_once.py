"""Of each event one e-mail is sent: whatever is repeated, whatever fails, and none is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.deadline import OutOfTimeError
from chalicelib.notifications.notifier import UnfinishedError
from tests.meetings.ends import Died
from tests.notifications.office import event, run_of

if TYPE_CHECKING:
    from tests.notifications.office import Office

FAILED = event("autoscaling-elb-health-check")
KEY = f"termination/{FAILED['id']}"
CALLS = ["describe_instances", "put_item", "send_email", "update_item"]
SUBJECT = "i-0123456789abcdef0 terminated: ELB system health check failed (web)"


def handle(office: Office, request: str = "1", **context: float) -> dict[str, Any]:
    """Handle the event as a new execution environment does."""
    run = run_of("notify_instance_termination", request, **context)
    return office.terminations().handle(FAILED, run)


def tried(office: Office, request: str = "1") -> list[str]:
    """Handle the event as Lambda does, which tries twice more; return what became of each try."""
    outcomes = []
    for minutes in (1, 2, 0):
        try:
            outcomes.append(handle(office, request)["action"])
            break
        except (Died, BotoCoreError, ClientError, UnfinishedError) as error:
            outcomes.append(type(error).__name__)
            office.faults.dead = False
            office.pass_time(minutes)
    return outcomes


def test_an_event_becomes_one_e_mail_and_is_noted(office: Office) -> None:
    result = handle(office)

    assert office.subjects == [SUBJECT]
    noted = office.sent()[KEY]
    assert result["message_id"] == noted["message_id"] == office.mails[0].id
    assert noted["sent_at"] == f"{office.now():%Y-%m-%dT%H:%M}{noted['sent_at'][16:]}"
    assert office.faults.calls == CALLS


def test_what_was_noted_is_forgotten_in_a_month(office: Office) -> None:
    handle(office)

    kept = int(office.sent()[KEY]["expires_at"]) - office.now().timestamp()
    assert 29.9 < kept / 86400 < 30.1


def test_a_repeated_event_sends_nothing_more(office: Office) -> None:
    assert [handle(office, str(number))["action"] for number in range(4)] == [
        "notified",
        "unchanged",
        "unchanged",
        "unchanged",
    ]
    assert len(office.mails) == 1


def test_another_event_about_the_same_instance_is_another_e_mail(office: Office) -> None:
    handle(office)
    office.terminations().handle(FAILED | {"id": "another"}, run_of("notify_instance_termination"))

    assert len(office.mails) == 2


@pytest.mark.parametrize("at", range(len(CALLS)))
@pytest.mark.parametrize("does", ["refused", "lost", "died before", "died after"])
def test_whatever_fails_an_e_mail_is_sent(office: Office, at: int, does: str) -> None:
    """Twice only if SES took it and nobody could know."""
    office.faults.arm(at, does)

    outcomes = tried(office)

    assert outcomes[-1] in {"notified", "unchanged"}
    nobody_knows = (CALLS[at], does) in {
        ("send_email", "lost"),
        ("send_email", "died after"),
        ("update_item", "died before"),
    }
    assert len(office.mails) == 1 + nobody_knows
    is_noted = "sent_at" in office.sent()[KEY]
    assert is_noted is ((CALLS[at], does) != ("update_item", "refused"))


def test_a_refused_e_mail_is_raised_and_tried_again_at_once(office: Office) -> None:
    office.faults.refused = {("send_email", "")}
    with pytest.raises(ClientError):
        handle(office)
    assert office.sent() == {}
    (outcome, fields, counts) = office.world.reports.lines[-1]
    assert outcome.startswith("failed: An error occurred (InternalError)")
    assert (fields["instance_id"], counts) == ("i-0123456789abcdef0", {"Failed": 1})

    office.faults.refused = set()
    assert handle(office)["action"] == "notified"


def test_while_one_run_sends_it_a_repeated_event_leaves_it_to_that_run(office: Office) -> None:
    # given a run that is just about to send
    results: list[dict[str, Any]] = []
    office.faults.meanwhile["send_email"] = lambda: results.append(handle(office, "2"))

    # when a repeated event comes meanwhile
    handle(office, "1")

    # then it does nothing, and fails at nothing
    ((result),) = results
    assert (result["action"], result["reason"]) == (
        "unchanged",
        "another run is sending the e-mail",
    )
    assert len(office.mails) == 1


def test_a_try_that_may_be_sending_still_is_waited_for(office: Office) -> None:
    """Its claim could not be taken back; it ends with the time that the run had."""
    office.faults.refused = {("send_email", ""), ("delete_item", "")}
    with pytest.raises(ClientError):
        handle(office)
    office.faults.refused = set()

    with pytest.raises(UnfinishedError):
        handle(office)
    assert office.mails == []

    office.pass_time(2)
    assert handle(office)["action"] == "notified"


def test_a_run_that_died_is_followed_by_a_repeated_event_once_its_time_is_over(
    office: Office,
) -> None:
    office.faults.arm(2, "died before")
    with pytest.raises(Died):
        handle(office, "1")
    office.faults.arm(None)

    assert handle(office, "2")["action"] == "unchanged"
    office.pass_time(1.2)
    assert handle(office, "2")["action"] == "notified"


def test_a_run_never_takes_back_what_another_has(office: Office) -> None:
    """One that was so slow that its claim had ended, and another run has sent since."""
    office.faults.refused = {("send_email", "terminated")}

    def overtaken() -> None:
        office.pass_time(5)
        office.faults.refused = set()
        handle(office, "2")
        office.faults.refused = {("send_email", "terminated")}

    office.faults.meanwhile["send_email"] = overtaken
    with pytest.raises(ClientError):
        handle(office, "1")

    assert "sent_at" in office.sent()[KEY]
    assert len(office.mails) == 1


def test_an_e_mail_that_could_not_be_noted_was_sent_all_the_same(office: Office) -> None:
    office.faults.refused = {("update_item", "")}

    result = handle(office)

    assert result["action"] == "notified"
    (warning,) = result["warnings"]
    assert warning.startswith(f"'{KEY}' was sent, but that could not be recorded: ")
    assert office.world.reports.lines[-1][2] == {"Notified": 1, "Warnings": 1}


def test_without_time_nothing_is_sent_and_the_next_try_is_free_to(office: Office) -> None:
    with pytest.raises(OutOfTimeError, match="send the e-mail"):
        handle(office, seconds=12)

    assert office.mails == []
    assert handle(office)["action"] == "notified"


def test_a_refused_claim_is_raised(office: Office) -> None:
    office.faults.refused = {("put_item", KEY)}

    with pytest.raises(ClientError):
        handle(office)
    assert office.mails == []
