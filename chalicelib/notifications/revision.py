"""Revisions of deployments in S3 or on GitHub, and their version names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUFFIX = re.compile(r"\.(?:zip|tar|tgz|tar\.gz|ya?ml|json)$", re.IGNORECASE)
# What follows the numbers begins with a separator, so that there is one way to match: keys are
# untrusted, and matching must take linear time.
_NUMBERS = re.compile(
    r"(?:^|(?<=[-_.v]))v?(?P<version>\d+(?:\.\d+)+[0-9A-Za-z]*(?:[-+_.][0-9A-Za-z]+)*)$",
    re.IGNORECASE,
)
_LONGEST_NAME: Final = 200
"""How many characters at a name's end are searched: each start of numbers is tried."""
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_SHORT_COMMIT: Final = 7
GITHUB: Final = "https://github.com"


@dataclass(frozen=True)
class Revision:
    """A revision, as shown to people."""

    name: str
    version: str
    object_version: str = ""
    """The object's version, in a versioned bucket."""
    link: str | None = None

    @classmethod
    def parse(cls, location: Mapping[str, Any]) -> Revision | None:
        """Parse a RevisionLocation; None if its type has no name.

        https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_RevisionLocation.html
        """
        s3, github = location.get("s3Location"), location.get("gitHubLocation")
        if s3:
            key, bucket = str(s3.get("key", "")), s3.get("bucket", "")
            return cls(f"s3://{bucket}/{key}", version_of(key), str(s3.get("version", "")))
        if github:
            repository, commit = str(github.get("repository", "")), str(github.get("commitId", ""))
            is_there = commit and _REPOSITORY.fullmatch(repository)
            link = f"{GITHUB}/{repository}/commit/{quote(commit, safe='')}" if is_there else None
            return cls(f"{repository}@{commit}", commit[:_SHORT_COMMIT], link=link)
        return None


def version_of(key: str) -> str:
    """Return a release's version from its key in S3.

    `releases/shop-1.4.2.zip` is version `1.4.2`, and so is `1.4.2/shop.zip`. A key without such
    numbers has its file's name: `builds/481.zip` is version `481`.
    """
    *folders, file = key.strip("/").split("/")
    stem = _SUFFIX.sub("", _SUFFIX.sub("", file))
    for part in (stem, *reversed(folders)):
        found = _NUMBERS.search(part[-_LONGEST_NAME:])
        if found:
            return found["version"]
    return stem
