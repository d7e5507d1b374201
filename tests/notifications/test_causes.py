"""People are told of failures, and not of what they or the project wanted."""

from __future__ import annotations

import pytest

from chalicelib.notifications.causes import failed_check, is_failure

AT = "At 2026-11-21T15:30:11Z an instance was taken out of service in response to "


@pytest.mark.parametrize(
    ("cause", "check"),
    [
        (f"{AT}an ELB system health check failure.", "ELB system health"),
        (f"{AT}a ELB system health check failure.", "ELB system health"),
        (f"{AT}an EC2 instance status checks failure.", "EC2 instance status"),
        (f"{AT}an EC2 instance status check failure.", "EC2 instance status"),
        (
            f"{AT}an EC2 health check indicating it has been terminated or stopped.",
            "EC2 health",
        ),
        (f"{AT}EBS volume health check failure", "EBS volume health"),
        (f"{AT}a system health-check.", "system health"),
        (f"{AT}a user health-check.", "user health"),
        (f"At …Z something happened.  {AT}a VPC Lattice health check.", "VPC Lattice health"),
    ],
)
def test_a_failed_check_is_known_by_awss_words(cause: str, check: str) -> None:
    assert failed_check(cause) == check


@pytest.mark.parametrize(
    "cause",
    [
        "",
        "description-text",
        f"{AT}a user request.",
        f"{AT}a difference between desired and actual capacity, shrinking it from 3 to 2.",
        f"{AT}a difference between desired and actual capacity. Its health check was fine.",
        f"{AT}an instance refresh.",
        f"{'x' * 2000}{AT}a user health-check.",  # beyond what is read
        "At 2026-11-21T15:30:11Z an alarm health-check-of-web in state ALARM triggered a policy.",
    ],
)
def test_another_cause_is_no_failed_check(cause: str) -> None:
    assert failed_check(cause) is None


@pytest.mark.parametrize(
    "code",
    [
        "Server.InternalError",
        "Server.InsufficientInstanceCapacity",
        "Server.ScheduledStop",
        "Server.SpotInstanceShutdown",
        "Server.SpotInstanceTermination",
        "Client.InternalError",
        "Client.InvalidSnapshot.NotFound",
        "Client.VolumeLimitExceeded",
        "Something.New",
    ],
)
def test_what_nobody_asked_for_is_a_failure(code: str) -> None:
    assert is_failure(code)


@pytest.mark.parametrize(
    "code",
    [
        "",
        "Client.InstanceInitiatedShutdown",
        "Client.InstanceTerminated",
        "Client.UserInitiatedHibernate",
        "Client.UserInitiatedShutdown",
    ],
)
def test_what_people_and_the_project_ask_for_is_none(code: str) -> None:
    assert not is_failure(code)
