"""Starting a meeting's desktops and recording them in its row, one role after the other.

Only one run at a time does this for a meeting: the one with the row's lease, see `launch_plan.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from chalicelib.ec2.desktops import DesktopOrder
from chalicelib.ec2.launch_errors import AlreadyAskedError, NeverError, NoRoomError, NotNowError
from chalicelib.ec2.subnets import in_order
from chalicelib.meeting_row.meeting import API_URL
from chalicelib.meeting_row.table import RowChangedError, decide_again
from chalicelib.meetings.launch_plan import (
    LEASE,
    desktop_of,
    intend,
    missing_roles,
    note_desktop,
    subnet_attribute,
)
from chalicelib.meetings.state import is_over

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from chalicelib.deadline import Deadline
    from chalicelib.ec2.desktops import Desktops
    from chalicelib.ec2.instances import Instances
    from chalicelib.ec2.subnets import Subnet
    from chalicelib.meeting_row.meeting import Meeting, RowUpdate
    from chalicelib.meeting_row.table import Meetings
    from chalicelib.settings.meetings import MeetingsSettings

ATTEMPTS: Final = 5
"""Attempts to decide when the row is changed between reading and writing it."""
_ONE_CALL: Final = 8.0
"""Seconds that a call to EC2 may take; with less left no desktop is requested."""


class MeetingOverError(Exception):
    """The meeting was ended concurrently: start nothing more, and terminate what was started."""


@dataclass
class Work:
    """A launch in progress: the current row, and what was done."""

    meeting: Meeting
    profile: str
    deadline: Deadline
    started: list[str] = field(default_factory=list)
    """Desktops that EC2 reported as started, by this run or an earlier one."""
    surplus: list[str] = field(default_factory=list)
    """Those of them not recorded in the row, since it names another one for their role."""
    noted: dict[str, str] = field(default_factory=dict)
    """The desktops recorded in the row, by role."""
    warnings: list[str] = field(default_factory=list)


class Starter:
    """Starts missing desktops."""

    def __init__(  # noqa: PLR0913 (its boundaries, each replaced in tests)
        self,
        *,
        settings: MeetingsSettings,
        project_tag: tuple[str, str],
        owner: str,
        table: Meetings,
        instances: Instances,
        desktops: Desktops,
    ) -> None:
        self._settings = settings
        self._project_tag = project_tag
        self._owner = owner
        self._table = table
        self._instances = instances
        self._desktops = desktops

    def start_missing(self, work: Work) -> None:
        """Start a desktop for every role, and record each in the row before starting the next.

        A desktop that an earlier attempt started is found again. `work` has at any time, also after
        an error, what was done. Raises MeetingOverError, NotNowError, NeverError, OutOfTimeError.
        """
        if not work.meeting.text(API_URL):
            work.warnings.append(
                f"the row has no {API_URL}, so its desktops cannot report and nobody can enter them"
            )
        found = self._instances.of_meeting(work.meeting.id)
        devices: tuple[Mapping[str, Any], ...] = ()
        subnets: tuple[Subnet, ...] = ()
        for role in missing_roles(work.meeting):
            desktop, others = desktop_of(found, role)
            if others:
                work.warnings.append(f"{role} has other desktops, left alone: {', '.join(others)}")
            if desktop:
                self._note(work, role, desktop.id)
                continue
            if not subnets:
                devices = self._desktops.read_devices(
                    self._settings.ami_id, self._settings.volume_gb
                )
                subnets = self._desktops.read_subnets(self._settings.vpc_id)
            self._note(work, role, self._start(work, role, devices, subnets))

    def _start(
        self,
        work: Work,
        role: str,
        devices: tuple[Mapping[str, Any], ...],
        subnets: tuple[Subnet, ...],
    ) -> str:
        """Try one Availability Zone after the other, starting with the one tried last."""
        meeting, settings = work.meeting, self._settings
        order = DesktopOrder(
            meeting_id=meeting.id,
            role=role,
            image_id=settings.ami_id,
            instance_type=settings.instance_type,
            profile=work.profile,
            security_group_ids=settings.security_group_ids,
            devices=devices,
            project_tag=self._project_tag,
            owner=self._owner,
            key_name=settings.key_name,
            api_url=meeting.text(API_URL) or "",
            tags=settings.desktop_tags,
        )
        refusals: list[NoRoomError] = []
        asked_in = meeting.text(subnet_attribute(role))
        for subnet_id in in_order(subnets, meeting.id, asked_in):
            work.deadline.require(_ONE_CALL, f"start the {role}'s desktop")
            self._write(work, lambda now, to=subnet_id: intend(now, role, to))  # type: ignore[misc]
            try:
                instance_id = self._desktops.run_desktop(order, subnet_id)
            except NoRoomError as refusal:
                refusals.append(refusal)
                continue
            except AlreadyAskedError as refusal:
                instance_id = self._look_again(work, role, refusal)
            work.started.append(instance_id)
            return instance_id
        reasons = "; ".join(map(str, refusals)) or "no subnet has a free address"
        message = (
            f"no Availability Zone has capacity for the {role}'s desktop of {meeting.id!r}: "
            f"{reasons}"
        )
        if refusals and all(refusal.lasts for refusal in refusals):
            raise NeverError(message)
        raise NotNowError(message)

    def _look_again(self, work: Work, role: str, refusal: AlreadyAskedError) -> str:
        """Find what the token started before with other settings."""
        desktop, _ = desktop_of(self._instances.of_meeting(work.meeting.id), role)
        if desktop is None:
            raise NotNowError(f"{refusal}; EC2 does not show it yet") from refusal
        return desktop.id

    def _note(self, work: Work, role: str, instance_id: str) -> None:
        self._write(work, lambda meeting: note_desktop(meeting, role, instance_id))
        noted = work.meeting.instance_id(role)
        if noted == instance_id:
            work.noted[role] = instance_id
            return
        work.warnings.append(f"the row names {noted} as the {role}'s desktop, not {instance_id}")
        if instance_id in work.started:
            work.surplus.append(instance_id)

    def _write(self, work: Work, decide: Callable[[Meeting], RowUpdate | None]) -> None:
        """Write what is decided from the current row, unless the meeting is over."""
        lease = work.meeting.text(LEASE)

        def attempt() -> None:
            update = decide(work.meeting)
            if update is None:
                return
            try:
                work.meeting = self._table.update_row(update)
            except RowChangedError:
                work.meeting = self._read(work.meeting)
                if work.meeting.text(LEASE) != lease:
                    taken = f"another run took over meeting {work.meeting.id!r}"
                    raise NotNowError(taken) from None
                raise

        try:
            decide_again(attempt, ATTEMPTS)
        except RowChangedError as error:
            message = f"row {work.meeting.id!r} kept changing; nothing was written"
            raise NotNowError(message) from error

    def _read(self, meeting: Meeting) -> Meeting:
        now = self._table.read_row(meeting.id)
        if now is None or is_over(now):
            raise MeetingOverError(f"meeting {meeting.id!r} was ended concurrently")
        return now
