"""EC2 state-change events: the rule's pattern, and parsing.

An event only says which instance to look at. EC2's events may be lost, duplicated or late, so
neither their state nor their order decides anything.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from chalicelib.ec2.instances import is_instance_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.settings.stage import Settings

SOURCE: Final = "aws.ec2"
DETAIL_TYPE: Final = "EC2 Instance State-change Notification"

_FUNCTION_ARN = re.compile(r"arn:[a-z-]+:lambda:(?P<region>[^:]+):(?P<account>\d{12}):function:.+")


class IgnoredEventError(Exception):
    """The event is not for this function; the message says why."""


class InstanceEvent(NamedTuple):
    """An event about one instance of the function's own account and region."""

    id: str
    instance_id: str
    state: str

    @classmethod
    def parse(cls, event: object, function_arn: str = "") -> InstanceEvent:
        """Parse any event.

        Raises IgnoredEventError if it is not a state change of an EC2 instance, or is of an
        instance in another account or region, which EC2 could not show us.
        """
        body = _object(event, "the event")
        _expect(body, "source", SOURCE)
        _expect(body, "detail-type", DETAIL_TYPE)
        home = _FUNCTION_ARN.fullmatch(function_arn)
        if home:
            _expect(body, "account", home["account"])
            _expect(body, "region", home["region"])
        detail = _object(body.get("detail"), "its detail")
        instance_id = detail.get("instance-id")
        if not isinstance(instance_id, str) or not is_instance_id(instance_id):
            raise IgnoredEventError(f"its instance-id {_short(instance_id)} is not an instance id")
        return cls(
            id=str(body.get("id", "")), instance_id=instance_id, state=str(detail.get("state", ""))
        )


def event_of(body: Mapping[str, Any], function_arn: str = "") -> Mapping[str, Any]:
    """Expand the short form `{"instance-id": …}` to an event; return any other body unchanged.

    The event has the function's own account and region.
    """
    if body.keys() != {"instance-id"}:
        return body
    home = _FUNCTION_ARN.fullmatch(function_arn)
    place = home.groupdict() if home else {}
    return {"source": SOURCE, "detail-type": DETAIL_TYPE, "detail": dict(body), **place}


def event_pattern(settings: Settings) -> dict[str, Any]:
    """Build the event pattern of the rule.

    AWS's own events carry no tags, so a rule that requires them never fires. `exists: false` lets
    them in, and still drops an event with another project's tag. With EVENT_TAGS=required it is
    exactly the pattern of the guide, for a bus whose events are enriched with tags; see
    docs/decisions/0003-event-pattern.md.
    """
    key, value = settings.project_tag
    if settings.event_tags_required:
        states = ["running", "shutting-down"]
        tag: list[object] = [value]
    else:
        states = ["running", "stopping", "shutting-down"]
        tag = [value, {"exists": False}]
    return {
        "source": [SOURCE],
        "detail-type": [DETAIL_TYPE],
        "detail": {"state": states, "tags": {key: tag}},
    }


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise IgnoredEventError(f"{what} is {_short(value)}, not a JSON object")
    return value


def _expect(body: Mapping[str, object], key: str, expected: str) -> None:
    if body.get(key) != expected:
        raise IgnoredEventError(f"its {key} is {_short(body.get(key))}, not {expected!r}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


_SHORT: Final = 80
