"""The life of desktops: they start, report that they are well, upload what they have, and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.simulation.dynamodb import LARGEST, size_of
from tests.simulation.fleet import Fleet
from tests.simulation.meetings.world import status
from tests.simulation.names import RANKS, is_gone, link_to, links, text

if TYPE_CHECKING:
    from tests.simulation.dynamodb import Item
    from tests.simulation.ec2 import Host
    from tests.simulation.meetings.stage import MeetingStage

BOOT: Final = 30.0
CHECK: Final = 20.0
"""Seconds between a desktop's checks of itself."""
SHUTDOWN: Final = 30.0


class Desktops(Fleet):
    """What desktops do by themselves."""

    def __init__(self, stage: MeetingStage) -> None:
        super().__init__(stage)
        self._meetings = stage

    def end(self, host: Host) -> None:
        """Let an instance be shut down for good."""
        assert host.view
        self._become(host, "shutting-down", host.view.address)

    def step(self, host: Host) -> None:
        """Let it do the next thing of its life."""
        state = host.view.state if host.view else ""
        if state in {"pending", "shutting-down"}:
            self._ripen(host, addressed=True)
        elif state == "running":
            self._report(host)

    def next_step(self, host: Host) -> float | None:
        """Tell when it does the next thing by itself."""
        since, view = host.past[-1]
        if view is None or view.state in {"terminated", "stopped"}:
            return None
        if view.state == "running":
            return since + CHECK if self._is_to_report(host) else None
        return since + (BOOT if view.state == "pending" else SHUTDOWN)

    def upload(self, host: Host) -> None:
        """Let it leave its session's data in the row, as it does when its user has finished."""
        row = self._row(host)
        role = host.view.tag("Role") if host.view else None
        if row and not is_gone(host.view):
            item = self._meetings.dynamodb.items[row]
            data = {"S": f"s3://recordings/{row}/{role}"}
            self.write(row, {**item, f"{role}_session_data": data})

    def report_again(self, host: Host) -> None:
        """Let its check say once more that it is well, as the guide's does during a meeting."""
        row = self._row(host)
        item = self._meetings.dynamodb.items.get(row or "", {})
        if row and status(item) == "IN_PROGRESS" and not is_gone(host.view):
            self.write(row, {**item, "status": {"S": "HEALTHY"}})

    def _is_to_report(self, host: Host) -> bool:
        """Tell whether its check goes well: it has its address, and the row does not say so."""
        row = self._row(host)
        item = self._meetings.dynamodb.items.get(row or "", {})
        has_link = link_to(host.id) in links(item).values()
        is_well = all(
            order.plan.is_well
            for order in self._meetings.callers.orders
            if order.teacher == text(item, "teacher_name")
        )
        return is_well and has_link and 0 < RANKS.get(status(item), -1) < RANKS["HEALTHY"]

    def _report(self, host: Host) -> None:
        row = self._row(host)
        if row and self._is_to_report(host):
            item = self._meetings.dynamodb.items[row]
            self.write(row, {**item, "status": {"S": "HEALTHY"}})

    def write(self, row: str, item: Item) -> None:
        """Write to the row, unless DynamoDB refuses it for its size."""
        if size_of(item) <= LARGEST:
            self._meetings.dynamodb.store(row, item)

    def _row(self, host: Host) -> str | None:
        row = host.view.tag("MeetingID") if host.view else None
        return row if row in self._meetings.dynamodb.items else None
