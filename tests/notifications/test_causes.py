"""Failures are told apart from what people or the project requested."""

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
        (f"{AT}an EC2 health check indicating it has been terminated or stopped.", "EC2 health"),
        (f"{AT}EBS volume health check failure", "EBS volume health"),
        (f"{AT}a system health-check.", "system health"),
        (f"{AT}a user health-check.", "user health"),
        (f"At …Z something happened.  {AT}a VPC Lattice health check.", "VPC Lattice health"),
        ("", None),
        ("description-text", None),
        (f"{AT}a user request.", None),
        (f"{AT}a difference between desired and actual capacity, shrinking it to 2.", None),
        (f"{AT}a difference between desired and actual capacity. Its health check was fine.", None),
        (f"{AT}an instance refresh.", None),
        (f"{'x' * 2000}{AT}a user health-check.", None),  # beyond what is read
        ("At …Z an alarm health-check-of-web in state ALARM triggered a policy.", None),
    ],
)
def test_a_failed_check_is_recognized_by_awss_words(cause: str, check: str | None) -> None:
    assert failed_check(cause) == check


@pytest.mark.parametrize(
    "code",
    [
        *("Server.InternalError", "Server.InsufficientInstanceCapacity", "Server.ScheduledStop"),
        *("Server.SpotInstanceShutdown", "Server.SpotInstanceTermination", "Something.New"),
        *("Client.InternalError", "Client.InvalidSnapshot.NotFound", "Client.VolumeLimitExceeded"),
    ],
)
def test_a_termination_that_nobody_requested_is_a_failure(code: str) -> None:
    assert is_failure(code)


@pytest.mark.parametrize(
    "code",
    [
        *("", "Client.InstanceInitiatedShutdown", "Client.InstanceTerminated"),
        *("Client.UserInitiatedHibernate", "Client.UserInitiatedShutdown"),
    ],
)
def test_a_termination_that_somebody_requested_is_none(code: str) -> None:
    assert not is_failure(code)
