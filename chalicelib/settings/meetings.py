"""Settings of the feature `meetings`, read only in stages that have it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from chalicelib.settings.variables import matching, whole, words

if TYPE_CHECKING:
    from chalicelib.settings.variables import Reader

VARIABLES: Final = (
    "AMI_ID",
    "SECURITY_GROUP_IDS",
    "INSTANCE_TYPE",
    "KEY_NAME",
    "VPC_ID",
    "VOLUME_GB",
    "ALLOWED_ORIGINS",
    "JOIN_KEYS",
    "MAX_MEETING_MINUTES",
)
"""Every variable that is read."""

SHORTEST_MEETING: Final = timedelta(minutes=15)
"""From its start; until then no meeting is ended, regardless of its row."""
LONGEST_MEETING: Final = timedelta(days=1)
"""The upper limit for the longest time of a stage's meetings."""

# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html
_HEX = r"(?:[0-9a-f]{17}|[0-9a-f]{8})"
_IMAGE = re.compile(rf"ami-{_HEX}")
_GROUP = re.compile(rf"sg-{_HEX}")
_VPC = re.compile(rf"vpc-{_HEX}")
_TYPE = re.compile(r"[a-z0-9-]{1,20}\.[a-z0-9-]{1,20}")
_KEY_NAME = re.compile(r"[ -~]{1,255}")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?")
_MOST_GROUPS = 5
_LARGEST_VOLUME = 16_384
_LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class MeetingsSettings:
    """The settings of a stage with meetings; see the table in docs/meetings.md.

    `volume_gb` of 0 keeps the image's root volume size, `vpc_id` None uses the default
    VPC, and `longest` counts from a meeting's start.
    """

    ami_id: str
    security_group_ids: tuple[str, ...]
    instance_type: str
    key_name: str | None
    vpc_id: str | None
    volume_gb: int
    allowed_origins: frozenset[str]
    requires_join_keys: bool
    longest: timedelta

    @classmethod
    def read(cls, reader: Reader) -> MeetingsSettings:
        """Read the settings; the reader collects the problems."""
        return cls(
            ami_id=reader.read("AMI_ID", _ami_id),
            security_group_ids=reader.read("SECURITY_GROUP_IDS", _security_groups),
            instance_type=reader.read("INSTANCE_TYPE", _instance_type, "t3.large"),
            key_name=reader.read("KEY_NAME", _key_name, ""),
            vpc_id=reader.read("VPC_ID", _vpc_id, ""),
            volume_gb=reader.read("VOLUME_GB", _volume, "60"),
            allowed_origins=reader.read("ALLOWED_ORIGINS", _origins, ""),
            requires_join_keys=reader.read("JOIN_KEYS", _join_keys, "required"),
            longest=reader.read("MAX_MEETING_MINUTES", _longest, "180"),
        )


def _ami_id(text: str) -> str:
    return matching(_IMAGE, text, "the id of the desktops' image, ami-…")


def _security_groups(text: str) -> tuple[str, ...]:
    remedy = f"the ids of 1 to {_MOST_GROUPS} security groups, sg-…, separated by commas"
    groups = tuple(matching(_GROUP, word, remedy) for word in words(text))
    if not 0 < len(groups) <= _MOST_GROUPS:
        raise ValueError(remedy)
    return groups


def _instance_type(text: str) -> str:
    return matching(_TYPE, text, "an instance type such as t3.large or g4dn.xlarge")


def _key_name(text: str) -> str | None:
    return matching(_KEY_NAME, text, "the name of a key pair, or empty for none") if text else None


def _vpc_id(text: str) -> str | None:
    remedy = "the id of a VPC, vpc-…, or empty for the default one"
    return matching(_VPC, text, remedy) if text else None


def _volume(text: str) -> int:
    remedy = f"the root volume's size in GB up to {_LARGEST_VOLUME}, or 0 for the image's own"
    return whole(text, 0, _LARGEST_VOLUME, remedy)


def _origins(text: str) -> frozenset[str]:
    remedy = "origins such as https://app.example.com, separated by commas and without a path"
    origins = frozenset(matching(_ORIGIN, word, remedy) for word in words(text))
    if any(not _is_secure(origin) for origin in origins):
        raise ValueError(remedy)
    return origins


def _is_secure(origin: str) -> bool:
    url = urlsplit(origin)
    return url.scheme == "https" or url.hostname in _LOOPBACK


def _join_keys(text: str) -> bool:
    if text not in {"required", "off"}:
        raise ValueError("'required', or 'off' for links without a key")
    return text == "required"


def _longest(text: str) -> timedelta:
    shortest, most = (each // timedelta(minutes=1) for each in (SHORTEST_MEETING, LONGEST_MEETING))
    remedy = f"{shortest} to {most} minutes from a meeting's start"
    return timedelta(minutes=whole(text, shortest, most, remedy))
