"""Clients of AWS for tests, which return prepared answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

INSTANCE = "i-0123456789abcdef0"
LAUNCHED_AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


class _Answers:
    def __init__(self, answers: tuple[dict[str, Any] | Exception, ...]) -> None:
        self._answers = list(answers)
        self.requests: list[dict[str, Any]] = []

    def __getattr__(self, _: str) -> Any:  # noqa: ANN401 (any operation)
        return self._answer

    def _answer(self, **request: object) -> dict[str, Any]:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def answering(*answers: dict[str, Any] | Exception) -> Any:  # noqa: ANN401 (any client)
    """Make a client that returns or raises these in turn, and keeps its `requests`."""
    return _Answers(answers)


def refusal(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "TheOperation")


class Vault:
    """Secrets Manager with one secret that can be read, and time that a test lets pass."""

    def __init__(self, text: str | None) -> None:
        self.text = text
        self.reads: list[object] = []
        self.error: Exception | None = None
        self.now = 1_000_000.0

    def get_secret_value(self, **request: object) -> dict[str, Any]:
        self.reads.append(request)
        if self.error:
            raise self.error
        return {} if self.text is None else {"SecretString": self.text}


def described(instance_id: str = INSTANCE, **members: object) -> dict[str, Any]:
    """Make an instance as EC2 describes it."""
    required = {"InstanceId": instance_id, "State": {"Name": "running"}, "LaunchTime": LAUNCHED_AT}
    return required | members


def page(*instances: dict[str, Any] | str, **members: object) -> dict[str, Any]:
    """Make an answer of DescribeInstances, with a reservation for each instance."""
    whole = [described(each) if isinstance(each, str) else each for each in instances]
    return {"Reservations": [{"Instances": [each]} for each in whole], **members}
