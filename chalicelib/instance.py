"""EC2 instances: what is read of them, and how."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

INSTANCE_ID: Final = r"i-(?:[0-9a-f]{17}|[0-9a-f]{8})"
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html"""

PENDING: Final = "pending"
RUNNING: Final = "running"
ENDED_STATES: Final = frozenset({"shutting-down", "terminated"})

PAGE_SIZE: Final = 1000
"""https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html"""
FILTER_VALUES: Final = 200
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html"""

_NOT_FOUND: Final = "InvalidInstanceID.NotFound"
_NOT_ENDED_STATES: Final = ("pending", "running", "stopping", "stopped")
_CHANGED_AT = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")


class IncompleteAnswerError(Exception):
    """EC2 answered without error and without what was asked for: nothing is known."""


class Ec2Client(Protocol):
    """The calls that are made to EC2."""

    def describe_instances(self, **request: object) -> Mapping[str, Any]:
        """`DescribeInstances` of the API reference."""
        ...


@dataclass(frozen=True)
class Instance:
    """An instance as EC2 described it.

    A stopped instance keeps an Elastic IP, and an ended one may be described with its last
    address, so look at the state first and at the address after it.
    """

    id: str
    state: str
    address: str | None
    tags: Mapping[str, str]
    launched_at: datetime
    stopped_at: datetime | None = None
    """When it was stopped or ended, if EC2 says so."""
    reason_code: str = ""
    """Why it is in its state, such as `Client.UserInitiatedShutdown`, if EC2 says so."""
    reason: str = ""
    """The same in EC2's words."""

    @classmethod
    def parse(cls, described: Mapping[str, Any]) -> Instance:
        """Read one element of DescribeInstances' `Reservations[].Instances[]`."""
        reason = described.get("StateReason", {})
        return cls(
            id=described["InstanceId"],
            state=described["State"]["Name"],
            address=described.get("PublicIpAddress") or None,
            tags={tag["Key"]: tag.get("Value", "") for tag in described.get("Tags", ())},
            launched_at=described["LaunchTime"],
            stopped_at=_moment(described.get("StateTransitionReason", "")),
            reason_code=reason.get("Code", ""),
            reason=reason.get("Message", ""),
        )

    @property
    def has_ended(self) -> bool:
        """Whether it is ending or has ended for good."""
        return self.state in ENDED_STATES

    def has_tag(self, tag: tuple[str, str]) -> bool:
        """Tell whether it carries the tag with exactly this value."""
        key, value = tag
        return self.tags.get(key) == value


class Instances:
    """The instances of one region of one account."""

    def __init__(self, client: Ec2Client, project_tag: tuple[str, str]) -> None:
        self._client = client
        self._project_tag = project_tag

    def find(self, instance_id: str) -> Instance | None:
        """Describe one instance.

        None means that EC2 says it knows none of this id. That is also its answer for a moment
        after a launch, so it alone is no proof that the instance is gone.
        https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
        Raises IncompleteAnswerError when it neither describes the instance nor denies it.
        """
        try:
            answer = self._client.describe_instances(InstanceIds=[instance_id])
        except ClientError as error:
            if error.response["Error"]["Code"] == _NOT_FOUND:
                return None
            raise
        for found in _instances(answer):
            if found.id == instance_id:
                return found
        raise IncompleteAnswerError(f"EC2 described other instances than {instance_id}, or none")

    def of_meeting(self, meeting_id: str) -> tuple[Instance, ...]:
        """Describe every instance of the project that the meeting still has, stopped ones too."""
        key, value = self._project_tag
        return self._every(
            {"Name": f"tag:{key}", "Values": [_literal(value)]},
            {"Name": "tag:MeetingID", "Values": [_literal(meeting_id)]},
            {"Name": "instance-state-name", "Values": list(_NOT_ENDED_STATES)},
        )

    def of_project(self) -> tuple[Instance, ...]:
        """Describe every instance of the project, in whatever state, or raise."""
        key, value = self._project_tag
        return self._every({"Name": f"tag:{key}", "Values": [_literal(value)]})

    def among(self, instance_ids: Iterable[str]) -> tuple[Instance, ...]:
        """Describe those of the instances that EC2 knows, whatever their tags, or raise."""
        wanted = sorted(set(instance_ids))
        return tuple(
            instance
            for start in range(0, len(wanted), FILTER_VALUES)
            for instance in self._every(
                {"Name": "instance-id", "Values": wanted[start : start + FILTER_VALUES]}
            )
        )

    def _every(self, *filters: Mapping[str, object]) -> tuple[Instance, ...]:
        """Read every page: a part of the instances must not pass for all of them."""
        request: dict[str, object] = {"Filters": list(filters), "MaxResults": PAGE_SIZE}
        found: dict[str, Instance] = {}
        seen: set[str] = set()
        while True:
            answer = self._client.describe_instances(**request)
            found.update((instance.id, instance) for instance in _instances(answer))
            token = answer.get("NextToken")
            if not token:
                return tuple(found.values())
            if token in seen:
                raise IncompleteAnswerError("EC2 answered with a page that it had answered before")
            seen.add(token)
            request["NextToken"] = token


def is_instance_id(text: str) -> bool:
    """Tell whether the text has the form of an instance's id."""
    return re.fullmatch(INSTANCE_ID, text) is not None


def _instances(answer: Mapping[str, Any]) -> Iterator[Instance]:
    for reservation in answer["Reservations"]:
        for described in reservation["Instances"]:
            yield Instance.parse(described)


def _moment(reason: str) -> datetime | None:
    """Read the time out of a StateTransitionReason, which is text for people."""
    found = _CHANGED_AT.search(reason)
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=UTC) if found else None
    except ValueError:  # such as the 30th of February
        return None


def _literal(text: str) -> str:
    """Spell a filter's value so that `*`, `?` and the backslash in it stand for themselves.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html#Filtering_Resources_CLI
    """
    for special in ("\\", "*", "?"):
        text = text.replace(special, f"\\{special}")
    return text
