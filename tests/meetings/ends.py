"""Meetings and what ends them: moto's AWS, faults at any call, and time that jumps."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from moto.ec2.models import ec2_backends

from chalicelib.clock import format_time
from chalicelib.ec2.instances import Instances
from chalicelib.meeting_row.table import Meetings
from chalicelib.meetings.overseer import Overseer
from chalicelib.meetings.safety_net import SafetyNet
from chalicelib.meetings.schedules import Schedules
from chalicelib.meetings.terminator import Terminator
from chalicelib.resource_names import StageNames
from tests.meetings.launches import ID, SETTINGS, Died, make_ending
from tests.world import ACCOUNT, REGION, TABLE, Context, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

GROUP = "elephant-test"
NET_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{GROUP}-safety_net"
DATA = "s3://bucket/session"
BOTH = {"teacher_session_data": DATA, "student_session_data": DATA}
GONE = ["terminated", "terminated"]
LIVE = ["running", "running"]
REFUSED, UNREACHED, LOST = "refused", "unreached", "lost"
FAULTS = (REFUSED, LOST, "died before", "died after")
MOST_LOOKS = 60


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@dataclass
class Faults:
    """Counts the calls of the application to AWS, and lets some of them go wrong.

    `faults` says which, by their position, and how: AWS refuses, is not reached, or its answer is
    lost; or the process `died` before or after the call, so that none of it runs any more.
    """

    clock: Callable[[], datetime]
    calls: list[str] = field(default_factory=list)
    ended_at: list[datetime] = field(default_factory=list)
    """When instances were asked to end."""
    faults: dict[int, str] = field(default_factory=dict)
    dead: bool = False
    refused: set[tuple[str, str]] = field(default_factory=set)
    """Operations that are refused, each with what its request mentions."""
    code: str = "InternalError"
    meanwhile: dict[str | int, Callable[[], object]] = field(default_factory=dict)
    """What happens just before the next call of an operation, or the one at a position."""

    def call(self, name: str, do: Callable[..., Any], request: dict[str, Any]) -> Any:  # noqa: ANN401
        if self.dead:
            raise Died
        position = len(self.calls)
        self.calls.append(name)
        if name == "terminate_instances":
            self.ended_at.append(self.clock())
        for when in (name, position):
            self.meanwhile.pop(when, lambda: None)()
        if any(name == each and text in json.dumps(request) for each, text in self.refused):
            raise self._refusal(name)
        fault = self.faults.get(position)
        if fault is None:
            return do(**request)
        if fault == REFUSED:
            raise self._refusal(name)
        if fault == UNREACHED:
            raise ConnectTimeoutError(endpoint_url=f"https://{name}")
        if fault != "died before":
            do(**request)
        if fault == LOST:
            raise ReadTimeoutError(endpoint_url=f"https://{name}")
        self.dead = True
        raise Died

    def arm(self, at: int | None, does: str = REFUSED) -> None:
        """Start counting again, and let the call at this position go wrong."""
        self.calls.clear()
        self.faults, self.dead = {} if at is None else {at: does}, False

    def _refusal(self, name: str) -> ClientError:
        return ClientError({"Error": {"Code": self.code, "Message": "as the test wants it"}}, name)


class FaultyClient:
    """A client of AWS whose calls may go wrong."""

    def __init__(self, client: Any, faults: Faults) -> None:  # noqa: ANN401
        self._client = client
        self._faults = faults

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda **request: self._faults.call(name, getattr(self._client, name), request)


class Ends:
    """What ends meetings, and what is there to be ended."""

    def __init__(self, world: World, scheduler: Any) -> None:  # noqa: ANN401
        self.world = world
        self.settings = settings = SETTINGS
        # It stands still between looks, and on the hour, so that every run is the same.
        self._now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + minutes(60)
        self.faults = Faults(self.now)
        self.schedules = scheduler
        if not scheduler.list_schedule_groups(NamePrefix=GROUP)["ScheduleGroups"]:
            scheduler.create_schedule_group(Name=GROUP)
        ec2: Any = FaultyClient(world.ec2, self.faults)
        dynamodb: Any = FaultyClient(world.dynamodb, self.faults)
        self.table = Meetings(dynamodb, TABLE)
        self.instances = Instances(ec2, settings.project_tag, settings.owner)
        self.ending = make_ending(settings, ec2, dynamodb)
        assert settings.meetings
        self.net = SafetyNet(
            settings=settings.meetings,
            table=self.table,
            instances=self.instances,
            ending=self.ending,
            schedules=Schedules(FaultyClient(scheduler, self.faults)),
            reporter=world.reports,
            clock=self.clock,
        )
        self.terminator = Terminator(
            table=self.table, ending=self.ending, reporter=world.reports, clock=self.clock
        )

    # What there is

    def now(self) -> datetime:
        return self._now

    def clock(self) -> float:
        return self._now.timestamp()

    def pass_time(self, minutes: float) -> None:
        self._now += timedelta(minutes=minutes)

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
        for name, text in attributes.items():
            self.world.dynamodb.update_item(
                TableName=TABLE,
                Key={"id": {"S": meeting}},
                UpdateExpression="SET #n = :v",
                ExpressionAttributeNames={"#n": name},
                ExpressionAttributeValues={":v": {"S": text}},
            )

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
        assert self.settings.meetings
        overseer = Overseer(
            settings=self.settings.meetings,
            instances=self.world.instances(),
            table=self.world.meetings(),
            schedules=Schedules(self.schedules),
            reporter=self.world.reports,
            clock=self.clock,
        )
        return overseer.oversee(Context(invoked_function_arn=NET_ARN))

    def book(self, meeting: str = ID, minutes: float = 0) -> None:
        """Book the first look as `schedule_meeting` does."""
        at = self.now() + timedelta(minutes=minutes)
        Schedules(self.schedules).create_schedule_at(
            StageNames.of(NET_ARN), f"safety-{meeting}", at, "safety_net", {"meetingId": meeting}
        )

    def booked(self) -> dict[str, datetime]:
        """Return when each schedule of the stage fires."""
        found = self.schedules.list_schedules(GroupName=GROUP)["Schedules"]
        made = (self.schedules.get_schedule(GroupName=GROUP, Name=each["Name"]) for each in found)
        return {
            each["Name"]: datetime.strptime(
                each["ScheduleExpression"], "at(%Y-%m-%dT%H:%M:%S)"
            ).replace(tzinfo=UTC)
            for each in made
        }

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
