"""The faults that a schedule may switch on, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from localcloud.cloudflare import Fault, FaultKind, Quota, When
from tests.simulation.aws_edge import TIMEOUT, AwsFault
from tests.simulation.cloudflare_edge import Loss
from tests.simulation.dynamodb import UNPROCESSED, WRITTEN_BEFORE
from tests.simulation.ec2 import INCOMPLETE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.simulation.stage import Stage

_WRONG: Final = "other.example.com"

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
    "wrong name": Fault(FaultKind.WRONG_NAME, method="POST", name=_WRONG),
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

THIN: Final[Mapping[str, tuple[str, ...]]] = {
    "not listed": ("hidden",),
    "neither shown nor denied": ("hidden", "mute"),
    "denied": ("hidden", "denied"),
    "denied and listed": ("denied",),
    "listed, and not shown by id": ("mute",),
}
"""What EC2's answers lack that there is: of all instances, or of every other one."""

FAULTS: Final[tuple[tuple[str, Any], ...]] = (
    *(("cloudflare", name) for name in CLOUDFLARE),
    *(("loss", loss) for loss in Loss),
    *(("ec2", number) for number in range(len(EC2))),
    *(("lag", lags) for lags in ((5, 5), (60, 0), (0, 60), (240, 5), (5, 240), (240, 240))),
    *(("dynamodb", number) for number in range(len(DYNAMODB))),
    *(("secrets", number) for number in range(len(SECRETS))),
    *(("thin", (how, nth)) for how in THIN for nth in (1, 2)),
    *(("left out", row) for row in ("m1", "m2")),
    ("token", None),
    ("nowhere", None),
    *(("quota", calls) for calls in (1, 3, 6, 12)),
)
"""Where it fails, and how."""


def switch_on(stage: Stage, where: str, how: Any) -> None:  # noqa: ANN401
    """Let something fail from now on; most faults strike one call."""
    _SWITCHES[where](stage, how)


def _lag(stage: Stage, how: tuple[float, float]) -> None:
    stage.ec2.lag, stage.ec2.list_lag = how


def _thin(stage: Stage, how: tuple[str, int]) -> None:
    kind, nth = how
    for lacking in THIN[kind]:
        getattr(stage.ec2, lacking).update(list(stage.ec2.hosts)[::nth])


def _quota(stage: Stage, calls: int) -> None:
    stage.cloudflare.api.limiter.quota = Quota(calls=calls)


_SWITCHES: Final[Mapping[str, Callable[[Stage, Any], object]]] = {
    "cloudflare": lambda stage, name: stage.cloudflare.api.faults.add(CLOUDFLARE[name]),
    "loss": lambda stage, loss: stage.cloudflare.losses.append(loss),
    "ec2": lambda stage, number: stage.ec2.edge.faults.append(EC2[number]),
    "lag": _lag,
    "thin": _thin,
    "dynamodb": lambda stage, number: stage.dynamodb.edge.faults.append(DYNAMODB[number]),
    "left out": lambda stage, row: stage.dynamodb.left_out.add(row),
    "secrets": lambda stage, number: stage.secrets.edge.faults.append(SECRETS[number]),
    "token": lambda stage, _: stage.rotate_token(),
    "nowhere": lambda stage, _: stage.stop_faults(),
    "quota": _quota,
}
