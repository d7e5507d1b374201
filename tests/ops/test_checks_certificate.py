"""The doctor knows of the certificate that was made, and tells in time that it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ops import checks_certificate
from ops.account import Account
from ops.certificate import note_path
from ops.check import Check, Context, Level, run
from ops.doctor import QUESTIONS
from ops.stages import ConfigFile
from tests.ops.authority import AUTHORITY, LIFE, certify
from tests.world import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

END = datetime(2027, 6, 1, tzinfo=UTC)
DAYS = timedelta(days=1)
NAMES = (f"*.{DOMAIN}", DOMAIN)
NOTE = ".chalice/certificate-test.pem"


@pytest.fixture
def config_file(project: Path) -> ConfigFile:
    return ConfigFile(project)


class _Nowhere(Account):
    """An account that nobody needs."""

    def client(self, service: str) -> object:
        raise AssertionError(f"{service} was asked")


def note(config_file: ConfigFile, names: Sequence[str] = NAMES, life: timedelta = LIFE) -> None:
    text = certify(AUTHORITY.public_key(), names, END, life)
    note_path(config_file, "test").write_text(text)


def examine(config_file: ConfigFile, before_its_end: timedelta = 60 * DAYS) -> Sequence[Check]:
    context = Context(config_file, "test", account=_Nowhere, now=lambda: END - before_its_end)
    return run(checks_certificate.QUESTIONS, context)


def test_the_doctor_asks() -> None:
    assert set(checks_certificate.QUESTIONS) <= set(QUESTIONS)


def test_without_a_certificate_of_ours_nothing_is_said(config_file: ConfigFile) -> None:
    assert not examine(config_file)


@pytest.mark.parametrize(
    ("life", "left", "level", "found"),
    [
        (LIFE, 30 * DAYS, Level.OK, "until 2027-06-01"),
        (LIFE, timedelta(days=29, hours=23), Level.WARNING, "expires on 2027-06-01, in 29 days"),
        (LIFE, timedelta(seconds=1), Level.WARNING, "in 0 days"),
        (LIFE, timedelta(0), Level.FAILURE, "it expired on 2027-06-01"),
        (LIFE, -400 * DAYS, Level.FAILURE, "it expired on 2027-06-01"),
        (30 * DAYS, 11 * DAYS, Level.OK, "until 2027-06-01"),
        (30 * DAYS, 9 * DAYS, Level.WARNING, "in 9 days"),
    ],
)
def test_its_end_is_reported_thirty_days_before_or_when_a_third_of_a_short_life_is_left(
    config_file: ConfigFile, life: timedelta, left: timedelta, level: Level, found: str
) -> None:
    note(config_file, life=life)
    (check,) = examine(config_file, left)
    assert check.level is level
    assert found in check.found
    if level is not Level.OK:
        assert "`elephant certificate test --force`" in check.remedy
        assert f"delete {NOTE}" in check.remedy


def test_a_certificate_for_another_domain_is_found_out(config_file: ConfigFile) -> None:
    note(config_file, ["*.other.example", "other.example"])
    (check,) = examine(config_file)
    assert check.level is Level.FAILURE
    expected = f"it is for *.other.example, other.example, but desktops are named *.{DOMAIN}"
    assert expected in check.found


@pytest.mark.parametrize("content", [b"PEM", b"\xff\xfe"])
def test_a_note_that_holds_no_certificate_is_reported(
    config_file: ConfigFile, content: bytes
) -> None:
    note_path(config_file, "test").write_bytes(content)
    (check,) = examine(config_file)
    assert check.level is Level.WARNING
    assert f"{NOTE} holds no certificate" in check.found
    assert "elephant certificate test" in check.remedy
