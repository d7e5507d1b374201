"""One e-mail is sent for each event, despite repetitions and failures, and none is lost."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.clock import format_time
from chalicelib.deadline import OutOfTimeError
from chalicelib.notifications.once import UnfinishedError
from tests.meetings.faults import Died
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
    return stage.functions().notifications.termination_reports.handle(FAILED, run)


def handle_with_retries(stage: Stage) -> dict[str, Any]:
    """Handle the event as Lambda does, with two retries at most."""
    for minutes in (1, 2):
        with suppress(Died, BotoCoreError, ClientError, UnfinishedError):
            return handle(stage)
        stage.faults.dead = False
        stage.pass_time(minutes)
    return handle(stage)


def test_an_event_becomes_one_e_mail_which_is_recorded_for_a_month(stage: Stage) -> None:
    result = handle(stage)

    assert stage.subjects == [SUBJECT]
    recorded = stage.sent()[KEY]
    assert result["message_id"] == recorded["message_id"] == stage.mails[0].id
    assert recorded["sent_at"] == format_time(stage.now())
    assert int(recorded["expires_at"]) == (stage.now() + timedelta(days=30)).timestamp()
    assert stage.faults.calls == CALLS


def test_a_repeated_event_sends_nothing_more_and_another_one_does(stage: Stage) -> None:
    actions = [handle(stage, str(number))["action"] for number in range(3)]
    assert actions == ["notified", "unchanged", "unchanged"]
    assert len(stage.mails) == 1

    stage.functions().notifications.termination_reports.handle(
        FAILED | {"id": "another"}, run_of("notify_instance_termination")
    )
    assert len(stage.mails) == 2


@pytest.mark.parametrize("at", range(len(CALLS)))
@pytest.mark.parametrize("does", ["refused", "lost", "died before", "died after"])
def test_an_e_mail_is_sent_despite_any_one_failure(stage: Stage, at: int, does: str) -> None:
    """Twice only if SES took it and nobody could know."""
    stage.faults.arm(at, does)

    assert handle_with_retries(stage)["action"] in {"notified", "unchanged"}
    is_unknown = (CALLS[at], does) in {
        ("send_email", "lost"),
        ("send_email", "died after"),
        ("update_item", "died before"),
    }
    assert len(stage.mails) == 1 + is_unknown
    is_recorded = "sent_at" in stage.sent()[KEY]
    assert is_recorded is ((CALLS[at], does) != ("update_item", "refused"))


@pytest.mark.parametrize("operation", ["put_item", "send_email"])
def test_a_refused_claim_or_e_mail_is_raised_and_tried_again_at_once(
    stage: Stage, operation: str
) -> None:
    stage.faults.refused = {(operation, "")}
    with pytest.raises(ClientError):
        handle(stage)
    assert (stage.sent(), stage.mails) == ({}, [])
    (outcome, fields, counts) = stage.world.reports.lines[-1]
    assert outcome.startswith("failed: An error occurred (InternalError)")
    assert (fields["instance_id"], counts) == ("i-0123456789abcdef0", {"Failed": 1})

    stage.faults.refused = set()
    assert handle(stage)["action"] == "notified"


def test_a_repeated_event_leaves_the_e_mail_to_the_run_that_is_sending_it(stage: Stage) -> None:
    results: list[dict[str, Any]] = []
    stage.faults.meanwhile["send_email"] = lambda: results.append(handle(stage, "2"))

    handle(stage, "1")

    ((result),) = results
    expected = ("unchanged", "another run is sending the e-mail")
    assert (result["action"], result["reason"]) == expected
    assert len(stage.mails) == 1


def test_an_attempt_that_may_still_be_sending_is_waited_for(stage: Stage) -> None:
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


def test_a_slow_run_never_takes_back_another_runs_claim(stage: Stage) -> None:
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


def test_an_e_mail_that_could_not_be_recorded_was_sent(stage: Stage) -> None:
    stage.faults.refused = {("update_item", "")}

    result = handle(stage)

    assert result["action"] == "notified"
    (warning,) = result["warnings"]
    assert warning.startswith(f"'{KEY}' was sent, but that could not be recorded: ")
    assert stage.world.reports.lines[-1][2] == {"Notified": 1, "Warnings": 1}


def test_without_time_nothing_is_sent_and_the_next_attempt_may_send(stage: Stage) -> None:
    with pytest.raises(OutOfTimeError, match="send the e-mail"):
        handle(stage, seconds=12)

    assert stage.mails == []
    assert handle(stage)["action"] == "notified"
