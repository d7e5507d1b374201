"""One CloudFormation stack: its state, its events, and why an operation failed."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from ops.account import AwsError, error_code, readable_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Say = Callable[[str], None]
    Description = Mapping[str, Any]

POLL_SECONDS: Final = 2.0

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html#cfn-console-view-stack-data-resources-status-codes
EMPTY: Final = "REVIEW_IN_PROGRESS"
"""There is only a change set: a stack without resources, on which no operation works."""

HALF_UPDATED: Final = "UPDATE_ROLLBACK_FAILED"
UNFINISHED: Final = frozenset(
    {EMPTY, "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}
)
"""Never complete, or half deleted. CloudFormation then accepts only a deletion."""

_BEING_CHANGED: Final = re.compile("state and can ?not be|AlreadyExistsException")
_CANCELLED: Final = re.compile(r"Resource \w+ cancelled", re.IGNORECASE)
_REMEDIES: Final = (
    (
        re.compile("not authorized|AccessDenied|UnauthorizedOperation"),
        "grant yourself the permission that AWS names",
    ),
    (
        re.compile("already exists|AlreadyExists"),
        "something else has that name: remove it, or choose another name for the stage",
    ),
    (re.compile("limit|quota", re.IGNORECASE), "ask AWS to raise the limit that it names"),
)


class StackError(AwsError):
    """A stack operation failed. The message says what failed, on what, why, and what to do."""


class StackRefusedError(StackError):
    """AWS refused a call: a permission is missing, or credentials or a value are not valid."""


class StackFailedError(StackError):
    """CloudFormation started an operation, and failed at a resource."""


class StackStuckError(StackError):
    """The stack is in a state that needs manual action."""


@dataclass(frozen=True)
class Rest:
    """The result of a stack operation: the stack (None if deleted), and the failures before."""

    stack: Description | None
    failures: tuple[str, ...]

    @property
    def status(self) -> str:
        """The state in AWS's words."""
        return self.stack["StackStatus"] if self.stack else "DELETE_COMPLETE"

    def error(self, doing: str, stack_name: str) -> StackFailedError:
        """Say why it failed and what to do."""
        said = self.stack.get("StackStatusReason") if self.stack else None
        reasons = "; ".join(self.failures) or said or "AWS gave no reason"
        remedy = next(
            (remedy for pattern, remedy in _REMEDIES if pattern.search(reasons)),
            "fix what AWS names",
        )
        return StackFailedError(
            f"could not {doing} the stack {stack_name}, which is now in {self.status}: {reasons}. "
            f"To go on, {remedy}; then run the same command again"
        )


class CloudFormation:
    """Calls to CloudFormation; `pause` waits between two polls of a stack."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 (botocore makes the class)
        pause: Callable[[float], object],
    ) -> None:
        self.client = client
        self._pause = pause

    def described(self, name_or_id: str) -> Description | None:
        """Return the answer of DescribeStacks; None if there is no such stack."""
        with refusals(f"look at the stack {name_or_id}"):
            answer = unless("does not exist", self.client.describe_stacks, StackName=name_or_id)
        return answer["Stacks"][0] if answer else None

    def newest_event(self, stack: Description | None) -> str | None:
        """Return the point from which `follow` starts, taken before an operation."""
        if stack is None:
            return None
        with refusals(f"read the events of the stack {stack['StackName']}"):
            answer = self.client.describe_stack_events(StackName=stack["StackId"])
        return next((event["EventId"] for event in answer["StackEvents"]), None)

    def follow(self, stack_id: str, since: str | None, say: Say) -> Rest:
        """Print a line for each event of the stack after `since`, until it has finished."""
        failures: list[str] = []
        while True:
            stack = self.described(stack_id)  # before its events, so that none is missed at the end
            for event in self._events(stack_id, since):
                since = event["EventId"]
                say(_line(event))
                if _is_cause(event):
                    failures.append(_cause(event))
            if stack is None or not is_busy(stack["StackStatus"]):
                return Rest(stack, tuple(failures))
            self._pause(POLL_SECONDS)

    def remove(self, stack: Description, say: Say) -> None:
        """Delete an idle stack; retained resources are kept. Raises StackError."""
        name, stack_id = stack["StackName"], stack["StackId"]
        since = self.newest_event(stack)
        with refusals(f"delete the stack {name}"):
            self.client.delete_stack(StackName=stack_id)
        rest = self.follow(stack_id, since, say)
        if rest.status != "DELETE_COMPLETE":
            raise rest.error("delete", name)

    def _events(self, stack_id: str, since: str | None) -> list[Mapping[str, Any]]:
        """Return the events after `since`, in the order in which they happened."""
        request = {"StackName": stack_id}
        newest_first: list[Mapping[str, Any]] = []
        while True:
            with refusals(f"read the events of the stack {stack_id}"):
                page = self.client.describe_stack_events(**request)
            for event in page["StackEvents"]:
                if event["EventId"] == since:
                    return newest_first[::-1]
                newest_first.append(event)
            if not page.get("NextToken"):
                return newest_first[::-1]
            request["NextToken"] = page["NextToken"]


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Turn botocore's errors into StackRefusedError; `what` completes "could not …"."""
    try:
        with readable_errors(what):
            yield
    except AwsError as error:
        remedy = (
            "; somebody else is changing it: run the same command again when they are done"
            if _BEING_CHANGED.search(str(error))
            else ""
        )
        raise StackRefusedError(f"{error}{remedy}") from error


def unless(
    harmless: str,
    call: Callable[..., Any],
    **request: object,
) -> Any:  # noqa: ANN401 (as boto answers)
    """Make a call; None if CloudFormation refuses it for this harmless reason.

    It answers ValidationError to nearly everything: only the text distinguishes the reasons.
    """
    try:
        return call(**request)
    except ClientError as error:
        said = error.response.get("Error", {}).get("Message", "")
        if error_code(error) == "ValidationError" and harmless in said:
            return None
        raise


def is_busy(status: str) -> bool:
    """Tell whether CloudFormation is working on the stack."""
    return status.endswith("_IN_PROGRESS") and status != EMPTY


def in_words(status: str) -> str:
    """Format a state for people."""
    return status.lower().replace("_", " ")


def _line(event: Mapping[str, Any]) -> str:
    reason = event.get("ResourceStatusReason")
    line = f"{event['LogicalResourceId']}: {in_words(event['ResourceStatus'])}"
    return f"{line} ({reason})" if reason else line


def _is_cause(event: Mapping[str, Any]) -> bool:
    """Tell whether this failed by itself, not because something else did."""
    of_a_resource = event["LogicalResourceId"] != event["StackName"]
    cancelled = _CANCELLED.search(event.get("ResourceStatusReason", ""))
    return of_a_resource and event["ResourceStatus"].endswith("_FAILED") and not cancelled


def _cause(event: Mapping[str, Any]) -> str:
    reason = event.get("ResourceStatusReason", "AWS gave no reason")
    return f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"
