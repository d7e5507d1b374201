"""A caller sees and changes the meetings of its key alone, together with their schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.meetings.api import BODY, FAULTS, KEY, MEET_TIME, NOW, PLACE, Api, read
from tests.meetings.faults import LOST, REFUSED, TWICE
from tests.notifications.harness import VARIABLES

if TYPE_CHECKING:
    from chalicelib.meetings.http import Answer

OTHER_KEY = "k3y-0f-the-office-0123456789abcdefgh"
FULL = 405_000
"""Bytes of the largest row that moto takes."""
LATER = "2026-11-21T16:30:00Z"
MOVE = {"meet_time": LATER}
SHORT = BODY | {"duration_minutes": 60}
BEGUN = {"launch_begun_at": "2026-11-21T14:20:00.000+00:00", "status": "LAUNCHED"}
JOINED = BEGUN | {"status": "IN_PROGRESS", "joined_at": "2026-11-21T14:31:00Z"}


@pytest.fixture
def meeting(api: Api) -> str:
    """Schedule a meeting of an hour, and return its id."""
    return booked(api)


def booked(api: Api, **fields: object) -> str:
    return str(read(api.post(SHORT | fields))["meeting_id"])


def times_of(api: Api) -> dict[str, str]:
    """Return when each schedule fires, by the function that it invokes."""
    return {
        name.partition("-")[0]: api.schedule(name)["ScheduleExpression"] for name in api.schedules()
    }


# Whose they are


def test_a_caller_lists_its_own_meetings_in_their_order(api: Api) -> None:
    api.store_keys({"office": OTHER_KEY, "default": KEY})
    api.scheduling = api.new_scheduling()
    second, first = booked(api, meet_time=LATER), booked(api)
    read(api.post(BODY, bearer=OTHER_KEY))

    answer = api.own()

    document = read(answer)
    assert answer.status == 200
    assert [each["meeting_id"] for each in document.pop("meetings")] == [first, second]
    assert document == {
        "message": "2 meetings",
        "caller": "default",
        "invitations": False,
        "longest_minutes": 180,
        "days_ahead": 366,
        "next": None,
    }
    assert api.calls == ["get_secret_value", "query", "batch_get_item"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_meeting_of_another_key_does_not_exist(api: Api, meeting: str, method: str) -> None:
    api.store_keys({"office": OTHER_KEY})
    before = api.rows()

    mine = api.own(meeting, method, MOVE, bearer=OTHER_KEY)
    nobodys = api.own("nobody", method, MOVE, bearer=OTHER_KEY)

    assert (mine.status, nobodys.status) == (404, 404)
    assert mine.body == nobodys.body
    assert api.rows() == before


@pytest.mark.parametrize("attribute", ["scheduled_at", "scheduled_by"])
def test_the_rest_of_a_request_and_a_row_of_others_are_no_meetings(
    api: Api, meeting: str, attribute: str
) -> None:
    row = api.rows()[meeting]
    row.pop(attribute)
    api.put_row(row)

    assert api.own(meeting).status == 404
    assert read(api.own())["meetings"] == []


def test_without_a_key_nothing_is_shown_or_changed(api: Api, meeting: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        assert api.own(meeting, method, MOVE, bearer=None).status == 401
    assert api.own(bearer=None).status == 401
    assert "termination_reason" not in api.rows()[meeting]


@pytest.mark.parametrize(("variables", "are_sent"), [({}, True), ({"INVITATIONS": "off"}, False)])
def test_a_list_says_whether_people_are_invited(
    api: Api, variables: dict[str, str], *, are_sent: bool
) -> None:
    stage = {**VARIABLES, "FEATURES": "meetings,notifications"} | variables

    assert read(api.own(**stage))["invitations"] is are_sent


def test_a_long_list_is_read_in_pages(api: Api) -> None:
    api.reset()
    for number in range(203):
        api.put_row(
            {
                "id": f"m{number:03}",
                "agenda": PLACE.prefix,
                "scheduled_by": "office" if number % 2 else "default",
                "scheduled_at": "2026-11-20T00:00:00Z",
                "meet_time": f"2026-11-22T{number // 60:02}:{number % 60:02}:00Z",
            }
        )

    first = read(api.own())
    second = read(api.own(next=first["next"]))

    found = [each["meeting_id"] for each in (*first["meetings"], *second["meetings"])]
    assert found == [f"m{number:03}" for number in range(0, 203, 2)]
    assert (len(second["meetings"]), second["next"]) == (2, None)
    # The page that it was the end of is longer ago than a list goes back.
    later = {"from": "2026-11-22T03:20:00Z", "next": first["next"]}
    assert [each["meeting_id"] for each in read(api.own(**later))["meetings"]] == ["m200", "m202"]
    assert read(api.own(to="2026-11-22T01:00:00Z", next=first["next"]))["meetings"] == []


@pytest.mark.usefixtures("meeting")
def test_a_list_is_of_the_past_week_and_all_that_comes_unless_other_times_are_named(
    api: Api,
) -> None:
    api.now += 8 * 86400
    assert read(api.own())["meetings"] == []
    assert len(read(api.own(**{"from": MEET_TIME}))["meetings"]) == 1
    backwards = {"from": MEET_TIME, "to": "2026-11-21T14:29:59Z"}
    assert read(api.own(**backwards))["meetings"] == []
    assert "query" not in api.calls, "DynamoDB would refuse it"
    wrong = api.own(**{"from": "soon", "to": "late", "next": "x"})
    assert wrong.status == 400
    assert set(read(wrong)["errors"]) == {"from", "to", "next"}


@pytest.mark.usefixtures("meeting")
def test_a_row_that_was_removed_meanwhile_is_left_out_and_one_that_is_unread_is_not(
    api: Api,
) -> None:
    api.meanwhile = {2: api.clear_rows}
    assert read(api.own())["meetings"] == []
    booked(api)
    api.meanwhile, api.faults = {}, {2: REFUSED}
    assert api.own().status == 503


def test_a_meeting_is_shown_with_its_links_and_as_a_calendars_file(api: Api) -> None:
    made = read(api.post())

    document = read(api.own(made["meeting_id"]))

    for link in ("teacher_link", "student_link"):
        assert document[link] == made[link]
    assert document["calendar"].startswith("BEGIN:VCALENDAR")
    assert document["state"] == "upcoming"
    api.change_row(made["meeting_id"], student_key_hash="of a former release", meet_time="soon")
    older = read(api.own(made["meeting_id"]))
    assert (older["student_link"], older["calendar"]) == (None, None)


# Moving, extending


def test_a_meeting_is_moved_together_with_its_schedules(api: Api, meeting: str) -> None:
    answer = api.own(meeting, "PATCH", MOVE)

    document = read(answer)
    assert answer.status == 200
    assert document["message"] == f"The meeting is from {LATER} to 2026-11-21T17:30:00Z."
    assert (document["meet_time"], document["ends_at"]) == (LATER, "2026-11-21T17:30:00Z")
    assert times_of(api) == {
        "launch": "at(2026-11-21T16:20:00)",
        "safety": "at(2026-11-21T16:45:00)",
    }
    created, deleted = ["create_schedule"] * 2, ["delete_schedule"] * 2
    assert api.calls[1:] == ["get_item", "query", *created, "update_item", *deleted]
    assert api.reports.lines[-1][1]["action"] == "changed"

    again = api.own(meeting, "PATCH", MOVE)
    assert again.status == 200
    assert api.calls[1:] == ["get_item"]
    assert read(api.own(meeting, "PATCH", {"meet_time": MEET_TIME}))["meet_time"] == MEET_TIME
    assert times_of(api) == {
        "launch": "at(2026-11-21T14:20:00)",
        "safety": "at(2026-11-21T14:45:00)",
    }


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", range(1, 8))
def test_with_any_fault_a_moved_meeting_has_the_schedules_of_its_time(
    api: Api, meeting: str, number: int, fault: str
) -> None:
    api.faults = {number: fault}
    answer = api.own(meeting, "PATCH", MOVE)
    api.faults = {}

    row = api.rows()[meeting]
    suffix = f"-{row['schedules']}" if "schedules" in row else ""
    moved = row["meet_time"] == LATER
    for name, at in (("launch", "16:20:00"), ("safety", "16:45:00")) if moved else ():
        assert api.schedule(f"{name}-{meeting}{suffix}")["ScheduleExpression"].endswith(f"{at})")
    assert moved or {f"launch-{meeting}", f"safety-{meeting}"} <= api.schedules()
    assert answer.status == (200 if moved else 503)
    assert api.own(meeting, "PATCH", MOVE).status == 200
    assert api.rows()[meeting]["meet_time"] == LATER


@pytest.mark.parametrize("fault", [TWICE, LOST])
def test_a_move_whose_answer_was_lost_is_recognized(api: Api, meeting: str, fault: str) -> None:
    api.faults = {5: fault, 6: REFUSED} if fault == LOST else {5: fault}

    answer = api.own(meeting, "PATCH", MOVE)

    assert answer.status == (503 if fault == LOST else 200)
    assert api.rows()[meeting]["meet_time"] == LATER
    assert f"launch-{meeting}-{api.rows()[meeting]['schedules']}" in api.schedules()


@pytest.mark.parametrize("is_read", [True, False])
def test_a_move_that_comes_second_leaves_no_schedules_unless_it_may_have_been_written(
    api: Api, meeting: str, *, is_read: bool
) -> None:
    """The row could not be read after the write was refused: it might be a repeated one."""
    other = {"meet_time": "2026-11-21T18:00:00Z"}
    api.meanwhile = {5: lambda: api.rival.own(meeting, "PATCH", other)}
    api.faults = {} if is_read else {6: REFUSED}

    answer = api.own(meeting, "PATCH", MOVE)

    assert answer.status == (200 if is_read else 503)
    assert api.rows()[meeting]["meet_time"] == (LATER if is_read else other["meet_time"])
    assert len(api.schedules()) == (2 if is_read else 4)


def test_two_who_extend_a_meeting_at_once_both_succeed(api: Api, meeting: str) -> None:
    longer = {"duration_minutes": 75}
    api.meanwhile = {3: lambda: api.rival.own(meeting, "PATCH", longer)}

    document = read(api.own(meeting, "PATCH", {"duration_minutes": 90}))

    assert (document["duration_minutes"], api.rows()[meeting]["sequence"]) == (90, "2")


def test_a_row_that_keeps_changing_is_changed_by_nobody(api: Api, meeting: str) -> None:
    def change(number: int) -> None:
        if api.calls[-1:] == ["update_item"]:
            api.change_row(meeting, sequence=str(number))

    api.before_each = change

    answer = api.own(meeting, "PATCH", MOVE)

    api.before_each = lambda _: None
    assert answer.status == 503
    assert api.schedules() == {f"launch-{meeting}", f"safety-{meeting}"}


def test_a_meeting_whose_desktops_run_is_checked_at_its_new_times(api: Api, meeting: str) -> None:
    api.change_row(meeting, **BEGUN)
    api.now = NOW.timestamp() + 145 * 60

    read(api.own(meeting, "PATCH", {"meet_time": "2026-11-21T15:00:00Z"}))

    looks = api.schedules() - {f"launch-{meeting}", f"safety-{meeting}"}
    assert {api.schedule(name)["ScheduleExpression"] for name in looks} == {
        "at(2026-11-21T15:15:00)",
        "at(2026-11-21T16:00:00)",
    }


def test_a_meeting_that_takes_less_time_needs_no_room(api: Api, meeting: str) -> None:
    """Also where a limit was lowered since it was scheduled."""
    document = read(api.own(meeting, "PATCH", {"duration_minutes": 30}))

    assert document["ends_at"] == "2026-11-21T15:00:00Z"
    assert api.calls[1:] == ["get_item", "update_item"]


def test_a_longer_meeting_that_is_far_off_needs_no_further_check(api: Api, meeting: str) -> None:
    document = read(api.own(meeting, "PATCH", {"duration_minutes": 90}))

    assert document["duration_minutes"] == 90
    assert api.calls[1:] == ["get_item", "query", "update_item"]


@pytest.mark.parametrize(
    ("row", "change", "answered"),
    [
        ({}, {"meet_time": "2026-11-20T12:00:00Z"}, (400, {"meet_time"})),
        ({}, {"student_name": "Bob"}, (400, {"student_name"})),
        ({}, [], (400, {"body"})),
        (JOINED, MOVE, (409, {"meet_time"})),
        ({"termination_reason": "SUCCESS"}, MOVE, (409, {"meet_time"})),
    ],
)
def test_a_change_that_is_refused_says_why_by_field(
    api: Api, meeting: str, row: dict[str, str], change: object, answered: tuple[int, set[str]]
) -> None:
    api.change_row(meeting, **row)

    answer = api.own(meeting, "PATCH", change)

    assert (answer.status, set(read(answer)["errors"])) == answered
    assert api.rows()[meeting]["meet_time"] == MEET_TIME


# Limits


def test_a_limit_is_answered_with_its_name_and_the_first_time_that_is_free(api: Api) -> None:
    few = {"KEY_MEETINGS_AT_ONCE": "1"}
    api.scheduling = api.new_scheduling(**few)
    first = booked(api)

    answer = api.post(SHORT, key="order-1")

    assert answer.status == 409
    document = read(answer)
    assert document["limit"] == "KEY_MEETINGS_AT_ONCE"
    assert document["free_at"] == "2026-11-21T15:40:00Z"
    assert set(document["errors"]) == {"meet_time"}
    assert set(api.rows()) == {first}
    second = booked(api, meet_time=document["free_at"])
    refused = api.own(second, "PATCH", {"meet_time": MEET_TIME}, **few)
    assert (refused.status, read(refused)["limit"]) == (409, "KEY_MEETINGS_AT_ONCE")
    # Its own time is no obstacle to a meeting, and a repeated request is no new meeting.
    assert api.own(second, "PATCH", {"duration_minutes": 75}, **few).status == 200
    assert api.own(first, "DELETE", **few).status == 200
    assert api.post(SHORT, key="order-1").status == 201
    assert api.post(SHORT, key="order-1").status == 200


# Cancelling


def test_a_meeting_is_cancelled_by_a_claim_and_loses_its_schedules(api: Api, meeting: str) -> None:
    answer = api.own(meeting, "DELETE")

    document = read(answer)
    assert answer.status == 200
    assert (document["reason"], document["actions"]) == ("CANCELLED", [])
    assert document["message"] == "It was cancelled."
    assert api.rows()[meeting]["ended_at"] == "2026-11-21T12:00:00Z"
    (look,) = api.schedules()
    assert api.schedule(look)["ScheduleExpression"] == "at(2026-11-21T12:02:00)"
    assert api.reports.lines[-1][1]["action"] == "cancelled"
    again = api.own(meeting, "DELETE")
    assert again.status == 200
    assert api.calls[1:] == ["get_item"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", range(1, 6))
def test_with_any_fault_a_meeting_is_cancelled_or_the_answer_says_that_it_is_not(
    api: Api, meeting: str, number: int, fault: str
) -> None:
    api.faults = {number: fault}
    answer = api.own(meeting, "DELETE")
    api.faults = {}

    is_cancelled = "termination_reason" in api.rows()[meeting]
    assert is_cancelled == (answer.status == 200)
    assert any(name.startswith("safety") for name in api.schedules())
    assert api.own(meeting, "DELETE").status == 200
    assert api.rows()[meeting]["termination_reason"] == "CANCELLED"


def test_what_could_not_be_tidied_up_is_a_warning(api: Api, meeting: str) -> None:
    api.faults = {3: REFUSED, 4: REFUSED}

    assert api.own(meeting, "DELETE").status == 200

    assert len(api.reports.lines[-1][1]["warnings"]) == 2
    assert api.schedules() == {f"launch-{meeting}", f"safety-{meeting}"}


# Every request


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_row_that_others_have_filled_is_left_with_the_schedules_that_it_has(
    api: Api, meeting: str, method: str
) -> None:
    used = sum(len(name) + len(str(value)) for name, value in api.rows()[meeting].items())
    api.change_row(meeting, notes="#" * (FULL - used - 8))

    assert api.own(meeting, method, MOVE).status == 503
    assert api.schedules() == {f"launch-{meeting}", f"safety-{meeting}"}


def test_an_id_that_is_none_is_not_looked_up(api: Api) -> None:
    assert api.own("x" * 256).status == 404
    assert api.own("", "DELETE").status == 404


def test_pages_of_a_front_end_may_send_these_requests(api: Api) -> None:
    answer: Answer = api.own("m1", "OPTIONS")

    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, PATCH, DELETE, OPTIONS"
    assert api.own(None, "OPTIONS").headers["Access-Control-Allow-Methods"] == "GET, OPTIONS"


def test_no_change_is_begun_with_too_little_time_left(api: Api, meeting: str) -> None:
    api.context.milliseconds = 1500

    assert api.own(meeting, "PATCH", MOVE).status == 503
    assert api.own(meeting, "DELETE").status == 503
    assert api.rows()[meeting]["meet_time"] == MEET_TIME
