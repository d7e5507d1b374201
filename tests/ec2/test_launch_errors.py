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

KINDS: dict[str, type[RefusalError]] = {
    "InternalError": NotNowError,
    "InstanceLimitExceeded": NotNowError,
    "PendingVerification": NotNowError,
    "RequestLimitExceeded": NotNowError,
    "ServiceUnavailable": NotNowError,
    "SomethingNew": NotNowError,
    "VcpuLimitExceeded": NotNowError,
    "VolumeLimitExceeded": NotNowError,
    "AuthFailure": NeverError,
    "InvalidAMIID.NotFound": NeverError,
    "InvalidAMIID.Unavailable": NeverError,
    "InvalidGroup.NotFound": NeverError,
    "InvalidKeyPair.NotFound": NeverError,
    "InvalidParameterCombination": NeverError,
    "InvalidParameterValue": NeverError,
    "MissingParameter": NeverError,
    "OptInRequired": NeverError,
    "UnauthorizedOperation": NeverError,
    "IdempotentParameterMismatch": AlreadyAskedError,
}


@pytest.mark.parametrize(("code", "kind"), KINDS.items())
def test_a_code_says_whether_it_may_succeed_later(code: str, kind: type[RefusalError]) -> None:
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
def test_another_zone_may_take_what_this_one_does_not_take_now_or_ever(
    code: str, *, lasts: bool
) -> None:
    error = refusal_of(refusal(code), "starting")

    assert isinstance(error, NoRoomError)
    assert error.lasts is lasts


@pytest.mark.parametrize("kind", [ReadTimeoutError, ConnectTimeoutError])
def test_without_an_answer_it_may_succeed_later(
    kind: type[ReadTimeoutError | ConnectTimeoutError],
) -> None:
    assert isinstance(refusal_of(kind(endpoint_url="https://ec2"), "starting"), NotNowError)


def test_a_refusal_says_what_was_asked_and_what_ec2_answered() -> None:
    message = str(refusal_of(refusal("VcpuLimitExceeded", "as EC2 says it"), "starting"))

    assert message.startswith("starting: ")
    assert "VcpuLimitExceeded" in message
    assert "as EC2 says it" in message
