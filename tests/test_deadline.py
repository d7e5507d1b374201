"""A run ends by itself before Lambda ends it."""

from __future__ import annotations

import time

import pytest

from chalicelib.deadline import RESERVE, Deadline, OutOfTimeError, require_time
from tests.world import Context


def test_a_second_of_lambdas_time_is_reserved_for_the_report() -> None:
    deadline = Deadline.of(Context(60_000), clock=lambda: 1000.0)

    assert RESERVE == 1.0
    assert (deadline.at, deadline.remaining()) == (1059.0, 59.0)


def test_the_clock_is_the_time_of_day_by_default() -> None:
    before = time.time()
    deadline = Deadline.of(Context(5_000))
    after = time.time()

    assert before + 4 <= deadline.at <= after + 4
    assert Deadline(after).clock is time.time


@pytest.mark.parametrize(("now", "remain"), [(100.1, "0.4"), (100.5, "0.0"), (103.5, "-3.0")])
def test_a_step_that_does_not_fit_is_not_started_and_the_error_says_so(
    now: float, remain: str
) -> None:
    clock = [100.0]
    deadline = Deadline(100.5, clock=lambda: clock[0])
    deadline.require(0.5, "call Cloudflare")
    clock[0] = now

    with pytest.raises(OutOfTimeError) as caught:
        deadline.require(0.5, "call Cloudflare (GET /zones)")

    assert str(caught.value) == (
        "no time left to call Cloudflare (GET /zones): it may take 0.5 s and "
        f"{remain} s remain; it was not started"
    )


def test_once_the_deadline_in_force_has_come_there_is_no_time() -> None:
    now = [0.0]
    require_time("write")  # none is in force
    with Deadline(10, lambda: now[0]).in_force():
        now[0] = 9.9
        require_time("write")
        now[0] = 10.0
        with pytest.raises(OutOfTimeError, match="no time left to write; it was not started"):
            require_time("write")
        with Deadline(20, lambda: now[0]).in_force():
            require_time("write")
        with pytest.raises(OutOfTimeError):
            require_time("write")
    require_time("write")
