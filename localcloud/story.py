"""The demo: a meeting's two desktops from launch to end, every promise checked on the way."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dns.message
import dns.query
import dns.rcode

from localcloud.cloud import STAGE, LocalCloud, Ports
from localcloud.cloudflare import Fault, FaultKind, When

if TYPE_CHECKING:
    from localcloud.aws import Delivery, Invocation
    from localcloud.narrator import Narrator
    from localcloud.project import Project

MEETING: Final = "demo-meeting"
TIME_SCALE: Final = 0.01
"""Lambda waits a minute before it tries again; here it waits 0.6 seconds."""

_IMAGE = "ami-12c6146b"
_HAND_MADE = "198.51.100.80"
_TABLE_EDGES = ("┏", "┃", "┡", "│", "└")


def tell(project: Project, narrator: Narrator) -> bool:
    """Tell the story on a local cloud of its own; return whether every promise held."""
    narrator.chapter("AWS, Cloudflare and DNS start on this machine")
    with (
        LocalCloud(project.settings, Ports(), time_scale=TIME_SCALE) as cloud,
        tempfile.TemporaryDirectory(prefix="elephant-") as directory,
    ):
        narrator.note(f"AWS at {cloud.aws.endpoint}, Cloudflare at {cloud.cloudflare.url}")
        narrator.chapter(f"python -m ops deploy {STAGE}")
        copy = project.copy(Path(directory) / "project", cloud.cloudflare.url)

        def note(line: str) -> None:
            if not line.startswith(_TABLE_EDGES):  # of the doctor's table its summary is enough
                narrator.note(line.rstrip())

        cloud.deploy(copy.directory, note)
        _Story(cloud, narrator).tell()
    narrator.chapter("Everything that was started has ended")
    total = narrator.held + len(narrator.broken)
    narrator.note(f"{narrator.held} of {total} promises held, in {narrator.seconds:.0f} seconds")
    return not narrator.broken


class _Story:
    def __init__(self, cloud: LocalCloud, narrator: Narrator) -> None:
        self._cloud = cloud
        self._narrator = narrator
        self._ec2 = cloud.client("ec2")
        self._dynamodb = cloud.client("dynamodb")
        self._settings = cloud.settings
        self._zone = cloud.cloudflare.api.zone(cloud.settings.zone_id)
        self._names: dict[str, str] = {}
        cloud.bridge.on_event(self._note_event)
        cloud.functions.on_finished(self._note_invocation)

    def tell(self) -> None:
        domain = self._settings.domain_root
        self._narrator.chapter("Before: a zone that holds other things, and a scheduled meeting")
        hand_made = {"name": f"www.{domain}", "content": _HAND_MADE, "comment": "made by hand"}
        self._zone.create({"type": "A", "proxied": False, **hand_made})
        self._put_row(status="LAUNCHED")
        before = self._zone.records
        self._narrator.note(f"www.{domain} is there, made by hand; the meeting's row is LAUNCHED")

        teacher, student, others = self._launch()
        self._pass_health_check()
        self._stop_and_start(student)
        self._repeat(teacher)
        self._end(teacher, student)

        self._narrator.chapter("After")
        self._promise("the zone is exactly what it was before", self._zone.records == before)
        answer = self._dig(f"www.{domain}")
        self._promise(f"www.{domain} still resolves to {_HAND_MADE}", answer == [_HAND_MADE])
        self._promise("the other instances still run", self._running(others))
        calls = self._cloud.cloudflare.calls
        self._promise(
            f"Cloudflare was called {len(calls)} times, {len(self._writes())} of them to write, "
            "and refused none",
            all(call.status == 200 for call in calls if call.status is not None),  # noqa: PLR2004
        )

    def _launch(self) -> tuple[str, str, list[str]]:
        self._narrator.chapter("Four instances start: two desktops of the meeting, two strangers")
        teacher = self._run("the teacher's desktop", Project="Elephant", Role="teacher")
        student = self._run("the student's desktop", Project="Elephant", Role="student")
        others = [
            self._run("an instance without tags of ours", Name="nobody's"),
            self._run("an instance of another project", Project="Giraffe", Role="teacher"),
        ]
        self._cloud.settle()
        for desktop in (teacher, student):
            self._promise_record(desktop)
        for other in others:
            name = self._settings.record_name(other)
            self._promise(f"{self._names[other]} got no record", not self._zone.named(name))
        row = self._row()
        self._promise(
            f"the meeting's row has both links, and its status is {row.get('status')}",
            row
            == {
                "status": "DNS_WRITTEN",
                "teacher_ec2_link": self._settings.link(teacher),
                "student_ec2_link": self._settings.link(student),
            },
        )
        self._narrator.note(f"people open {self._settings.link(teacher)}")
        return teacher, student, others

    def _pass_health_check(self) -> None:
        self._dynamodb.update_item(
            TableName=self._settings.table_name,
            Key={"id": {"S": MEETING}},
            UpdateExpression="SET #s = :s",
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues={":s": {"S": "HEALTHY"}},
        )
        self._narrator.note("the desktops report that they are well: the status is HEALTHY")

    def _stop_and_start(self, student: str) -> None:
        self._narrator.chapter("The student's desktop is stopped")
        name = self._settings.record_name(student)
        old = self._address(student)
        self._ec2.stop_instances(InstanceIds=[student])
        self._cloud.settle()
        self._promise(f"{name} no longer resolves", self._dig(name) is None)
        row = self._row()
        self._promise("its link is gone from the row", "student_ec2_link" not in row)
        self._promise("the meeting goes on: HEALTHY", row["status"] == "HEALTHY")

        self._narrator.chapter(
            "It is started again, and Cloudflare loses the connection just after it wrote"
        )
        fault = Fault(FaultKind.DROP, when=When.AFTER, method="POST")
        self._cloud.cloudflare.faults.add(fault)
        self._ec2.start_instances(InstanceIds=[student])
        self._cloud.settle()
        new = self._address(student)
        self._promise(f"it has another address: {new} instead of {old}", new != old)
        self._promise_record(student)
        row = self._row()
        self._promise("its link is back in the row", "student_ec2_link" in row)
        self._promise("the status did not go back: HEALTHY", row["status"] == "HEALTHY")

    def _repeat(self, teacher: str) -> None:
        self._narrator.chapter("EventBridge delivers an event twice")
        written, row = len(self._writes()), self._row()
        for _ in range(2):
            self._emit(teacher, "running")
        self._promise("nothing was written again", len(self._writes()) == written)
        self._promise("the row is the same", self._row() == row)

    def _end(self, teacher: str, student: str) -> None:
        self._narrator.chapter("The teacher's desktop ends")
        self._ec2.terminate_instances(InstanceIds=[teacher])
        self._cloud.settle()
        name = self._settings.record_name(teacher)
        self._promise(f"{name} no longer resolves", self._dig(name) is None)
        row = self._row()
        self._promise(
            "the meeting goes on with the student's desktop",
            row == {"status": "HEALTHY", "student_ec2_link": self._settings.link(student)},
        )

        self._narrator.chapter("Late, an event says that the teacher's desktop runs")
        self._emit(teacher, "running")
        self._promise("nothing comes back: what counts is the state now", self._dig(name) is None)
        self._promise("the row is the same", self._row() == row)

        self._narrator.chapter("The student's desktop ends")
        self._ec2.terminate_instances(InstanceIds=[student])
        self._cloud.settle()
        name = self._settings.record_name(student)
        self._promise(f"{name} no longer resolves", self._dig(name) is None)
        row = self._row()
        self._promise(
            "the meeting is over: TERMINATED, no link left", row == {"status": "TERMINATED"}
        )

    # What the story does

    def _run(self, what: str, **tags: str) -> str:
        meeting = {"MeetingID": MEETING} if "Role" in tags else {}
        answer = self._ec2.run_instances(
            ImageId=_IMAGE,
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": key, "Value": tags[key]} for key in tags]
                    + [{"Key": key, "Value": value} for key, value in meeting.items()],
                }
            ],
        )
        instance_id = str(answer["Instances"][0]["InstanceId"])
        self._names[instance_id] = what
        self._narrator.note(f"{instance_id} is {what}")
        return instance_id

    def _emit(self, instance_id: str, state: str) -> None:
        self._cloud.bridge.emit(self._cloud.bridge.state_change(instance_id, state))
        self._cloud.settle()

    def _put_row(self, **attributes: str) -> None:
        item = {key: {"S": value} for key, value in {"id": MEETING, **attributes}.items()}
        self._dynamodb.put_item(TableName=self._settings.table_name, Item=item)

    # What the story looks at

    def _row(self) -> dict[str, str]:
        answer = self._dynamodb.get_item(
            TableName=self._settings.table_name, Key={"id": {"S": MEETING}}
        )
        return {key: value["S"] for key, value in answer["Item"].items() if key != "id"}

    def _describe(self, instance_ids: list[str]) -> list[dict[str, Any]]:
        answer = self._ec2.describe_instances(InstanceIds=instance_ids)
        return [found for held in answer["Reservations"] for found in held["Instances"]]

    def _address(self, instance_id: str) -> str:
        return str(self._describe([instance_id])[0]["PublicIpAddress"])

    def _running(self, instance_ids: list[str]) -> bool:
        return all(found["State"]["Name"] == "running" for found in self._describe(instance_ids))

    def _writes(self) -> list[str]:
        return [call.path for call in self._cloud.cloudflare.calls if call.method != "GET"]

    def _dig(self, name: str) -> list[str] | None:
        """Ask the zone's nameserver over UDP; None if there is no such name."""
        host, port = self._cloud.cloudflare.dns_address
        answer = dns.query.udp(dns.message.make_query(name, "A"), host, port=port, timeout=5)
        if answer.rcode() == dns.rcode.NXDOMAIN:
            return None
        return sorted(address.to_text() for held in answer.answer for address in held)

    # What the story says

    def _promise(self, text: str, holds: bool) -> None:  # noqa: FBT001 (the sentence's own end)
        self._narrator.promise(text, holds=holds)

    def _promise_record(self, instance_id: str) -> None:
        name = self._settings.record_name(instance_id)
        records = self._zone.named(name)
        origins = [record.fields.content for record in records]
        address = self._address(instance_id)
        self._promise(f"{name} has one record, at {address}", origins == [address])
        edge = self._dig(name) or []
        self._promise(
            f"it resolves, to Cloudflare's edge, which proxies to it: {', '.join(edge)}",
            bool(edge) and address not in edge,
        )

    def _note_event(self, delivery: Delivery) -> None:
        if delivery.functions:
            detail = delivery.event["detail"]
            self._narrator.note(f"EventBridge: {detail['instance-id']} is {detail['state']}")

    def _note_invocation(self, invocation: Invocation) -> None:
        if invocation.failed:
            said = f"failed, attempt {invocation.attempt}: {invocation.error}"
        else:
            said = f"{invocation.result['action']}: {invocation.result['reason']}"
        milliseconds = 1000 * invocation.duration
        self._narrator.note(f"Lambda:      {said} ({milliseconds:.0f} ms)")
