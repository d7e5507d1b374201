"""The plan for meetings' rows: which desktops of a survey require which updates.

Pure, like the decisions that it prepares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chalicelib.ec2.instances import MEETING_TAG
from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.decision import Desktop, MeetingDecision, decide_meeting, rivals_of
from chalicelib.meeting_row.meeting import Assignment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from chalicelib.dns.finding import Finding
    from chalicelib.ec2.instances import Instance
    from chalicelib.meeting_row.meeting import Meeting, MeetingChange
    from chalicelib.settings.stage import Settings
    from chalicelib.watchdog.survey import Survey


@dataclass(frozen=True)
class Entry:
    """A desktop of a meeting."""

    desktop: Desktop
    comes_first: bool
    """Whether its record is the last trace of the meeting, so the row must be updated first."""


@dataclass(frozen=True)
class RowWrite:
    """The one write that a row needs, and the instances that it is about."""

    change: MeetingChange
    instance_ids: tuple[str, ...]


class RowPlan:
    """The desktops of a survey by meeting; those that are gone come before those that run.

    Only for meetings that the survey found touched, if it has determined them.
    """

    def __init__(self, survey: Survey, settings: Settings) -> None:
        self._survey = survey
        self._settings = settings
        self._instances: dict[str, list[Instance]] = {}
        rows, touched = survey.meetings, survey.touched
        meetings = [each for each in rows if touched is None or each in touched]
        self.entries: Mapping[str, tuple[Entry, ...]] = self._of(meetings) if meetings else {}

    @property
    def unsettled(self) -> frozenset[str]:
        """The findings whose changes would lose the trace of a row that could not be read."""
        unread = self._survey.unread
        return frozenset(
            key
            for key, finding in self._survey.plan.findings.items()
            if any(each.meeting_id in unread for each in finding.formers)
            or (
                finding.row_comes_first
                and finding.assignment
                and finding.assignment.meeting_id in unread
            )
        )

    def row_write(self, meeting: Meeting, desktops: Iterable[Desktop]) -> RowWrite | None:
        """Decide how these desktops update the row: one after the other, in one write."""
        change: MeetingChange | None = None
        instance_ids = []
        for desktop in desktops:
            more = self._decide(change.result if change else meeting, desktop).change
            if more:
                change = change.then(more) if change else more
                instance_ids.append(desktop.instance_id)
        if change is None or change.result == meeting:  # two that replaced each other
            return None
        return RowWrite(change, tuple(instance_ids))

    def _decide(self, meeting: Meeting, desktop: Desktop) -> MeetingDecision:
        seen = self._survey.instances
        named = set(rivals_of(desktop, meeting))
        if desktop.presence is Presence.ENDED:
            # Also those whose link an earlier part of this write removes: unknown to EC2.
            named |= self._survey.meetings[meeting.id].instance_ids - {desktop.instance_id}
        elif named - seen.keys():
            return MeetingDecision("EC2 gives no clear answer about an instance that the row names")
        rivals = {each: seen.get(each) for each in sorted(named)}
        others = {each.id: each for each in self._instances.get(meeting.id, ())}
        for instance_id in meeting.instance_ids:
            instance = seen.get(instance_id)
            if instance:
                others[instance_id] = instance
        is_listed = desktop.instance_id in self._survey.listed
        return decide_meeting(meeting, desktop, rivals, tuple(others.values()), is_listed=is_listed)

    def _of(self, meetings: Iterable[str]) -> dict[str, tuple[Entry, ...]]:
        for instance in self._survey.instances.values():
            meeting_id = instance.tags.get(MEETING_TAG) if instance else None
            if instance and meeting_id and self._is_ours(instance):
                self._instances.setdefault(meeting_id, []).append(instance)
        found: dict[str, list[Entry]] = {each: [] for each in meetings}
        for instance_id, finding in self._survey.plan.findings.items():
            for entry in self._entries_of(instance_id, finding):
                found.get(entry.desktop.assignment.meeting_id, []).append(entry)
        for meeting_id, entries in found.items():
            known = {entry.desktop.instance_id for entry in entries}
            comes_first = any(entry.comes_first for entry in entries)
            meeting = self._survey.meetings[meeting_id]
            for desktop in self._left_behind(meeting, known):
                entries.append(Entry(desktop, comes_first))
            entries.sort(key=_turn)
        return {meeting_id: tuple(entries) for meeting_id, entries in found.items() if entries}

    def _entries_of(self, instance_id: str, finding: Finding) -> Iterator[Entry]:
        assignment, presence = finding.assignment, finding.presence
        if presence in {Presence.UNCERTAIN, Presence.FOREIGN}:
            return
        for former in finding.formers:
            if former.is_valid:
                yield Entry(self._desktop(instance_id, former, finding.in_former), comes_first=True)
        instance = self._survey.instances.get(instance_id)
        if assignment and instance:  # perhaps only by its record
            self._instances.setdefault(assignment.meeting_id, []).append(instance)
        if assignment and assignment.is_valid:
            if presence is Presence.LIVE and not finding.may_be_linked:
                return
            desktop = self._desktop(instance_id, assignment, presence)
            yield Entry(desktop, comes_first=finding.row_comes_first)

    def _left_behind(self, meeting: Meeting, known: Collection[str]) -> Iterator[Desktop]:
        """Find links of ours to instances otherwise unrelated to the meeting.

        They are removed with the first update: after it, what leads to the row may go.
        """
        for role in meeting.roles:
            instance_id = meeting.linked_instance(role)
            if instance_id is None or instance_id in known:
                continue
            is_ours = (meeting.link(role) or "").startswith(
                f"https://{self._settings.record_name(instance_id)}:"
            )
            presence = self._presence(instance_id)
            if is_ours and presence:
                assignment = Assignment(meeting.id, role)
                yield self._desktop(instance_id, assignment, presence)

    def _presence(self, instance_id: str) -> Presence | None:
        """Return the presence of an instance that a row links to; None if that is uncertain."""
        instance = self._survey.instances.get(instance_id)
        finding = self._survey.plan.findings[instance_id]
        if instance is None:
            is_denied = instance_id in self._survey.instances
            stays = finding.waits or finding.held
            return Presence.AWAY if is_denied and not stays else None
        if finding.conflicting or finding.presence is Presence.UNCERTAIN:
            return None  # possibly another deployment's link
        if instance.has_ended:
            return Presence.ENDED
        is_nowhere = finding.presence is Presence.LIVE and not finding.assignment
        return None if is_nowhere else Presence.AWAY

    def _desktop(self, instance_id: str, assignment: Assignment, presence: Presence) -> Desktop:
        link, settings = self._settings.link(instance_id), self._settings
        instance = self._survey.instances.get(instance_id)
        tag, owner = settings.project_tag, settings.owner
        return Desktop(instance_id, assignment, presence, link, instance, tag, owner)

    def _is_ours(self, instance: Instance) -> bool:
        return instance.belongs_to(self._settings.project_tag, self._settings.owner)


def meetings_touched(survey: Survey, settings: Settings) -> frozenset[str]:
    """Name the meetings for which the survey's plans change a record or the row."""
    row_plan = RowPlan(survey, settings)
    written = (
        meeting_id
        for meeting_id, entries in row_plan.entries.items()
        if row_plan.row_write(survey.meetings[meeting_id], [each.desktop for each in entries])
    )
    assigned = (
        each.meeting_id
        for finding in survey.plan.findings.values()
        if finding.changes
        for each in (finding.assignment, *finding.formers)
        if each
    )
    return frozenset((*written, *assigned))


def _turn(entry: Entry) -> tuple[int, float]:
    """Links are removed first, since one that is left keeps a meeting open; then come the ends."""
    instance = entry.desktop.instance
    launched = instance.launched_at.timestamp() if instance else 0.0
    return _TURNS.index(entry.desktop.presence), launched


_TURNS: Final = (Presence.AWAY, Presence.ENDED, Presence.LIVE)
