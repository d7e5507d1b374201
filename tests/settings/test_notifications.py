"""The feature's settings are read only where it is on, and checked with all the others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.settings.notifications import NotificationsSettings
from chalicelib.settings.stage import SettingsError
from chalicelib.settings.variables import declared
from tests.world import make_settings

VARIABLES = [each.variable for each in declared(NotificationsSettings).values()]
FEATURE = {
    "FEATURES": "notifications",
    "MAIL_FROM": "elephant@example.com",
    "MAIL_TO": "ops@example.com",
}


def problems(**variables: str) -> list[str]:
    """Return what is said of settings that are not accepted."""
    with pytest.raises(SettingsError) as caught:
        make_settings(**FEATURE | variables)
    return caught.value.problems


def test_a_stage_has_no_notifications_unless_it_asks_for_them() -> None:
    assert make_settings(MAIL_FROM="nonsense").notifications is None


def test_what_is_required_is_enough() -> None:
    settings = make_settings(**FEATURE)

    assert settings.features == {"notifications"}
    assert settings.meetings is None
    assert settings.notifications == NotificationsSettings(
        mail_from="elephant@example.com",
        mail_to=("ops@example.com",),
        groups=(),
        reports_every_cause=False,
        applications=(),
        deployment_states=("SUCCESS",),
        address_patience=timedelta(minutes=10),
    )
    assert settings.notifications.mail_domain == "example.com"


def test_every_variable_is_read_beside_those_of_another_feature() -> None:
    settings = make_settings(
        FEATURES="meetings, notifications",
        AMI_ID="ami-0123456789abcdef0",
        SECURITY_GROUP_IDS="sg-0123456789abcdef0",
        MAIL_FROM="alerts+prod@mail.example.co.uk",
        MAIL_TO="ops@example.com, lead@example.com",
        AUTO_SCALING_GROUPS="web, Workers (blue)/1",
        TERMINATION_CAUSES="all",
        CODEDEPLOY_APPLICATIONS="shop, shop-api",
        DEPLOYMENT_STATES="FAILURE, SUCCESS",
        ADDRESS_MINUTES="3",
    )

    assert settings.meetings is not None
    assert settings.notifications == NotificationsSettings(
        mail_from="alerts+prod@mail.example.co.uk",
        mail_to=("ops@example.com", "lead@example.com"),
        groups=("web", "Workers (blue)/1"),
        reports_every_cause=True,
        applications=("shop", "shop-api"),
        deployment_states=("FAILURE", "SUCCESS"),
        address_patience=timedelta(minutes=3),
    )


def test_every_variable_that_is_wrong_is_named_at_once() -> None:
    wrong = dict.fromkeys(VARIABLES, "a\nb")

    found = problems(**wrong)

    assert [problem.split(" is ")[0] for problem in found] == VARIABLES


@pytest.mark.parametrize("name", ["MAIL_FROM", "MAIL_TO"])
def test_what_is_required_may_not_be_empty(name: str) -> None:
    (problem,) = problems(**{name: ""})

    assert problem.startswith(f"{name} is ''; it must be ")


@pytest.mark.parametrize(
    "address",
    [
        "ops",
        "@example.com",
        "ops@example",
        "ops@localhost",
        "ops@-example.com",
        ".ops@example.com",
        "ops.@example.com",
        "o..ps@example.com",
        "Ops <ops@example.com>",
        "öps@example.com",
        "ops@example.com\n",
        "ops@example.com;lead@example.com",
        f"{'o' * 65}@example.com",
        f"ops@{'a.' * 130}example.com",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    (problem,) = problems(MAIL_FROM=address)
    assert "it must be the sender's e-mail address" in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAIL_TO", "ops@example.com,"),
        ("MAIL_TO", "ops@example.com, ops@example.com"),
        ("MAIL_TO", ",".join(f"ops{number}@example.com" for number in range(51))),
        ("AUTO_SCALING_GROUPS", "web,,workers"),
        ("AUTO_SCALING_GROUPS", "web,web"),
        ("AUTO_SCALING_GROUPS", "a:b"),
        ("TERMINATION_CAUSES", "some"),
        ("CODEDEPLOY_APPLICATIONS", "shop,"),
        ("CODEDEPLOY_APPLICATIONS", "s" * 101),
        ("DEPLOYMENT_STATES", ""),
        ("DEPLOYMENT_STATES", "SUCCESS,SUCCESS"),
        ("DEPLOYMENT_STATES", "success"),
        ("ADDRESS_MINUTES", "0"),
        ("ADDRESS_MINUTES", "1441"),
    ],
)
def test_what_cannot_be_used_is_refused(name: str, value: str) -> None:
    (problem,) = problems(**{name: value})

    assert problem.startswith(f"{name} is {value!r}; it must be ")


def test_fifty_people_may_be_told() -> None:
    people = ",".join(f"ops{number}@example.com" for number in range(50))

    settings = make_settings(**FEATURE | {"MAIL_TO": people})

    assert settings.notifications
    assert len(settings.notifications.mail_to) == 50


def test_e_mails_need_no_table_of_meetings() -> None:
    assert make_settings(**FEATURE, TABLE_NAME="").notifications is not None
