"""People, and other programs: what they do to the zone, to rows and to tags."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from localcloud.cloudflare import ApiError
from tests.simulation.names import NEIGHBOUR, RANKS, is_ours, name_of, text
from tests.world import DOMAIN, OWNER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from localcloud.cloudflare import Record
    from tests.simulation.ec2 import Host
    from tests.simulation.stage import Stage

STRANGER: Final = "i-0fffffffffffffff0"
"""An instance of another account."""

FOREIGN: Final[Mapping[str, Mapping[str, Any]]] = {
    "neighbour's": {"comment": f"{NEIGHBOUR} m=m1 r=teacher"},
    "unmarked": {"comment": None},
    "remarked": {"comment": "made by hand, see elephant: the book"},
    "text": {"type": "TXT", "content": '"v=1"', "comment": f"{OWNER} m=m1 r=teacher"},
    "alias": {"type": "CNAME", "content": "www.example.org", "comment": None},
    "six": {"type": "AAAA", "content": "2001:db8::1", "comment": f"{OWNER} m=m1 r=teacher"},
}
"""Records that others make, by kind: some of them look much like ours."""
ASTRAY, DOUBLE = "astray", "double"
LABELS: Final = (*FOREIGN, ASTRAY, DOUBLE)
"""What kind of record is made."""

MEDDLING: Final[tuple[dict[str, object] | None, ...]] = (
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
    ("Project", None),
    ("Project", "Elephant"),
    ("Project", "Other"),
    ("Role", "student"),
    ("Role", "teacher"),
    ("Role", "not a role"),
    ("Role", None),
    ("MeetingID", "m1"),
    ("MeetingID", "m2"),
    ("MeetingID", None),
)
"""How an instance's tags are changed."""


class People:
    """Whoever else has rights on the zone, the table and the instances."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._made = 0

    # Records

    @property
    def ours(self) -> list[Record]:
        """Our records, as they stand in the zone."""
        return [each for each in self._stage.cloudflare.store.records if is_ours(each)]

    def make(self, kind: str, number: int) -> None:
        """Make a record of a kind, unless Cloudflare refuses it; the number chooses its name."""
        if kind == ASTRAY:
            self._create({"name": f"old.{DOMAIN}", "comment": f"{OWNER} managed by Elephant"})
        elif kind != DOUBLE:
            names = [*map(name_of, self._stage.ec2.hosts), name_of(STRANGER), f"www.{DOMAIN}"]
            self._create({**FOREIGN[kind], "name": names[number % len(names)]})
        elif self.ours:
            copied = self.ours[number % len(self.ours)]
            comment = f"{OWNER} m=m{number % 2 + 1} r=teacher"
            self._create({"name": copied.name, "comment": comment, "proxied": True})

    def edit(self, number: int, members: Any) -> None:  # noqa: ANN401
        """Change a record of ours by hand, or delete it."""
        store, record = self._stage.cloudflare.store, self.ours[number % len(self.ours)]
        if members is None:
            self._write(lambda: store.delete(record.id))
        else:
            self._write(lambda: store.patch(record.id, members))

    def _create(self, members: Mapping[str, Any]) -> None:
        self._made += 1
        body = {"type": "A", "content": f"198.51.100.{self._made % 250}", **members}
        self._write(lambda: self._stage.cloudflare.store.create(body))

    def _write(self, do: Callable[[], object]) -> None:
        store = self._stage.cloudflare.store
        before = len(store.history)
        with suppress(ApiError):
            do()
        self._stage.promises.wrote_records(None, before, store.history[before:])

    # Rows

    def schedule(self, row: str, status: str | None = "SCHEDULED") -> None:
        """Make a meeting's row."""
        item = {"id": {"S": row}} | ({"status": {"S": status}} if status else {})
        self._stage.dynamodb.items.setdefault(row, item)

    def note(self, row: str, role: str, instance_id: str) -> None:
        """Note in a row which instance was launched for a role, as the launcher may do."""
        if row in self._stage.dynamodb.items:
            self._set(row, f"{role}_ec2_id", instance_id)

    def advance(self, row: str, status: str) -> None:
        """Move a row's status forwards, as health checks and the meeting's own program do."""
        item = self._stage.dynamodb.items[row]
        if RANKS[status] > RANKS.get(text(item, "status") or "", -1):
            self._set(row, "status", status)

    def link(self, row: str, role: str, link: str) -> None:
        """Link a role to something that is none of ours."""
        self._set(row, f"{role}_ec2_link", link)

    def _set(self, row: str, attribute: str, value: str) -> None:
        item = self._stage.dynamodb.items[row]
        self._stage.dynamodb.store(row, {**item, attribute: {"S": value}})

    # Instances

    def retag(self, host: Host, key: str, value: str | None) -> None:
        """Change an instance's tag, or take it away."""
        if host.view:
            tags = {**dict(host.view.tags), key: value}
            kept = tuple(sorted((key, value) for key, value in tags.items() if value))
            self._stage.ec2.change(host, tags=kept)
