"""A plan that deletes too much is refused whole, and says what was seen and how to force it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chalicelib.change import Change, Create, Delete, Update
from chalicelib.plan import Finding, Plan, Presence
from chalicelib.record import Record, WantedRecord
from chalicelib.safety import UnsafePlanError, refuse_unsafe
from tests.world import DOMAIN, OWNER, make_settings

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SETTINGS = make_settings()
WANTED = WantedRecord(f"i-00000001.{DOMAIN}", "192.0.2.1", proxied=True, ttl=1, comment=OWNER)


def record(number: int) -> Record:
    name = f"i-{number:08x}.{DOMAIN}"
    return Record(str(number), "A", name, "192.0.2.1", proxied=True, ttl=1, comment=OWNER)


def finding(presence: Presence, reason: str, *changes: Change) -> Finding:
    return Finding(presence, reason, changes)


def plan(deletions: int) -> Plan:
    """Make a plan that deletes so many records, each of another instance."""
    return Plan(
        {
            f"i-{number:08x}": finding(Presence.ENDED, "terminated", Delete(record(number)))
            for number in range(deletions)
        }
    )


def is_refused(deletions: int, owned: int, **variables: str) -> bool:
    try:
        refuse_unsafe(plan(deletions), owned, make_settings(**variables))
    except UnsafePlanError:
        return True
    return False


@pytest.mark.parametrize(
    ("deletions", "owned", "refused"),
    [
        (0, 0, False),
        (10, 10, False),
        (11, 11, True),
        (11, 36, True),
        (11, 37, False),
        (30, 100, False),
        (31, 100, True),
        (300, 1000, False),
        (301, 1000, True),
        (1000, 1000, True),
        (11, 0, True),
    ],
)
def test_more_than_ten_records_and_more_than_30_percent_of_ours_are_refused(
    deletions: int, owned: int, *, refused: bool
) -> None:
    assert is_refused(deletions, owned) is refused


@pytest.mark.parametrize(
    ("limit", "percent", "deletions", "owned", "refused"),
    [
        ("0", "0", 0, 100, False),
        ("0", "0", 1, 100, True),
        ("0", "100", 100, 100, False),
        ("5", "50", 5, 5, False),
        ("5", "50", 6, 12, False),
        ("5", "50", 6, 11, True),
        ("1000", "0", 1000, 1000, False),
        ("1000", "0", 1001, 10_000, True),
    ],
)
def test_both_limits_are_the_stages_own(
    limit: str, percent: str, deletions: int, owned: int, *, refused: bool
) -> None:
    limits = {"SWEEP_DELETE_LIMIT": limit, "SWEEP_DELETE_PERCENT": percent}

    assert is_refused(deletions, owned, **limits) is refused


def test_only_deletions_count() -> None:
    changes: list[Change] = [*[Create(WANTED)] * 50, *[Update(record(1), WANTED)] * 50]

    refuse_unsafe(Plan({"i-1": finding(Presence.LIVE, "running", *changes)}), 100, SETTINGS)


def test_every_deletion_counts_whatever_its_reason() -> None:
    """Duplicates too: who writes them by the dozen should be asked."""
    duplicates = [Delete(record(number)) for number in range(6)]
    findings = {
        "i-1": finding(Presence.LIVE, "running at 192.0.2.1", *duplicates),
        "i-2": finding(Presence.AWAY, "stopped", *duplicates[:3]),
        "www": finding(Presence.ENDED, "no instance has this name", *duplicates[:2]),
    }

    with pytest.raises(UnsafePlanError, match="11 of the 11 records"):
        refuse_unsafe(Plan(findings), 11, SETTINGS)


def test_the_refusal_says_what_was_seen_what_the_limits_are_and_how_to_force_it() -> None:
    findings = dict(plan(12).findings)
    findings["i-1"] = finding(Presence.AWAY, "stopped", Delete(record(99)))
    findings["i-2"] = finding(Presence.LIVE, "running at 192.0.2.1")
    findings["i-3"] = finding(Presence.UNCERTAIN, "its record is fresh")

    with pytest.raises(UnsafePlanError) as raised:
        refuse_unsafe(Plan(findings), 20, make_settings(PROJECT_TAG="Team=Blue"))

    assert str(raised.value) == (
        f"refused as unsafe, and nothing was changed: 13 of the 20 records of {OWNER} would be "
        "deleted (1: stopped, 12: terminated), while EC2 shows 1 running instances tagged "
        "Team=Blue; the limits are 10 records and 30 %. Check the region, the tag and the rights; "
        "`python -m ops plan NAME` shows what would be done, and if it is right, "
        "`python -m ops sweep NAME --force` does it"
    )
