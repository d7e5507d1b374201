"""AWS's errors become a message that says what could not be done, why, and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

import pytest
from botocore.exceptions import (
    BotoCoreError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
)

from ops.account import Account, AwsError, readable_errors
from tests.ops.played import refusal
from tests.ops.projects import ROOT

refused = partial(refusal, operation="DescribeTable", message="as AWS says")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (NoCredentialsError(), "aws configure"),
        (ProfileNotFound(profile="x"), "check --profile or AWS_PROFILE"),
        (EndpointConnectionError(endpoint_url="https://x"), "check the region"),
        (BotoCoreError(), "could not look"),
        (refused("ExpiredToken"), "log in again"),
        (refused("InvalidClientTokenId"), "check which ones are in use"),
        (refused("AccessDeniedException"), "grant yourself the right to DescribeTable"),
        (refused("Throttling"), "DescribeTable answered Throttling: as AWS says"),
    ],
)
def test_an_error_says_what_failed_and_what_to_do(error: Exception, remedy: str) -> None:
    with pytest.raises(AwsError, match=remedy) as raised, readable_errors("look"):
        raise error

    assert str(raised.value).startswith("could not look: ")
    with pytest.raises(ValueError, match="mine"), readable_errors("look"):
        raise ValueError("mine")


def test_without_a_region_or_a_profile_nothing_can_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(AwsError, match="give --region"):
        Account().client("sts")

    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(
        AwsError, match=r"read your AWS configuration: .*; check --profile or AWS_PROFILE"
    ):
        Account()


def test_what_asks_nothing_of_aws_needs_no_configuration_of_it() -> None:
    """Every command's --help loads what this one does, which looks into all the code as well."""
    done = subprocess.run(
        [sys.executable, "-m", "ops", "iam"],
        cwd=ROOT,
        env=os.environ | {"AWS_PROFILE": "missing"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
