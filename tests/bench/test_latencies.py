"""Latencies: an event takes as long as its rounds, and a round as long as its longest call."""

import pytest

from bench import latencies

OURS = (("DescribeInstances", "GET"), ("GetItem", "POST"), ("UpdateItem",))
GUIDE = (("DescribeInstances",), ("GetSecretValue",), ("GET",), ("POST",), ("UpdateItem",))


def test_calls_that_came_together_are_one_round() -> None:
    calls = [(0.46, "POST"), (0.0, "GET"), (0.01, "DescribeInstances"), (0.23, "UpdateItem")]
    assert latencies.rounds_of(calls, 0.2) == (
        ("DescribeInstances", "GET"),
        ("UpdateItem",),
        ("POST",),
    )


def test_the_record_is_there_after_its_round_and_the_row_after_the_last() -> None:
    record, row = zip(*latencies.sample(OURS, cpu=0.0), strict=True)
    assert all(each < then for each, then in zip(record, row, strict=True))
    with_cpu = latencies.sample(OURS, cpu=0.1)
    share = 100 * latencies.FULL_PROCESSOR / latencies.MEMORY
    assert with_cpu[0][0] - record[0] == pytest.approx(share)


def test_both_have_rows_for_the_record_and_the_row() -> None:
    rounds, cpu = {"ours": OURS, "guide": GUIDE}, {"ours": 0.007, "guide": 0.007}
    figures = latencies.measure(rounds, cpu)
    assert [figure.name for figure in figures] == [
        f"event to {end}, {percent} % of events within"
        for end in ("record", "row")
        for percent in (50, 99)
    ]
    assert all(figure.ratio and figure.ratio < 1 for figure in figures)
    assert figures == latencies.measure(rounds, cpu)
