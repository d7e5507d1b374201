"""An error of EC2 says where a desktop may still be started, or when, or that a person must act."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from chalicelib.ec2.launch_errors import (
    AlreadyAskedError,
    NeverError,
    NoRoomError,
    NotNowError,
    RefusalError,
    refusal_of,
)


def refused(code: str) -> RefusalError:
    """Return what is made of an error with this code."""
    error = ClientError({"Error": {"Code": code, "Message": "as EC2 says it"}}, "RunInstances")
    return refusal_of(error, "starting")


@pytest.mark.parametrize(
    "code",
    [
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientFreeAddressesInSubnet",
        "IdempotentInstanceTerminated",
    ],
)
def test_another_zone_may_have_room_and_so_may_this_one_later(code: str) -> None:
    refusal = refused(code)

    assert isinstance(refusal, NoRoomError)
    assert not refusal.lasts


@pytest.mark.parametrize("code", ["Unsupported", "InvalidSubnetID.NotFound"])
def test_another_zone_may_take_what_this_one_never_will(code: str) -> None:
    refusal = refused(code)

    assert isinstance(refusal, NoRoomError)
    assert refusal.lasts


@pytest.mark.parametrize(
    "code",
    [
        "InternalError",
        "InstanceLimitExceeded",
        "PendingVerification",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "SomethingNew",
        "VcpuLimitExceeded",
        "VolumeLimitExceeded",
    ],
)
def test_limits_and_faults_of_the_server_and_what_is_not_known_may_pass(code: str) -> None:
    assert isinstance(refused(code), NotNowError)


@pytest.mark.parametrize(
    "error",
    [ReadTimeoutError(endpoint_url="https://ec2"), ConnectTimeoutError(endpoint_url="https://ec2")],
)
def test_no_answer_may_pass(error: ReadTimeoutError | ConnectTimeoutError) -> None:
    assert isinstance(refusal_of(error, "starting"), NotNowError)


@pytest.mark.parametrize(
    "code",
    [
        "AuthFailure",
        "InvalidAMIID.NotFound",
        "InvalidAMIID.Unavailable",
        "InvalidGroup.NotFound",
        "InvalidKeyPair.NotFound",
        "InvalidParameterCombination",
        "InvalidParameterValue",
        "MissingParameter",
        "OptInRequired",
        "UnauthorizedOperation",
    ],
)
def test_what_is_wrong_with_the_request_or_the_rights_does_not_pass(code: str) -> None:
    assert isinstance(refused(code), NeverError)


def test_a_token_that_was_used_otherwise_is_told_apart() -> None:
    assert isinstance(refused("IdempotentParameterMismatch"), AlreadyAskedError)


def test_a_refusal_says_what_was_asked_and_what_ec2_said() -> None:
    message = str(refused("VcpuLimitExceeded"))

    assert message.startswith("starting: ")
    assert "VcpuLimitExceeded" in message
    assert "as EC2 says it" in message
