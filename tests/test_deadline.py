"""A run ends by itself before Lambda ends it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from chalicelib.deadline import RESERVE, Deadline, OutOfTimeError, require_time


@dataclass
class Context:
    """Lambda's context, with a fixed time left."""

    milliseconds: float
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"
    invoked_function_arn: str = ""

    def get_remaining_time_in_millis(self) -> float:
        return self.milliseconds


def test_a_second_of_lambdas_time_is_kept_for_the_report() -> None:
    # given a run that Lambda ends in a minute
    deadline = Deadline.of(Context(60_000), clock=lambda: 1000.0)

    # then its steps may take a second less
    assert RESERVE == 1.0
    assert deadline.at == 1059.0
    assert deadline.remaining() == 59.0


def test_what_remains_follows_the_clock_and_is_negative_after_the_deadline() -> None:
    # given a deadline on a clock that goes on
    now = [100.0]
    deadline = Deadline(110.0, clock=lambda: now[0])
    assert deadline.remaining() == 10.0

    # when it has passed
    now[0] = 112.5

    # then
    assert deadline.remaining() == -2.5


def test_the_clock_is_the_time_of_day_unless_another_is_given() -> None:
    before = time.time()
    deadline = Deadline.of(Context(5_000))
    after = time.time()

    assert before + 4 <= deadline.at <= after + 4
    assert 0 < Deadline(time.time() + 60).remaining() <= 60


def test_a_step_that_just_fits_may_begin() -> None:
    Deadline(100.5, clock=lambda: 100.0).require(0.5, "call Cloudflare")


@pytest.mark.parametrize(
    ("at", "remain"), [(100.4, "0.4"), (100.0, "0.0"), (97.0, "-3.0")], ids=["less", "none", "past"]
)
def test_a_step_that_does_not_fit_is_not_begun_and_the_error_says_so(
    at: float, remain: str
) -> None:
    # given less time than the step may take
    deadline = Deadline(at, clock=lambda: 100.0)

    # when it is about to begin
    with pytest.raises(OutOfTimeError) as caught:
        deadline.require(0.5, "call Cloudflare (GET /zones)")

    # then the error names the step, what it needs and what there is
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
