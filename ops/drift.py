"""What a survey says: instances, records and rows side by side, and their drift."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.dns.change import Create, Update
from chalicelib.ec2.presence import Presence
from chalicelib.watchdog.deletion_limit import held_back
from chalicelib.watchdog.row_plan import RowPlan
from chalicelib.watchdog.sweep_result import HOW_TO_FORCE
from ops.listing import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.dns.change import Change
    from chalicelib.dns.finding import Finding
    from chalicelib.dns.record import Record
    from chalicelib.settings.stage import Settings
    from chalicelib.watchdog.survey import Survey


@dataclass(frozen=True)
class Desktop:
    """The meeting and role that an instance names, and what its row says of them."""

    id: str
    role: str
    has_row: bool = False
    is_linked: bool = False
    status: str | None = None


@dataclass(frozen=True)
class Line:
    """An instance, or a record of ours without one; `drift` lists what has to be done.

    `records` are the addresses in ours of its name, and `others` is what else has the name.
    """

    instance: str
    state: str
    address: str
    records: tuple[str, ...]
    others: tuple[str, ...]
    meeting: Desktop | None
    drift: tuple[str, ...]
    waits: str
    warnings: tuple[str, ...]

    @property
    def is_running(self) -> bool:
        """Whether EC2 says that it runs."""
        return self.state == "running"


@dataclass(frozen=True)
class Planned:
    """A change that a sweep would make, and why; `kind` is "record" or "row"."""

    action: str
    kind: str
    name: str
    change: str
    reason: str


class Drift:
    """A survey of a stage, for a person or a script."""

    def __init__(self, survey: Survey, settings: Settings, stage: str) -> None:
        self._survey = survey
        self._stage = stage
        self._settings = settings
        self._roster = RowPlan(survey, settings)
        self._records: dict[str, list[Record]] = {}
        for record in survey.records:
            key = record.instance_id
            is_known = key in survey.instances
            self._records.setdefault(key if key and is_known else record.name, []).append(record)
        self._rows: dict[str, list[str]] = {}
        for meeting_id, entries in self._roster.entries.items():
            for entry in entries:
                row_write = self._roster.row_write(survey.meetings[meeting_id], [entry.desktop])
                if row_write:
                    said = f"row {meeting_id}: {row_write.change.summary}"
                    self._rows.setdefault(entry.desktop.instance_id, []).append(said)
        self.planned = tuple(self._planned())

    @property
    def unsafe(self) -> str:
        """Which part of the plan a sweep would hold back; empty if none."""
        survey = self._survey
        held = held_back(survey.plan, len(survey.records), 0, self._settings)
        count = sum(len(survey.plan.findings[key].changes) for key in held)
        if not count:
            return ""
        return f"{counted(count, 'deletion')} would be held back: {how_to_force(self._stage)}"

    def lines(self) -> tuple[Line, ...]:
        """Everything that concerns us: running instances first, then the others, by their ids."""
        lines = [
            self._line(key, finding)
            for key, finding in self._survey.plan.findings.items()
            if finding.presence is not Presence.FOREIGN
            and (finding.presence is not Presence.UNCERTAIN or self._known(key))
        ]
        return tuple(sorted(lines, key=lambda line: (not line.is_running, line.instance)))

    def status_json(self) -> dict[str, Any]:
        """Format the same as JSON."""
        return {
            "stage": self._stage,
            "drift": bool(self.planned),
            "foreign": list(self.foreign),
            "instances": [asdict(each) for each in self.lines()],
        }

    def plan_json(self) -> dict[str, Any]:
        """Format what a sweep would do as JSON."""
        return {
            "stage": self._stage,
            "drift": bool(self.planned),
            "unsafe": self.unsafe,
            "changes": [asdict(each) for each in self.planned],
            "waiting": [f"{line.instance}: {line.waits}" for line in self.lines() if line.waits],
            "warnings": [each for line in self.lines() for each in line.warnings],
        }

    def _planned(self) -> Sequence[Planned]:
        reasons = {
            change: finding.reason
            for finding in self._survey.plan.findings.values()
            for change in finding.changes
        }
        changes = [
            Planned(_action(change), "record", change.name, _short(change), reasons[change])
            for change in self._survey.plan.changes
        ]
        rows = []
        for meeting_id, entries in self._roster.entries.items():
            meeting = self._survey.meetings[meeting_id]
            row_write = self._roster.row_write(meeting, [entry.desktop for entry in entries])
            if row_write:
                said, why = row_write.change.summary, "matches its desktops"
                rows.append(Planned("update", "row", meeting_id, said, why))
        return [*changes, *rows]

    def _known(self, key: str) -> bool:
        """Tell whether anything is known about an uncertain instance."""
        return bool(self._survey.instances.get(key)) or key in self._records

    def _line(self, key: str, finding: Finding) -> Line:
        instance = self._survey.instances.get(key)
        return Line(
            instance=key,
            state=instance.state if instance else "unknown to EC2",
            address=(instance.address if instance else None) or "",
            records=tuple(record.content for record in self._records.get(key, ())),
            others=tuple(
                f"{each.content} ({each.owner or each.type})" for each in finding.conflicting
            ),
            meeting=self._desktop(finding),
            drift=(
                *(f"{_action(each)} {_short(each)}" for each in finding.changes),
                *self._rows.get(key, ()),
            ),
            waits=finding.reason if finding.waits else "",
            warnings=finding.warnings if finding.presence is Presence.LIVE else (),
        )

    def _desktop(self, finding: Finding) -> Desktop | None:
        assignment = finding.assignment
        if assignment is None:
            return None
        meeting_id, role = assignment.meeting_id, assignment.role
        meeting = self._survey.meetings.get(meeting_id)
        if meeting is None:
            return Desktop(meeting_id, role)
        is_linked = bool(meeting.link(role))
        return Desktop(meeting_id, role, has_row=True, is_linked=is_linked, status=meeting.status)

    @property
    def foreign(self) -> tuple[str, ...]:
        """What no sweep repairs, since it belongs, or seems to belong, to another deployment."""
        running = {
            instance_id: finding.conflicting
            for instance_id, finding in self._survey.plan.findings.items()
            if finding.presence is Presence.LIVE and finding.conflicting
        }
        owners = {each.owner or each.type for found in running.values() for each in found}
        unknown = {
            each.name
            for each in self._survey.records
            if self._survey.instances.get(each.instance_id or "") is None
        }
        said = []
        if running:
            names = ", ".join(sorted(owners))
            which = counted(len(running), "running instance")
            said.append(f"{which} with a name that has a record of another owner: {names}")
        if unknown:
            said.append(
                f"EC2 knows no instance here for {counted(len(unknown), 'record')} of ours; if "
                "deleted ones come back, another deployment has the owner " + self._settings.owner
            )
        return tuple(said)

    @property
    def summary(self) -> str:
        """Count instances, records and what is to be repaired."""
        running = sum(line.is_running for line in self.lines())
        said = f"{running} running, {counted(len(self._survey.records), 'record')} of ours; "
        if self.planned:
            return said + f"{len(self.planned)} to be repaired"
        return said + ("nothing that a sweep can repair" if self.foreign else "no drift")


def how_to_force(stage: str) -> str:
    """Say what to do about deletions that are held back in a stage."""
    return HOW_TO_FORCE.replace("NAME", stage)


def _action(change: Change) -> str:
    if isinstance(change, Create):
        return "create"
    return "update" if isinstance(change, Update) else "delete"


def _short(change: Change) -> str:
    """Format a change without the record's name."""
    if isinstance(change, Create):
        return f"at {change.wanted.content}"
    before = change.record.content
    if isinstance(change, Update):
        after = change.wanted.content
        return f"from {before} to {after}" if after != before else f"what is wrong at {before}"
    return f"at {before}"
