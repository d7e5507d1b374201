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

CLOUDFLARE: Final[Mapping[str, Fault]] = {
    "HTML 502": Fault(FaultKind.EDGE_ERROR, status=502),
    "HTML 502, done": Fault(FaultKind.EDGE_ERROR, When.AFTER, status=502),
    "HTML 524 for a write, done": Fault(
        FaultKind.EDGE_ERROR, When.AFTER, status=524, method="POST"
    ),
    "three times HTML 503": Fault(FaultKind.EDGE_ERROR, status=503, times=3),
    "dropped": Fault(FaultKind.DROP),
    "dropped, done": Fault(FaultKind.DROP, When.AFTER),
    "dropped write, done": Fault(FaultKind.DROP, When.AFTER, method="POST"),
    "429": Fault(FaultKind.RATE_LIMITED),
    "429 without body": Fault(FaultKind.RATE_LIMITED, seconds=30, body=False),
    "429 for a write": Fault(FaultKind.RATE_LIMITED, method="POST"),
    "no success": Fault(FaultKind.UNSUCCESSFUL),
    "no success, done": Fault(FaultKind.UNSUCCESSFUL, When.AFTER),
    "no success of a deletion, done": Fault(FaultKind.UNSUCCESSFUL, When.AFTER, method="DELETE"),
    "three times no success": Fault(FaultKind.UNSUCCESSFUL, times=3),
    "refused": Fault(FaultKind.REFUSED),
    "stale by 1": Fault(FaultKind.STALE, changes=1),
    "stale by 3": Fault(FaultKind.STALE, changes=3),
    "stale by 2, twice": Fault(FaultKind.STALE, changes=2, times=2),
    "wrong name": Fault(FaultKind.WRONG_NAME, method="POST", name="other.example.com"),
    "slow, then done": Fault(FaultKind.DELAY, seconds=5.0),
    "too slow": Fault(FaultKind.DELAY, When.AFTER, seconds=7.0),
}

EC2: Final = (
    AwsFault(INCOMPLETE),
    AwsFault("RequestLimitExceeded"),
    AwsFault("InternalError"),
    AwsFault(TIMEOUT),
    AwsFault(INCOMPLETE),
)
DYNAMODB: Final = (
    AwsFault("ProvisionedThroughputExceededException"),
    AwsFault("InternalServerError"),
    AwsFault(TIMEOUT),
    AwsFault(TIMEOUT, executed=True),
    AwsFault(UNPROCESSED),
    AwsFault(WRITTEN_BEFORE),
)
SECRETS: Final = (AwsFault("ThrottlingException"), AwsFault(TIMEOUT))
LAUNCHES: Final = (
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
    AwsFault(WRITTEN_BEFORE),
    AwsFault("AccessDeniedException", operation="CreateSchedule"),
)
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

AWS: Final[tuple[tuple[str, Any], ...]] = (
    *(("ec2", (fault, 1)) for fault in EC2),
    *(("lag", lags) for lags in ((5, 5), (60, 0), (0, 60), (240, 5), (5, 240), (240, 240))),
    *(("dynamodb", (fault, 1)) for fault in DYNAMODB),
    *(("secretsmanager", (fault, 1)) for fault in SECRETS),
    ("nowhere", None),
)
CORE_FAULTS: Final[tuple[tuple[str, Any], ...]] = (
    *(("cloudflare", name) for name in CLOUDFLARE),
    *(("loss", loss) for loss in Loss),
    *AWS,
    *(("thin", (how, nth)) for how in THIN for nth in (1, 2)),
    *(("left out", row) for row in ("m1", "m2")),
    *(("replica", seconds) for seconds in (2, 90)),
    ("token", None),
    *(("quota", calls) for calls in (1, 3, 6, 12)),
)
MEETING_FAULTS: Final[tuple[tuple[str, Any], ...]] = (
    *(("ec2", (fault, 1)) for fault in LAUNCHES),
    *(("scheduler", (fault, 1)) for fault in SCHEDULER),
    *((service, (fault, times)) for service, fault, times in REPEATED),
    *(("full", zone) for zone in (*ZONES.values(), None)),
    *(("closed", code) for code in CLOSED),
    *(("hidden", number) for number in range(2)),
    ("replica", 90),
    *AWS,
)
"""Where it fails, and how."""


def switch_on(stage: Stage, where: str, how: Any) -> None:  # noqa: ANN401, C901, PLR0912 (one case each)
    """Let something fail from now on; most faults affect one call."""
    match where:
        case "cloudflare":
            stage.cloudflare.api.faults.add(CLOUDFLARE[how])
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
