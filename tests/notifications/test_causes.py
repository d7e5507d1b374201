"""Failures are distinguished from what people or the project requested."""

from __future__ import annotations

import pytest

from chalicelib.notifications.causes import failed_check, is_failure

AT = "At 2026-11-21T15:30:11Z an instance was taken out of service in response to "


@pytest.mark.parametrize(
    ("cause", "check"),
    [
        (f"{AT}an ELB system health check failure.", "ELB system health"),
        (f"{AT}an EC2 instance status checks failure.", "EC2 instance status"),
        (f"{AT}an EC2 instance status check failure.", "EC2 instance status"),
        (f"{AT}an EC2 health check indicating it has been terminated or stopped.", "EC2 health"),
        (f"{AT}a user health-check.", "user health"),
        (f"At …Z something happened.  {AT}a VPC Lattice health check.", "VPC Lattice health"),
        ("", None),
        (f"{AT}a user request.", None),
        (f"{AT}a difference between desired and actual capacity. Its health check was fine.", None),
        (f"{'x' * 2000}{AT}a user health-check.", None),  # beyond what is read
        ("At …Z an alarm health-check-of-web in state ALARM triggered a policy.", None),
    ],
)
def test_a_failed_check_is_recognized_by_awss_words(cause: str, check: str | None) -> None:
    assert failed_check(cause) == check


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (("Server.InternalError", "Server.SpotInstanceTermination", "Something.New"), True),
        (("Client.InternalError", "Client.VolumeLimitExceeded"), True),
        (("", "Client.InstanceInitiatedShutdown", "Client.InstanceTerminated"), False),
        (("Client.UserInitiatedHibernate", "Client.UserInitiatedShutdown"), False),
    ],
)
def test_a_termination_is_a_failure_unless_somebody_requested_it(
    codes: tuple[str, ...], *, expected: bool
) -> None:
    for code in codes:
        assert is_failure(code) is expected, code
