"""What happens in a local cloud, in a line each."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localcloud.aws import Delivery, Invocation
    from localcloud.desktop import Desktop

_DONE: Final = "unchanged", "ignored"
"""Results of runs that had nothing to do, which need no line."""
_SPEAKERS: Final = {
    "sweep": "Sweep",
    "launch_ec2": "Launch",
    "safety_net": "Safety net",
    "terminator": "Terminator",
    "invite": "Invitations",
    "notify_instance_termination": "Notifier",
    "notify_deployment": "Notifier",
}
_LISTED: Final = {"Terminator": "meetings", "Invitations": "letters"}
_SPEAKER_WIDTH: Final = 12
_SUBJECTS: Final = ("instance-id", "EC2InstanceId", "deploymentId", "application")
"""Fields of an event's detail that say what it is about, for every kind of event."""
_OK, _ACCEPTED = 200, 202
_SAYS_WAITING: Final = "elephant-waiting"
"""The header of a waiting page's request that only waits."""


def line_of_event(delivery: Delivery) -> str:
    """Say what an event reports."""
    detail = delivery.event["detail"]
    subject = next((str(detail[name]) for name in _SUBJECTS if name in detail), "an event")
    state = detail.get("state")
    return f"EventBridge: {subject}" + (f" is {state}" if state else "")


def line_of_desktop(desktop: Desktop, line: str) -> str:
    """Say whose desktop logged a line."""
    return _spoken(f"{desktop.role.capitalize()}'s", line)


def line_of(invocation: Invocation) -> str | None:
    """Summarize in a line what a function did; None if it found nothing to do."""
    name = invocation.function.split("-", 2)[2:]
    speaker = _SPEAKERS.get(name[0], "Lambda") if name else "API"
    summary = _summary(invocation, speaker)
    if summary is None:
        return None
    return _spoken(speaker, f"{summary} ({1000 * invocation.duration:.0f} ms)")


def _spoken(speaker: str, text: str) -> str:
    return f"{speaker}:".ljust(_SPEAKER_WIDTH) + f" {text}"


def _summary(invocation: Invocation, speaker: str) -> str | None:
    if invocation.failed:
        return f"failed, attempt {invocation.attempt}: {invocation.error}"
    event: Any = invocation.event
    result = invocation.result
    if speaker == "API":
        return None if _is_quiet(event, result) else _request(event, result)
    if speaker in _LISTED:
        return _listed_in_log(invocation, _LISTED[speaker])
    if speaker in {"Sweep", "Notifier"} and result["action"] in _DONE:
        return None
    return f"{result['action']}: {result['reason']}"


def _request(event: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    role = (event["pathParameters"] or {}).get("role", "")
    path = event["resource"].replace("{role}", role)
    return f"{event['httpMethod']} {path} is answered {result['statusCode']}"


def _is_quiet(event: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    """Whether a desktop only asked whether its meeting goes on, or a waiting page only waits."""
    if event["resource"] == "/desktop":
        return bool(result["statusCode"] == _OK)
    if not event["resource"].startswith("/join/"):
        return False
    given = {name.lower(): value for name, value in event["headers"].items()}
    is_page = "text/html" in given.get("accept", "")
    return not is_page and (_SAYS_WAITING in given or result["statusCode"] == _ACCEPTED)


def _listed_in_log(invocation: Invocation, what: str) -> str | None:
    """Read from its log what a reader of the stream did, since its answer names only failures."""
    for line in invocation.log:
        with suppress(ValueError, TypeError, KeyError):
            summary = json.loads(line)
            if summary["action"] not in _DONE:
                meetings = dict.fromkeys(each.split()[0] for each in summary[what])
                return f"{summary['action']}: {', '.join(meetings)}"
    return None
