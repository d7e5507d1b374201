"""The operator's AWS account: clients with the operator's credentials, and AWS's errors."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 (botocore's own)
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONFIG: Final = Config(
    connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4}
)
_EXPIRED: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
)
_INVALID: Final = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "AuthFailure"}
)
_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
)


class AwsError(Exception):
    """AWS cannot be used, or refused a call. The message says what, and what to do."""


@dataclass(frozen=True)
class Identity:
    """The identity of the credentials."""

    account: str
    arn: str


class Account:
    """Clients of AWS in one region, with the operator's credentials.

    Raises AwsError if the operator's AWS configuration cannot be read.
    """

    def __init__(self, region: str | None = None) -> None:
        self._session = botocore.session.Session()
        with readable_errors("read your AWS configuration"):
            self.region = region or self._session.get_config_variable("region")

    def client(self, service: str) -> Any:  # noqa: ANN401 (botocore makes the class)
        """Make a client. Raises AwsError without a region."""
        if not self.region:
            raise AwsError("no region is set: give --region, or set AWS_DEFAULT_REGION")
        with readable_errors(f"use {service}"):
            return self._session.create_client(service, region_name=self.region, config=_CONFIG)

    def identity(self) -> Identity:
        """Ask AWS for the identity of the credentials. Raises AwsError."""
        with readable_errors("check your AWS credentials"):
            answer = self.client("sts").get_caller_identity()
        return Identity(answer["Account"], answer["Arn"])


@contextmanager
def readable_errors(what: str) -> Iterator[None]:
    """Turn botocore's errors into AwsError with the remedy; `what` completes "could not …"."""
    try:
        yield
    except ClientError as error:
        raise AwsError(f"could not {what}: {_reason(error)}") from error
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
        raise AwsError(
            f"could not {what}: no AWS credentials were found; run `aws configure` or "
            "`aws sso login`, or choose a profile with --profile or AWS_PROFILE"
        ) from error
    except ProfileNotFound as error:
        raise AwsError(f"could not {what}: {error}; check --profile or AWS_PROFILE") from error
    except (EndpointConnectionError, ConnectionError) as error:
        raise AwsError(
            f"could not {what}: AWS was not reached ({error}); check the region and the network"
        ) from error
    except BotoCoreError as error:
        raise AwsError(f"could not {what}: {error}") from error


def error_code(error: ClientError) -> str:
    """Return AWS's code of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _reason(error: ClientError) -> str:
    code, said = error_code(error), error.response.get("Error", {}).get("Message", "")
    text = f"{error.operation_name} answered {code}: {said}"
    if code in _EXPIRED:
        return f"{text}; the credentials have expired: log in again"
    if code in _INVALID:
        return f"{text}; AWS does not know these credentials: check which ones are in use"
    if code in _DENIED:
        return f"{text}; grant yourself the right to {error.operation_name}"
    return text
