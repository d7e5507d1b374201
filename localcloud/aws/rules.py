"""EventBridge's rules: which functions get an event.

moto keeps rules and targets and knows how to match, but invokes no Lambda function for them.
"""

from __future__ import annotations

import copy
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.events.models import events_backends

from . import state
from .account import ACCOUNT_ID
from .state import UnknownFunctionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from moto.events.models import Rule

    from .functions import Functions

_log = logging.getLogger(__name__)

Event = dict[str, Any]


def rules_of_default_bus(region: str) -> list[Rule]:
    """Return the rules that are deployed now, scheduled and disabled ones too."""
    return list(events_backends[ACCOUNT_ID][region].event_buses["default"].rules.values())


def deliver(
    rule: Rule,
    event: Event,
    functions: Functions,
    to_other_targets: Callable[[Rule, Event], None],
) -> list[str]:
    """Give `event` to the rule's targets if the rule is enabled and its pattern matches.

    Lambda functions are invoked asynchronously, if their policy lets EventBridge do so for this
    rule; the names of those are returned. Targets of other kinds are left to `to_other_targets`.
    A rule without a pattern is a schedule: no event is for it.
    """
    if rule.state != "ENABLED" or not rule.event_pattern.get_pattern():
        return []
    plain = as_delivered(event)
    if not rule.event_pattern.matches_event(plain):  # type: ignore[arg-type]
        return []
    invoked = invoke_functions(rule, plain, functions)
    others = [target for target in list(rule.targets) if not _is_function(target)]
    if others:
        remaining = copy.copy(rule)
        remaining.targets = others
        to_other_targets(remaining, event)
    return invoked


def invoke_functions(rule: Rule, event: Event, functions: Functions) -> list[str]:
    """Invoke the rule's functions with `event`, asynchronously; return the names of those.

    A function whose policy does not let EventBridge invoke it for this rule is left out.
    """
    arns = [str(target["Arn"]) for target in list(rule.targets) if _is_function(target)]
    return [arn.split(":function:")[-1] for arn in arns if _invoke(rule, arn, event, functions)]


def as_delivered(event: Event) -> Event:
    """Return the event as a target sees it: moto keeps times as numbers, and one more of them."""
    plain = {key: value for key, value in event.items() if key != "ingestion-time"}
    if isinstance(plain["time"], int | float):
        moment = datetime.fromtimestamp(int(plain["time"]), UTC)
        plain["time"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return plain


def _is_function(target: dict[str, Any]) -> bool:
    return ":lambda:" in target["Arn"]


def _invoke(rule: Rule, arn: str, event: Event, functions: Functions) -> bool:
    try:
        if state.may_invoke(arn, functions.region, "events.amazonaws.com", rule.arn):
            functions.invoke_async(arn, event)
            return True
    except UnknownFunctionError:
        _log.warning("rule %s has a target that does not exist: %s", rule.name, arn)
        return False
    _log.warning("rule %s may not invoke its target %s: no permission", rule.name, arn)
    return False
