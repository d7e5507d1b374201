"""People, programs and desktops with rights on the table and on EC2, who do what none should."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from tests.simulation.dynamodb import LARGEST, size_of
from tests.simulation.meetings.world import (
    JOINED,
    MINUTE,
    SAFETY_NET,
    desktops_of,
    has_begun,
    is_over,
    meet_time,
    status,
)
from tests.simulation.names import NEIGHBOUR, ROLES, text
from tests.world import OWNER

if TYPE_CHECKING:
    from tests.simulation.dynamodb import Item
    from tests.simulation.meetings.stage import MeetingStage
    from tests.simulation.strands import Strand

ERASE, POSTPONE = "erase the row", "postpone the meeting"
NOTE_FOREIGN, NOTE_ANOTHERS = "note a foreign instance", "note another meeting's desktop"
NOTE_NEIGHBOURS = "note another stage's desktop"
DECLARE, CHURN = "write TERMINATED while people are in", "write the row all the time"
FILL: Final = {
    f"fill {name} but for {room} bytes": (name, room)
    for name in ("status", *(f"{role}_session_data" for role in ROLES))
    for room in (0, 40)
}
"""Without room there is none for a claim, and with a little only for that."""
MEDDLING: Final = (
    *(ERASE, POSTPONE, NOTE_FOREIGN, NOTE_ANOTHERS, NOTE_NEIGHBOURS),
    *(DECLARE, CHURN, *FILL),
)
ANOTHER: Final = "another-meeting"
"""A meeting without a row, whose desktop is nobody's to end before it is old."""
FILLING: Final = "#" * 1000


class Meddlers:
    """Change rows; `touched` are the meetings of which less is promised since.

    Of `disturbed` ones nothing less is promised but that people can get in.
    """

    def __init__(self, stage: MeetingStage) -> None:
        self._stage = stage
        self._churned: set[str] = set()
        self.touched: set[str] = set()
        self.erased: set[str] = set()
        self.disturbed: set[str] = set()

    def meddle(self, number: int, how: str) -> None:
        """Do something to one of the rows, counted round."""
        rows = list(self._stage.dynamodb.items)
        row = rows[number % len(rows)]
        if how in FILL or how in {DECLARE, CHURN}:
            self.disturb(row, how)
            return
        item = self._stage.dynamodb.items[row]
        self.touched.add(row)
        if how == ERASE:
            self.erased.add(row)
            self._stage.dynamodb.store(row, None)
        elif how == POSTPONE and not is_over(item):
            later = datetime.fromtimestamp(meet_time(item) + 20 * MINUTE, UTC)
            when = f"{later:%Y-%m-%dT%H:%M:%SZ}"
            self._stage.dynamodb.store(row, {**item, "meet_time": {"S": when}})
        elif how in {NOTE_FOREIGN, NOTE_ANOTHERS, NOTE_NEIGHBOURS}:
            role = ROLES[number % len(ROLES)]
            self._stage.dynamodb.store(row, {**item, f"{role}_ec2_id": {"S": self._host(row, how)}})

    def race(self, strand: Strand) -> None:
        """Let desktops write to churned rows, each time that the safety net is about to.

        Only then: every change that the terminator fails to claim would make more for it to see.
        """
        if strand.run.function != SAFETY_NET or strand.doing != "before UpdateItem":
            return
        planned = {
            each.meeting or "" for each in self._stage.callers.orders if each.plan.is_churned
        }
        for row in (self._churned | planned) & self._stage.promises.meetings_of(strand.run):
            item = self._stage.dynamodb.items.get(row)
            if item and self._has_desktop(row):
                self._stage.promises.seen["raced"] += 1
                self._stage.desktops.write(row, _churned(item))

    def disturb(self, row: str, how: str) -> None:
        """Do something to the row of a meeting that has desktops and is not over, if it is one."""
        item = self._stage.dynamodb.items.get(row)
        if item is None or is_over(item) or not self._has_desktop(row):
            return
        self.disturbed.add(row)
        if how == CHURN:
            self._churned.add(row)
        elif how == DECLARE and has_begun(item):
            self._stage.promises.seen["declared over"] += 1
            self._stage.dynamodb.store(row, {**item, "status": {"S": "TERMINATED"}})
        elif how in FILL:
            name, room = FILL[how]
            rest = LARGEST - room - size_of({**item, name: {"S": ""}})
            self._stage.desktops.write(row, {**item, name: {"S": "#" * rest}})

    def _has_desktop(self, row: str) -> bool:
        return bool(desktops_of(self._stage.ec2.hosts.values(), row))

    def _host(self, row: str, how: str) -> str:
        """Launch what the row is to note: none is this meeting's, whatever its tags are like."""
        project = "Other" if how == NOTE_FOREIGN else "Elephant"
        owner = NEIGHBOUR if how == NOTE_NEIGHBOURS else OWNER
        meeting = ANOTHER if how == NOTE_ANOTHERS else row
        tags = {"Project": project, "MeetingID": meeting, "elephant:owner": owner}
        return self._stage.ec2.launch(**tags, Role="teacher").id


def _churned(item: Item) -> Item:
    """Change what a decision is made of, and leave the meeting as it is."""
    flipped = {"HEALTHY": "IN_PROGRESS", "IN_PROGRESS": "HEALTHY"}.get(status(item))
    changed = {**item, "status": {"S": flipped}} if flipped and JOINED in item else dict(item)
    for name in (f"{role}_session_data" for role in ROLES):
        if name not in item:
            changed[name] = {"S": ""}
        elif not text(item, name):
            del changed[name]
    return changed
