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


def test_what_remains_follows_the_clock_and_is_negative_after_the_deadline() -> None:
    now = [100.0]
    deadline = Deadline(110.0, clock=lambda: now[0])
    assert deadline.remaining() == 10.0

    now[0] = 112.5
    assert deadline.remaining() == -2.5


def test_the_clock_is_the_time_of_day_unless_another_is_given() -> None:
    before = time.time()
    deadline = Deadline.of(Context(5_000))
    after = time.time()

    assert before + 4 <= deadline.at <= after + 4
    assert Deadline(after).clock is time.time


def test_a_step_that_just_fits_may_start() -> None:
    Deadline(100.5, clock=lambda: 100.0).require(0.5, "call Cloudflare")


@pytest.mark.parametrize(("at", "remain"), [(100.4, "0.4"), (100.0, "0.0"), (97.0, "-3.0")])
def test_a_step_that_does_not_fit_is_not_started_and_the_error_says_so(
    at: float, remain: str
) -> None:
    with pytest.raises(OutOfTimeError) as caught:
        Deadline(at, clock=lambda: 100.0).require(0.5, "call Cloudflare (GET /zones)")

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
