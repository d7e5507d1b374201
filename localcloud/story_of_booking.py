"""The demo's story of booking: meetings are booked as the page does, and plans change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from localcloud.narrator import Topic
from localcloud.scene import ROLES

if TYPE_CHECKING:
    from localcloud.scene import Booked, Scene

_OK, _CREATED, _WRONG, _REFUSED, _TAKEN = 200, 201, 400, 401, 409
_MINUTE: Final = timedelta(minutes=1)
_ADDRESSES: Final = {"teacher": "ada@example.com", "student": "ben@example.com"}
_LATER: Final = 90 * _MINUTE
"""By how much the first meeting is booked too late, and then moved."""


def book_meetings(scene: Scene) -> tuple[Booked, Booked, Booked, Booked]:
    """Book four meetings, move the first one and cancel the last.

    The first and the third start at the same time, the second two minutes later.
    """
    caller, key = scene.caller, scene.key()
    scene.chapter("The booking page: GET /", Topic.BOOKING)
    page = caller.request("GET", "/", None)
    scene.promise(
        "anybody can open it; it holds no key, and loads nothing from elsewhere",
        page.status == _OK
        and key not in page.text
        and page.headers["Content-Security-Policy"].startswith("default-src 'none'"),
    )
    scene.chapter("With a key it books meetings, here four: POST /schedule")
    start = scene.cloud.clock.now().replace(second=0, microsecond=0) + 13 * _MINUTE
    invited = {f"{role}_email": address for role, address in _ADDRESSES.items()}
    wanted = {
        "teacher_name": "Ada",
        "student_name": "Ben",
        "meet_time": _written(start + _LATER),
        "time_zone": "Europe/Berlin",
        "duration_minutes": 60,
    }
    refused = caller.schedule(wanted, None)
    scene.promise(
        f"a request without the key is refused: {refused.status}", refused.status == _REFUSED
    )
    wrong = caller.schedule(wanted | {"meet_time": "2026-11-21 16:00"}, key)
    error = wrong.document.get("errors", {}).get("meet_time", "")
    scene.promise(f"a time without an offset is refused: {error}", wrong.status == _WRONG)
    scene.promise("nothing was created", scene.rows() == 0 and not scene.schedules())

    made = caller.schedule(wanted | invited, key, "lesson-1")
    again = caller.schedule(wanted | invited, key, "lesson-1")
    other = caller.schedule(wanted, key, "lesson-1")
    lesson = scene.book(made)
    scene.promise(
        "a request that is sent twice creates one meeting, with the same links",
        (made.status, again.status) == (_CREATED, _OK) and scene.book(again) == lesson,
    )
    scene.promise("the same Idempotency-Key is refused for another request", other.status == _TAKEN)
    on_time = wanted | {"meet_time": _written(start)}
    later = wanted | {"meet_time": _written(start + 2 * _MINUTE)}
    no_show = scene.book(caller.schedule(later, key))
    long_one = scene.book(caller.schedule(on_time | {"teacher_name": "Dora"}, key))
    called_off = scene.book(caller.schedule(later | invited, key))
    meetings = (lesson, no_show, long_one, called_off)
    row = scene.row(lesson)
    scene.promise(f"the first meeting's row is {row['status']}", row["status"] == "SCHEDULED")
    keys = [link.split("key=")[1] for link in lesson.links.values()]
    scene.promise("the row holds no key of a link", not any(each in str(row) for each in keys))
    waiting = scene.schedules()
    scene.promise(
        f"{len(waiting)} one-off schedules are pending", len(waiting) == 2 * len(meetings)
    )
    _promise_letters(scene, lesson, "Invitation")
    _list(scene, *meetings)
    lesson = _move(scene, lesson, start)
    _cancel(scene, called_off)
    return lesson, no_show, long_one, called_off


def _list(scene: Scene, lesson: Booked, *earlier: Booked) -> None:
    scene.chapter("Who has booked them looks at them: GET /meetings")
    refused = scene.caller.request("GET", "/meetings", None)
    scene.promise(f"without the key, nobody sees any: {refused.status}", refused.status == _REFUSED)
    listed = scene.caller.request("GET", "/meetings", scene.key()).document["meetings"]
    times = [each["meet_time"] for each in listed]
    scene.promise(
        f"all {len(listed)} are listed, in order of their start",
        times == sorted(times)
        and {each["meeting_id"] for each in listed} == {each.id for each in (lesson, *earlier)},
    )
    last = listed[-1]
    scene.promise(
        "the list has their links, although only hashes of the keys are stored",
        {role: last[f"{role}_link"] for role in ROLES} == lesson.links,
    )
    said = last["teacher_mail"], last["student_mail"]
    scene.promise(
        f"it says what became of their e-mails: {', '.join(said)}", said == ("sent", "sent")
    )
    scene.note(f"  {last['message']}")


def _move(scene: Scene, lesson: Booked, start: datetime) -> Booked:
    """Move the meeting to an earlier start, which is sent twice."""
    scene.chapter("The first one is moved to an earlier time: PATCH /meetings/{meeting_id}")
    change = {"meet_time": _written(start)}
    path, key = f"/meetings/{lesson.id}", scene.key()
    moved = scene.caller.request("PATCH", path, key, change)
    scene.promise(moved.document["message"], moved.status == _OK)
    row, suffix = scene.row(lesson), scene.row(lesson).get("schedules")
    scene.promise(
        "the meeting's links are the same",
        {role: moved.document[f"{role}_link"] for role in ROLES} == lesson.links,
    )
    scene.promise(
        "its two schedules are moved as well",
        scene.schedules(lesson)
        == [f"{each}-{lesson.id}-{suffix}" for each in ("launch", "safety")],
    )
    _promise_letters(scene, lesson, "New time")
    row = scene.row(lesson)
    again = scene.caller.request("PATCH", path, key, change)
    scene.cloud.settle()
    scene.promise(
        "the same change again changes nothing",
        again.status == _OK and scene.row(lesson) == row,
    )
    return replace(lesson, start=start)


def _cancel(scene: Scene, called_off: Booked) -> None:
    scene.chapter("The fourth is cancelled: DELETE /meetings/{meeting_id}")
    path, key = f"/meetings/{called_off.id}", scene.key()
    answers = [scene.caller.request("DELETE", path, key) for _ in range(2)]
    messages = {each.document["message"] for each in answers}
    scene.promise(
        f"however often one asks: {' '.join(messages)}",
        len(messages) == 1 and {each.status for each in answers} == {_OK},
    )
    scene.cloud.settle()
    row = scene.row(called_off)
    reason = row.get("termination_reason")
    scene.promise(
        f"the meeting is {row['status']}: {reason}",
        (row["status"], reason) == ("TERMINATED", "CANCELLED"),
    )
    left = [name for name in scene.schedules(called_off) if name.startswith("launch-")]
    scene.promise("nothing will launch its desktops", not left)
    _promise_letters(scene, called_off, "Cancelled")
    scene.promise_page(called_off, "student", "This meeting is over")


def _promise_letters(scene: Scene, meeting: Booked, kind: str) -> None:
    """Check that each of a meeting's people got one e-mail of a kind, with their own link only."""
    scene.cloud.settle()
    letters = [
        each
        for each in scene.cloud.aws.outbox.mails
        if meeting.id in each.calendar and each.subject.startswith(kind)
    ]
    for each in letters:
        scene.note(f"  to {', '.join(each.recipients)}: {each.subject}")
    texts = {each.recipients: each.text for each in letters}
    own = {
        role: {other for other in ROLES if meeting.links[other] in texts.get((address,), "")}
        for role, address in _ADDRESSES.items()
    }
    with_link = kind != "Cancelled"
    what = "their own link" if with_link else "the cancellation"
    scene.promise(
        f"teacher and student each get one e-mail with {what}",
        len(letters) == len(texts) == len(ROLES)
        and own == {role: {role} if with_link else set() for role in ROLES},
    )


def _written(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
