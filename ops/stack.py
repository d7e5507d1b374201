"""The supporting stack: a stage's resources besides those that Chalice deploys.

Every step starts from the stack's current state, so an interrupted or failed command is
finished by running the same command again. The meetings table outlives its stack.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ops.cloudformation import (
    EMPTY,
    HALF_UPDATED,
    UNFINISHED,
    CloudFormation,
    StackError,
    StackFailedError,
    StackRefusedError,
    StackStuckError,
    in_words,
    is_busy,
    refusals,
    unless,
)
from ops.meetings_table import TableError, table_to_create
from ops.stack_parameters import (
    HAS_MEETINGS,
    HAS_NOTIFICATIONS,
    OWNER,
    ParameterError,
    StackParameters,
)
from ops.tags import NO_TAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ops.cloudformation import Description, Say

__all__ = [
    "NotOursError",
    "ParameterError",
    "StackError",
    "StackFailedError",
    "StackOutputs",
    "StackParameters",
    "StackRefusedError",
    "StackStuckError",
    "SupportingStack",
    "TableError",
    "table_to_create",
    "template",
]

STAGE_TAG: Final = "elephant:stage"
TABLE: Final = "MeetingsTable"
"""The table's name within the template."""

_TEMPLATE: Final = Path(__file__).with_name("stack.yaml")
_ALARM_NAME: Final = re.compile(r"^ +AlarmName: !Sub elephant-\$\{Stage\}-(\S+)$", re.MULTILINE)
_OF_SWEEP: Final = "sweep-"
_OF_MEETINGS: Final = "meetings-"
_OF_NOTIFICATIONS: Final = "notifications-"
_OF_INVITATIONS: Final = "invitations-"
_WAYS_OUT: Final = {
    HALF_UPDATED: (
        "fix what its events name and run the same command again; or let CloudFormation leave a "
        "resource as it is: aws cloudformation continue-update-rollback --stack-name {name} "
        "--resources-to-skip LOGICAL_ID"
    ),
    "UPDATE_FAILED": "let it roll back: aws cloudformation rollback-stack --stack-name {name}",
}
_WAY_OUT: Final = "resolve that in the console of CloudFormation"


class NotOursError(StackError):
    """Another stack has the name."""


@dataclass(frozen=True)
class StackOutputs:
    """The stack's resources; the stream is set only if the table is the stack's own."""

    table_name: str | None
    table_stream_arn: str | None
    failure_queue_arn: str
    failure_queue_url: str
    alarm_topic_arn: str
    dashboard_name: str

    @classmethod
    def parse(cls, stack: Description) -> StackOutputs:
        """Read an element of DescribeStacks' `Stacks[]`."""
        values = {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}
        return cls(
            table_name=values.get("TableName"),
            table_stream_arn=values.get("TableStreamArn"),
            failure_queue_arn=values["FailureQueueArn"],
            failure_queue_url=values["FailureQueueUrl"],
            alarm_topic_arn=values["AlarmTopicArn"],
            dashboard_name=values["DashboardName"],
        )


def template() -> str:
    """Return the template's text."""
    return _TEMPLATE.read_text(encoding="utf-8")


class SupportingStack:
    """The supporting stack of one stage; `pause` waits between two polls.

    Everything that calls AWS raises StackError.
    """

    def __init__(
        self,
        cloudformation_client: Any,  # noqa: ANN401 (botocore makes the class)
        stage_name: str,
        *,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._cloudformation = CloudFormation(cloudformation_client, pause)
        self._client = cloudformation_client
        self._stage = stage_name
        # Stacks have no '_' in their names. Stages that differ in it alone differ in the tag.
        self.name = f"elephant-{stage_name.replace('_', '-')}-support"

    def deploy(
        self, parameters: StackParameters, say: Say, tags: Mapping[str, str] = NO_TAGS
    ) -> StackOutputs:
        """Create or update the stack from template and parameters, and return its resources.

        CloudFormation gives the tags to every resource that can have any.
        """
        request = {
            "StackName": self.name,
            "TemplateBody": template(),
            "Parameters": parameters.of(self._stage),
            "Tags": [
                {"Key": key, "Value": value}
                for key, value in {**tags, STAGE_TAG: self._stage}.items()
            ],
            # For the roles of meetings; asked for whether the stage has any or not.
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            # If this fails, what this very call has made goes again, or it would be in the way of
            # the next one. A table that was there before is retained, as the template says.
            "RetainExceptOnCreate": True,
        }
        stack = self.settle(say)
        since = self._cloudformation.newest_event(stack)
        doing = "update" if stack else "create"
        with refusals(f"{doing} the stack {self.name}"):
            if stack:
                begun = unless(
                    "No updates are to be performed", self._client.update_stack, **request
                )
            else:
                begun = self._client.create_stack(**request)
        if stack and begun is None:
            say(f"{self.name} is up to date")
            return StackOutputs.parse(stack)
        rest = self._cloudformation.follow(begun["StackId"], since, say)
        if rest.stack is None or rest.status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            raise rest.error(doing, self.name)
        return StackOutputs.parse(rest.stack)

    def settle(self, say: Say) -> Description | None:
        """Finish what an earlier run left unfinished; None if no stack is left then."""
        undone = False
        while stack := self._own():
            status = stack["StackStatus"]
            if is_busy(status):
                self._wait(stack, say)
            elif status in UNFINISHED:
                say(f"{self.name} was left in {in_words(status)}: removing its remains")
                self._cloudformation.remove(stack, say)
            elif status == HALF_UPDATED and not undone:
                say(f"{self.name} was left half updated: rolling back")
                undone = True
                self._undo(stack, say)
            elif status.endswith("_FAILED"):
                reason = stack.get("StackStatusReason", "AWS gave no reason")
                way_out = _WAYS_OUT.get(status, _WAY_OUT).format(name=self.name)
                raise StackStuckError(f"the stack {self.name} is in {status} ({reason}): {way_out}")
            else:
                return stack
        return None

    def outputs(self) -> StackOutputs | None:
        """Return the stack's resources; None if it is missing, or was never complete."""
        stack = self._own()
        return StackOutputs.parse(stack) if stack and stack.get("Outputs") else None

    def exists(self) -> bool:
        """Tell whether there is anything of the stack."""
        return self._own() is not None

    def has_meetings(self) -> bool:
        """Tell whether an earlier deployment created what meetings need."""
        return self._was_told(HAS_MEETINGS)

    def has_notifications(self) -> bool:
        """Tell whether an earlier deployment created what notifications need."""
        return self._was_told(HAS_NOTIFICATIONS)

    def alarms(
        self,
        *,
        has_sweep: bool = False,
        has_meetings: bool = False,
        has_notifications: bool = False,
        has_invitations: bool = False,
    ) -> tuple[str, ...]:
        """Name the alarms in the template."""
        kinds = {
            _OF_SWEEP: has_sweep,
            _OF_MEETINGS: has_meetings,
            _OF_NOTIFICATIONS: has_notifications,
            _OF_INVITATIONS: has_invitations,
        }
        left_out = tuple(kind for kind, is_there in kinds.items() if not is_there)
        return tuple(
            f"elephant-{self._stage}-{name}"
            for name in _ALARM_NAME.findall(template())
            if not name.startswith(left_out)
        )

    def delete(self, say: Say) -> None:
        """Remove the stack and all of its resources, except the table."""
        while (stack := self._own()) and is_busy(stack["StackStatus"]):
            self._wait(stack, say)
        if stack:
            self._cloudformation.remove(stack, say)
        else:
            say(f"{self.name} does not exist")

    def has_resource(self, logical_id: str) -> bool:
        """Tell whether the existing stack has created a resource of the template."""
        stack = self._own()
        found = self._resources(stack) if stack else []
        return any(each["LogicalResourceId"] == logical_id for each in found)

    def table_state(self, table_name: str) -> str | None:
        """Return the state of this table in the stack; None if the stack does not manage it."""
        stack = self._own()
        if stack is None or stack["StackStatus"] in {*UNFINISHED, "DELETE_IN_PROGRESS"}:
            return None
        states = (
            str(resource["ResourceStatus"])
            for resource in self._resources(stack)
            if resource["LogicalResourceId"] == TABLE
            and resource.get("PhysicalResourceId") == table_name
        )
        return next((state for state in states if not state.startswith("DELETE_")), None)

    def owner(self) -> str | None:
        """Return the OWNER that the stage was deployed with; None if it never was."""
        stack = self._own()
        if stack is None or stack["StackStatus"] in {*UNFINISHED, EMPTY}:
            return None
        return _given(stack).get(OWNER)

    def tags(self) -> dict[str, str]:
        """Return the operator's tags of the last deployment; empty if there was none."""
        stack = self._own()
        tags = _tags(stack) if stack else {}
        tags.pop(STAGE_TAG, None)
        return tags

    def _resources(self, stack: Description) -> list[Description]:
        with refusals(f"list the resources of the stack {self.name}"):
            pages = self._client.get_paginator("list_stack_resources").paginate(
                StackName=stack["StackId"]
            )
            return [each for page in pages for each in page["StackResourceSummaries"]]

    def _was_told(self, parameter: str) -> bool:
        return _given(self._own()).get(parameter) == "yes"

    def _own(self) -> Description | None:
        """Return the stack as it is now. NotOursError if another one has its name."""
        stack = self._cloudformation.described(self.name)
        if stack is None or stack["StackStatus"] == EMPTY:
            return stack
        tags = _tags(stack)
        if tags.get(STAGE_TAG) != self._stage:
            raise NotOursError(
                f"the stack {self.name} does not belong to stage {self._stage!r} (its tag "
                f"{STAGE_TAG} is {tags.get(STAGE_TAG)!r}): nothing was changed. Choose another "
                "name for the stage, or delete that stack if nobody needs it"
            )
        return stack

    def _wait(self, stack: Description, say: Say) -> None:
        say(f"{self.name} is busy since an earlier run ({in_words(stack['StackStatus'])}): waiting")
        since = self._cloudformation.newest_event(stack)
        self._cloudformation.follow(stack["StackId"], since, say)

    def _undo(self, stack: Description, say: Say) -> None:
        since = self._cloudformation.newest_event(stack)
        with refusals(f"continue the rollback of the stack {self.name}"):
            self._client.continue_update_rollback(StackName=stack["StackId"])
        self._cloudformation.follow(stack["StackId"], since, say)


def _tags(stack: Description) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in stack.get("Tags", ())}


def _given(stack: Description | None) -> dict[str, str]:
    parameters = stack.get("Parameters", ()) if stack else ()
    return {each["ParameterKey"]: each.get("ParameterValue", "") for each in parameters}
