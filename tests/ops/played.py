"""An account of which a test plays the few answers that it needs."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from ops.account import Account


class Played(Account):
    """Answers each operation, of whichever service, with what is given for it, or by calling that.

    A call of an operation that has a page to answer is that page's: `paginate` is played as well.
    """

    def __init__(self, **answers: Any) -> None:  # noqa: ANN401 (as AWS answers)
        super().__init__("us-west-2")
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._answers = answers

    def client(self, _: str) -> Any:  # noqa: ANN401
        return self

    def __getattr__(self, operation: str) -> Any:  # noqa: ANN401
        def call(*names: str, **request: object) -> Any:  # noqa: ANN401
            if operation == "get_waiter":
                self.calls.append((names[0], {}))
            if operation in {"get_paginator", "get_waiter"}:
                return self
            self.calls.append((operation, request))
            answer = self._answers.get(operation, {})
            if isinstance(answer, Exception):
                raise answer
            return answer(**request) if callable(answer) else answer

        return call


def refusal(code: str, operation: str = "AnOperation", message: str = "") -> ClientError:
    """Make the error of botocore's in which AWS refuses an operation."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)
