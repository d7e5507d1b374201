"""What is said of what happens: a line each, and none of what only waits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from localcloud.aws import Delivery, Invocation
from localcloud.wording import line_of, line_of_event

JOIN = "/join/{meeting_id}/{role}"


def run(function: str, event: object, answer: object, *, failed: bool = False) -> Invocation:
    payload = json.dumps(answer).encode()
    return Invocation(function, "1", "request", 1, event, payload, failed, (), 0.012, None)


def asked(
    resource: str, status: int, *, accept: str = "application/json", **headers: str
) -> str | None:
    event: dict[str, Any] = {
        "httpMethod": "GET",
        "resource": resource,
        "pathParameters": {"role": "student"} if resource == JOIN else None,
        "headers": {"Accept": accept} | headers,
    }
    return line_of(run("elephant-local", event, {"statusCode": status, "body": "<html>" * 999}))


def test_a_visit_to_a_page_is_a_line_without_the_page() -> None:
    assert asked("/", 200, accept="text/html") == "API:         GET / is answered 200 (12 ms)"
    line = "API:         GET /join/{meeting_id}/student is answered 202 (12 ms)"
    assert asked(JOIN, 202, accept="text/html") == line


@pytest.mark.parametrize(
    "waiting",
    [asked(JOIN, 202), asked(JOIN, 200, **{"elephant-waiting": "1"}), asked("/desktop", 200)],
)
def test_nothing_is_said_of_pages_and_desktops_that_only_wait(waiting: str | None) -> None:
    assert waiting is None


def test_a_run_that_changed_something_or_failed_says_what() -> None:
    done = {"action": "repaired", "reason": "1 created"}
    idle = {"action": "unchanged", "reason": "nothing to do"}
    assert line_of(run("elephant-local-sweep", {}, done)) == (
        "Sweep:       repaired: 1 created (12 ms)"
    )
    assert line_of(run("elephant-local-sweep", {}, idle)) is None
    error = {"errorType": "Refused", "errorMessage": "no"}
    failed = line_of(run("elephant-local-sweep", {}, error, failed=True))
    assert failed is not None
    assert "failed, attempt 1" in failed


@pytest.mark.parametrize(
    ("detail", "line"),
    [
        ({"instance-id": "i-1", "state": "running"}, "EventBridge: i-1 is running"),
        ({"application": "shop", "state": "FAILURE"}, "EventBridge: shop is FAILURE"),
        ({}, "EventBridge: an event"),
    ],
)
def test_every_event_has_a_line(detail: dict[str, str], line: str) -> None:
    assert line_of_event(Delivery({"detail": detail}, ())) == line
