"""Lanes of work."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from localcloud.aws.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers()
    yield workers
    workers.close()


def test_a_lanes_tasks_run_in_order(workers: Workers) -> None:
    done: list[int] = []
    for number in range(20):
        workers.submit("lane", partial(done.append, number))
    workers.wait_idle(5)
    assert done == list(range(20))


def test_no_more_than_the_limit_run_at_once(workers: Workers) -> None:
    both = threading.Barrier(2, timeout=5)
    running: list[int] = []
    most: list[int] = []

    def task() -> None:
        running.append(1)
        most.append(len(running))
        both.wait()
        both.wait()
        running.pop()

    for _ in range(4):
        workers.submit("lane", task, limit=2)
    workers.wait_idle(5)
    assert max(most) == 2


def test_one_lane_does_not_wait_for_another(workers: Workers) -> None:
    go_on = threading.Event()
    passed = threading.Event()
    workers.submit("blocked", lambda: go_on.wait(5))
    workers.submit("free", passed.set)
    assert passed.wait(5)
    go_on.set()


def test_delayed_tasks_run_when_due_and_count_as_work(workers: Workers) -> None:
    done: list[str] = []
    workers.submit("a", lambda: done.append("later"), delay=0.02)
    workers.submit("b", lambda: done.append("sooner"), delay=0.01)
    workers.wait_idle(5)
    assert done == ["sooner", "later"]


def test_work_that_work_submits_is_waited_for(workers: Workers) -> None:
    done: list[str] = []
    workers.submit("a", lambda: workers.submit("a", lambda: done.append("second"), delay=0.01))
    workers.wait_idle(5)
    assert done == ["second"]


def test_waiting_in_vain_says_what_is_still_to_be_done(workers: Workers) -> None:
    go_on = threading.Event()
    workers.submit("busy", lambda: go_on.wait(5))
    workers.submit("busy", int)
    workers.submit("other", int, delay=60)
    with pytest.raises(TimeoutError, match=r"1 due later.*'busy': '1 running, 1 waiting'"):
        workers.wait_idle(0.01)
    go_on.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_task_that_raises_does_not_hold_up_its_lane(workers: Workers) -> None:
    done: list[int] = []
    workers.submit("lane", lambda: done.append(1 // 0))
    workers.submit("lane", lambda: done.append(2))
    workers.wait_idle(5)
    assert done == [2]


def test_after_closing_nothing_runs_and_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    workers = Workers()
    done: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def task() -> None:
        begun.set()
        go_on.wait(5)
        done.append(1)

    workers.submit("lane", task)
    workers.submit("lane", lambda: done.append(2))
    workers.submit("lane", lambda: done.append(3), delay=60)
    assert begun.wait(5)
    closer = threading.Thread(target=workers.close)
    closer.start()
    workers._timer.join(5)  # its end shows that closing has begun
    go_on.set()
    closer.join(5)
    workers.submit("lane", lambda: done.append(4))
    workers.wait_idle(0)
    assert done == [1]
    assert set(threading.enumerate()) <= before
