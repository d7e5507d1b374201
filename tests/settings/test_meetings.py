"""The feature's settings are read only where it is on, and checked with all the others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.settings.meetings import MeetingsSettings
from chalicelib.settings.stage import SettingsError
from chalicelib.settings.variables import declared
from tests.world import make_settings

VARIABLES = [each.variable for each in declared(MeetingsSettings).values()]
GROUPS = "sg-0123456789abcdef0,sg-01234567"
FEATURE = {
    "FEATURES": "meetings",
    "AMI_ID": "ami-0123456789abcdef0",
    "SECURITY_GROUP_IDS": GROUPS,
}


def problems(**variables: str) -> list[str]:
    """Return what is said of settings that are not accepted."""
    with pytest.raises(SettingsError) as caught:
        make_settings(**FEATURE | variables)
    return caught.value.problems


def test_a_stage_has_no_meetings_unless_it_asks_for_them() -> None:
    settings = make_settings(AMI_ID="nonsense", MAX_MEETING_MINUTES="-1")

    assert settings.features == frozenset()
    assert settings.meetings is None


def test_what_is_required_is_enough() -> None:
    settings = make_settings(**FEATURE)

    assert settings.features == {"meetings"}
    assert settings.meetings == MeetingsSettings(
        ami_id="ami-0123456789abcdef0",
        security_group_ids=("sg-0123456789abcdef0", "sg-01234567"),
        instance_type="t3.large",
        key_name=None,
        vpc_id=None,
        volume_gb=60,
        allowed_origins=frozenset(),
        requires_join_keys=True,
        longest=timedelta(hours=3),
    )


def test_every_variable_is_read() -> None:
    settings = make_settings(
        **FEATURE,
        INSTANCE_TYPE="g4dn.xlarge",
        KEY_NAME="my key",
        VPC_ID="vpc-01234567",
        VOLUME_GB="0",
        ALLOWED_ORIGINS="https://app.example.com, http://localhost:5173",
        JOIN_KEYS="off",
        MAX_MEETING_MINUTES="90",
    )

    assert settings.meetings == MeetingsSettings(
        ami_id="ami-0123456789abcdef0",
        security_group_ids=("sg-0123456789abcdef0", "sg-01234567"),
        instance_type="g4dn.xlarge",
        key_name="my key",
        vpc_id="vpc-01234567",
        volume_gb=0,
        allowed_origins=frozenset({"https://app.example.com", "http://localhost:5173"}),
        requires_join_keys=False,
        longest=timedelta(minutes=90),
    )


def test_every_variable_that_is_wrong_is_named_at_once() -> None:
    wrong = dict.fromkeys(VARIABLES, "?") | {"KEY_NAME": "ключ"}

    found = problems(**wrong)

    assert [problem.split(" is ")[0] for problem in found] == VARIABLES


@pytest.mark.parametrize("name", ["AMI_ID", "SECURITY_GROUP_IDS"])
def test_a_required_variable_that_is_empty_is_refused(name: str) -> None:
    (problem,) = problems(**{name: ""})

    assert problem.startswith(f"{name} is ''; it must be ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AMI_ID", "ami-1"),
        ("SECURITY_GROUP_IDS", "sg-01234567,"),
        ("SECURITY_GROUP_IDS", ",".join(["sg-01234567"] * 6)),
        ("INSTANCE_TYPE", "large"),
        ("KEY_NAME", "two\nlines"),
        ("VPC_ID", "default"),
        ("VOLUME_GB", "16385"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://app.example.com/"),
        ("ALLOWED_ORIGINS", "http://app.example.com"),
        ("ALLOWED_ORIGINS", "https://app.example.com,"),
        ("JOIN_KEYS", "on"),
        ("MAX_MEETING_MINUTES", "14"),
        ("MAX_MEETING_MINUTES", "1441"),
    ],
)
def test_what_cannot_be_used_is_refused(name: str, value: str) -> None:
    (problem,) = problems(**{name: value})

    assert problem.startswith(f"{name} is {value!r}; it must be ")


def test_meetings_need_a_table() -> None:
    assert problems(TABLE_NAME="") == ["TABLE_NAME is ''; the feature 'meetings' needs a table"]


@pytest.mark.parametrize("value", ["meeting", "meetings,", "meetings;notifications"])
def test_a_feature_that_is_not_known_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"FEATURES is .*it must be a list of features"):
        make_settings(FEATURES=value)
