"""A record: settable fields, validation, and the API's format.

https://developers.cloudflare.com/api/resources/dns/subresources/records/ and
https://developers.cloudflare.com/dns/manage-dns-records/reference/record-attributes/
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from . import content as contents
from . import errors
from .jsonvalue import is_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .jsonvalue import Json, JsonObject
    from .spec import Limits, Zone

AUTOMATIC_TTL = 1
MAX_TAG_VALUE = 100

_TAG_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True)
class Fields:
    """The members of a record that a caller sets, already normal."""

    type: str
    name: str
    content: str
    ttl: int = AUTOMATIC_TTL
    proxied: bool = False
    comment: str | None = None
    tags: tuple[str, ...] = ()
    priority: int | None = None
    data: Mapping[str, Json] | None = None
    settings: Mapping[str, Json] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[str, str, str]:
        """What may exist only once: type, name and content, regardless of ttl, proxy or comment.

        The priority is part of a typed content (one exchange may be listed at two priorities),
        and TXT is the same text with and without its quotes.
        """
        content = self.content
        if self.type == "TXT":
            content = content.removeprefix('"').removesuffix('"')
        if self.priority is not None:
            content = f"{self.priority} {content}"
        return (self.type, self.name, content)


@dataclass(frozen=True)
class Record:
    """A record of a zone. `serial` is the order of creation; times are the clock's seconds."""

    id: str
    serial: int
    fields: Fields
    created_on: float
    modified_on: float

    @property
    def type(self) -> str:
        """The record's type."""
        return self.fields.type

    @property
    def name(self) -> str:
        """The full name, lower-case, without the last dot."""
        return self.fields.name

    def as_json(self) -> dict[str, Json]:
        """Return the object the API answers."""
        fields = self.fields
        shown: dict[str, Json] = {
            "id": self.id,
            "name": fields.name,
            "type": fields.type,
            "content": fields.content,
            "proxiable": contents.is_proxiable(fields.type, fields.content),
            "proxied": fields.proxied,
            "ttl": fields.ttl,
            "settings": fields.settings,
            "meta": {},
            "comment": fields.comment,
            "tags": list(fields.tags),
            "created_on": timestamp(self.created_on),
            "modified_on": timestamp(self.modified_on),
        }
        if fields.priority is not None:
            shown["priority"] = fields.priority
        if fields.data is not None:
            shown["data"] = fields.data
        return shown


def timestamp(seconds: float) -> str:
    """Return a time as the API writes it: RFC 3339, UTC, microseconds and `Z`."""
    moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='microseconds')}Z"


def parse(body: JsonObject, zone: Zone) -> Fields:
    """Return the record a body describes; members it omits have their defaults.

    Unknown members are ignored. Raises the ApiError the API answers.
    """
    record_type = _type(body.get("type"))
    name = contents.name_in_zone(_text(body, "name"), zone.name)
    priority, data, content = _content(body, record_type, name)
    proxied = _flag(body, "proxied")
    if proxied:
        contents.check_proxied(record_type, content)
    ttl = _ttl(body.get("ttl"), zone.limits)
    return Fields(
        type=record_type,
        name=name,
        content=content,
        ttl=AUTOMATIC_TTL if proxied else ttl,
        proxied=proxied,
        comment=_comment(body.get("comment"), zone.limits.comment),
        tags=_tags(body.get("tags"), zone.limits.tags),
        priority=priority,
        data=data,
        settings=_object(body.get("settings"), "settings"),
    )


def overwrite(record: Record, body: JsonObject, zone: Zone) -> Fields:
    """Return the result of a PUT: omitted members return to their defaults, the type stays."""
    return _same_type(record, parse(body, zone))


def merge(record: Record, body: JsonObject, zone: Zone) -> Fields:
    """Return the result of a PATCH: omitted members stay, and so must the type."""
    old = record.fields
    kept: dict[str, Json] = {
        "type": old.type,
        "name": old.name,
        "content": old.content,
        "ttl": old.ttl,
        "proxied": old.proxied,
        "comment": old.comment,
        "tags": list(old.tags),
        "priority": old.priority,
        "data": old.data,
        "settings": old.settings,
    }
    return _same_type(record, parse({**kept, **body}, zone))


def _same_type(record: Record, fields: Fields) -> Fields:
    # https://developers.cloudflare.com/fundamentals/api/reference/deprecations/ (2026-06-30)
    if fields.type != record.type:
        raise errors.type_is_fixed()
    return fields


def _type(value: Json) -> str:
    if not isinstance(value, str) or value.upper() not in contents.RECORD_TYPES:
        raise errors.invalid_type()
    return value.upper()


def _text(body: JsonObject, member: str) -> str:
    value = body.get(member)
    if not isinstance(value, str):
        raise errors.invalid_body(f"{member} must be a string.")
    return value


def _flag(body: JsonObject, member: str) -> bool:
    value = body.get(member)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise errors.invalid_body(f"{member} must be a boolean.")
    return value


def _object(value: Json, member: str) -> Mapping[str, Json]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.invalid_body(f"{member} must be an object.")
    return value


def _content(
    body: JsonObject, record_type: str, name: str
) -> tuple[int | None, Mapping[str, Json] | None, str]:
    """Return priority, components and content; CAA and SRV are given by components only."""
    data = _object(body.get("data"), "data") or None
    priority = _priority(body.get("priority"), record_type)
    if record_type in {"CAA", "SRV"} and data is None:
        raise errors.invalid_body(f"data is required for {record_type} records.")
    if data is not None:
        content = contents.content_of_data(record_type, data)
        if record_type == "SRV":
            priority = _priority(data.get("priority", 0), record_type)
    else:
        content = _text(body, "content")
    if record_type == "MX" and priority is None:
        raise errors.invalid_body("priority is required for MX records.")
    return priority, data, contents.normal_content(record_type, content, name)


def _priority(value: Json, record_type: str) -> int | None:
    if value is None or record_type not in contents.PRIORITY_TYPES:
        return None
    if not is_number(value):
        raise errors.invalid_body("priority must be a number.")
    if not 0 <= value <= contents.MAX_UINT16:
        raise errors.invalid_body("priority must be between 0 and 65535.")
    return int(value)


def _ttl(value: Json, limits: Limits) -> int:
    if value is None:
        return AUTOMATIC_TTL
    if not is_number(value):
        raise errors.invalid_body("ttl must be a number.")
    if value != AUTOMATIC_TTL and not limits.min_ttl <= value <= limits.max_ttl:
        raise errors.invalid_ttl(limits.min_ttl, limits.max_ttl)
    return int(value)


def _comment(value: Json, limit: int) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise errors.invalid_body("comment must be a string.")
    if len(value) > limit:
        raise errors.comment_too_long(limit)
    if "\n" in value or "\r" in value:
        raise errors.invalid_comment()
    return value


def _tags(value: Json, quota: int) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise errors.invalid_body("tags must be an array.")
    if len(value) > quota:
        raise errors.too_many_tags(len(value), quota)
    tags = []
    for tag in value:
        if not isinstance(tag, str):
            raise errors.invalid_tag()
        name, _, text = tag.partition(":")
        if not _TAG_NAME.fullmatch(name) or len(text) > MAX_TAG_VALUE:
            raise errors.invalid_tag()
        tags.append(tag)
    return tuple(tags)
