"""The faults that a schedule of the meetings' simulation may switch on, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.simulation import faults
from tests.simulation.aws_edge import TIMEOUT, AwsFault
from tests.simulation.meetings import scheduler
from tests.simulation.meetings.ec2 import ZONES

if TYPE_CHECKING:
    from tests.simulation.meetings.stage import MeetingStage

DESKTOPS: Final = (
    AwsFault(TIMEOUT, executed=True, operation="RunInstances"),
    AwsFault(TIMEOUT, operation="RunInstances"),
    AwsFault("InternalError", executed=True, operation="RunInstances"),
    AwsFault("RequestLimitExceeded", operation="RunInstances"),
    AwsFault("InsufficientInstanceCapacity", operation="RunInstances"),
    AwsFault("UnauthorizedOperation", operation="RunInstances"),
    AwsFault(TIMEOUT, executed=True, operation="TerminateInstances"),
    AwsFault("InternalError", operation="TerminateInstances"),
    AwsFault("OperationNotPermitted", operation="TerminateInstances"),
    AwsFault("InvalidAMIID.NotFound", operation="DescribeImages"),
    AwsFault(TIMEOUT, operation="DescribeSubnets"),
)
SCHEDULER: Final = (
    AwsFault("ThrottlingException"),
    AwsFault("InternalServerException", executed=True),
    AwsFault(TIMEOUT),
    AwsFault(TIMEOUT, executed=True),
    AwsFault(scheduler.WRITTEN_BEFORE),
    AwsFault("AccessDeniedException", operation="CreateSchedule"),
)
SPELLS: Final = (
    ("dynamodb", AwsFault("InternalServerError", operation="UpdateItem"), 3),
    ("dynamodb", AwsFault("ProvisionedThroughputExceededException", operation="UpdateItem"), 6),
    ("dynamodb", AwsFault(TIMEOUT, executed=True, operation="UpdateItem"), 3),
    ("dynamodb", AwsFault("InternalServerError"), 6),
    ("dynamodb", AwsFault(TIMEOUT, executed=True, operation="PutItem"), 1),
    ("scheduler", AwsFault("ThrottlingException"), 4),
    ("scheduler", AwsFault("InternalServerException", operation="DeleteSchedule"), 2),
    ("ec2", AwsFault(TIMEOUT, executed=True, operation="RunInstances"), 3),
    ("ec2", AwsFault("InternalError", operation="TerminateInstances"), 4),
)
"""What fails several times in a row, at which service, and how often."""
CLOSED: Final = (None, "VcpuLimitExceeded", "InstanceLimitExceeded", "UnauthorizedOperation")

FAULTS: Final[tuple[tuple[str, Any], ...]] = (
    *(("desktops", number) for number in range(len(DESKTOPS))),
    *(("scheduler", number) for number in range(len(SCHEDULER))),
    *(("spell", number) for number in range(len(SPELLS))),
    *(("full", zone) for zone in sorted(set(ZONES.values()))),
    *(("closed", code) for code in CLOSED),
    ("full", None),
    *(("hidden", number) for number in range(2)),
    *(
        fault
        for fault in faults.FAULTS
        if fault[0] in {"ec2", "lag", "dynamodb", "secrets", "nowhere"}
    ),
)
"""Where it fails, and how."""


def switch_on(stage: MeetingStage, where: str, how: Any) -> None:  # noqa: ANN401
    """Let something fail from now on; most faults strike one call, a spell several."""
    if where == "desktops":
        stage.ec2.edge.faults.append(DESKTOPS[how])
    elif where == "scheduler":
        stage.scheduler.edge.faults.append(SCHEDULER[how])
    elif where == "spell":
        service, fault, times = SPELLS[how]
        edges = {
            "dynamodb": stage.dynamodb.edge,
            "scheduler": stage.scheduler.edge,
            "ec2": stage.ec2.edge,
        }
        edges[service].faults += [fault] * times
    elif where == "closed":
        stage.ec2.closed = how
    elif where == "hidden":
        stage.ec2.hidden |= set(list(stage.ec2.hosts)[-1 - how :][:1])
    elif where == "full" and how is None:
        stage.ec2.full.clear()
    elif where == "full":
        stage.ec2.full.add(how)
    else:
        faults.switch_on(stage, where, how)
