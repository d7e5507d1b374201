"""The supporting stack in the states that only AWS brings about.

moto finishes every operation at once, never fails at a resource and never rolls back, so a stack
that takes its time and goes wrong is played here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from ops.account import AwsError
from ops.stack import (
    NotOursError,
    StackFailedError,
    StackOutputs,
    StackParameters,
    StackRefusedError,
    StackStuckError,
    SupportingStack,
    TableError,
    table_to_create,
)
from tests.ops.played import Played, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

STAGE = "dev_eu"
NAME = "elephant-dev-eu-support"  # stacks have no "_" in their names
PARAMETERS = StackParameters("elephant:dev", "elephant-meetings", create_table=True)
OUTPUTS = StackOutputs("elephant-meetings", "stream", "arn", "url", "topic", "elephant-dev")
TABLE = {"LogicalResourceId": "MeetingsTable", "PhysicalResourceId": "elephant-meetings"}
ANSWERED = {
    "TableName": "elephant-meetings",
    "TableStreamArn": "stream",
    "FailureQueueArn": "arn",
    "FailureQueueUrl": "url",
    "AlarmTopicArn": "topic",
    "DashboardName": "elephant-dev",
}


@dataclass(frozen=True)
class Turn:
    """What becomes of the stack next: its status, and the events of its resources before."""

    status: str
    events: tuple[tuple[str, str, str], ...] = ()


@dataclass
class Stack:
    """CloudFormation with one stack, which takes its next turn when someone waits for it.

    `then` says what follows a call; without that, an update finds nothing to do.
    """

    status: str | None = None
    coming: list[Turn] = field(default_factory=list)
    then: dict[str, list[Turn]] = field(default_factory=dict)
    stage: str | None = STAGE
    calls: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    waits: int = 0
    table: str = "CREATE_COMPLETE"

    def __post_init__(self) -> None:
        self._events: list[Mapping[str, Any]] = []
        if self.status:
            self._record("FailedEvents", "CREATE_FAILED", "long ago")
        self.stack = SupportingStack(self.client(), STAGE, pause=self._pause)

    def deploy(self) -> StackOutputs:
        return self.stack.deploy(PARAMETERS, self.said.append)

    def delete(self) -> None:
        self.stack.delete(self.said.append)

    def client(self) -> Any:  # noqa: ANN401 (as botocore makes the class)
        """Return CloudFormation as the stack's owner calls it."""
        return Played(
            describe_stacks=self._describe,
            describe_stack_events=self._list_events,
            paginate=[{"StackResourceSummaries": [TABLE | {"ResourceStatus": self.table}]}],
            create_stack=lambda **request: self._change("create_stack", request),
            update_stack=lambda **request: self._change("update_stack", request),
            delete_stack=lambda **_: self._called("delete_stack"),
            continue_update_rollback=lambda **_: self._called("continue_update_rollback"),
        )

    def _describe(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        is_gone = self.status in {None, "DELETE_COMPLETE"}
        if self.status is None or (is_gone and StackName == NAME):
            raise refusal("ValidationError", message=f"Stack with id {StackName} does not exist")
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in ANSWERED.items()]
        tags = [{"Key": "elephant:stage", "Value": self.stage}] if self.stage else []
        stack = {"StackName": NAME, "StackId": "id", "StackStatus": self.status, "Tags": tags}
        return {"Stacks": [stack | {"Outputs": outputs}]}

    def _list_events(self, StackName: str, NextToken: str = "0") -> dict[str, Any]:  # noqa: N803
        assert StackName == "id"
        begin, newest_first = int(NextToken), self._events[::-1]
        answer: dict[str, Any] = {"StackEvents": newest_first[begin : begin + 2]}
        if begin + 2 < len(newest_first):
            answer["NextToken"] = str(begin + 2)
        return answer

    def _change(self, name: str, request: dict[str, object]) -> dict[str, str]:
        assert request["RetainExceptOnCreate"]
        if name == "create_stack":
            assert self.status in {None, "DELETE_COMPLETE"}
        elif name not in self.then:
            self.calls.append(name)
            raise refusal("ValidationError", message="No updates are to be performed.")
        return self._called(name)

    def _called(self, name: str) -> dict[str, str]:
        self.calls.append(name)
        self.coming = list(self.then[name])
        self._pause(0)
        return {"StackId": "id"}

    def _pause(self, seconds: float) -> None:
        self.waits += seconds > 0
        self._happens(self.coming.pop(0))

    def _happens(self, turn: Turn) -> None:
        for event in (*turn.events, (NAME, turn.status, "")):
            self._record(*event)
        self.status = turn.status

    def _record(self, resource: str, status: str, reason: str) -> None:
        event = {
            "EventId": str(len(self._events)),
            "StackName": NAME,
            "LogicalResourceId": resource,
            "ResourceType": "AWS::SQS::Queue",
            "ResourceStatus": status,
        }
        self._events.append(event | ({"ResourceStatusReason": reason} if reason else {}))


CREATED = [Turn("CREATE_IN_PROGRESS"), Turn("CREATE_COMPLETE")]
DELETED = [Turn("DELETE_IN_PROGRESS"), Turn("DELETE_COMPLETE")]
ROLLED_BACK = [
    Turn("CREATE_IN_PROGRESS", (("FailedEvents", "CREATE_IN_PROGRESS", ""),)),
    Turn(
        "ROLLBACK_IN_PROGRESS",
        (
            ("FailedEvents", "CREATE_FAILED", "User: me is not authorized to perform: sqs:Create"),
            ("Alarms", "CREATE_FAILED", "Resource creation cancelled"),
        ),
    ),
    Turn("ROLLBACK_COMPLETE", (("FailedEvents", "DELETE_COMPLETE", ""),)),
]


@pytest.mark.parametrize(
    "status", ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"]
)
def test_an_interrupted_run_is_waited_for_and_taken_up_and_what_happens_is_said_once(
    status: str,
) -> None:
    whole = "CREATE_COMPLETE" if status.startswith("CREATE") else "UPDATE_COMPLETE"
    aws = Stack(status, coming=[Turn(status, (("Alarms", status, ""),)), Turn(whole)])

    assert aws.deploy() == OUTPUTS
    assert (aws.calls, aws.waits) == (["update_stack"], 2)
    assert aws.said == [
        f"{NAME} is busy since an earlier run ({status.lower().replace('_', ' ')}): waiting",
        f"Alarms: {status.lower().replace('_', ' ')}",
        f"{NAME}: {status.lower().replace('_', ' ')}",
        f"{NAME}: {whole.lower().replace('_', ' ')}",
        f"{NAME} is up to date",
    ]


REMADE = {"delete_stack": DELETED, "create_stack": CREATED}
ROLLED_BACK_UPDATE = [Turn("UPDATE_ROLLBACK_IN_PROGRESS"), Turn("UPDATE_ROLLBACK_COMPLETE")]
RESUMED = {
    "continue_update_rollback": ROLLED_BACK_UPDATE,
    "update_stack": [Turn("UPDATE_IN_PROGRESS"), Turn("UPDATE_COMPLETE")],
}


@pytest.mark.parametrize(
    ("status", "coming", "then", "has_table"),
    [
        ("REVIEW_IN_PROGRESS", [], REMADE, False),
        ("CREATE_FAILED", [], REMADE, False),
        ("ROLLBACK_COMPLETE", [], REMADE, False),
        ("ROLLBACK_FAILED", [], REMADE, False),
        ("DELETE_FAILED", [], REMADE, False),
        ("DELETE_IN_PROGRESS", DELETED[1:], {"create_stack": CREATED}, False),
        ("CREATE_IN_PROGRESS", ROLLED_BACK, REMADE, True),
        ("UPDATE_ROLLBACK_FAILED", [], RESUMED, True),
    ],
)
def test_a_stack_that_is_not_whole_is_made_so(
    status: str, coming: list[Turn], then: dict[str, list[Turn]], *, has_table: bool
) -> None:
    owner = None if status == "REVIEW_IN_PROGRESS" else STAGE  # which is nobody's stack yet
    aws = Stack(status, coming=list(coming), then=then, stage=owner)

    assert bool(aws.stack.table_state("elephant-meetings")) is has_table
    assert not aws.stack.table_state("another")
    assert aws.deploy() == OUTPUTS
    assert aws.calls == list(then)


def going(*statuses: str, reason: str = "") -> list[Turn]:
    """Take these turns, one resource failing before the first for this reason."""
    first, *later = statuses
    failed = (("Alarms", "UPDATE_FAILED", reason),) if reason else ()
    return [Turn(first, failed), *map(Turn, later)]


UNDOING = ("UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE")
WHOLE, UPDATE, UNDO = "UPDATE_COMPLETE", "update_stack", "continue_update_rollback"
SKIP = f"--stack-name {NAME} --resources-to-skip"
ROLL_BACK = f"aws cloudformation rollback-stack --stack-name {NAME}"
NO_REASON = "now in DELETE_COMPLETE: AWS gave no reason"
NOT_ALLOWED = (
    rf"could not create the stack {NAME}, which is now in ROLLBACK_COMPLETE: FailedEvents "
    r"\(AWS::SQS::Queue\): User: me is not authorized to perform: sqs:Create\. To go on, grant "
    "yourself the permission that AWS names; then run the same command again"
)
TO_GO_ON = r"could not update .*{}\. To go on, {}".format
FAILING: dict[str, tuple[str | None, str, list[Turn], str]] = {
    **{
        reason: (WHOLE, UPDATE, going(*UNDOING, reason=reason), TO_GO_ON(reason, remedy))
        for reason, remedy in (
            ("a-queue already exists", "something else has that name"),
            ("Limit exceeded for alarms", "ask AWS to raise the limit"),
            ("Internal failure", "fix what AWS names"),
        )
    },
    "stuck": ("UPDATE_ROLLBACK_FAILED", UNDO, going(UNDOING[0], "UPDATE_ROLLBACK_FAILED"), SKIP),
    "left by another tool": ("UPDATE_FAILED", "", [], f"{NAME} is in UPDATE_FAILED .*{ROLL_BACK}"),
    "imported": ("IMPORT_ROLLBACK_FAILED", "", [], "IMPORT_.*resolve that in the console"),
    "not allowed": (None, "create_stack", ROLLED_BACK, NOT_ALLOWED),
    "deleted meanwhile": (None, "create_stack", [CREATED[0], *DELETED], NO_REASON),
}


@pytest.mark.parametrize(("status", "call", "turns", "said"), FAILING.values(), ids=FAILING)
def test_what_cannot_be_made_whole_is_said_with_the_remedy(
    status: str | None, call: str, turns: list[Turn], said: str
) -> None:
    aws = Stack(status, then={call: turns})
    error = StackFailedError if call in {UPDATE, "create_stack"} else StackStuckError
    with pytest.raises(error, match=said):
        aws.deploy()
    assert aws.calls == ([call] if call else [])


@pytest.mark.parametrize("stage", ["dev-eu", None])
def test_another_stack_of_the_name_is_not_touched(stage: str | None) -> None:
    aws = Stack("ROLLBACK_COMPLETE", stage=stage)
    for use in (aws.deploy, aws.delete, aws.stack.outputs, lambda: aws.stack.table_state("any")):
        with pytest.raises(
            NotOursError, match=r"not belong to stage 'dev_eu' .*nothing was changed"
        ):
            use()
    assert aws.calls == []


def test_deleting_waits_for_what_is_under_way_and_names_what_is_left() -> None:
    coming = [Turn("UPDATE_COMPLETE")]
    aws = Stack("UPDATE_IN_PROGRESS", coming=coming, then={"delete_stack": DELETED})
    aws.delete()
    assert aws.calls == ["delete_stack"]
    assert aws.said[-1] == f"{NAME}: delete complete"

    aws = Stack(WHOLE, then={"delete_stack": going("DELETE_FAILED", reason="not authorized")})
    with pytest.raises(StackFailedError, match=r"could not delete .* Alarms .* grant yourself"):
        aws.delete()


def test_a_right_that_is_missing_is_named() -> None:
    denied = refusal("AccessDenied", "DescribeStacks", "User: me is not authorized")
    said = "look at the stack .* User: me is not authorized; grant yourself the right to Describe"
    with pytest.raises(AwsError, match=said):  # what the commands show without a stack trace
        SupportingStack(Played(describe_stacks=denied), STAGE).deploy(PARAMETERS, print)


GONE = "ResourceNotFoundException"


def table(status: str = "ACTIVE", key: str = "id", kind: str = "S") -> dict[str, Any]:
    keyed: Any = {"KeySchema": [{"AttributeName": key}], "TableStatus": status}
    return {
        "Table": keyed | {"AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind}]}
    }


def denied(code: str) -> Exception:
    return refusal(code, "DescribeTable")


@pytest.mark.parametrize(
    ("answer", "status", "error", "said"),
    [
        (table("DELETING"), None, TableError, "is being deleted: run the same command again"),
        (denied("AccessDenied"), None, StackRefusedError, "look at the table elephant-me.* grant"),
        (denied(GONE), WHOLE, TableError, "is gone, .* restore it from its backup"),
        (table(key="meeting"), None, TableError, r"is meeting \(S\), .* id \(S\): set TABLE_N"),
        (table(kind="N"), None, TableError, r"is id \(N\), but"),
    ],
)
def test_a_table_that_can_be_neither_used_nor_made_is_said(
    answer: object, status: str | None, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        table_to_create(Played(describe_table=answer), "elephant-meetings", Stack(status).stack)


@pytest.mark.parametrize("state", ["CREATE_IN_PROGRESS", "DELETE_COMPLETE"])
def test_a_table_that_is_not_made_yet_or_was_given_up_is_not_missed(state: str) -> None:
    aws, client = Stack("UPDATE_IN_PROGRESS", table=state), Played(describe_table=refusal(GONE))
    assert table_to_create(client, "elephant-meetings", aws.stack)


def test_two_people_deploying_at_once_hear_of_it() -> None:
    def busy(**_: object) -> None:
        raise refusal(
            "ValidationError", message="in UPDATE_IN_PROGRESS state and can not be updated"
        )

    client = Stack("UPDATE_COMPLETE").client()
    client.update_stack = busy
    with pytest.raises(StackRefusedError, match="somebody else is changing it"):
        SupportingStack(client, STAGE).deploy(PARAMETERS, print)
