"""A run says once what it did, in a form that logs can be searched for and alarms sit on."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from chalicelib.telemetry import LogReporter, Outcome, reported
from tests.world import Context

FUNCTION, OWNER = "dns_watchdog", "elephant:prod/us-west-2"
FIELDS = {
    "request_id": "8f5e",
    "instance_id": "i-0123456789abcdef0",
    "action": "created",
    "reason": "it is running at 192.0.2.1",
}


class Log:
    """What a run has printed, which is what Lambda hands to CloudWatch."""

    def __init__(self, printed: pytest.CaptureFixture[str]) -> None:
        self.reporter = LogReporter(FUNCTION, OWNER)
        self._printed = printed

    def lines(self) -> list[str]:
        """Return every line that was printed since."""
        out, err = self._printed.readouterr()
        assert err == ""
        return out.splitlines()

    def entries(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the one log line and the one line of metrics that were printed since."""
        line, metrics = self.lines()
        return json.loads(line), json.loads(metrics)


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Log:
    """Capture what is printed; a call to anywhere fails the test."""
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("telemetry made a call"))
    return Log(capsys)


# Outcomes


def test_an_outcome_is_reported_and_returned_with_what_the_run_was_about(log: Log) -> None:
    def run(about: dict[str, Any]) -> Outcome:
        about["meeting_id"] = "m1"
        return Outcome("ended", "over", {"instances": ["i-1"], "next_look": ""}, ("careful",))

    result = reported(log.reporter, Context(), run)

    said = {"action": "ended", "reason": "over", "meeting_id": "m1", "instances": ["i-1"]}
    assert result == said | {"warnings": ["careful"]}
    line, metrics = log.entries()
    assert line.items() >= (result | {"request_id": Context().aws_request_id}).items()
    assert "next_look" not in line
    assert metrics_of(metrics)[1] == {"Ended": [1.0], "Warnings": [1.0]}


def test_an_outcome_may_have_metrics_of_its_own() -> None:
    assert Outcome("launched", "", metrics={"Launched": 2}).counts == {"Launched": 2, "Warnings": 0}
    assert Outcome("waiting", "", metrics={}).counts == {"Warnings": 0}


def test_without_an_outcome_nothing_is_reported(log: Log) -> None:
    assert reported(log.reporter, Context(), lambda _: None) == {}
    assert log.lines() == []


def test_what_a_run_raises_is_reported_with_what_it_was_about_and_raised(log: Log) -> None:
    def run(about: dict[str, Any]) -> None:
        about["meeting_id"] = "m1"
        raise ValueError("no such zone")

    with pytest.raises(ValueError, match="no such zone"):
        reported(log.reporter, Context(), run)

    line, metrics = log.entries()
    assert (line["error"], line["meeting_id"]) == ("ValueError", "m1")
    assert line["request_id"] == Context().aws_request_id
    assert metrics_of(metrics)[1] == {"Failed": [1.0]}


# The log


@pytest.mark.parametrize(("warnings", "level"), [(["careful"], "WARNING"), ([], "INFO")])
def test_a_success_is_one_line_and_a_warning_if_it_has_warnings(
    log: Log, warnings: list[str], level: str
) -> None:
    fields = FIELDS | {"warnings": warnings}

    log.reporter.succeeded(fields, {"Created": 1})

    line, _ = log.entries()
    message = "created: it is running at 192.0.2.1"
    said = {"message": message, "level": level, "service": FUNCTION, "owner": OWNER}
    assert line.items() >= (fields | said).items()


def test_a_failure_is_one_error_line_and_leaves_the_traceback_to_lambda(log: Log) -> None:
    """Lambda prints that of what is raised; twice the same would look like two failures."""
    with pytest.raises(ValueError, match="no such zone") as raised:
        raise ValueError("no such zone")
    log.reporter.failed({"request_id": "8f5e"}, {"Failed": 1}, raised.value)

    line, _ = log.entries()
    said = {"message": "failed: ValueError: no such zone", "level": "ERROR", "error": "ValueError"}
    assert line.items() >= ({"request_id": "8f5e"} | said).items()
    assert not {"exception", "exception_name", "stack_trace"} & line.keys()


@pytest.mark.parametrize("text", ["%s %d", "{} {0}", 'a "quoted" \\ word', "ünï ☃", "two\nlines"])
def test_any_text_is_logged_as_it_is(log: Log, text: str) -> None:
    log.reporter.succeeded(FIELDS | {"reason": text}, {"Created": 1})
    line, _ = log.entries()
    assert line["message"] == f"created: {text}"
    log.reporter.failed(FIELDS, {"Failed": 1}, ValueError(text))
    line, _ = log.entries()
    assert line["message"] == f"failed: ValueError: {text}"


def test_the_fields_of_a_run_do_not_appear_in_the_next_ones(log: Log) -> None:
    log.reporter.succeeded(FIELDS | {"meeting": "m1"}, {"Created": 1})
    log.entries()

    log.reporter.succeeded({"action": "ignored", "reason": "none of ours"}, {"Ignored": 1})

    line, metrics = log.entries()
    assert not {"meeting", "instance_id", "request_id"} & line.keys()
    assert "Created" not in metrics


def metrics_of(entry: dict[str, Any]) -> tuple[object, dict[str, object]]:
    """Return where the metrics are found and their values, as CloudWatch reads the line."""
    (directive,) = entry["_aws"]["CloudWatchMetrics"]
    ((dimension,),) = directive["Dimensions"]
    assert {metric["Unit"] for metric in directive["Metrics"]} == {"Count"}
    names = [metric["Name"] for metric in directive["Metrics"]]
    place = (directive["Namespace"], dimension, entry[dimension])
    return place, {name: entry[name] for name in names}


def test_a_count_of_nothing_is_not_sent_but_an_empty_quota_is(log: Log) -> None:
    """A metric costs for each hour in which it has a value."""
    log.reporter.succeeded(FIELDS, {"Created": 0, "Warnings": 0})
    assert len(log.lines()) == 1

    log.reporter.succeeded(FIELDS, {"Created": 0, "QuotaLeft": 0})
    _, entry = log.entries()
    assert metrics_of(entry)[1] == {"QuotaLeft": [0.0]}


def test_counts_are_metrics_of_the_deployment_for_each_run(log: Log) -> None:
    """One dimension: an alarm names just the owner, whichever function counted."""
    for _ in range(2):
        log.reporter.succeeded(FIELDS, {"Created": 1, "Deleted": 0, "QuotaLeft": 1150})

        _, entry = log.entries()
        counted = {"Created": [1.0], "QuotaLeft": [1150.0]}
        assert metrics_of(entry) == (("Elephant", "service", OWNER), counted)
