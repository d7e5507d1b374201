"""What documentation leaves open, as the self-test sees it; docs/reliability.md lists it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.dns.provider import DnsError
from ops.account import AwsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.dns.record import Record
    from ops.cloudflare_zone import ZoneView
    from ops.selftest.instance import Seen
    from ops.selftest.row import TestRow


@dataclass
class Facts:
    """Answers by question; they are collected as the test goes on, and judge nothing."""

    answers: dict[str, str] = field(default_factory=dict)
    _seen: dict[str, set[tuple[bool, bool]]] = field(default_factory=dict)

    def note_instance(self, seen: Seen) -> None:
        """Note what EC2 shows of an instance in this state."""
        of_state = self._seen.setdefault(seen.state, set())
        of_state.add((seen.address is not None, seen.has_tags))
        shown = sorted(of_state, reverse=True)
        self.answers[f"EC2 shows of an instance that is {seen.state}"] = " or ".join(
            f"{'its' if address else 'no'} address and {'its' if tags else 'no'} tags"
            for address, tags in shown
        )

    def note_address(self, before: Seen, after: Seen) -> None:
        """Note what became of an instance's address when it was stopped and started."""
        same = before.address == after.address
        answer = "the same address" if same else "another address"
        self.answers["An instance that was stopped and started again has"] = answer

    def note_refused_write(self, row: TestRow) -> None:
        """Note what DynamoDB answers if a condition fails."""
        try:
            item = row.refused_write().get("Item")
        except AwsError as error:
            answer = f"not learnt: {error}"
        else:
            answer = f"the row, with {', '.join(sorted(item))}" if item else "no row"
        self.answers["DynamoDB returns with a failed condition"] = answer

    def note_filters(self, zone: ZoneView, record: Record, owner: str) -> None:
        """Note which filters of Cloudflare's list find a record."""
        filters: dict[str, Sequence[tuple[str, str]]] = {
            "name=NAME": [("name", record.name)],
            "name=NAME in capitals": [("name", record.name.upper())],
            "name.exact=NAME": [("name.exact", record.name)],
            "comment.startswith=OWNER": [("comment.startswith", owner)],
            "comment.startswith=OWNER in capitals": [("comment.startswith", owner.upper())],
            "comment.exact=COMMENT": [("comment.exact", record.comment)],
        }
        for said, query in filters.items():
            try:
                found = record.id in {each.id for each in zone.filtered(query)}
            except DnsError as error:
                answer = f"is refused: {error}"
            else:
                answer = "finds the record" if found else "does not find the record"
            self.answers[f"Cloudflare's filter {said}"] = answer
