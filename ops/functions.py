"""Settings of single functions in config.json, under Chalice's keys."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from chalice.config import Config

from ops.reach import ROUTES_FUNCTION, SWEEP

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PerFunction: TypeAlias = "Mapping[str, Mapping[str, int | None]]"
"""By function and by Chalice's key; None removes the setting."""

NOTHING: Final[PerFunction] = MappingProxyType({})

WATCHDOG: Final = "dns_watchdog"
"""The function that handles the events."""

OF_MEETINGS: Final = (ROUTES_FUNCTION, "launch_ec2", "safety_net", "terminator")
OF_NOTIFICATIONS: Final = ("notify_deployment", "notify_instance_termination")
OF_INVITATIONS: Final = ("invite", "note_bounce")
OF_FEATURES: Final = (*OF_MEETINGS, *OF_NOTIFICATIONS, *OF_INVITATIONS)
"""Functions that a stage gets and loses with a feature."""

CONCURRENCY: Final = "reserved_concurrency"
"""Chalice removes a reservation that config.json does not name."""

DEFAULTS: Final[Mapping[str, Mapping[str, int]]] = {
    # A new environment spends a call to Cloudflare before it knows what is left of the quota:
    # without a limit, a burst of starts would spend all 1,200 of them in finding out.
    WATCHDOG: {CONCURRENCY: 20},
    # Thousands of changes take longer than an event, which the project's own timeout is for. One
    # at a time: a sweep that is late must not undo what a later one has seen.
    SWEEP: {"lambda_timeout": 120, CONCURRENCY: 1},
    # API Gateway waits for 29 seconds, a cold start included; what is done later nobody hears of.
    ROUTES_FUNCTION: {"lambda_timeout": 26},
    # Its lease on a meeting lasts a little longer than a run: it is over before Lambda's retry.
    "launch_ec2": {"lambda_timeout": 45},
    # EC2 may take its time to accept the end of each desktop.
    "safety_net": {"lambda_timeout": 120},
}
"""Defaults for functions that config.json does not configure yet."""


def absent_functions(functions: Collection[str]) -> tuple[str, ...]:
    """Name the functions of features that the stage does not have."""
    return tuple(each for each in OF_FEATURES if each not in functions)


def defaults(config: Mapping[str, Any], stage: str, function: str) -> dict[str, int]:
    """Return the defaults that config.json does not set for the function, the stage or all."""
    said = Config(
        chalice_stage=stage,
        function_name=function,
        config_from_disk={**config, "lambda_timeout": None},  # the project's own, see above
    )
    wanted = DEFAULTS.get(function, {})
    return {key: value for key, value in wanted.items() if getattr(said, key) is None}
