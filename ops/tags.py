"""The operator's own tags: what AWS accepts, and what is reserved.

They are in config.json where Chalice looks for the tags of functions. Keys are compared without
regard to case, as IAM does.
https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from chalicelib.ec2.instances import MEETING_TAG, ROLE_TAG
from chalicelib.settings.formats import MOST_TAGS, TAG_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TAGS: Final = "tags"
"""Chalice's key for tags, of the project, a stage or a function."""

DESKTOP_TAGS: Final = "DESKTOP_TAGS"
"""The variable by which `launch_ec2` knows them."""

NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})

_KEY: Final = re.compile(rf"{TAG_TEXT}{{1,128}}")
_VALUE: Final = re.compile(rf"{TAG_TEXT}{{1,256}}")
_RESERVED: Final = frozenset(
    {"name", "aws-chalice", MEETING_TAG.lower(), ROLE_TAG.lower()},
)
_PREFIXES: Final = ("aws:", "elephant:")


def problems(tags: Mapping[str, str], project_key: str) -> Iterator[str]:
    """Say what is wrong with the tags; nothing if AWS accepts them on everything of a stage."""
    if len(tags) > MOST_TAGS:
        yield f"{len(tags)} tags are too many: AWS allows 50, of which yours may be {MOST_TAGS}"
    seen: dict[str, str] = {}
    for key, value in tags.items():
        if not _KEY.fullmatch(key) or "=" in key or key != key.strip():
            yield f"tag {key!r}: a key has up to 128 letters, digits, spaces and _ . : / + - @"
        elif not _VALUE.fullmatch(value) or value != value.strip():
            yield (
                f"tag {key}={value!r}: a value has 1 to 256 letters, digits, spaces and "
                "_ . : / = + - @"
            )
        elif key.lower().startswith(_PREFIXES):
            yield f"tag {key!r}: keys beginning with aws: or elephant: are reserved"
        elif key.lower() in {*_RESERVED, project_key.lower()}:
            yield f"tag {key!r}: Elephant sets it itself; choose another key"
        elif key.lower() in seen:
            yield f"tags {seen[key.lower()]!r} and {key!r} differ only in case, which IAM refuses"
        seen.setdefault(key.lower(), key)


def as_variable(tags: Mapping[str, str]) -> str:
    """Format them for DESKTOP_TAGS; no key or value has a comma."""
    return ",".join(f"{key}={value}" for key, value in sorted(tags.items()))


def differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Say which tags are missing or differ; empty if none. Others' tags are no difference."""
    return ", ".join(
        f"{key} is {found[key]!r}" if key in found else f"no {key}"
        for key in sorted(wanted)
        if found.get(key) != wanted[key]
    )
