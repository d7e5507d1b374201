"""People and other programs: what they do to records, rows and tags, and mostly should not."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from localcloud.cloudflare import ApiError
from tests.simulation.agents import ROUTES, arn_of
from tests.simulation.dynamodb import LARGEST, Item, size_of
from tests.simulation.names import (
    IDS,
    JOINED,
    MINUTE,
    NEIGHBOUR,
    RANKS,
    ROLES,
    SAFETY_NET,
    TERMINATOR,
    is_ours,
    name_of,
)
from tests.world import DOMAIN, OWNER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from localcloud.cloudflare import Record
    from tests.simulation.ec2 import Host
    from tests.simulation.stage import Stage
    from tests.simulation.tasks import Task

STRANGER: Final = "i-0fffffffffffffff0"
"""An instance of another account."""

FOREIGN: Final[Mapping[str, Mapping[str, Any]]] = {
    "another owner's": {"comment": f"{NEIGHBOUR} m=m1 r=teacher"},
    "without a comment": {"comment": None},
    "with another comment": {"comment": "made by hand, see elephant: the book"},
    "text": {"type": "TXT", "content": '"v=1"', "comment": f"{OWNER} m=m1 r=teacher"},
    "alias": {"type": "CNAME", "content": "www.example.org", "comment": None},
    "IPv6": {"type": "AAAA", "content": "2001:db8::1", "comment": f"{OWNER} m=m1 r=teacher"},
}
"""Records that others create, by kind: some of them look much like ours."""
ORPHAN, DUPLICATE = "orphan", "duplicate"
KINDS: Final = (*FOREIGN, ORPHAN, DUPLICATE)

EDITS: Final[tuple[dict[str, object] | None, ...]] = (
    None,
    {"content": "198.51.100.254"},
    {"proxied": False},
    {"comment": None},
    {"comment": f"{NEIGHBOUR} m=m1 r=teacher"},
    {"comment": f"{OWNER} m=m2 r=student"},
    {"comment": f"{OWNER} managed by Elephant"},
    {"name": f"moved.{DOMAIN}"},
)
"""How a record of ours is changed by hand; None deletes it."""

TAGS: Final[tuple[tuple[str, str | None], ...]] = (
    *(("Project", value) for value in (None, "Elephant", "Other")),
    *(("Role", value) for value in ("student", "teacher", "not a role", None)),
    *(("MeetingID", value) for value in ("m1", "m2", None)),
)
"""How an instance's tags are changed."""

ERASE, POSTPONE = "delete the row", "postpone the meeting"
NOTE_FOREIGN, NOTE_ANOTHERS = "note a foreign instance", "note another meeting's desktop"
NOTE_NEIGHBOURS = "note another stage's desktop"
DECLARE, CHURN = "write TERMINATED while people are in", "write the row all the time"
FILL: Final = {
    f"fill {name} but for {room} bytes": (name, room)
    for name in ("status", *(f"{role}_session_data" for role in ROLES))
    for room in (0, 40)
}
"""Without room there is none for a claim, and with a little only for that."""
ROW_CHANGES: Final = (
    *(ERASE, POSTPONE, NOTE_FOREIGN, NOTE_ANOTHERS, NOTE_NEIGHBOURS),
    *(DECLARE, CHURN, *FILL),
)
FILLING: Final = "#" * 1000
ANOTHER: Final = "another-meeting"
"""A meeting without a row, whose desktop is nobody's to end before it is old."""


class Actors:
    """Whoever else has rights on the zone, the table and the instances.

    Other programs have rights on the table: they may erase a row, note other instances in it, write
    TERMINATED (DECLARE), fill the row (FILL), or write it all the time (CHURN). Desktops can do
    nothing of this, see agents.

    Less is promised of `touched` meetings, and of `erased` ones less still. Of `disturbed` ones,
    and of those whose own desktops are `hostile`, nothing less is promised but that people get in.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._created = 0
        self._churned: set[str] = set()
        self.touched: set[str] = set()
        self.erased: set[str] = set()
        self.disturbed: set[str] = set()
        self.hostile: set[str] = set()

    # Records

    @property
    def ours(self) -> list[Record]:
        return [each for each in self._stage.cloudflare.store.records if is_ours(each)]

    def create_record(self, kind: str, number: int) -> None:
        """Create a record of a kind, unless Cloudflare refuses it; the number chooses its name."""
        if kind == ORPHAN:
            self._create({"name": f"old.{DOMAIN}", "comment": f"{OWNER} managed by Elephant"})
        elif kind != DUPLICATE:
            names = [*map(name_of, self._stage.ec2.hosts), name_of(STRANGER), f"www.{DOMAIN}"]
            self._create({**FOREIGN[kind], "name": names[number % len(names)]})
        elif self.ours:
            copied = self.ours[number % len(self.ours)]
            comment = f"{OWNER} m=m{number % 2 + 1} r=teacher"
            self._create({"name": copied.name, "comment": comment, "proxied": True})

    def edit_record(self, number: int, members: Any) -> None:  # noqa: ANN401
        store, record = self._stage.cloudflare.store, self.ours[number % len(self.ours)]
        if members is None:
            self._write(lambda: store.delete(record.id))
        else:
            self._write(lambda: store.patch(record.id, members))

    def _create(self, members: Mapping[str, Any]) -> None:
        self._created += 1
        body = {"type": "A", "content": f"198.51.100.{self._created % 250}", **members}
        self._write(lambda: self._stage.cloudflare.store.create(body))

    def _write(self, do: Callable[[], object]) -> None:
        store = self._stage.cloudflare.store
        before = len(store.history)
        with suppress(ApiError):
            do()
        self._stage.invariants.wrote_records(None, before, store.history[before:])

    # Instances

    def retag(self, host: Host, key: str, value: str | None) -> None:
        if host.view:
            tags = {**dict(host.view.tags), key: value}
            kept = tuple(sorted((key, value) for key, value in tags.items() if value))
            self._stage.ec2.change(host, tags=kept)

    def reassign(self, host: Host, number: int, role: str) -> None:
        """Tag a desktop as another meeting's or role's, which no desktop can do itself."""
        noted = {self._stage.dynamodb.row(host.view.meeting).text(name) for name in IDS}
        if host.view.is_gone or host.id not in noted:
            return
        meeting = [*self._stage.dynamodb.items, ANOTHER][-1 - number % 2]
        self.touched |= {host.view.meeting, meeting}
        self.retag(host, "MeetingID", meeting)
        self.retag(host, "Role", role)

    # Rows of a stage without meetings, which another program writes

    def schedule(self, row: str, status: str | None = "SCHEDULED") -> None:
        item = {"id": {"S": row}} | ({"status": {"S": status}} if status else {})
        self._stage.dynamodb.items.setdefault(row, Item(item))

    def note(self, row: str, role: str, instance_id: str) -> None:
        if row in self._stage.dynamodb.items:
            self._set(row, f"{role}_ec2_id", instance_id)

    def advance(self, row: str, status: str) -> None:
        """Advance a row's status, as health checks and the meeting's own program do."""
        if RANKS[status] > self._stage.dynamodb.items[row].rank:
            self._set(row, "status", status)

    def link(self, row: str, role: str, link: str) -> None:
        """Link a role to something that is none of ours."""
        self._set(row, f"{role}_ec2_link", link)

    def _set(self, row: str, attribute: str, value: str) -> None:
        item = self._stage.dynamodb.items[row]
        self._stage.dynamodb.store(row, {**item, attribute: {"S": value}})

    # Rows of meetings

    def change_row(self, number: int, how: str) -> None:
        rows = list(self._stage.dynamodb.items)
        row = rows[number % len(rows)]
        if how in {DECLARE, CHURN, *FILL}:
            self.disturb(row, how)
            return
        item = self._stage.dynamodb.items[row]
        self.touched.add(row)
        if how == ERASE:
            self.erased.add(row)
            self._stage.dynamodb.store(row, {})
        elif how == POSTPONE and not item.is_over:
            later = datetime.fromtimestamp(item.meet_time + 20 * MINUTE, UTC)
            self._set(row, "meet_time", f"{later:%Y-%m-%dT%H:%M:%SZ}")
        elif how in {NOTE_FOREIGN, NOTE_ANOTHERS, NOTE_NEIGHBOURS}:
            self.note(row, ROLES[number % len(ROLES)], self._launch_another(row, how))

    def disturb(self, row: str, how: str) -> None:
        item = self._stage.dynamodb.row(row)
        if not item or item.is_over or not self._has_desktop(row):
            return
        self.disturbed.add(row)
        if how == CHURN:
            self._churned.add(row)
        elif how == DECLARE and item.has_begun:
            self._stage.invariants.seen["declared over"] += 1
            self._set(row, "status", "TERMINATED")
        elif how in FILL:
            name, room = FILL[how]
            rest = LARGEST - room - size_of({**item, name: {"S": ""}})
            if rest >= 0:
                self._stage.dynamodb.store(row, {**item, name: {"S": "#" * rest}})

    def race(self, task: Task) -> None:
        """Let others write to a row each time that its end is to be written.

        Hostile desktops report all that they can. What a program writes all the time comes between
        only if the safety net writes: each change that the terminator fails to claim would make
        more for it to see.
        """
        if task.run.function not in {SAFETY_NET, TERMINATOR} or task.doing != "before UpdateItem":
            return
        churned = self._churned if task.run.function == SAFETY_NET else set()
        for row in sorted(self._stage.invariants.meetings_of(task.run) & churned):
            if item := self._stage.dynamodb.row(row):
                self._stage.invariants.seen["churned"] += 1
                self._stage.dynamodb.store(row, _churned(item))
        planned = {each.meeting for each in self._stage.callers.orders if each.plan.is_hostile}
        for row in sorted(self._stage.invariants.meetings_of(task.run) & planned):
            self.hostile.add(row)
            for host in self._stage.ec2.desktops_of(row):
                self._stage.invariants.seen["raced"] += 1
                for route in ROUTES:
                    run = self._stage.agents.attack(route, arn_of(host))
                    self._stage.go_alone(run, 1000)

    def _has_desktop(self, row: str) -> bool:
        return bool(self._stage.ec2.desktops_of(row))

    def _launch_another(self, row: str, how: str) -> str:
        """Launch an instance that is not this meeting's desktop, although its tags may look so."""
        tags = {
            "Project": "Other" if how == NOTE_FOREIGN else "Elephant",
            "MeetingID": ANOTHER if how == NOTE_ANOTHERS else row,
            "elephant:owner": NEIGHBOUR if how == NOTE_NEIGHBOURS else OWNER,
        }
        return self._stage.ec2.launch(**tags, Role="teacher").id


def _churned(item: Item) -> Item:
    """Change what a decision depends on, and leave the meeting as it is."""
    flipped = {"HEALTHY": "IN_PROGRESS", "IN_PROGRESS": "HEALTHY"}.get(item.status)
    churned = item.copy()
    if flipped and JOINED in item:
        churned["status"] = {"S": flipped}
    for name in (f"{role}_session_data" for role in ROLES):
        if name not in item:
            churned[name] = {"S": ""}
        elif not item.text(name):
            del churned[name]
    return churned
