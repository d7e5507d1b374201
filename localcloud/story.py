"""The demo: meetings from scheduling to clean-up, with every promise checked on the way."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localcloud import stage
from localcloud.aws import Refusal
from localcloud.cloud import STAGE, LocalCloud, Ports
from localcloud.desktop import Kit
from localcloud.narrator import Topic
from localcloud.scene import GO, ROLES, Scene
from localcloud.story_of_a_desktop import check_desktops, end_desktops
from localcloud.story_of_booking import book_meetings
from localcloud.story_of_people import end_part, enter_desktops
from localcloud.story_of_selftest import prove_stage

if TYPE_CHECKING:
    from localcloud.narrator import Narrator
    from localcloud.project import Project
    from localcloud.scene import Booked

TIME_SCALE: Final = 0.01
"""Lambda waits a minute before it retries; here it waits 0.6 seconds."""

KIT: Final = Kit(
    files={
        "etc/elephant/start.d/10-check": f"""\
#!/bin/sh
until [ -e "$ELEPHANT_ROOT/{GO}" ]; do sleep 0.1; done
""",
        "etc/elephant/finish.d/10-upload": """\
#!/bin/sh
echo "{\\"recording\\": \\"s3://recordings/$ELEPHANT_MEETING_ID/$ELEPHANT_ROLE\\"}"
""",
    },
    poll_seconds=1,
)
"""The desktops' image, with an operator's hooks: one checks it, one uploads a recording."""

_NEXT: Final = (
    "",
    "Next:",
    "  make try                    a meeting of your own, in your browser",
    "  docs/meetings.md            what meetings are; docs/reliability.md: every promise",
    "  elephant deploy prod        a stage on AWS, after `make install`: README.md",
)

_HAND_MADE: Final = "198.51.100.80"
_FULL_ZONES: Final = ("us-west-2a", "us-west-2b", "us-west-2c")
_FREE_ZONE: Final = "us-west-2d"
_OK, _UNKNOWN = 200, 404
_MINUTE: Final = timedelta(minutes=1)


def play(project: Project, narrator: Narrator) -> bool:
    """Run the story on its own local cloud; return whether every promise held.

    Raises ProjectError if the local stage has no meetings.
    """
    settings = stage.settings_of(project)
    narrator.introduce(
        "Elephant is deployed to AWS and Cloudflare, which this machine plays.",
        "People book meetings; desktops start, get their names, are used, and end.",
        "A line with a ✓ is a promise that was checked; dim lines say who did what.",
    )
    narrator.chapter("AWS, Cloudflare and DNS start on this machine")
    with (
        LocalCloud(settings, Ports(), time_scale=TIME_SCALE, kit=KIT) as cloud,
        tempfile.TemporaryDirectory(prefix="elephant-") as directory,
    ):
        narrator.note(f"AWS at {cloud.aws.endpoint}, Cloudflare at {cloud.cloudflare.url}")
        narrator.chapter(f"elephant deploy {STAGE}")
        made = stage.deploy(cloud, project, Path(directory) / "project")
        narrator.note(f"a supporting stack, {made.functions} functions with their roles, an API")
        narrator.note(f"elephant doctor {STAGE}: {made.doctor}")
        scene = Scene(cloud, narrator)
        _Story(scene).play()
        prove_stage(scene, made.directory)
    narrator.chapter("Everything that was started has stopped")
    narrator.sum_up(scene.calls_made())
    narrator.introduce(*_NEXT)
    return not narrator.broken


class _Story:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def play(self) -> None:
        scene = self._scene
        domain = scene.settings.domain_root
        scene.chapter("Before: a zone and an account with other contents", Topic.DNS)
        hand_made = {"name": f"www.{domain}", "content": _HAND_MADE, "comment": "created by hand"}
        scene.zone.create({"type": "A", "proxied": False, **hand_made})
        scene.note(f"www.{domain} exists, created by hand")
        others = [
            scene.run("an instance without our tags", Name="nobody's"),
            scene.run("an instance of another project", Project="Giraffe", Role="teacher"),
        ]
        scene.cloud.settle()
        before = scene.zone.records

        lesson, no_show, long_one, called_off = book_meetings(scene)
        self._show_links(lesson)
        self._launch(lesson, long_one, others)
        enter_desktops(scene, lesson, long_one)
        check_desktops(scene, lesson)
        self._leave_live_ones_alone(lesson, no_show, long_one)
        self._end_what_nobody_came_to(no_show)
        self._end_what_is_done(lesson)
        end_desktops(scene, long_one)

        scene.chapter("After")
        while scene.schedules():
            scene.pass_until(scene.cloud.clock.now() + 15 * _MINUTE)
        scene.promise("no schedule is left", scene.cloud.one_offs.next_time() is None)
        left = scene.instances(**{"tag:Project": "Elephant", "instance-state-name": "running"})
        scene.promise("none of our desktops runs", not left)
        none = scene.instances(**{"tag:MeetingID": called_off.id})
        scene.promise("the cancelled meeting never had one", not none)
        same = scene.zone.records == before
        scene.promise("the zone is exactly what it was before", same, Topic.DNS)
        answer = scene.dig(f"www.{domain}")
        there = answer == [_HAND_MADE]
        scene.promise(f"www.{domain} still resolves to {_HAND_MADE}", there, Topic.DNS)
        running = [found["State"]["Name"] == "running" for found in scene.describe(others)]
        scene.promise("the other instances still run", all(running))
        scene.promise("the queue of failed events is empty", scene.given_up() == 0, Topic.FAULTS)
        calls = scene.cloud.cloudflare.calls
        refused = [call for call in calls if call.status not in {_OK, None}]
        scene.promise(
            f"Cloudflare refused none of our calls{f': {refused}' if refused else ''}",
            not refused,
            Topic.DNS,
        )

    def _show_links(self, lesson: Booked) -> None:
        scene = self._scene
        scene.chapter("People open their links early", Topic.PEOPLE)
        scene.note(lesson.links["teacher"].split("?")[0] + "?key=…")
        for role in ROLES:
            scene.promise_page(lesson, role, "Your meeting is booked")
        stranger = lesson.links["teacher"].replace("/teacher?", "/student?")
        answers = [
            scene.caller.ask(link)
            for link in (stranger, stranger.split("?")[0], stranger.replace(lesson.id, "x" * 16))
        ]
        scene.promise(
            "a key works only for its own role; without a valid key the answer is 404",
            {(answer.status, answer.text) for answer in answers} == {(_UNKNOWN, answers[0].text)},
        )

    def _launch(self, lesson: Booked, long_one: Booked, others: list[str]) -> None:
        scene = self._scene
        scene.chapter(
            "Ten minutes before two of them, three of four zones are full", Topic.MEETINGS
        )
        refusals = scene.cloud.aws.refusals
        for zone in _FULL_ZONES:
            refusals.add(Refusal("InsufficientInstanceCapacity", zone=zone))
        scene.pass_until(lesson.start - 10 * _MINUTE)
        refusals.clear()
        for meeting in (lesson, long_one):
            desktops = scene.desktops(meeting)
            zones = {
                found["Placement"]["AvailabilityZone"]
                for found in scene.describe([each.instance_id for each in desktops.values()])
            }
            scene.promise(
                f"{meeting.id} has a desktop for each role, where there was capacity",
                set(desktops) == set(ROLES) and zones == {_FREE_ZONE},
                Topic.FAULTS,
            )
        for desktop in scene.desktops(lesson).values():
            scene.promise_record(desktop.instance_id)
        for other in others:
            name = scene.settings.record_name(other)
            scene.promise(
                f"{scene.names[other]} got no record", not scene.zone.named(name), Topic.DNS
            )
        row = scene.row(lesson)
        links = {
            role: scene.settings.link(desktop.instance_id)
            for role, desktop in scene.desktops(lesson).items()
        }
        scene.promise(
            f"the row has both links, and its status is {row['status']}",
            row["status"] == "DNS_WRITTEN"
            and all(row.get(f"{role}_ec2_link") == links[role] for role in ROLES),
        )
        scene.promise_page(lesson, "student", "Your desktop is being checked")

    def _leave_live_ones_alone(self, lesson: Booked, no_show: Booked, long_one: Booked) -> None:
        scene = self._scene
        scene.chapter(
            "The third meeting's desktops start as well, but nobody joins", Topic.MEETINGS
        )
        scene.pass_until(no_show.start - 9 * _MINUTE)
        scene.let_desktops_start(no_show)
        status = scene.row(no_show)["status"]
        scene.promise("the third meeting is HEALTHY", status == "HEALTHY")

        scene.chapter("15 minutes after its start a meeting is in progress; one side has finished")
        end_part(scene, lesson, "teacher")
        scene.pass_until(lesson.start + 15 * _MINUTE)
        for meeting, alive in ((lesson, 1), (long_one, len(ROLES))):
            status = scene.row(meeting)["status"]
            holds = len(scene.desktops(meeting)) == alive and status == "IN_PROGRESS"
            scene.promise(f"{meeting.id} is not ended", holds)
        looks = [name for name in scene.schedules() if name.startswith(f"safety-{long_one.id}-")]
        scene.promise("the safety net will check again", len(looks) == 1)

    def _end_what_nobody_came_to(self, no_show: Booked) -> None:
        scene = self._scene
        scene.chapter("15 minutes after the start of the third meeting")
        desktops = scene.desktops(no_show)
        scene.pass_until(no_show.start + 15 * _MINUTE)
        scene.promise("the third meeting's desktops are terminated", not scene.desktops(no_show))
        for desktop in desktops.values():
            scene.promise_no_name(desktop.instance_id)
        self._promise_over(no_show, "NO_SHOW_TIMEOUT")
        scene.promise_page(no_show, "student", "This meeting is over")

    def _end_what_is_done(self, lesson: Booked) -> None:
        scene = self._scene
        scene.chapter("The student of the first meeting finishes as well")
        student = scene.desktops(lesson)["student"]
        end_part(scene, lesson, "student")
        scene.promise("none of the first meeting's desktops runs", not scene.desktops(lesson))
        scene.promise_no_name(student.instance_id)
        self._promise_over(lesson, "SUCCESS")

    def _promise_over(self, meeting: Booked, reason: str) -> None:
        row = self._scene.row(meeting)
        links = [name for name in row if name.endswith("_ec2_link")]
        self._scene.promise(
            f"the meeting is TERMINATED: {row.get('termination_reason')}, and no link is left",
            row["status"] == "TERMINATED" and row["termination_reason"] == reason and not links,
        )
