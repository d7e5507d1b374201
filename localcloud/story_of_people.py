"""The demo's story of the people: into their desktops by a ticket, and out again."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from localcloud.narrator import Topic

if TYPE_CHECKING:
    from localcloud.scene import Booked, Scene

_OK: Final = 200


def enter_desktops(scene: Scene, lesson: Booked, long_one: Booked) -> None:
    """Let the desktops become healthy, and people enter."""
    scene.chapter("The desktops report that they are healthy", Topic.MEETINGS)
    for meeting in (lesson, long_one):
        scene.let_desktops_start(meeting)
    scene.promise("the status is HEALTHY", scene.row(lesson)["status"] == "HEALTHY")
    scene.promise_page(lesson, "teacher", "Your desktop is ready")
    scene.caller.ask(lesson.links["teacher"])
    scene.promise(
        "neither opening the page nor fetching the address counts as a person: HEALTHY",
        scene.row(lesson)["status"] == "HEALTHY",
    )

    scene.chapter("People enter", Topic.PEOPLE)
    late = _click(scene, lesson, "teacher")
    scene.cloud.pass_minutes(1.5)
    _promise_refused(scene, late, "a minute later, the address no longer opens it")
    with ExitStack() as connected:
        sent = _click(scene, lesson, "teacher")
        screen = connected.enter_context(scene.visitor.stay(sent))
        row = scene.row(lesson)
        scene.promise(
            f"a click leads to {row['teacher_ec2_link']}, which says: {screen.headline}",
            sent.startswith(f"{row['teacher_ec2_link']}/?authToken=")
            and screen.headline == "You are on the teacher's desktop",
        )
        scene.promise("the meeting is IN_PROGRESS", row["status"] == "IN_PROGRESS")
        scene.promise("the row holds no ticket", _ticket(sent) not in str(row))
        _promise_refused(scene, sent, "nobody else gets in with the teacher's address")
        other = sent.replace(row["teacher_ec2_link"], row["student_ec2_link"])
        _promise_refused(scene, other, "nor does it open the student's desktop")
    _promise_no_rights(scene, lesson)
    for meeting in (lesson, long_one):
        sent = _click(scene, meeting, "student")
        headline = scene.visitor.look(sent).headline
        scene.promise(
            f"the student of {meeting.id} gets in: {headline}",
            headline == "You are on the student's desktop",
        )
    scene.cloud.settle()


def end_part(scene: Scene, meeting: Booked, role: str) -> None:
    """Let somebody finish: the desktop uploads, reports and shuts down."""
    desktop = scene.desktops(meeting)[role]
    desktop.finish()
    desktop.wait_for("powering off")
    scene.wait_until_ended(desktop)
    data = json.loads(scene.row(meeting).get(f"{role}_session_data", "{}"))
    where = f"s3://recordings/{meeting.id}/{role}"
    scene.promise(f"the row says where its recording is: {where}", data.get("recording") == where)


def _promise_no_rights(scene: Scene, meeting: Booked) -> None:
    """Do what somebody may try who sits at the teacher's desktop: use its credentials."""
    desktop = scene.desktops(meeting)["teacher"]
    denied = []
    for service, operation, request in (
        ("dynamodb", "get_item", {"TableName": "elephant-meetings", "Key": {"id": {"S": "1"}}}),
        ("secretsmanager", "get_secret_value", {"SecretId": scene.settings.secret_id}),
        ("ec2", "terminate_instances", {"InstanceIds": [desktop.instance_id]}),
    ):
        client = desktop.client(service)
        try:
            getattr(client, operation)(**request)
        except ClientError as error:
            denied.append(error.response["Error"]["Code"])
    scene.promise(
        "with a desktop's credentials nobody reads the table or the token, or ends a desktop",
        denied == ["AccessDeniedException", "AccessDeniedException", "UnauthorizedOperation"],
    )


def _click(scene: Scene, meeting: Booked, role: str) -> str:
    """Click "Open your desktop"; return the address that the browser is sent to."""
    link = meeting.links[role]
    return str(scene.caller.click(link, scene.caller.look(link)))


def _ticket(address: str) -> str:
    return address.partition("authToken=")[2].partition("#")[0]


def _promise_refused(scene: Scene, address: str, text: str) -> None:
    screen = scene.visitor.look(address)
    scene.promise(f"{text}: {screen.status}", screen.status != _OK and screen.stream is None)
