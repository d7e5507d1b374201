"""Meetings and what ends them: moto's AWS, faults at any call, and time that jumps."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from moto.ec2.models import ec2_backends

from chalicelib.clock import format_time
from chalicelib.meeting_row.table import Meetings
from chalicelib.meetings.schedules import Schedule, Schedules
from chalicelib.resource_names import StageNames
from chalicelib.watchdog.snapshot import Snapshot
from tests.meetings.faults import DIED_AFTER, DIED_BEFORE, LOST, REFUSED, FaultyWorld
from tests.meetings.launches import ID, SETTINGS
from tests.world import ACCOUNT, REGION, TABLE, Context, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GROUP = "elephant-test"
NET_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{GROUP}-safety_net"
DATA = "s3://bucket/session"
BOTH = {"teacher_session_data": DATA, "student_session_data": DATA}
GONE = ["terminated", "terminated"]
LIVE = ["running", "running"]
CALLS_OF_AN_END = [
    *("update_item", "describe_instances"),
    *("terminate_instances", "terminate_instances", "update_item"),
]
FAULTS = (REFUSED, LOST, DIED_BEFORE, DIED_AFTER)
MOST_LOOKS = 60


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


class Ends(FaultyWorld):
    """What ends meetings, and what is there to be ended."""

    def __init__(self, world: World, scheduler: Any) -> None:  # noqa: ANN401
        # On the hour, so that every run is the same.
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + minutes(60)
        super().__init__(world, now, scheduler=scheduler)
        self.schedules = scheduler
        if not scheduler.list_schedule_groups(NamePrefix=GROUP)["ScheduleGroups"]:
            scheduler.create_schedule_group(Name=GROUP)
        functions = self.functions_of(SETTINGS)
        self.ending, self.net = functions.meetings.ending, functions.meetings.safety_net
        self.terminator = functions.meetings.terminator

    # What there is

    def starts(self, minutes: float) -> str:
        """Format the moment so many minutes from now as a row does."""
        return format_time(self.now() + timedelta(minutes=minutes))

    def desktop(self, role: str, meeting: str) -> str:
        made = self.world.desktop(role, meeting)
        instance = ec2_backends[ACCOUNT][REGION].get_instance(made)
        instance.launch_time = self.now().replace(tzinfo=None)
        return made

    def meeting(self, meeting: str = ID, ago: float = 15, /, **attributes: str) -> tuple[str, str]:
        """Make a meeting that started so many minutes ago, and its two desktops."""
        teacher, student = self.desktop("teacher", meeting), self.desktop("student", meeting)
        texts = {
            "status": "HEALTHY",
            "meet_time": self.starts(-ago),
            "teacher_ec2_id": teacher,
            "student_ec2_id": student,
        }
        self.world.put_row(meeting, **(texts | attributes))
        return teacher, student

    def meeting_read(self, meeting: str = ID) -> Any:  # noqa: ANN401
        return Meetings(self.world.dynamodb, TABLE).read_row(meeting)

    def set(self, meeting: str = ID, **attributes: str) -> None:
        """Write into a row what others write."""
        self.world.put_row(meeting, **self.world.row(meeting) | attributes)

    def state(self, instance_id: str) -> str:
        answer = self.world.ec2.describe_instances(InstanceIds=[instance_id])
        return str(answer["Reservations"][0]["Instances"][0]["State"]["Name"])

    def states(self, *instance_ids: str) -> list[str]:
        return [self.state(each) for each in instance_ids]

    def counts(self) -> dict[str, int]:
        """Return what the last run counted, without zeros."""
        counted = self.world.reports.lines[-1][2]
        return {name: count for name, count in counted.items() if count}

    def outcome(self, meeting: str = ID) -> tuple[str | None, str | None]:
        row = self.world.row(meeting)
        return row.get("status"), row.get("termination_reason")

    # What happens

    def keep_changing(self) -> Iterator[int]:
        """Change the meeting's time before every write; the changes are counted from 0."""
        changes = count()

        def change() -> None:
            self.set(meet_time=self.starts(-16 - next(changes)))
            self.faults.meanwhile["update_item"] = change

        self.faults.meanwhile["update_item"] = change
        return changes

    def look(self, meeting: str = ID) -> dict[str, Any]:
        return self.net.handle({"meetingId": meeting}, Context(invoked_function_arn=NET_ARN))

    def oversee(self) -> tuple[str, ...]:
        """Let the sweep look after what was left running, in a new execution environment."""
        overseer = self.functions_of(SETTINGS).meetings.overseer
        snapshot = Snapshot(self.world.instances(), self.world.meetings(), self.clock)
        return overseer.oversee(Context(invoked_function_arn=NET_ARN), snapshot)

    def book(self, meeting: str = ID, minutes: float = 0) -> None:
        """Book the first look as `schedule_meeting` does."""
        at = self.now() + timedelta(minutes=minutes)
        first = Schedule(f"safety-{meeting}", at, "safety_net", {"meetingId": meeting})
        Schedules(self.schedules).create_schedule(StageNames.of(NET_ARN), first)

    def booked(self) -> dict[str, datetime]:
        """Return when each schedule of the stage fires."""
        found = self.schedules.list_schedules(GroupName=GROUP)["Schedules"]
        made = (self.schedules.get_schedule(GroupName=GROUP, Name=each["Name"]) for each in found)
        times = {each["Name"]: each["ScheduleExpression"] for each in made}
        return {name: datetime.fromisoformat(f"{at[3:-1]}Z") for name, at in times.items()}

    def fire(self) -> str | None:
        """Let time pass until the next schedule, and take that away; return whom it looks at."""
        booked = self.booked()
        if not booked:
            return None
        name = min(booked, key=lambda each: booked[each])
        target = self.schedules.get_schedule(GroupName=GROUP, Name=name)["Target"]
        self.schedules.delete_schedule(GroupName=GROUP, Name=name)
        self._now = max(self._now, booked[name])
        assert target["Arn"] == NET_ARN
        return str(json.loads(target["Input"])["meetingId"])

    def play(self) -> int:
        """Let every look that is booked happen until none is; return how many there were."""
        for looks in range(MOST_LOOKS):
            meeting = self.fire()
            if meeting is None:
                return looks
            self.look(meeting)
        raise AssertionError(f"after {MOST_LOOKS} looks the next one is booked: {self.booked()}")

    def record(
        self, meeting: str = ID, number: str = "100", name: str = "MODIFY"
    ) -> dict[str, Any]:
        """Make the record of a change to what the row is now."""
        item = self.world.dynamodb.get_item(TableName=TABLE, Key={"id": {"S": meeting}})["Item"]
        return make_record(meeting, item, number, name)

    def tell(self, *records: object) -> list[str]:
        """Hand records to the terminator; return those that it hands back."""
        answer = self.terminator.handle({"Records": list(records)}, Context())
        assert list(answer) == ["batchItemFailures"]
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def make_record(
    meeting: str, image: Mapping[str, Any], number: str = "100", name: str = "MODIFY"
) -> dict[str, Any]:
    """Make a record of a stream with new images, with what of it matters."""
    return {
        "eventName": name,
        "eventSource": "aws:dynamodb",
        "dynamodb": {
            "Keys": {"id": {"S": meeting}},
            "NewImage": dict(image),
            "SequenceNumber": number,
            "StreamViewType": "NEW_IMAGE",
        },
    }
