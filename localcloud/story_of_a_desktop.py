"""The demo's story of one desktop: its record and link through stops, losses and repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.cloudflare import Fault, FaultKind, When
from localcloud.narrator import Topic

if TYPE_CHECKING:
    from localcloud.scene import Booked, Scene


def check_desktops(scene: Scene, meeting: Booked) -> None:
    """Stop and start one, repeat and lose events; the records stay right."""
    desktops = scene.desktops(meeting)
    _stop_and_start(scene, meeting, desktops["student"].instance_id)
    _repeat(scene, meeting, desktops["teacher"].instance_id)
    _lose_events(scene, meeting)


def _stop_and_start(scene: Scene, meeting: Booked, student: str) -> None:
    scene.chapter("The student's desktop is stopped", Topic.DNS)
    old = scene.address(student)
    scene.ec2.stop_instances(InstanceIds=[student])
    scene.cloud.settle()
    scene.promise_no_name(student)
    row = scene.row(meeting)
    scene.promise("its link is removed from the row", "student_ec2_link" not in row)
    scene.promise("the meeting goes on: IN_PROGRESS", row["status"] == "IN_PROGRESS")

    scene.chapter(
        "It is started again, and Cloudflare's connection drops just after the write", Topic.FAULTS
    )
    fault = Fault(FaultKind.DROP, when=When.AFTER, method="POST")
    scene.cloud.cloudflare.faults.add(fault)
    scene.ec2.start_instances(InstanceIds=[student])
    scene.cloud.settle()
    new = scene.address(student)
    scene.promise(f"it has another address: {new} instead of {old}", new != old)
    scene.promise_record(student)
    row = scene.row(meeting)
    scene.promise("its link is back in the row", "student_ec2_link" in row)
    scene.promise("the status did not go back: IN_PROGRESS", row["status"] == "IN_PROGRESS")


def _repeat(scene: Scene, meeting: Booked, teacher: str) -> None:
    scene.chapter("EventBridge delivers an event twice")
    written, row = len(scene.writes()), scene.row(meeting)
    for _ in range(2):
        scene.emit(teacher, "running")
    scene.promise("nothing was written again", len(scene.writes()) == written)
    scene.promise("the row is the same", scene.row(meeting) == row)


def _lose_events(scene: Scene, meeting: Booked) -> None:
    before, row = scene.zone.records, scene.row(meeting)
    scene.chapter("A third desktop is started by hand, and EventBridge loses the event")
    tags = {"Project": "Elephant", "MeetingID": meeting.id, "Role": "observer"}
    with scene.cloud.bridge.losing():
        observer = scene.run("the observer's desktop", **tags)
    name = scene.settings.record_name(observer)
    scene.promise(f"{name} does not resolve", scene.dig(name) is None)

    scene.chapter("The sweep, which runs every minute, checks everything")
    scene.sweep()
    scene.promise_record(observer)
    link = {"observer_ec2_link": scene.settings.link(observer)}
    row_now = scene.row(meeting)
    scene.promise("its link is in the row, which is otherwise unchanged", row_now == row | link)
    written = len(scene.writes())
    scene.sweep()
    scene.promise("if nothing is wrong, it writes nothing", len(scene.writes()) == written)

    scene.chapter("The third desktop is terminated, and that event is lost as well")
    with scene.cloud.bridge.losing():
        scene.ec2.terminate_instances(InstanceIds=[observer])
    scene.promise(f"{name} is left behind", scene.dig(name) is not None)

    scene.chapter("The next sweep")
    scene.sweep()
    scene.promise_no_name(observer)
    row_now = scene.row(meeting)
    scene.promise("its link is removed from the row, which is otherwise unchanged", row_now == row)
    scene.promise("the other records were not touched", scene.zone.records == before)


def end_desktops(scene: Scene, meeting: Booked) -> None:
    """Let people shut down their desktops, one after the other."""
    desktops = scene.desktops(meeting)
    teacher, student = (desktops[role] for role in ("teacher", "student"))
    scene.chapter("The teacher of the second meeting shuts down the desktop", Topic.MEETINGS)
    scene.cloud.desktops.power_off(teacher.instance_id)
    scene.cloud.settle()
    scene.promise_no_name(teacher.instance_id)
    row = scene.row(meeting)
    scene.promise(
        "the meeting goes on with the student's desktop",
        row["status"] == "IN_PROGRESS"
        and "teacher_ec2_link" not in row
        and row["student_ec2_link"] == scene.settings.link(student.instance_id),
    )

    scene.chapter("A late event says that the teacher's desktop runs", Topic.FAULTS)
    scene.emit(teacher.instance_id, "running")
    name = scene.settings.record_name(teacher.instance_id)
    scene.promise("nothing is recreated: only the current state counts", scene.dig(name) is None)
    scene.promise("the row is the same", scene.row(meeting) == row)

    scene.chapter("The student shuts down the other desktop", Topic.MEETINGS)
    scene.cloud.desktops.power_off(student.instance_id)
    scene.cloud.settle()
    scene.promise_no_name(student.instance_id)
    row = scene.row(meeting)
    links = [attribute for attribute in row if attribute.endswith("_ec2_link")]
    scene.promise(
        "the meeting is over: TERMINATED, no link left",
        row["status"] == "TERMINATED" and not links,
    )
