"""Which moment comes next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from localcloud.moments import Moment, next_moment

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
START = NOW + timedelta(minutes=13)
LAUNCH = START - timedelta(minutes=10)
CHECK = START + timedelta(minutes=15)
ROW = {
    "id": "m1",
    "status": "SCHEDULED",
    "meet_time": START.isoformat(),
    "teacher_name": "Ada",
    "student_name": "Ben",
}
PENDING = [(LAUNCH, "launch-m1"), (CHECK, "safety-m1-2")]


@pytest.mark.parametrize(
    ("now", "pending", "expected"),
    [
        (NOW, PENDING, Moment(LAUNCH, "desktops are launched for Ada and Ben")),
        (LAUNCH, PENDING[1:], Moment(START, "the meeting of Ada and Ben starts")),
        (START, PENDING[1:], Moment(CHECK, "the safety net checks on the meeting of Ada and Ben")),
        (CHECK, [], None),
    ],
)
def test_launch_start_and_checks_follow_one_another(
    now: datetime, pending: list[tuple[datetime, str]], expected: Moment | None
) -> None:
    assert next_moment(now, pending, [ROW]) == expected


def test_what_is_over_unknown_or_foreign_has_no_moments() -> None:
    assert next_moment(NOW, PENDING, [ROW | {"status": "TERMINATED"}]) is None
    assert next_moment(NOW, [(LAUNCH, "launch-m2"), (LAUNCH, "other-m1")], [{"id": "m1"}]) is None
