"""What the demo's narrator says of a function's run."""

from __future__ import annotations

import json

import pytest

from localcloud.aws import Invocation
from localcloud.scene import line_of


def run(
    function: str,
    payload: object,
    *,
    failed: bool = False,
    event: object = None,
    log: tuple[str, ...] = (),
) -> Invocation:
    return Invocation(
        function=function,
        request_id="1",
        source="async",
        attempt=2,
        event={} if event is None else event,
        payload=json.dumps(payload).encode(),
        failed=failed,
        log=log,
        duration=0.0234,
        init_duration=None,
    )


@pytest.mark.parametrize(
    ("function", "speaker"),
    [
        ("elephant-local-dns_watchdog", "Lambda:     "),
        ("elephant-local-sweep", "Sweep:      "),
        ("elephant-local-launch_ec2", "Launch:     "),
        ("elephant-local-safety_net", "Net:        "),
    ],
)
def test_each_function_speaks_for_itself(function: str, speaker: str) -> None:
    answer = {"action": "created", "reason": "running at 192.0.2.1"}

    line = line_of(run(function, answer))

    assert line == f"{speaker} created: running at 192.0.2.1 (23 ms)"


def test_of_the_api_the_route_and_the_status_are_told() -> None:
    request = {"httpMethod": "POST", "resource": "/schedule"}

    line = line_of(run("elephant-local", {"statusCode": 201}, event=request))

    assert line == "API:         POST /schedule is answered 201 (23 ms)"


def test_of_the_terminator_it_is_told_what_it_ended() -> None:
    said = {"action": "ended", "meetings": ["m1", "m2"]}
    log = ("START RequestId: 1", '"text"', "[]", json.dumps(said))

    line = line_of(run("elephant-local-terminator", {"batchItemFailures": []}, log=log))

    assert line == "Terminator:  ended: m1, m2 (23 ms)"


@pytest.mark.parametrize(
    "invocation",
    [
        run("elephant-local-sweep", {"action": "unchanged", "reason": "all is well"}),
        run(
            "elephant-local-terminator",
            {"batchItemFailures": []},
            log=('{"action": "ignored", "reason": "records"}',),
        ),
    ],
)
def test_of_what_found_nothing_to_do_nothing_is_told(invocation: Invocation) -> None:
    assert line_of(invocation) is None


def test_a_failure_says_which_attempt_it_was() -> None:
    answer = {"errorType": "ValueError", "errorMessage": "told to"}

    line = line_of(run("elephant-local-sweep", answer, failed=True))

    assert line is not None
    assert line.startswith("Sweep:       failed, attempt 2: ")
    assert "told to" in line
