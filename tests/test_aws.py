"""Clients of AWS answer or fail soon with any botocore, and are made cheaply."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import botocore.session
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.utils import parse_timestamp

from chalicelib import aws
from chalicelib.deadline import Deadline, OutOfTimeError


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch, new_environment: None) -> None:  # noqa: ARG001
    """Begin with defaults that are not ours."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "9")


def made(service: str) -> Any:  # noqa: ANN401 (a client as it is, beyond its protocol)
    make: Any = aws.client
    return make(service)


@pytest.mark.parametrize(
    ("service", "attempts", "read_timeout"),
    [
        *((name, 3, 5) for name in ("ec2", "secretsmanager", "dynamodb", "scheduler")),
        ("codedeploy", 3, 5),
        # SES would send an e-mail for each attempt; Lambda's retry knows what was sent.
        ("sesv2", 1, 10),
    ],
)
def test_region_timeouts_and_retries_do_not_depend_on_botocores_defaults(
    service: str, attempts: int, read_timeout: int
) -> None:
    client = made(service)
    config = client.meta.config

    assert config.retries == {"mode": "standard", "total_max_attempts": attempts}
    assert (config.connect_timeout, config.read_timeout) == (2, read_timeout)
    assert client.meta.region_name == "eu-west-3"


def test_after_the_deadline_a_write_is_neither_sent_nor_repeated() -> None:
    """An environment that handles the next event must not finish the last one's writes."""
    now, attempts = [0.0], list[str]()

    def late(request: Any, **_: object) -> None:  # noqa: ANN401
        attempts.append(request.method)
        now[0] += 60
        raise ReadTimeoutError(endpoint_url=request.url)

    client = made("dynamodb")
    client.meta.events.register("before-send.dynamodb.*", late)

    with Deadline(30, lambda: now[0]).in_force():
        for _ in range(2):
            with pytest.raises(OutOfTimeError, match=r"no time left to call AWS \(UpdateItem\)"):
                client.update_item(TableName="t", Key={"id": {"S": "m1"}})

    assert attempts == ["POST"]


def test_all_clients_share_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session reads credentials and service models, the larger part of a cold start."""
    get_session = Mock(wraps=botocore.session.get_session)
    monkeypatch.setattr(botocore.session, "get_session", get_session)

    for service in ("ec2", "dynamodb", "secretsmanager"):
        made(service)

    get_session.assert_called_once()


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-20T12:00:00.000Z",
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
