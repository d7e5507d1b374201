"""People with rights on the table and on EC2, who do what no program does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from tests.simulation.meetings.world import MINUTE, is_over, meet_time
from tests.simulation.names import ROLES
from tests.world import OWNER

if TYPE_CHECKING:
    from tests.simulation.meetings.stage import MeetingStage

ERASE, POSTPONE = "erase the row", "postpone the meeting"
NOTE_FOREIGN, NOTE_ANOTHERS = "note a foreign instance", "note another meeting's desktop"
MEDDLING: Final = (ERASE, POSTPONE, NOTE_FOREIGN, NOTE_ANOTHERS)
ANOTHER: Final = "another-meeting"
"""A meeting without a row, whose desktop is nobody's to end before it is old."""


class Meddlers:
    """Change rows by hand; `touched` are the meetings of which less is promised since."""

    def __init__(self, stage: MeetingStage) -> None:
        self._stage = stage
        self.touched: set[str] = set()

    def meddle(self, number: int, how: str) -> None:
        """Do something to one of the rows, counted round."""
        rows = list(self._stage.dynamodb.items)
        row = rows[number % len(rows)]
        item = self._stage.dynamodb.items[row]
        self.touched.add(row)
        if how == ERASE:
            self._stage.dynamodb.store(row, None)
        elif how == POSTPONE and not is_over(item):
            later = datetime.fromtimestamp(meet_time(item) + 20 * MINUTE, UTC)
            text = f"{later:%Y-%m-%dT%H:%M:%SZ}"
            self._stage.dynamodb.store(row, {**item, "meet_time": {"S": text}})
        elif how in {NOTE_FOREIGN, NOTE_ANOTHERS}:
            role = ROLES[number % len(ROLES)]
            self._stage.dynamodb.store(row, {**item, f"{role}_ec2_id": {"S": self._host(row, how)}})

    def _host(self, row: str, how: str) -> str:
        """Launch what the row is to note: neither is this meeting's, whatever its tags are like."""
        is_foreign = how == NOTE_FOREIGN
        project, meeting = ("Other", row) if is_foreign else ("Elephant", ANOTHER)
        tags = {"Project": project, "MeetingID": meeting, "elephant:owner": OWNER}
        return self._stage.ec2.launch(**tags, Role="teacher").id
