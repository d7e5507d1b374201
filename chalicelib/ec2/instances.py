"""Reading EC2 instances."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from chalicelib.clients import Ec2Client

INSTANCE_ID: Final = r"i-(?:[0-9a-f]{17}|[0-9a-f]{8})"
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html"""

PENDING: Final = "pending"
RUNNING: Final = "running"
ENDED_STATES: Final = frozenset({"shutting-down", "terminated"})

MEETING_TAG: Final = "MeetingID"
ROLE_TAG: Final = "Role"
OWNER_TAG: Final = "elephant:owner"
"""The tag with the OWNER of the stage that launched a desktop."""

API_TAG: Final = "elephant:api"
"""The tag with the address of the API that a desktop reports to."""

PAGE_SIZE: Final = 1000
"""https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html"""
ASKED_AT_ONCE: Final = 100
MOST_QUESTIONS: Final = 100
"""The most calls that one run spends on looking up instances by id."""
FILTER_VALUES: Final = 200
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html"""

_NOT_FOUND: Final = "InvalidInstanceID.NotFound"
_CHANGED_AT: Final = r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)"


class IncompleteAnswerError(Exception):
    """EC2 answered without error but without what was asked for: nothing is known."""


class _UnknownIdsError(Exception):
    """EC2 rejected a call because it does not know the ids that its message names."""

    def __init__(self, message: str) -> None:
        self.named = frozenset(re.findall(rf"\b{INSTANCE_ID}\b", message))
        super().__init__(message)


@dataclass(frozen=True)
class Instance:
    """An instance as EC2 described it.

    A stopped instance keeps an Elastic IP, and a terminated one may be described with its last
    address, so check the state before the address.
    """

    id: str
    state: str
    address: str | None
    tags: Mapping[str, str]
    launched_at: datetime
    stopped_at: datetime | None = None
    """When it was stopped or terminated, if EC2 says so."""
    reason_code: str = ""
    """The reason for its state, such as `Client.UserInitiatedShutdown`, if EC2 gives one."""
    reason: str = ""
    """The same in EC2's words."""

    @classmethod
    def parse(cls, described: Mapping[str, Any]) -> Instance:
        """Parse one element of DescribeInstances' `Reservations[].Instances[]`."""
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
        """True if shutting-down or terminated."""
        return self.state in ENDED_STATES

    def has_tag(self, tag: tuple[str, str]) -> bool:
        """Return True if it has the tag with exactly this value."""
        key, value = tag
        return self.tags.get(key) == value

    def belongs_to(self, project_tag: tuple[str, str], owner: str) -> bool:
        """Return True if it is the project's and no other stage launched it.

        Without an owner tag it was launched by hand, or by a release that set none: then the
        project tag decides.
        """
        return self.has_tag(project_tag) and self.tags.get(OWNER_TAG, owner) == owner


class Instances:
    """The instances of one region of one account.

    Listings of a meeting or of the project contain only instances of the stage with this `owner`,
    or of any stage if it is None.
    """

    def __init__(self, client: Ec2Client, project_tag: tuple[str, str], owner: str | None) -> None:
        self._client = client
        self._project_tag = project_tag
        self._owner = owner

    def find(self, instance_id: str) -> Instance | None:
        """Describe one instance.

        None means that EC2 does not know this id. That is also its answer for a moment after a
        launch, so it does not prove by itself that the instance is gone.
        https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
        Raises IncompleteAnswerError if it neither describes the instance nor reports it as unknown.
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
        raise IncompleteAnswerError(f"EC2's answer does not contain {instance_id}")

    def of_meeting(self, meeting_id: str) -> tuple[Instance, ...]:
        """Describe the meeting's instances in the project that have not ended, stopped ones too."""
        return tuple(each for each in self.ever_of_meeting(meeting_id) if not each.has_ended)

    def ever_of_meeting(self, meeting_id: str) -> tuple[Instance, ...]:
        """Describe every instance of the meeting that EC2 lists, ended ones too.

        EC2 lists an ended instance for about an hour, and its tags may vanish before that.
        """
        return self._listed({"Name": "tag:MeetingID", "Values": [_literal(meeting_id)]})

    def of_project(self) -> tuple[Instance, ...]:
        """Describe every instance of the project, in any state, or raise."""
        return self._listed()

    def among(self, instance_ids: Iterable[str]) -> tuple[Instance, ...]:
        """Describe those of the instances that EC2 knows, regardless of tags, or raise."""
        wanted = sorted(set(instance_ids))
        return tuple(
            instance
            for start in range(0, len(wanted), FILTER_VALUES)
            for instance in self._every(
                {"Name": "instance-id", "Values": wanted[start : start + FILTER_VALUES]}
            )
        )

    def look_up(self, instance_ids: Iterable[str]) -> dict[str, Instance | None]:
        """Look up instances by id, regardless of tags; None for one that EC2 does not know.

        EC2 rejects a call with an unknown id as a whole and names the ids that it does not know,
        so the others are asked for again. An id that it neither shows nor reports as unknown is
        left out: nothing is known about it. For `None`, see `find`.
        """
        wanted = sorted(set(instance_ids))
        waiting = [
            wanted[start : start + ASKED_AT_ONCE] for start in range(0, len(wanted), ASKED_AT_ONCE)
        ]
        found: dict[str, Instance | None] = {}
        for _ in range(MOST_QUESTIONS):
            if not waiting:
                break
            asked = waiting.pop()
            try:
                found |= self._shown(asked)
            except _UnknownIdsError as unknown:
                denied = set(asked) & unknown.named if len(asked) > 1 else set(asked)
                found |= dict.fromkeys(denied)
                left = [each for each in asked if each not in denied]
                middle = len(left) if denied else len(left) // 2
                waiting += [part for part in (left[:middle], left[middle:]) if part]
        return found

    def _shown(self, asked: list[str]) -> dict[str, Instance]:
        try:
            answer = self._client.describe_instances(InstanceIds=asked)
        except ClientError as error:
            if error.response["Error"]["Code"] != _NOT_FOUND:
                raise
            raise _UnknownIdsError(error.response["Error"].get("Message", "")) from error
        return {each.id: each for each in _instances(answer) if each.id in asked}

    def _listed(self, *filters: Mapping[str, object]) -> tuple[Instance, ...]:
        """Leave out what other stages launched: EC2 has no filter for "this value, or no tag"."""
        key, value = self._project_tag
        found = self._every({"Name": f"tag:{key}", "Values": [_literal(value)]}, *filters)
        owner = self._owner
        if owner is None:
            return found
        return tuple(each for each in found if each.belongs_to(self._project_tag, owner))

    def _every(self, *filters: Mapping[str, object]) -> tuple[Instance, ...]:
        """Read every page: a partial list must not be taken for the complete one."""
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
                raise IncompleteAnswerError("EC2 returned the same page twice")
            seen.add(token)
            request["NextToken"] = token


def is_instance_id(text: str) -> bool:
    """Return True if the text has the form of an instance id."""
    return re.fullmatch(INSTANCE_ID, text) is not None


def _instances(answer: Mapping[str, Any]) -> Iterator[Instance]:
    for reservation in answer["Reservations"]:
        for described in reservation["Instances"]:
            yield Instance.parse(described)


def _moment(reason: str) -> datetime | None:
    """Parse the time in a StateTransitionReason, which is text for people."""
    found = re.search(_CHANGED_AT, reason)
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=UTC) if found else None
    except ValueError:  # such as the 30th of February
        return None


def _literal(text: str) -> str:
    """Escape `*`, `?` and the backslash in a filter's value, so that they match literally.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html#Filtering_Resources_CLI
    """
    for special in ("\\", "*", "?"):
        text = text.replace(special, f"\\{special}")
    return text
