"""EventBridge's rules: which functions get an event.

moto stores rules and targets and matches patterns, but invokes no Lambda function.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from moto.events.models import events_backends

from . import state
from .account import ACCOUNT_ID
from .state import UnknownFunctionError

if TYPE_CHECKING:
    from moto.events.models import Rule

    from .functions import Functions

_log = logging.getLogger(__name__)

Event = dict[str, Any]


def rules_of_default_bus(region: str) -> list[Rule]:
    """Return the rules that are deployed now, scheduled and disabled ones too."""
    return list(events_backends[ACCOUNT_ID][region].event_buses["default"].rules.values())


def deliver(rule: Rule, event: Event, functions: Functions) -> list[str]:
    """Invoke the functions of a rule that is enabled and whose pattern matches the event.

    Returns their names. A rule without a pattern is a schedule, which no event matches.
    """
    if rule.state != "ENABLED" or not rule.event_pattern.get_pattern():
        return []
    if not rule.event_pattern.matches_event(event):  # type: ignore[arg-type]
        return []
    return invoke_functions(rule, event, functions)


def invoke_functions(rule: Rule, event: Event, functions: Functions) -> list[str]:
    """Invoke the rule's functions asynchronously with `event`; return their names.

    A function whose policy does not let EventBridge invoke it for this rule is left out, and so
    are targets of other kinds.
    """
    arns = [str(target["Arn"]) for target in list(rule.targets) if _is_function(target)]
    return [arn.split(":function:")[-1] for arn in arns if _invoke(rule, arn, event, functions)]


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
