"""The faults that a schedule may switch on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from localcloud.cloudflare import Fault, FaultKind, Quota, When
from tests.simulation.aws_edge import TIMEOUT, WRITTEN_BEFORE, AwsFault
from tests.simulation.cloudflare_edge import Loss
from tests.simulation.dynamodb import UNPROCESSED
from tests.simulation.ec2 import INCOMPLETE, ZONES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.stage import Stage

CLOUDFLARE: Final = (
    *(Fault(FaultKind.EDGE_ERROR, when, status=502) for when in When),
    *(Fault(FaultKind.DROP, when) for when in When),
    *(Fault(FaultKind.UNSUCCESSFUL, when) for when in When),
    Fault(FaultKind.EDGE_ERROR, When.AFTER, status=524, method="POST"),
    Fault(FaultKind.EDGE_ERROR, status=503, times=3),
    Fault(FaultKind.DROP, When.AFTER, method="POST"),
    Fault(FaultKind.RATE_LIMITED),
    Fault(FaultKind.RATE_LIMITED, seconds=30, body=False),
    Fault(FaultKind.RATE_LIMITED, method="POST"),
    Fault(FaultKind.UNSUCCESSFUL, When.AFTER, method="DELETE"),
    Fault(FaultKind.UNSUCCESSFUL, times=3),
    Fault(FaultKind.REFUSED),
    *(Fault(FaultKind.STALE, changes=changes) for changes in (1, 3)),
    Fault(FaultKind.STALE, changes=2, times=2),
    Fault(FaultKind.WRONG_NAME, method="POST", name="other.example.com"),
    Fault(FaultKind.DELAY, seconds=5.0),
    Fault(FaultKind.DELAY, When.AFTER, seconds=7.0),
)
AWS: Final[Mapping[str, tuple[AwsFault, ...]]] = {
    "ec2": tuple(
        AwsFault(code)
        for code in (INCOMPLETE, "RequestLimitExceeded", "InternalError", TIMEOUT, INCOMPLETE)
    ),
    "dynamodb": (
        AwsFault("ProvisionedThroughputExceededException"),
        AwsFault("InternalServerError"),
        AwsFault(TIMEOUT),
        AwsFault(TIMEOUT, executed=True),
        AwsFault(UNPROCESSED),
        AwsFault(WRITTEN_BEFORE),
    ),
    "secretsmanager": (AwsFault("ThrottlingException"), AwsFault(TIMEOUT)),
}
OF_MEETINGS: Final[Mapping[str, tuple[AwsFault, ...]]] = {
    "ec2": (
        *(
            AwsFault(code, executed=executed, operation="RunInstances")
            for code in (TIMEOUT, "InternalError")
            for executed in (True, False)
        ),
        AwsFault("RequestLimitExceeded", operation="RunInstances"),
        AwsFault("InsufficientInstanceCapacity", operation="RunInstances"),
        AwsFault("UnauthorizedOperation", operation="RunInstances"),
        AwsFault(TIMEOUT, executed=True, operation="TerminateInstances"),
        AwsFault("InternalError", operation="TerminateInstances"),
        AwsFault("OperationNotPermitted", operation="TerminateInstances"),
        AwsFault("InvalidAMIID.NotFound", operation="DescribeImages"),
        AwsFault(TIMEOUT, operation="DescribeSubnets"),
    ),
    "scheduler": (
        AwsFault("ThrottlingException"),
        AwsFault("InternalServerException", executed=True),
        AwsFault(TIMEOUT),
        AwsFault(TIMEOUT, executed=True),
        AwsFault(WRITTEN_BEFORE),
        AwsFault("AccessDeniedException", operation="CreateSchedule"),
    ),
    "sesv2": (
        AwsFault("TooManyRequestsException"),
        AwsFault(TIMEOUT),
        AwsFault(TIMEOUT, executed=True),
    ),
}
REPEATED: Final = (
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

THIN: Final[Mapping[str, tuple[str, ...]]] = {
    "not listed": ("hidden",),
    "neither shown nor denied": ("hidden", "mute"),
    "denied": ("hidden", "denied"),
    "denied and listed": ("denied",),
    "listed, and not shown by id": ("mute",),
}
"""What EC2's answers lack: of all instances, or of every other one."""
CLOSED: Final = (None, "VcpuLimitExceeded", "InstanceLimitExceeded", "UnauthorizedOperation")

SHARED: Final[tuple[tuple[str, Any], ...]] = (
    *((service, (fault, 1)) for service, faults in AWS.items() for fault in faults),
    *(("lag", lags) for lags in ((5, 5), (60, 0), (0, 60), (240, 5), (5, 240), (240, 240))),
    ("nowhere", None),
)
CORE_FAULTS: Final[tuple[tuple[str, Any], ...]] = (
    *(("cloudflare", fault) for fault in CLOUDFLARE),
    *(("loss", loss) for loss in Loss),
    *SHARED,
    *(("thin", (how, nth)) for how in THIN for nth in (1, 2)),
    *(("left out", row) for row in ("m1", "m2")),
    *(("replica", seconds) for seconds in (2, 90)),
    ("token", None),
    *(("quota", calls) for calls in (1, 3, 6, 12)),
)
MEETING_FAULTS: Final[tuple[tuple[str, Any], ...]] = (
    *((service, (fault, 1)) for service, faults in OF_MEETINGS.items() for fault in faults),
    *((service, (fault, times)) for service, fault, times in REPEATED),
    *(("full", zone) for zone in (*ZONES.values(), None)),
    *(("closed", code) for code in CLOSED),
    *(("hidden", number) for number in range(2)),
    ("replica", 90),
    *(("index", seconds) for seconds in (2, 5)),
    *SHARED,
)
"""Where it fails, and how."""


def switch_on(stage: Stage, where: str, how: Any) -> None:  # noqa: ANN401, C901, PLR0912 (one case each)
    """Let something fail from now on; most faults affect one call."""
    match where:
        case "cloudflare":
            stage.cloudflare.api.faults.add(how)
        case "loss":
            stage.cloudflare.losses.append(how)
        case "lag":
            stage.ec2.lag, stage.ec2.list_lag = how
        case "thin":
            kind, nth = how
            for lacking in THIN[kind]:
                getattr(stage.ec2, lacking).update(list(stage.ec2.hosts)[::nth])
        case "hidden":
            stage.ec2.hidden |= set(list(stage.ec2.hosts)[-1 - how :][:1])
        case "left out":
            stage.dynamodb.left_out.add(how)
        case "replica":
            stage.dynamodb.lag = how
        case "index":
            stage.dynamodb.index_lag = how
        case "token":
            stage.rotate_token()
        case "quota":
            stage.cloudflare.api.limiter.quota = Quota(calls=how)
        case "closed":
            stage.ec2.closed = how
        case "full":
            stage.ec2.full = stage.ec2.full | {how} if how else set()
        case "nowhere":
            stage.stop_faults()
        case _:
            fault, times = how
            stage.clients[where].edge.faults += [fault] * times
