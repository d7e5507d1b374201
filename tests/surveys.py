"""Surveys made up in a test, of instances, records and rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.dns.plan import Observation, decide
from chalicelib.dns.record import Record
from chalicelib.ec2.instances import Instance, is_instance_id
from chalicelib.meeting_row.meeting import Meeting
from chalicelib.watchdog.survey import Survey
from tests.world import DOMAIN, OWNER, link, make_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTINGS = make_settings()
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ADDRESS = "203.0.113.7"
HOUR = 3600
A, B, C = "i-0000000a", "i-0000000b", "i-0000000c"


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def instance(  # noqa: PLR0913 (what a test may want of an instance)
    instance_id: str = A,
    state: str = "running",
    *,
    meeting: str | None = "m1",
    role: str = "teacher",
    project: str | None = "Elephant",
    address: str | None = ADDRESS,
    age: float = HOUR,
    stopped: float | None = None,
) -> Instance:
    tags = {"Project": project, "MeetingID": meeting, "Role": role if meeting else None}
    there = {key: value for key, value in tags.items() if value}
    at = None if stopped is None else ago(stopped)
    return Instance(instance_id, state, address, there, ago(age), at)


def record(
    instance_id: str = A,
    content: str = ADDRESS,
    *,
    meeting: str | None = "m1",
    role: str = "teacher",
    age: float = HOUR,
    **members: str,
) -> Record:
    comment = f"{OWNER} m={meeting} r={role}" if meeting else f"{OWNER} managed by Elephant"
    name = members.get("name", f"{instance_id}.{DOMAIN}")
    return Record(
        id=members.get("id", f"record of {name} at {content}"),
        type=members.get("kind", "A"),
        name=name,
        content=content,
        proxied=True,
        ttl=1,
        comment=members.get("comment", comment),
        modified_at=ago(age),
    )


def row(meeting_id: str = "m1", **attributes: str) -> Meeting:
    item = {"id": meeting_id} | attributes
    return Meeting(meeting_id, {key: {"S": value} for key, value in item.items()})


def linked(meeting_id: str = "m1", status: str = "HEALTHY", **roles: str) -> Meeting:
    """Make a row that links to an instance for each role."""
    links = {f"{role}_ec2_link": link(instance_id) for role, instance_id in roles.items()}
    return row(meeting_id, status=status, **links)


def survey(
    instances: Sequence[Instance] = (), records: Sequence[Record] = (), rows: Sequence[Meeting] = ()
) -> Survey:
    """Survey these, as if EC2 knew no other instance than them."""
    named = {each.name.partition(".")[0] for each in records if each.name.endswith(f".{DOMAIN}")}
    named |= {each for meeting in rows for each in meeting.instance_ids}
    seen: dict[str, Instance | None] = {each.id: each for each in instances}
    seen |= dict.fromkeys(sorted(each for each in named - seen.keys() if is_instance_id(each)))
    plan = decide(Observation(NOW, seen, tuple(records)), SETTINGS)
    ours = tuple(each for each in records if each.owner == OWNER and each.type == "A")
    listed = frozenset(each.id for each in instances if each.tags.get("Project") == "Elephant")
    return Survey(NOW, ours, seen, {each.id: each for each in rows}, plan, listed)
