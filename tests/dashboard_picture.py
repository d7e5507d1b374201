"""A picture of the stack's dashboard with numbers of a morning on the local cloud.

CloudWatch cannot be had here, so the widgets are drawn from the deployed dashboard's definition:
their places, titles, metrics and colours. The numbers are those of the functions' own logs.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import defaultdict
from datetime import timedelta
from html import escape
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any, Final

from localcloud import stage
from localcloud.cloud import LocalCloud, Ports
from localcloud.project import Project
from tests.end_to_end.conftest import start_instance

if TYPE_CHECKING:
    from collections.abc import Iterable

    from localcloud.aws import Invocation
    from tests.browser import Tab

PROJECT: Final = Project(Path(__file__).parent.parent)
HOURS, MINUTES = 3, 5
"""How long the morning is, and the minutes between what happens in it."""
UNIT, HEIGHT, GAP = 40, 26, 4
"""Pixels of the dashboard's grid."""
COLORS: Final = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd")
LAMBDA: Final = "AWS/Lambda"

Metric = tuple[str, str, str]
"""A namespace, a name, and the value of its last dimension."""


class Numbers:
    """The values of metrics, with the minute of each since the beginning."""

    def __init__(self) -> None:
        self._values: defaultdict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(
            list
        )

    def note(self, minute: float, run: Invocation) -> None:
        """Note what a run has measured, and what Lambda measures of it."""
        of_lambda = {"Invocations": 1.0, "Errors": float(run.failed), "Throttles": 0.0}
        of_lambda |= {"Duration": run.duration * 1000, "ConcurrentExecutions": 1.0}
        for name, value in of_lambda.items():
            self._values[LAMBDA, name, run.function].append((minute, value))
        for line in filter(lambda line: line.startswith("{"), run.log):
            document = json.loads(line)
            for group in document.get("_aws", {}).get("CloudWatchMetrics", ()):
                for metric in group["Metrics"]:
                    values = document[metric["Name"]]
                    for value in values if isinstance(values, list) else [values]:
                        key = group["Namespace"], metric["Name"], document["service"]
                        self._values[key].append((minute, float(value)))

    def series(self, metric: Metric, statistic: str, period: float) -> list[tuple[float, float]]:
        """Return a metric's statistic in each period that has values."""
        periods: defaultdict[int, list[float]] = defaultdict(list)
        for minute, value in self._values[metric]:
            periods[int(minute // period)].append(value)
        return [(at * period, _statistic(periods[at], statistic)) for at in sorted(periods)]


def _statistic(values: list[float], name: str) -> float:
    if name.startswith("p"):
        return quantiles([*values, *values], n=100)[int(name[1:]) - 1]
    if name == "Sum":
        return sum(values)
    return min(values) if name == "Minimum" else max(values)


def morning() -> tuple[dict[str, Any], Numbers]:
    """Let desktops of meetings start and end on a local cloud; return dashboard and numbers."""
    chance, numbers, running = random.Random(7), Numbers(), list[str]()  # noqa: S311 (a picture)
    with (
        LocalCloud(stage.settings_of(PROJECT), Ports(), time_scale=0.01) as cloud,
        tempfile.TemporaryDirectory() as directory,
    ):
        stage.deploy(cloud, PROJECT, Path(directory) / "project")
        began, ec2 = cloud.clock.time(), cloud.client("ec2")
        cloud.functions.on_finished(
            lambda run: numbers.note((cloud.clock.time() - began) / 60, run)
        )
        for _ in range(HOURS * 60 // MINUTES):
            for _ in range(chance.randrange(5)):
                running.append(start_instance(ec2, Project=chance.choice(["Elephant"] * 4 + ["X"])))
            for _ in range(min(len(running), chance.randrange(4))):
                ec2.terminate_instances(InstanceIds=[running.pop(0)])
            cloud.settle()
            cloud.pass_until(cloud.clock.now() + timedelta(minutes=MINUTES))
        name = cloud.client("cloudwatch").list_dashboards()["DashboardEntries"][0]["DashboardName"]
        body = cloud.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
    return json.loads(body), numbers


def page(dashboard: dict[str, Any], numbers: Numbers) -> str:
    """Draw the widgets where they are."""
    drawn = "".join(_widget(each, numbers) for each in dashboard["widgets"])
    height = max(each["y"] + each["height"] for each in dashboard["widgets"]) * HEIGHT
    return f"""<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; width: {24 * UNIT}px; height: {height}px; position: relative;
  background: #f2f3f3; font: 11px sans-serif; color: #16191f }}
section {{ position: absolute; box-sizing: border-box; background: #fff; border: 1px solid #d5dbdb;
  padding: 5px 8px; overflow: hidden }}
h2 {{ font-size: 12px; margin: 0 0 2px }} b {{ margin-right: 8px; font-weight: normal }}
i {{ display: inline-block; border: 1px solid #aab7b8; padding: 0 4px; margin: 1px 2px;
  font-style: normal }}</style>{drawn}"""


def _widget(widget: dict[str, Any], numbers: Numbers) -> str:
    place = (
        f"left: {widget['x'] * UNIT + GAP}px; top: {widget['y'] * HEIGHT + GAP}px; "
        f"width: {widget['width'] * UNIT - GAP}px; height: {widget['height'] * HEIGHT - GAP}px"
    )
    properties = widget["properties"]
    title = escape(properties["title"])
    if widget["type"] == "alarm":
        names = (each.rpartition(":")[2] for each in properties["alarms"])
        inner = "".join(f"<i>{escape(each)}</i>" for each in names)
    elif widget["type"] == "metric":
        inner = _chart(properties, numbers, widget)
    else:
        inner = "<p>none in this morning</p>"
    return f'<section style="{place}"><h2>{title}</h2>{inner}</section>'


def _chart(properties: dict[str, Any], numbers: Numbers, widget: dict[str, Any]) -> str:
    width, height = widget["width"] * UNIT - 24, widget["height"] * HEIGHT - 52
    lines = list(_lines(properties, numbers))
    highest = max([1.0, *(value for *_, points in lines for _, value in points)])
    scale_x, scale_y = width / (HOURS * 60), (height - 4) / highest
    drawn, named = "", ""
    for label, color, points in lines:
        at = " ".join(f"{x * scale_x:.1f},{height - y * scale_y:.1f}" for x, y in points)
        drawn += f'<polyline points="{at}" fill="none" stroke="{color}" stroke-width="1.5"/>'
        named += f'<b style="color: {color}">{escape(label)}</b>'
    axis = f'<path d="M0 {height}H{width}" stroke="#aab7b8"/><text y="9">{highest:.0f}</text>'
    return f'<svg width="{width}" height="{height + 2}">{axis}{drawn}</svg><div>{named}</div>'


def _lines(
    properties: dict[str, Any], numbers: Numbers
) -> Iterable[tuple[str, str, list[tuple[float, float]]]]:
    """Yield the label, colour and points of each metric."""
    for index, listed in enumerate(properties["metrics"]):
        options = listed[-1] if isinstance(listed[-1], dict) else {}
        space, name, *dimensions = [each for each in listed if isinstance(each, str)]
        statistic = options.get("stat", properties.get("stat", "Sum"))
        period = properties.get("period", 300) / 60
        points = numbers.series(
            (space, name, dimensions[-1] if dimensions else ""), statistic, period
        )
        color = options.get("color", COLORS[index % len(COLORS)])
        yield options.get("label", name), color, points


def take(tab: Tab, picture: Path) -> None:
    """Show it in a browser, and write the picture."""
    text = page(*morning())
    tab.show(24 * UNIT, 800)
    tab.go("data:text/html;charset=utf-8,<p>")
    tab.find(f"document.open(); document.write({json.dumps(text)}); document.close()")
    picture.write_bytes(tab.screenshot())
