"""Of each event one e-mail is sent: whatever is repeated, whatever fails, and none is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.deadline import OutOfTimeError
from chalicelib.notifications.notifier import UnfinishedError
from tests.meetings.ends import Died
from tests.notifications.harness import event, run_of

if TYPE_CHECKING:
    from tests.notifications.harness import Stage

FAILED = event("autoscaling-elb-health-check")
KEY = f"termination/{FAILED['id']}"
CALLS = ["describe_instances", "put_item", "send_email", "update_item"]
SUBJECT = "i-0123456789abcdef0 terminated: ELB system health check failed (web)"


def handle(stage: Stage, request: str = "1", **context: float) -> dict[str, Any]:
    """Handle the event as a new execution environment does."""
    run = run_of("notify_instance_termination", request, **context)
    return stage.terminations().handle(FAILED, run)


def tried(stage: Stage, request: str = "1") -> list[str]:
    """Handle the event as Lambda does, which tries twice more; return what became of each try."""
    outcomes = []
    for minutes in (1, 2, 0):
        try:
            outcomes.append(handle(stage, request)["action"])
            break
        except (Died, BotoCoreError, ClientError, UnfinishedError) as error:
            outcomes.append(type(error).__name__)
            stage.faults.dead = False
            stage.pass_time(minutes)
    return outcomes


def test_an_event_becomes_one_e_mail_and_is_noted(stage: Stage) -> None:
    result = handle(stage)

    assert stage.subjects == [SUBJECT]
    noted = stage.sent()[KEY]
    assert result["message_id"] == noted["message_id"] == stage.mails[0].id
    assert noted["sent_at"] == f"{stage.now():%Y-%m-%dT%H:%M}{noted['sent_at'][16:]}"
    assert stage.faults.calls == CALLS


def test_what_was_noted_is_forgotten_in_a_month(stage: Stage) -> None:
    handle(stage)

    kept = int(stage.sent()[KEY]["expires_at"]) - stage.now().timestamp()
    assert 29.9 < kept / 86400 < 30.1


def test_a_repeated_event_sends_nothing_more(stage: Stage) -> None:
    assert [handle(stage, str(number))["action"] for number in range(4)] == [
        "notified",
        "unchanged",
        "unchanged",
        "unchanged",
    ]
    assert len(stage.mails) == 1


def test_another_event_about_the_same_instance_is_another_e_mail(stage: Stage) -> None:
    handle(stage)
    stage.terminations().handle(FAILED | {"id": "another"}, run_of("notify_instance_termination"))

    assert len(stage.mails) == 2


@pytest.mark.parametrize("at", range(len(CALLS)))
@pytest.mark.parametrize("does", ["refused", "lost", "died before", "died after"])
def test_whatever_fails_an_e_mail_is_sent(stage: Stage, at: int, does: str) -> None:
    """Twice only if SES took it and nobody could know."""
    stage.faults.arm(at, does)

    outcomes = tried(stage)

    assert outcomes[-1] in {"notified", "unchanged"}
    nobody_knows = (CALLS[at], does) in {
        ("send_email", "lost"),
        ("send_email", "died after"),
        ("update_item", "died before"),
    }
    assert len(stage.mails) == 1 + nobody_knows
    is_noted = "sent_at" in stage.sent()[KEY]
    assert is_noted is ((CALLS[at], does) != ("update_item", "refused"))


def test_a_refused_e_mail_is_raised_and_tried_again_at_once(stage: Stage) -> None:
    stage.faults.refused = {("send_email", "")}
    with pytest.raises(ClientError):
        handle(stage)
    assert stage.sent() == {}
    (outcome, fields, counts) = stage.world.reports.lines[-1]
    assert outcome.startswith("failed: An error occurred (InternalError)")
    assert (fields["instance_id"], counts) == ("i-0123456789abcdef0", {"Failed": 1})

    stage.faults.refused = set()
    assert handle(stage)["action"] == "notified"


def test_while_one_run_sends_it_a_repeated_event_leaves_it_to_that_run(stage: Stage) -> None:
    # given a run that is just about to send
    results: list[dict[str, Any]] = []
    stage.faults.meanwhile["send_email"] = lambda: results.append(handle(stage, "2"))

    # when a repeated event comes meanwhile
    handle(stage, "1")

    # then it does nothing, and fails at nothing
    ((result),) = results
    assert (result["action"], result["reason"]) == (
        "unchanged",
        "another run is sending the e-mail",
    )
    assert len(stage.mails) == 1


def test_a_try_that_may_be_sending_still_is_waited_for(stage: Stage) -> None:
    """Its claim could not be taken back; it ends with the time that the run had."""
    stage.faults.refused = {("send_email", ""), ("delete_item", "")}
    with pytest.raises(ClientError):
        handle(stage)
    stage.faults.refused = set()

    with pytest.raises(UnfinishedError):
        handle(stage)
    assert stage.mails == []

    stage.pass_time(2)
    assert handle(stage)["action"] == "notified"


def test_a_run_that_died_is_followed_by_a_repeated_event_once_its_time_is_over(
    stage: Stage,
) -> None:
    stage.faults.arm(2, "died before")
    with pytest.raises(Died):
        handle(stage, "1")
    stage.faults.arm(None)

    assert handle(stage, "2")["action"] == "unchanged"
    stage.pass_time(1.2)
    assert handle(stage, "2")["action"] == "notified"


def test_a_run_never_takes_back_what_another_has(stage: Stage) -> None:
    """One that was so slow that its claim had ended, and another run has sent since."""
    stage.faults.refused = {("send_email", "terminated")}

    def overtaken() -> None:
        stage.pass_time(5)
        stage.faults.refused = set()
        handle(stage, "2")
        stage.faults.refused = {("send_email", "terminated")}

    stage.faults.meanwhile["send_email"] = overtaken
    with pytest.raises(ClientError):
        handle(stage, "1")

    assert "sent_at" in stage.sent()[KEY]
    assert len(stage.mails) == 1


def test_an_e_mail_that_could_not_be_noted_was_sent_all_the_same(stage: Stage) -> None:
    stage.faults.refused = {("update_item", "")}

    result = handle(stage)

    assert result["action"] == "notified"
    (warning,) = result["warnings"]
    assert warning.startswith(f"'{KEY}' was sent, but that could not be recorded: ")
    assert stage.world.reports.lines[-1][2] == {"Notified": 1, "Warnings": 1}


def test_without_time_nothing_is_sent_and_the_next_try_is_free_to(stage: Stage) -> None:
    with pytest.raises(OutOfTimeError, match="send the e-mail"):
        handle(stage, seconds=12)

    assert stage.mails == []
    assert handle(stage)["action"] == "notified"


def test_a_refused_claim_is_raised(stage: Stage) -> None:
    stage.faults.refused = {("put_item", KEY)}

    with pytest.raises(ClientError):
        handle(stage)
    assert stage.mails == []
