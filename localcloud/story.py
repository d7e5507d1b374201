"""The demo: a meeting's desktops from launch to end, every promise checked on the way."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localcloud.cloud import STAGE, LocalCloud, Ports
from localcloud.cloudflare import Fault, FaultKind, When
from localcloud.scene import Scene

if TYPE_CHECKING:
    from localcloud.narrator import Narrator
    from localcloud.project import Project

TIME_SCALE: Final = 0.01
"""Lambda waits a minute before it tries again; here it waits 0.6 seconds."""

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
        _Story(Scene(cloud, narrator)).tell()
    narrator.chapter("Everything that was started has ended")
    total = narrator.held + len(narrator.broken)
    narrator.note(f"{narrator.held} of {total} promises held, in {narrator.seconds:.0f} seconds")
    return not narrator.broken


class _Story:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def tell(self) -> None:
        scene = self._scene
        domain = scene.settings.domain_root
        scene.chapter("Before: a zone that holds other things, and a scheduled meeting")
        hand_made = {"name": f"www.{domain}", "content": _HAND_MADE, "comment": "made by hand"}
        scene.zone.create({"type": "A", "proxied": False, **hand_made})
        scene.set_row(status="LAUNCHED")
        before = scene.zone.records
        scene.note(f"www.{domain} is there, made by hand; the meeting's row is LAUNCHED")

        teacher, student, others = self._launch()
        self._pass_health_check()
        self._stop_and_start(student)
        self._repeat(teacher)
        self._lose_events()
        self._end(teacher, student)

        scene.chapter("After")
        scene.promise("the zone is exactly what it was before", scene.zone.records == before)
        answer = scene.dig(f"www.{domain}")
        scene.promise(f"www.{domain} still resolves to {_HAND_MADE}", answer == [_HAND_MADE])
        running = [found["State"]["Name"] == "running" for found in scene.describe(others)]
        scene.promise("the other instances still run", all(running))
        scene.promise("no run of a function failed", scene.failures == 0)
        calls = scene.cloud.cloudflare.calls
        scene.promise(
            f"Cloudflare was called {len(calls)} times, {len(scene.writes())} of them to write, "
            "and refused none",
            all(call.status == 200 for call in calls if call.status is not None),  # noqa: PLR2004
        )

    def _launch(self) -> tuple[str, str, list[str]]:
        scene = self._scene
        scene.chapter("Four instances start: two desktops of the meeting, two strangers")
        teacher = scene.run("the teacher's desktop", Project="Elephant", Role="teacher")
        student = scene.run("the student's desktop", Project="Elephant", Role="student")
        others = [
            scene.run("an instance without tags of ours", Name="nobody's"),
            scene.run("an instance of another project", Project="Giraffe", Role="teacher"),
        ]
        scene.cloud.settle()
        for desktop in (teacher, student):
            scene.promise_record(desktop)
        for other in others:
            name = scene.settings.record_name(other)
            scene.promise(f"{scene.names[other]} got no record", not scene.zone.named(name))
        row = scene.row()
        scene.promise(
            f"the meeting's row has both links, and its status is {row.get('status')}",
            row
            == {
                "status": "DNS_WRITTEN",
                "teacher_ec2_link": scene.settings.link(teacher),
                "student_ec2_link": scene.settings.link(student),
            },
        )
        scene.note(f"people open {scene.settings.link(teacher)}")
        return teacher, student, others

    def _pass_health_check(self) -> None:
        self._scene.set_row(status="HEALTHY")
        self._scene.note("the desktops report that they are well: the status is HEALTHY")

    def _stop_and_start(self, student: str) -> None:
        scene = self._scene
        scene.chapter("The student's desktop is stopped")
        old = scene.address(student)
        scene.ec2.stop_instances(InstanceIds=[student])
        scene.cloud.settle()
        scene.promise_no_name(student)
        row = scene.row()
        scene.promise("its link is gone from the row", "student_ec2_link" not in row)
        scene.promise("the meeting goes on: HEALTHY", row["status"] == "HEALTHY")

        scene.chapter(
            "It is started again, and Cloudflare loses the connection just after it wrote"
        )
        fault = Fault(FaultKind.DROP, when=When.AFTER, method="POST")
        scene.cloud.cloudflare.faults.add(fault)
        scene.ec2.start_instances(InstanceIds=[student])
        scene.cloud.settle()
        new = scene.address(student)
        scene.promise(f"it has another address: {new} instead of {old}", new != old)
        scene.promise_record(student)
        row = scene.row()
        scene.promise("its link is back in the row", "student_ec2_link" in row)
        scene.promise("the status did not go back: HEALTHY", row["status"] == "HEALTHY")

    def _repeat(self, teacher: str) -> None:
        scene = self._scene
        scene.chapter("EventBridge delivers an event twice")
        written, row = len(scene.writes()), scene.row()
        for _ in range(2):
            scene.emit(teacher, "running")
        scene.promise("nothing was written again", len(scene.writes()) == written)
        scene.promise("the row is the same", scene.row() == row)

    def _lose_events(self) -> None:
        scene = self._scene
        before, row = scene.zone.records, scene.row()
        scene.chapter("A third desktop starts, and EventBridge loses the event")
        with scene.cloud.bridge.losing():
            observer = scene.run("the observer's desktop", Project="Elephant", Role="observer")
        name = scene.settings.record_name(observer)
        scene.promise(f"{name} does not resolve", scene.dig(name) is None)

        scene.chapter("The sweep, which runs every minute, looks at everything")
        scene.sweep()
        scene.promise_record(observer)
        link = {"observer_ec2_link": scene.settings.link(observer)}
        scene.promise(
            "its link is in the row, which is as it was otherwise", scene.row() == row | link
        )
        written = len(scene.writes())
        scene.sweep()
        scene.promise("where all is well it writes nothing", len(scene.writes()) == written)

        scene.chapter("The third desktop ends, and that event is lost as well")
        with scene.cloud.bridge.losing():
            scene.ec2.terminate_instances(InstanceIds=[observer])
        scene.promise(f"{name} is left behind", scene.dig(name) is not None)

        scene.chapter("The next sweep")
        scene.sweep()
        scene.promise_no_name(observer)
        scene.promise("its link is gone from the row, which is as it was", scene.row() == row)
        scene.promise("the other records were not touched", scene.zone.records == before)

    def _end(self, teacher: str, student: str) -> None:
        scene = self._scene
        scene.chapter("The teacher's desktop ends")
        scene.ec2.terminate_instances(InstanceIds=[teacher])
        scene.cloud.settle()
        scene.promise_no_name(teacher)
        row = scene.row()
        scene.promise(
            "the meeting goes on with the student's desktop",
            row == {"status": "HEALTHY", "student_ec2_link": scene.settings.link(student)},
        )

        scene.chapter("Late, an event says that the teacher's desktop runs")
        scene.emit(teacher, "running")
        name = scene.settings.record_name(teacher)
        scene.promise("nothing comes back: what counts is the state now", scene.dig(name) is None)
        scene.promise("the row is the same", scene.row() == row)

        scene.chapter("The student's desktop ends")
        scene.ec2.terminate_instances(InstanceIds=[student])
        scene.cloud.settle()
        scene.promise_no_name(student)
        row = scene.row()
        scene.promise(
            "the meeting is over: TERMINATED, no link left", row == {"status": "TERMINATED"}
        )
