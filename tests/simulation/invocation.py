"""One run of a function, in its execution environment, and what it has learnt so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.world import FUNCTION_ARN

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.clock import Clock
    from tests.simulation.ec2 import View
    from tests.simulation.lambda_service import Environment
    from tests.simulation.strands import Strand

WATCHDOG: Final = "dns_watchdog"
SWEEP: Final = "sweep"
BY_HAND: Final = "sweep by hand"
"""The sweep as an operator runs it: it has the operator's own process, and knows no other's."""
API: Final = "api_handler"
"""The function behind all routes, which the stage's name alone is the name of."""


@dataclass
class Learnt:
    """What the answers told a run: its evidence for what it does.

    `reads` says of each read whether it went well the last time that it was tried, and `read_at`
    when the last one did. `confirmed` has the contents of our records, by name, that Cloudflare
    listed or confirmed. `view` is how much of the zone's history the last list showed.

    `shown` has everything that EC2 showed of each instance, `denied` the ids that it said it does
    not know, `withheld` those that a thin answer lacked. `unproven` is how many records without a
    reason that EC2 has shown the call took that is going on. `unlinked` are the rows, and the
    instances whose links the run has removed there. `crowded` are the rows that had no room.
    """

    reads: dict[str, bool] = field(default_factory=dict)
    confirmed: dict[str, set[str]] = field(default_factory=dict)
    view: int = 0
    read_at: float = float("-inf")
    shown: dict[str, list[View]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    withheld: set[str] = field(default_factory=set)
    unproven: int = 0
    unlinked: set[tuple[str, str]] = field(default_factory=set)
    crowded: set[str] = field(default_factory=set)

    @property
    def failed(self) -> list[str]:
        """The reads that failed for good, as far as is known."""
        return [key for key, went_well in self.reads.items() if not went_well]

    def address(self, instance_id: str) -> str | None:
        """Return the last address that EC2 told of an instance."""
        views = self.shown.get(instance_id)
        return views[-1].address if views else None

    def knows_of(self, instance_id: str) -> bool:
        """Tell whether EC2 said anything of an instance: what a list lacks says nothing."""
        return instance_id in self.shown or instance_id in self.denied

    def may_doubt(self, instance_id: str, so: Callable[[View], bool]) -> bool:
        """Tell whether EC2 denied an instance by its id, or showed it in a state that is not so."""
        views = self.shown.get(instance_id, ())
        return instance_id in self.denied or not all(map(so, views))


@dataclass(eq=False)
class Invocation:
    """A run. It is Lambda's context as well."""

    number: int
    environment: Environment
    event: Any
    attempt: int
    seconds: float
    clock: Clock
    function: str
    started: float | None = None
    must_defer: bool = False
    learnt: Learnt = field(default_factory=Learnt)
    main: Strand | None = None
    result: Any = None
    error: Exception | None = None
    aws_request_id: str = "simulated"

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN, as Lambda's context says."""
        stage = FUNCTION_ARN.removesuffix(f"-{WATCHDOG}")
        return stage if self.function == API else f"{stage}-{self.function}"

    def get_remaining_time_in_millis(self) -> float:
        """Milliseconds until Lambda ends the run, as its context says."""
        return (self.ends_at - self.clock.now) * 1000

    @property
    def ends_at(self) -> float:
        """When Lambda ends the run; never, before it has begun."""
        return float("inf") if self.started is None else self.started + self.seconds

    @property
    def is_sweep(self) -> bool:
        """Whether it is a run of the sweep, by the schedule or by hand."""
        return self.function in {SWEEP, BY_HAND}

    @property
    def is_forced(self) -> bool:
        """Whether it is a sweep that an operator lets make what was held back."""
        return self.function == BY_HAND and bool(self.event)

    @property
    def is_frozen(self) -> bool:
        """Whether its environment is idle: what it left going on goes on with the next run."""
        return self.environment.run is None

    def __str__(self) -> str:
        is_event = self.function == WATCHDOG
        what = f"event of {self.event['detail']['instance-id']}" if is_event else self.function
        return f"run {self.number} ({what})"
