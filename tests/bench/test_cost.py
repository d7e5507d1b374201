"""The month on paper: worked out from measured figures, and from nothing if some are missing."""

import re

import pytest

from bench import cost
from bench.figure import Figure, Spread
from bench.servers import ROOT

VALUES = dict(zip(cost.NEEDED, (3, 19, 3, 24, 28, 1.8, 70, 16), strict=True))
MEASURED = [
    Figure(group, name, "", Spread.exact(value), Spread.exact(value), "guide")
    for (group, _, name), value in ((key.partition(": "), value) for key, value in VALUES.items())
]


def test_a_run_waits_for_round_trips_and_computes_on_its_share_of_a_processor() -> None:
    second = cost.INSTRUCTIONS_PER_SECOND
    run = cost.Run(trips=4, instructions=second, memory=1769)
    assert run.seconds == pytest.approx(4 * cost.TRIP + 1)
    assert cost.Run(0, second, memory=1769 // 2).seconds == pytest.approx(2, rel=0.01)


def test_a_sweep_is_given_the_memory_that_it_needs() -> None:
    growth = cost.Growth(instructions=(30e6, 2e6), memory=(70, 16 / 1024))
    assert growth.sweep(10).memory == 256
    assert growth.sweep(12_500).memory == 512


def test_a_month_grows_with_the_starts_on_both_sides() -> None:
    months = [month for month in cost.measure(MEASURED) if month.limit]
    assert [month.name for month in months] == [f"{count:,} starts a day" for count in cost.LIMITS]
    ours = [month.ours.middle for month in months if month.ours]
    guide = [month.other.middle for month in months if month.other]
    assert ours == sorted(ours)
    assert guide == sorted(guide)
    assert ours[0] > cost.ALARMS * cost.ALARM > guide[0]


def test_every_alarm_of_a_stage_without_features_is_paid_for() -> None:
    resources = re.split(r"\n  (?=\w)", (ROOT / "ops" / "stack.yaml").read_text())
    alarms = [each for each in resources if "Type: AWS::CloudWatch::Alarm" in each]
    conditions = [re.search(r"Condition: (\w+)", each) for each in alarms]
    counted = [each for each in conditions if each is None or each[1] == "Sweeps"]
    assert len(counted) == cost.ALARMS


def test_the_sweep_reads_a_row_once_for_both_desktops_and_a_metric_is_paid_by_the_hour() -> None:
    event, sweep = cost.Run(3, 19e6), cost.Run(3, 28e6)
    month = cost.our_month(8, [event, event], sweep)
    assert month.surveyed_rows == cost.SWEEPS / 2
    assert month.metrics == pytest.approx(cost.METRICS * 8 / 24)
    assert cost.our_month(1_000, [event, event], sweep).metrics == cost.METRICS


def test_what_is_always_free_is_not_paid_for_and_no_more_than_that() -> None:
    use = cost.Use(requests=2e6, gb_seconds=1, log_gb=6, alarms=12)
    billed = 1e6 * cost.REQUEST + 1 * cost.LOG_GB + 2 * cost.ALARM + cost.SECRET
    assert use.price_with_free_tier == pytest.approx(billed)
    assert use.price_on_arm < use.price


def test_without_one_of_the_measured_figures_there_is_none() -> None:
    assert not any(
        cost.measure(MEASURED[:index] + MEASURED[index + 1 :]) for index in range(len(MEASURED))
    )
