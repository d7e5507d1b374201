"""An error of EC2 says whether to try elsewhere, later, or never."""

from __future__ import annotations

import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from chalicelib.ec2.launch_errors import (
    AlreadyAskedError,
    NeverError,
    NoRoomError,
    NotNowError,
    RefusalError,
    refusal_of,
)
from tests.answers import refusal

KINDS: dict[type[RefusalError], tuple[str, ...]] = {
    NotNowError: (
        *("InternalError", "InstanceLimitExceeded", "PendingVerification", "ServiceUnavailable"),
        *("RequestLimitExceeded", "SomethingNew", "VcpuLimitExceeded", "VolumeLimitExceeded"),
    ),
    NeverError: (
        *("AuthFailure", "InvalidAMIID.NotFound", "InvalidAMIID.Unavailable", "OptInRequired"),
        *("InvalidGroup.NotFound", "InvalidKeyPair.NotFound", "InvalidParameterCombination"),
        *("InvalidParameterValue", "MissingParameter", "UnauthorizedOperation"),
    ),
    AlreadyAskedError: ("IdempotentParameterMismatch",),
}


@pytest.mark.parametrize(
    ("kind", "code"), [(kind, code) for kind, codes in KINDS.items() for code in codes]
)
def test_a_code_says_whether_it_may_succeed_later(kind: type[RefusalError], code: str) -> None:
    assert type(refusal_of(refusal(code), "starting")) is kind


@pytest.mark.parametrize(
    ("code", "lasts"),
    [
        ("InsufficientInstanceCapacity", False),
        ("InsufficientHostCapacity", False),
        ("InsufficientFreeAddressesInSubnet", False),
        ("IdempotentInstanceTerminated", False),
        ("Unsupported", True),
        ("InvalidSubnetID.NotFound", True),
    ],
)
def test_another_zone_may_have_room_and_so_may_this_one_later(code: str, *, lasts: bool) -> None:
    error = refusal_of(refusal(code), "starting")

    assert isinstance(error, NoRoomError)
    assert error.lasts is lasts


def test_without_an_answer_it_may_succeed_later() -> None:
    for error in (ReadTimeoutError, ConnectTimeoutError):
        assert isinstance(refusal_of(error(endpoint_url="https://ec2"), "starting"), NotNowError)


def test_a_refusal_says_what_was_asked_and_what_ec2_answered() -> None:
    message = str(refusal_of(refusal("VcpuLimitExceeded", "as EC2 says it"), "starting"))

    assert message.startswith("starting: ")
    assert "VcpuLimitExceeded" in message
    assert "as EC2 says it" in message
