"""With any fault and any concurrent request: one meeting with both schedules, or none.

A row without `scheduled_at` is no meeting yet, and one with a reason besides never becomes one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.meetings.api import BODY, FAULTS, PLACE, Api, read
from tests.meetings.faults import LOST, REFUSED, UNREACHED

if TYPE_CHECKING:
    from chalicelib.meetings.http import Answer

FIRST_CALL, LAST_CALL, NEVER = 1, 7, 99
"""Of what a request asks of DynamoDB and of the scheduler, the first time with a key."""


def is_undone(row: dict[str, str]) -> bool:
    return row.get("termination_reason") == "LAUNCH_FAILED" and row["status"] == "TERMINATED"


def both(key: str) -> set[str]:
    return {f"launch-{key}", f"safety-{key}"}


def the_one_meeting(api: Api, answer: Answer) -> str:
    """Return the id of the one meeting that there is, which has both schedules."""
    assert answer.status in {200, 201}
    key = str(read(answer)["meeting_id"])
    assert api.meetings() == [key]
    assert "scheduled_at" in api.rows()[key]
    assert both(key) <= api.schedules()
    return key


def every_row_is_true(api: Api) -> None:
    """Every row is a meeting with both schedules, or says that it never became one."""
    for key, row in api.rows().items():
        assert is_undone(row) or ("scheduled_at" in row and both(key) <= api.schedules())


def nothing_starts_that_nothing_ends(api: Api) -> None:
    """Every launch that may still come finds no meeting, or the safety net comes after it."""
    rows = api.rows()
    for name in api.schedules():
        kind, _, key = name.partition("-")
        if kind == "launch" and key in rows and not is_undone(rows[key]):
            assert f"safety-{key}" in api.schedules()


def run_with(api: Api, key: str | None, faults: dict[int, str]) -> Answer:
    api.faults = faults
    answer = api.post(key=key)
    api.faults = {}
    return answer


# One call fails


@pytest.mark.parametrize("faults", [(4, 5, 6), (5, 6, 8)], ids=["unread", "twice"])
def test_without_a_key_a_row_that_cannot_be_ended_is_removed_before_its_safety_net(
    api: Api, faults: tuple[int, ...]
) -> None:
    assert run_with(api, None, dict.fromkeys(faults, REFUSED)).status == 503

    assert (api.rows(), api.schedules()) == ({}, set())
    assert api.calls[-3:] == ["delete_schedule", "delete_item", "delete_schedule"]


def test_a_mistake_of_our_own_leaves_nothing_half_made(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: object) -> None:
        raise KeyError("a mistake")

    monkeypatch.setattr("chalicelib.meetings.schedules.Schedules.create_schedule", mistaken)

    assert api.post().status == 503
    assert (api.rows(), api.schedules()) == ({}, set())
    assert "a mistake" in api.reports.lines[-1][0]


# Two calls fail


@pytest.mark.parametrize("kinds", [(REFUSED, LOST), (UNREACHED, REFUSED), (LOST, LOST)])
@pytest.mark.parametrize("first", range(FIRST_CALL - 1, LAST_CALL))
def test_after_two_faults_of_a_request_without_a_key_no_row_pretends(
    api: Api, first: int, kinds: tuple[str, str]
) -> None:
    """And after one alone nothing is left."""
    for second in range(first + 1, 15):
        api.reset()
        answer = run_with(api, None, {first: kinds[0], second: kinds[1]})
        is_last = len(api.calls) <= second

        every_row_is_true(api)
        if answer.status == 503:
            assert api.meetings() == []
            assert len(api.schedules()) <= 1, "at most the one that could not be removed"
            for name in api.schedules():
                assert f"'{name}'" in api.reports.lines[-1][0], "which the report names"
            assert not is_last or (api.rows(), api.schedules()) == ({}, set())
        elif is_last:
            assert api.schedules() == both(the_one_meeting(api, answer))
        if is_last:
            break


# Everything fails


@pytest.mark.parametrize("key", [None, "order-1"])
@pytest.mark.parametrize("first", range(FIRST_CALL, LAST_CALL))
def test_when_no_call_succeeds_any_more_the_safety_net_is_kept(
    api: Api, first: int, key: str | None
) -> None:
    answer = run_with(api, key, dict.fromkeys(range(first - (key is None), 30), UNREACHED))

    assert answer.status == 503
    nothing_starts_that_nothing_ends(api)
    for row in api.rows().values():
        assert "scheduled_at" not in row


def test_a_row_that_stays_keeps_its_safety_net(api: Api) -> None:
    run_with(api, None, {4: REFUSED, 5: REFUSED, 6: REFUSED, 8: REFUSED})

    ((key, row),) = api.rows().items()
    assert "scheduled_at" not in row
    assert api.schedules() == {f"safety-{key}"}
    assert "what is left: the row" in api.reports.lines[-1][0]


def test_a_row_that_a_repetition_may_be_at_work_on_is_not_removed(api: Api) -> None:
    run_with(api, "order-1", dict.fromkeys(range(6, 10), REFUSED))

    ((key, row),) = api.rows().items()
    assert "scheduled_at" not in row
    assert api.schedules() == both(key)
    assert "repeating the request completes it" in api.reports.lines[-1][0]
    assert the_one_meeting(api, api.post(key="order-1")) == key


# Several ask at the same time


def ask_before(api: Api, number: int, faults: dict[int, str]) -> list[Answer]:
    """Serve the same request elsewhere before a call of the next one; return its answer, then."""
    rival, answers = api.rival, list[Any]()
    api.meanwhile = {number: lambda: answers.append(run_with(rival, "order-1", faults))}
    return answers


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(
    ("fault", "is_rivals"), [(None, False), *((fault, False) for fault in FAULTS), (LOST, True)]
)
@pytest.mark.parametrize("meanwhile", [*range(1, 9), NEVER])
def test_requests_at_the_same_time_make_one_meeting_though_a_call_of_one_fails(
    api: Api, meanwhile: int, fault: str | None, *, is_rivals: bool
) -> None:
    """Between any two calls of a request the same request is served whole, or it is alone."""
    for number in range(FIRST_CALL, LAST_CALL):
        api.reset()
        faults = {number: fault} if fault else {}
        answers = ask_before(api, meanwhile, faults if is_rivals else {})
        answer = run_with(api, "order-1", {} if is_rivals else faults)
        nothing_starts_that_nothing_ends(api)
        every_row_is_true(api)
        if not answers and answer.status == 503:
            assert (api.meetings(), api.schedules()) == ([], set())
            assert api.reports.lines[-1][2] == {"Failed": 1}

        key = the_one_meeting(api, answer if is_rivals else api.post(key="order-1"))

        answered = [each for each in (answer, *answers) if each.status != 503]
        assert {read(each)["meeting_id"] for each in answered} <= {key}
        assert fault or len(answered) == 1 + len(answers)
        assert api.schedules() == both(key)


def test_a_rival_with_another_meeting_is_refused(api: Api) -> None:
    rival = api.rival
    api.meanwhile = {3: lambda: rival.post(BODY | {"student_name": "Bob"}, key="order-1")}

    answer = api.post(key="order-1")

    assert answer.status == 409
    assert [row["student_name"] for row in api.rows().values()] == ["Bob"]


@pytest.mark.parametrize("key", ["order-1", None])
def test_a_row_that_a_person_removes_meanwhile_is_no_meeting(api: Api, key: str | None) -> None:
    """Also one that another request made."""
    rival = api.rival
    api.meanwhile = {5: api.clear_rows}
    if key:
        api.meanwhile = {3: lambda: rival.post(key="order-1"), 4: api.clear_rows}

    assert api.post(key=key).status == 503
    assert key or api.rows() == {}
    said = "was deleted concurrently" if key else "nothing is left of it"
    assert said in api.reports.lines[-1][0]


UNDONE = {"status": "TERMINATED", "termination_reason": "LAUNCH_FAILED"}


def test_a_row_that_another_request_undoes_before_it_is_confirmed_is_made_again(api: Api) -> None:
    def undo() -> None:
        (row,) = api.rows().values()
        api.put_row(row | UNDONE)

    api.meanwhile = {6: undo}

    answer = api.post(key="order-1")

    key = the_one_meeting(api, answer)
    assert [is_undone(row) for each, row in api.rows().items() if each != key] == [True]


NO_SHOW = {"status": "TERMINATED", "termination_reason": "NO_SHOW_TIMEOUT"}


@pytest.mark.parametrize("change", [{}, {"status": "LAUNCHED"}, NO_SHOW])
def test_a_meeting_that_was_not_confirmed_is_finished_or_went_on_or_is_made_again(
    api: Api, change: dict[str, str]
) -> None:
    """Its environment died; unless it died at once, its schedules have fired since."""
    first = read(api.post(key="order-1"))["meeting_id"]
    row = api.rows()[first]
    row.pop("scheduled_at")
    api.put_row(row | change)
    api.scheduler.delete_schedule(Name=f"launch-{first}", GroupName=PLACE.schedule_group)

    again = api.post(key="order-1")

    if change == {"status": "LAUNCHED"}:
        assert (again.status, read(again)["meeting_id"]) == (200, first)
        assert api.calls == ["get_item"]
    else:
        assert (the_one_meeting(api, again) == first) is (change == {})
        assert again.status == (201 if change else 200)
