"""Reserved concurrency: executions that are set aside for a function, and its maximum.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError
from chalice.config import Config

from ops.account import error_code
from ops.functions import CONCURRENCY, NOTHING, WATCHDOG
from ops.reach import SWEEP
from ops.stages import ConfigError
from ops.steps import WARNING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ops.functions import PerFunction
    from ops.stages import Stage

UNRESERVABLE: Final = 100
"""Executions that AWS keeps for functions without a reservation."""

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,5}")
_NOT_FOUND: Final = "ResourceNotFoundException"


def asked_for(option: str | None) -> PerFunction:
    """Read `--concurrency`: the settings of functions in config.json, or none.

    The number is for events; the sweep has one, or none if nothing can be reserved. Raises
    ConfigError for anything but a number or `none`.
    """
    if option is None:
        return NOTHING
    if option != "none" and not _NUMBER.fullmatch(option):
        raise ConfigError(f"--concurrency is {option!r}; it must be a number from 1, or 'none'")
    if option == "none":
        return {WATCHDOG: {CONCURRENCY: None}, SWEEP: {CONCURRENCY: None}}
    return {WATCHDOG: {CONCURRENCY: int(option)}, SWEEP: {CONCURRENCY: 1}}


def configured(config: dict[str, Any], stage_name: str, function: str) -> int | None:
    """Return what Chalice will reserve for a function, None if nothing.

    Raises ConfigError if the value is not a number.
    """
    view = Config(chalice_stage=stage_name, function_name=function, config_from_disk=config)
    value: object = view.reserved_concurrency
    if value is not None and (not isinstance(value, int) or value < 0):
        raise ConfigError(
            f"stage {stage_name!r}: {CONCURRENCY} of {function} is {value!r}, but must be a "
            "number without quotes, or null; fix it manually in .chalice/config.json"
        )
    return value


def reserved(lambda_client: Any, full_name: str) -> int | None:  # noqa: ANN401 (botocore's)
    """Return a function's reservation; None if it has none, or is not deployed."""
    try:
        answer = lambda_client.get_function_concurrency(FunctionName=full_name)
    except ClientError as error:
        if error_code(error) != _NOT_FOUND:
            raise
        return None
    number: int | None = answer.get("ReservedConcurrentExecutions")
    return number


def check_room(
    lambda_client: Any,  # noqa: ANN401
    stage: Stage,
    wanted: Mapping[str, int | None],
    say: Callable[[str], None],
) -> None:
    """Raise ConfigError if the account cannot reserve the functions' concurrency.

    If AWS does not answer, this is printed, and the deployment will show it.
    """
    try:
        there = {name: reserved(lambda_client, stage.function_name(name)) or 0 for name in wanted}
        more = sum(number or 0 for number in wanted.values()) - sum(there.values())
        if more <= 0:
            return
        limits = lambda_client.get_account_settings()["AccountLimit"]
    except ClientError as error:
        say(
            f"{WARNING}whether the account can reserve the functions' concurrency is not known "
            f"({error.operation_name} answered {error_code(error)}): going on"
        )
        return
    unreserved = limits["UnreservedConcurrentExecutions"]
    if unreserved - more < UNRESERVABLE:
        names = ", ".join(f"{number} for {name}" for name, number in wanted.items() if number)
        raise ConfigError(
            f"stage {stage.name!r} would reserve executions ({names}): {more} more than now, but "
            f"the account can reserve {max(0, unreserved - UNRESERVABLE)} in {stage.region}, where "
            f"{unreserved} are unreserved, of which AWS keeps {UNRESERVABLE}. Reserve none with "
            f"`elephant stage {stage.name} --concurrency none`, or ask AWS for more: Service "
            "Quotas, AWS Lambda, Concurrent executions (L-B99A9384)"
        )
