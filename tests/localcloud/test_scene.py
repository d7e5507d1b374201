"""What the demo's narrator says of a function's run."""

from __future__ import annotations

import json

from localcloud.aws import Invocation
from localcloud.scene import line_of


def run(function: str, payload: object, *, failed: bool = False) -> Invocation:
    return Invocation(
        function=function,
        request_id="1",
        source="async",
        attempt=2,
        event={},
        payload=json.dumps(payload).encode(),
        failed=failed,
        log=(),
        duration=0.0234,
        init_duration=None,
    )


def test_an_event_is_lambdas() -> None:
    answer = {"instance_id": "i-1", "action": "created", "reason": "running at 192.0.2.1"}

    line = line_of(run("elephant-local-dns_watchdog", answer))

    assert line == "Lambda:      created: running at 192.0.2.1 (23 ms)"


def test_a_sweep_is_called_a_sweep() -> None:
    answer = {"action": "repaired", "reason": "1 created", "created": 1, "deleted": 0}

    assert (
        line_of(run("elephant-local-sweep", answer)) == "Sweep:       repaired: 1 created (23 ms)"
    )


def test_a_failure_says_which_attempt_it_was() -> None:
    answer = {"errorType": "ValueError", "errorMessage": "told to"}

    line = line_of(run("elephant-local-sweep", answer, failed=True))

    assert line.startswith("Sweep:       failed, attempt 2: ")
    assert "told to" in line
