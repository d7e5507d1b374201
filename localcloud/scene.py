"""Building blocks of the demo's story: actions, checks and output."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import dns.message
import dns.query
import dns.rcode

from localcloud.aws import ANY_IMAGE
from localcloud.caller import Caller
from localcloud.desktop import HEALTHY
from localcloud.narrator import Topic
from localcloud.visitor import Visitor
from localcloud.wording import line_of, line_of_desktop, line_of_event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from localcloud.aws import Delivery, Invocation
    from localcloud.caller import Answer
    from localcloud.cloud import LocalCloud
    from localcloud.desktop import Desktop
    from localcloud.narrator import Narrator

ROLES: Final = ("teacher", "student")
GO: Final = "go"
"""The file for which the demo's start hook waits."""


@dataclass(frozen=True)
class Booked:
    """A meeting as its two people know it: its time, and a link for each."""

    id: str
    start: datetime
    links: Mapping[str, str]


class Scene:
    """A deployed stage on a local cloud, its meetings, and the narrator."""

    def __init__(self, cloud: LocalCloud, narrator: Narrator) -> None:
        self.cloud = cloud
        self.settings = cloud.settings
        self.zone = cloud.cloudflare.api.zone(cloud.settings.zone_id)
        self.ec2 = cloud.client("ec2")
        self.caller = Caller(cloud.api_url)
        self.visitor = Visitor(cloud.edge)
        self.names: dict[str, str] = {}
        self._dynamodb = cloud.client("dynamodb")
        self._narrator = narrator
        self._idle_sweeps = 0
        self._runs = 0
        cloud.bridge.on_event(self._note_event)
        cloud.functions.on_finished(self._note_invocation)
        cloud.desktops.on_line(self._note_line)

    # What happens

    def run(self, what: str, **tags: str) -> str:
        """Start an instance by hand. Returns its id."""
        spec = {
            "ResourceType": "instance",
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
        answer = self.ec2.run_instances(
            ImageId=ANY_IMAGE, MinCount=1, MaxCount=1, TagSpecifications=[spec]
        )
        instance_id = str(answer["Instances"][0]["InstanceId"])
        self.names[instance_id] = what
        self.note(f"{instance_id} is {what}")
        return instance_id

    def key(self) -> str:
        """Read the scheduling key, as the operator may."""
        answer = self.cloud.client("secretsmanager").get_secret_value(
            SecretId="elephant-local-schedule-key"
        )
        return str(answer["SecretString"])

    def book(self, answer: Answer) -> Booked:
        """Read the answer to a request for a meeting."""
        answered = answer.document
        start = datetime.fromisoformat(answered["meet_time"]).astimezone(UTC)
        return Booked(
            answered["meeting_id"], start, {role: answered[f"{role}_link"] for role in ROLES}
        )

    def emit(self, instance_id: str, state: str) -> None:
        """Put an event on the bus by hand, and wait until it is handled."""
        self.cloud.bridge.emit(self.cloud.bridge.state_change(instance_id, state))
        self.cloud.settle()

    def sweep(self) -> None:
        """Run the scheduled rules now, and wait until they have finished."""
        self.cloud.schedules.fire()
        self.cloud.settle()

    def pass_until(self, moment: datetime) -> None:
        """Advance the clock to a moment; everything scheduled in between runs."""
        minutes = (moment - self.cloud.clock.now()) / timedelta(minutes=1)
        self._idle_sweeps = 0
        self.cloud.pass_until(moment)
        idle = self._idle_sweeps
        sweeps = (
            f"; {idle} {'sweep' if idle == 1 else 'sweeps'} found nothing to do" if idle else ""
        )
        later = "a minute" if round(minutes) == 1 else f"{minutes:.0f} minutes"
        self.note(f"{later} later it is {moment:%H:%M}{sweeps}")

    def let_desktops_start(self, meeting: Booked) -> None:
        """Let the start hooks of a meeting's desktops end; wait until each has reported."""
        for desktop in self.desktops(meeting).values():
            (desktop.root / GO).touch()
        for desktop in self.desktops(meeting).values():
            desktop.wait_for(HEALTHY)
        self.cloud.settle()

    def wait_until_ended(self, desktop: Desktop) -> None:
        """Wait until a desktop that powers off is off, and what follows from it is done."""
        desktop.wait_until_ended()
        self.cloud.settle()

    # What is

    def row(self, meeting: Booked) -> dict[str, str]:
        """Return a meeting's row, without its id and when people were last seen."""
        answer = self._dynamodb.get_item(
            TableName=self.settings.table_name, Key={"id": {"S": meeting.id}}
        )
        left_out = ("id", *(f"{role}_connected_at" for role in ROLES))
        item = {key: value for key, value in answer["Item"].items() if key not in left_out}
        return {key: str(text) for key, value in item.items() for text in value.values()}

    def rows(self) -> int:
        """Count the rows of the table."""
        return int(self._dynamodb.scan(TableName=self.settings.table_name)["Count"])

    def schedules(self, meeting: Booked | None = None) -> list[str]:
        """Return the names of the pending one-off schedules: of a meeting, or all."""
        found = self.cloud.client("scheduler").list_schedules(GroupName="elephant-local")
        names = sorted(schedule["Name"] for schedule in found["Schedules"])
        return [name for name in names if meeting is None or meeting.id in name]

    def desktops(self, meeting: Booked) -> dict[str, Desktop]:
        """Return the desktops of a meeting that run, by role."""
        return {
            desktop.role: desktop
            for desktop in self.cloud.desktops.running()
            if desktop.meeting_id == meeting.id
        }

    def instances(self, **where: str) -> list[dict[str, Any]]:
        """Return EC2's description of the instances that match filters."""
        filters = [{"Name": name, "Values": [value]} for name, value in where.items()]
        answer = self.ec2.describe_instances(Filters=filters)
        return [found for held in answer["Reservations"] for found in held["Instances"]]

    def describe(self, instance_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return EC2's description of instances."""
        answer = self.ec2.describe_instances(InstanceIds=list(instance_ids))
        return [found for held in answer["Reservations"] for found in held["Instances"]]

    def address(self, instance_id: str) -> str:
        """Return the public address of an instance that has one."""
        return str(self.describe([instance_id])[0]["PublicIpAddress"])

    def given_up(self) -> int:
        """Count the events that failed in all attempts: those in the queue of failed events."""
        queue = self.cloud.client("sqs")
        url = queue.get_queue_url(QueueName="elephant-local-failed-events")["QueueUrl"]
        name = "ApproximateNumberOfMessages"
        answer = queue.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(answer["Attributes"][name])

    def writes(self) -> list[str]:
        """Return the paths of all write calls to Cloudflare's API so far."""
        return [call.path for call in self.cloud.cloudflare.calls if call.method != "GET"]

    def calls_made(self) -> str:
        """Say how often Cloudflare was called, and functions ran."""
        calls, writes = len(self.cloud.cloudflare.calls), len(self.writes())
        return f"calls made: {calls} to Cloudflare, {writes} of them to write; {self._runs} runs"

    def dig(self, name: str) -> list[str] | None:
        """Ask the zone's nameserver over UDP; None if there is no such name."""
        host, port = self.cloud.cloudflare.dns_address
        answer = dns.query.udp(dns.message.make_query(name, "A"), host, port=port, timeout=600)
        if answer.rcode() == dns.rcode.NXDOMAIN:
            return None
        return sorted(address.to_text() for held in answer.answer for address in held)

    # Output

    def chapter(self, title: str, topic: Topic | None = None) -> None:
        """Print the heading of a new part, and say what its promises are about."""
        self._narrator.chapter(title, topic)

    def note(self, text: str) -> None:
        """Say what happens."""
        self._narrator.note(text)

    def promise(
        self,
        text: str,
        holds: bool,  # noqa: FBT001 (the sentence's own end)
        topic: Topic | None = None,
    ) -> None:
        """Print a promise and whether it holds; it is about the chapter's topic, or another."""
        self._narrator.promise(text, holds=holds, topic=topic)

    def promise_page(self, meeting: Booked, role: str, headline: str) -> None:
        """Check what a visitor reads on the page of a link."""
        page = self.caller.look(meeting.links[role])
        what = f"the {role}'s page says: {page.headline}"
        self.promise(what, page.headline == headline, Topic.PEOPLE)
        self.note(f"  {page.message}")

    def promise_record(self, instance_id: str) -> None:
        """Check that the instance's name leads to its address, through Cloudflare's edge."""
        name = self.settings.record_name(instance_id)
        origins = [record.fields.content for record in self.zone.named(name)]
        address = self.address(instance_id)
        self.promise(f"{name} has one record, at {address}", origins == [address], Topic.DNS)
        edge = self.dig(name) or []
        self.promise(
            f"it resolves, to Cloudflare's edge, which proxies to it: {', '.join(edge)}",
            bool(edge) and address not in edge,
            Topic.DNS,
        )

    def promise_no_name(self, instance_id: str) -> None:
        """Check that the instance's name no longer resolves."""
        name = self.settings.record_name(instance_id)
        self.promise(f"{name} no longer resolves", self.dig(name) is None, Topic.DNS)

    def _note_line(self, desktop: Desktop, line: str) -> None:
        self.note(line_of_desktop(desktop, line))

    def _note_event(self, delivery: Delivery) -> None:
        if delivery.functions:
            self.note(line_of_event(delivery))

    def _note_invocation(self, invocation: Invocation) -> None:
        self._runs += 1
        line = line_of(invocation)
        if line is not None:
            self.note(line)
        elif invocation.function.endswith("-sweep"):
            self._idle_sweeps += 1
