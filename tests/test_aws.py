"""Clients of AWS answer or fail soon, whatever botocore's defaults are, and are made cheaply."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.utils import parse_timestamp

from chalicelib import aws
from chalicelib.deadline import Deadline, OutOfTimeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.session import Session

SERVICES = ("ec2", "secretsmanager", "dynamodb")


@pytest.fixture(autouse=True)
def _fresh_session(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin as a new execution environment does, in a region, with defaults that are not ours."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "9")
    aws._session.cache_clear()
    yield
    aws._session.cache_clear()


def made(service: str) -> Any:  # noqa: ANN401 (a client as it is, beyond its protocol)
    make: Any = aws.client
    return make(service)


@pytest.mark.parametrize("service", SERVICES)
def test_timeouts_and_retries_are_set_and_not_left_to_a_default(service: str) -> None:
    config = made(service).meta.config

    assert config.connect_timeout == 2
    assert config.read_timeout == 5
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}


@pytest.mark.parametrize("service", SERVICES)
def test_a_client_is_of_the_functions_own_region(service: str) -> None:
    client = made(service)

    assert client.meta.service_model.service_name == service
    assert client.meta.region_name == "eu-west-3"


def test_what_may_be_done_twice_when_it_is_tried_twice_is_tried_once() -> None:
    """SES sends an e-mail for each time it is asked; Lambda tries again, knowing what was sent."""
    config = made("sesv2").meta.config

    assert config.retries["total_max_attempts"] == 1
    assert (config.connect_timeout, config.read_timeout) == (2, 10)
    assert made("codedeploy").meta.config.retries["total_max_attempts"] == 3


def test_after_the_deadline_a_write_is_neither_sent_nor_repeated() -> None:
    """An environment that goes on with the next event must not finish the last one's writes."""
    # given a DynamoDB that has not answered when the run's time is over
    now, attempts = [0.0], list[str]()

    def late(request: Any, **_: object) -> None:  # noqa: ANN401
        attempts.append(request.method)
        now[0] += 60
        raise ReadTimeoutError(endpoint_url=request.url)

    client = made("dynamodb")
    client.meta.events.register("before-send.dynamodb.*", late)

    # when a row is written
    with Deadline(30, lambda: now[0]).in_force():
        for _ in range(2):
            with pytest.raises(OutOfTimeError, match=r"no time left to call AWS \(UpdateItem\)"):
                client.update_item(TableName="t", Key={"id": {"S": "m1"}})

    # then once only
    assert attempts == ["POST"]


def test_an_overloaded_aws_is_tried_three_times_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    # given an EC2 that is always overloaded
    attempts: list[str] = []
    pauses: list[float] = []

    class Body:
        def stream(self, **_: object) -> list[bytes]:
            return [
                b"<Response><Errors><Error><Code>Unavailable</Code></Error></Errors></Response>"
            ]

    def overloaded(request: Any, **_: object) -> AWSResponse:  # noqa: ANN401
        attempts.append(request.method)
        return AWSResponse(request.url, 503, {}, Body())  # type: ignore[arg-type]

    monkeypatch.setattr(time, "sleep", pauses.append)
    client = made("ec2")
    client.meta.events.register("before-send.ec2.*", overloaded)

    # when it is asked
    with pytest.raises(ClientError, match="Unavailable"):
        client.describe_instances()

    # then it is asked again twice, after a pause each
    assert len(attempts) == 3
    assert len(pauses) == 2


def test_all_clients_share_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session reads credentials and service models, the larger part of a cold start."""
    made: list[Session] = []
    real = botocore.session.get_session

    def counted() -> Session:
        made.append(real())
        return made[-1]

    monkeypatch.setattr(botocore.session, "get_session", counted)

    aws.client("ec2")
    aws.client("dynamodb")
    aws.client("secretsmanager")

    assert len(made) == 1


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-20T12:00:00.000Z",
        "2026-11-20T12:00:00Z",
        "2026-11-20T12:00:00+01:00",
        "2026-11-20T12:00:00",
        "Fri, 20 Nov 2026 12:00:00 GMT",
        "1795176000",
        1795176000,
        1795176000.5,
    ],
)
def test_a_time_is_read_as_botocore_reads_it(value: Any) -> None:  # noqa: ANN401
    assert aws._parse_timestamp(value) == parse_timestamp(value)
