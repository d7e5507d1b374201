"""The self-test of DNS: one instance from its launch to its end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chalicelib.ec2.instances import MEETING_TAG, ROLE_TAG
from chalicelib.meeting_row.meeting import Status
from ops.selftest.row import ROLE

if TYPE_CHECKING:
    from chalicelib.dns.record import Record
    from chalicelib.settings.stage import Settings
    from ops.cloudflare_zone import ZoneView
    from ops.selftest.facts import Facts
    from ops.selftest.instance import TestInstance
    from ops.selftest.promises import Promises
    from ops.selftest.resolution import Resolution
    from ops.selftest.row import TestRow

_EC2: Final = 300.0
_EVENT: Final = 180.0
_DNS: Final = 120.0
_SLACK: Final = 120.0
"""Seconds to wait: for EC2, for what follows from an event, for DNS, besides a sweep's period."""

_RATE: Final = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_MINUTES: Final = {"minute": 1, "hour": 60, "day": 1440}
_UNKNOWN_PERIOD: Final = 15


@dataclass(frozen=True)
class Parts:
    """What the test works on; a stage without a table has no row."""

    settings: Settings
    instance: TestInstance
    zone: ZoneView
    zone_name: str
    resolution: Resolution
    row: TestRow | None


class DnsWalk:
    """Lets one instance run, stop, start and end, and looks what becomes of its name and row."""

    def __init__(self, name: str, parts: Parts, promises: Promises, facts: Facts) -> None:
        self._parts = parts
        self._settings = parts.settings
        self._promises = promises
        self._facts = facts
        self._doctor = f"elephant doctor {name}"
        self._logs = f"{self._doctor}; the logs of elephant-{name}-dns_watchdog"
        self._sweeps = f"{self._doctor}; the logs of elephant-{name}-sweep"

    def run(self) -> None:
        """Go through it all. Stops early only if the instance itself does not do as asked."""
        instance, row = self._parts.instance, self._parts.row
        tags = {}
        if row:
            row.make()
            tags = {MEETING_TAG: row.meeting_id, ROLE_TAG: ROLE}
        instance.launch(**tags)
        if not self._reaches("running", "the instance is running, with an address"):
            return
        if self._check_running():
            self._check_resolution()
            record = self._records()[0]
            self._facts.note_filters(self._parts.zone, record, self._settings.owner)
        if row:
            self._facts.note_refused_write(row)
        before = instance.look()
        instance.stop()
        if self._reaches("stopped", "the instance is stopped"):
            self._check_absent("stopped")
            instance.start()
            if self._reaches("running", "the instance is running again"):
                self._facts.note_address(before, instance.look())
                self._check_running("at its new address")
                self._check_sweep()
        instance.remove()
        if self._reaches("terminated", "the instance is terminated"):
            self._check_absent("terminated", Status.TERMINATED)
        self._facts.note_instance(instance.look())

    def _reaches(self, state: str, promise: str) -> bool:
        def look() -> str:
            seen = self._parts.instance.look()
            self._facts.note_instance(seen)
            if seen.state != state:
                return f"it is {seen.state}"
            return "it has no public address" if state == "running" and not seen.address else ""

        remedy = "the instance in the EC2 console: its subnet has to be a public one"
        return self._promises.wait(f"EC2: {promise}", look, _EC2, remedy)

    def _check_running(self, where: str = "at its address") -> bool:
        seen = self._parts.instance.look()
        has_record = self._promises.wait(
            f"Event: the name has one record, {where}",
            lambda: self._record_differs(seen.address),
            _EVENT,
            self._logs,
        )
        self._check_row(self._settings.link(self._parts.instance.id), Status.DNS_WRITTEN)
        return has_record

    def _check_row(self, link: str | None, status: Status | None) -> None:
        row = self._parts.row
        if row is None:
            return
        said = "Row: it has the link" if link else "Row: its link is removed"
        if status:
            said += f", and it is {status}"
        self._promises.wait(said, lambda: row.differs(link, status), _EVENT, self._logs)

    def _check_resolution(self) -> None:
        resolution, zone = self._parts.resolution, self._parts.zone_name
        remedy = "the zone's name servers at the registrar, and its status at Cloudflare"
        for said, ask in (
            ("the zone's own server", lambda: resolution.authoritative(zone, self._name)),
            ("a public resolver", lambda: resolution.public(self._name)),
        ):
            self._promises.wait(
                f"DNS: {said} resolves the name",
                lambda ask=ask: self._addresses_differ(ask()),  # type: ignore[misc]
                _DNS,
                remedy,
            )

    def _addresses_differ(self, found: list[str]) -> str:
        wanted = self._parts.instance.look().address
        if not found:
            return "the name has no address"
        if not self._settings.proxied and found != [wanted]:
            return f"it answers {', '.join(found)}"
        return ""

    def _check_absent(self, state: str, status: Status | None = None) -> None:
        zone = self._parts.zone_name
        self._promises.wait(
            f"Event: the record of the {state} instance is removed",
            lambda: f"{len(found)} left" if (found := self._records()) else "",
            _EVENT,
            self._logs,
        )
        self._promises.wait(
            "DNS: the zone's own server no longer knows the name",
            lambda: ", ".join(self._parts.resolution.authoritative(zone, self._name)),
            _DNS,
            self._logs,
        )
        self._check_row(None, status)

    def _check_sweep(self) -> None:
        """Remove the record by hand, of which there is no event."""
        seen = self._parts.instance.look()
        for record in self._records():
            self._parts.zone.remove(record)
        self._promises.wait(
            "Sweep: a record that was removed by hand is back",
            lambda: self._record_differs(seen.address),
            period_of(self._settings.sweep_schedule) + _SLACK,
            self._sweeps,
        )

    def _record_differs(self, address: str | None) -> str:
        found = self._records()
        if len(found) != 1:
            return f"there are {len(found)} records"
        (record,) = found
        if record.content != address:
            return f"it leads to {record.content}"
        if (record.owner, record.proxied) != (self._settings.owner, self._settings.proxied):
            return f"it is {'' if record.proxied else 'not '}proxied, with the owner {record.owner}"
        return ""

    @property
    def _name(self) -> str:
        return self._settings.record_name(self._parts.instance.id)

    def _records(self) -> tuple[Record, ...]:
        return self._parts.zone.filtered([("name", self._name)])


def period_of(schedule: str) -> float:
    """Return the seconds between two sweeps; of a cron expression, as many as are advised."""
    found = _RATE.fullmatch(schedule)
    minutes = int(found[1]) * _MINUTES[found[2]] if found else _UNKNOWN_PERIOD
    return minutes * 60.0
