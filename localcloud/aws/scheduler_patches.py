"""EventBridge Scheduler: requests that AWS refuses and moto accepts.

| in moto | here |
|---|---|
| any name and expression is taken | those that AWS's patterns do not match are refused |
| a one-off schedule may be in the past | it is refused |
| a group that is not there is a failure of the server | `ResourceNotFoundException` |
| an update that names no state leaves it without one | it is enabled |
| a role that Scheduler may not assume, or that is not there, is taken | it is refused |
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from moto.scheduler.exceptions import ScheduleGroupNotFound, ValidationException
from moto.scheduler.models import EventBridgeSchedulerBackend

from .scheduler import time_of, trusts_scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .clock import Clock

# https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
_NAME: Final = re.compile(r"[0-9a-zA-Z_.-]{1,64}\Z")
_RECURRING: Final = re.compile(r"(rate|cron)\(.+\)\Z")


@contextmanager
def scheduler_patches(clock: Callable[[], Clock]) -> Iterator[None]:
    """Refuse schedules as on AWS while the context lasts."""
    backend = EventBridgeSchedulerBackend
    originals = {
        name: getattr(backend, name)
        for name in ("create_schedule", "update_schedule", "delete_schedule_group")
    }

    def create_schedule(self: EventBridgeSchedulerBackend, **request: Any) -> Any:  # noqa: ANN401 - moto's
        _check(self, request, clock())
        return originals["create_schedule"](self, **request)

    def update_schedule(self: EventBridgeSchedulerBackend, **request: Any) -> Any:  # noqa: ANN401 - moto's
        _check(self, request, clock())
        request["state"] = request["state"] or "ENABLED"
        return originals["update_schedule"](self, **request)

    def delete_schedule_group(self: EventBridgeSchedulerBackend, name: str | None) -> None:
        self.get_schedule_group(name)
        originals["delete_schedule_group"](self, name)

    for replacement in (create_schedule, update_schedule, delete_schedule_group):
        setattr(backend, replacement.__name__, replacement)
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(backend, name, original)


def _check(backend: EventBridgeSchedulerBackend, request: dict[str, Any], clock: Clock) -> None:
    if not _NAME.match(request["name"]):
        raise ValidationException(f"{request['name']!r} is no name of a schedule.")
    group_name = request["group_name"] or "default"
    if group_name not in backend.schedule_groups:
        raise ScheduleGroupNotFound(group_name)
    expression = str(request["schedule_expression"])
    try:
        moment = time_of(expression, request["schedule_expression_timezone"])
    except ValueError as error:
        raise ValidationException(f"Invalid Schedule Expression {expression}: {error}.") from error
    if moment is None and not _RECURRING.match(expression):
        raise ValidationException(f"Invalid Schedule Expression {expression}.")
    if moment is not None and moment < clock.now():
        raise ValidationException(f"Invalid Schedule Expression {expression}: it is in the past.")
    group = backend.schedule_groups[group_name]
    if not trusts_scheduler(str(request["target"]["RoleArn"]), group.arn):
        raise ValidationException(
            "The execution role you provide must allow AWS EventBridge Scheduler to assume "
            "the role."
        )
