"""Settings of a stage: environment variables, validated once, immutable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from chalicelib.settings.meetings import MeetingsSettings
from chalicelib.settings.notifications import NotificationsSettings
from chalicelib.settings.variables import Reader, matching, number, whole, words

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOUDFLARE_API: Final = "https://api.cloudflare.com/client/v4"

VARIABLES: Final = (
    "DOMAIN_ROOT",
    "ZONE_ID",
    "SECRET_ARN",
    "OWNER",
    "TABLE_NAME",
    "PROJECT_TAG",
    "DCV_PORT",
    "PROXIED",
    "TTL",
    "EVENT_TAGS",
    "SWEEP_SCHEDULE",
    "SWEEP_BATCH_SIZE",
    "SWEEP_DELETE_LIMIT",
    "SWEEP_DELETE_PERCENT",
    "GRACE_MINUTES",
    "CLOUDFLARE_API_URL",
    "FEATURES",
)
"""Every variable that is read, except those of the features."""

FEATURES: Final = ("meetings", "notifications")
"""Optional features besides the watchdog and the sweep."""

PROXIED_HTTPS_PORTS: Final = (443, 2053, 2083, 2087, 2096, 8443)
"""https://developers.cloudflare.com/fundamentals/reference/network-ports/"""

TABLE_NAME: Final = "elephant-meetings"
"""The default table."""

AUTOMATIC_TTL: Final = 1
"""https://developers.cloudflare.com/dns/manage-dns-records/reference/ttl/"""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z]){_LABEL}")
_ZONE_ID = re.compile(r"[0-9a-f]{32}")
_OWNER = re.compile(r"elephant:[!-~]{1,55}")
_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_SECRET = re.compile(r"[A-Za-z0-9/_+=.@:!-]{1,2048}")
_ADDRESS = re.compile(r"[!-~]+")
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
_RATE = r"rate\((?:1 (?:minute|hour|day)|(?!1 )[1-9][0-9]? (?:minutes|hours))\)"
_FIELD = "[0-9A-Za-z*,/#-]+"
# No date, month or year: such a schedule ends, and some dates never come.
_DAYS = rf"(?:\? \* {_FIELD}|\* \* \?)"  # day of month, month, day of week
_SCHEDULE = re.compile(rf"{_RATE}|cron\({_FIELD} {_FIELD} {_DAYS} \*\)")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LONGEST_NAME = 253 - len("i-0123456789abcdef0.")
_LONGEST_TAG_KEY, _LONGEST_TAG_VALUE = 128, 256
_LAST_PORT = 65535
_SHORTEST_TTL, _LONGEST_TTL = 30, 86400
_LARGEST_BATCH = 3500
_LARGEST_NUMBER = 999_999_999
_MINUTES_OF_A_DAY = 1440


class SettingsError(Exception):
    """One or more settings are missing or wrong; the message names all of them."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(
            f"{len(problems)} setting(s) of this stage are missing or wrong "
            f"(environment_variables in .chalice/config.json):{lines}"
        )


@dataclass(frozen=True)
class Settings:
    """The settings of a stage; see docs/settings.md for each variable."""

    domain_root: str
    zone_id: str
    secret_id: str
    owner: str
    table_name: str | None
    project_tag: tuple[str, str]
    dcv_port: int
    proxied: bool
    ttl: int
    event_tags_required: bool
    sweep_schedule: str
    batch_size: int
    delete_limit: int
    delete_percent: int
    grace: timedelta
    cloudflare_api_url: str
    features: frozenset[str] = frozenset()
    meetings: MeetingsSettings | None = None
    notifications: NotificationsSettings | None = None

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings from environment variables.

        Raises SettingsError naming each variable that is missing or wrong, its value, and what
        it should be.
        """
        reader = Reader(environment)
        proxied = reader.read("PROXIED", _boolean, "true")
        features = reader.read("FEATURES", _features, "") or frozenset()
        settings = cls(
            domain_root=reader.read("DOMAIN_ROOT", _domain),
            zone_id=reader.read("ZONE_ID", _zone_id),
            secret_id=reader.read("SECRET_ARN", _secret_id),
            owner=reader.read("OWNER", _owner),
            table_name=reader.read("TABLE_NAME", _table_name, TABLE_NAME),
            project_tag=reader.read("PROJECT_TAG", _tag, "Project=Elephant"),
            dcv_port=reader.read("DCV_PORT", lambda text: _port(text, proxied=proxied), "8443"),
            proxied=proxied,
            ttl=reader.read("TTL", lambda text: _ttl(text, proxied=proxied), str(AUTOMATIC_TTL)),
            event_tags_required=reader.read("EVENT_TAGS", _event_tags, "optional"),
            sweep_schedule=reader.read("SWEEP_SCHEDULE", _schedule, "rate(1 minute)"),
            batch_size=reader.read("SWEEP_BATCH_SIZE", _batch_size, "200"),
            delete_limit=reader.read("SWEEP_DELETE_LIMIT", _delete_limit, "10"),
            delete_percent=reader.read("SWEEP_DELETE_PERCENT", _delete_percent, "30"),
            grace=reader.read("GRACE_MINUTES", _grace, "10"),
            cloudflare_api_url=reader.read("CLOUDFLARE_API_URL", _api_url, CLOUDFLARE_API),
            features=features,
            meetings=MeetingsSettings.read(reader) if "meetings" in features else None,
            notifications=(
                NotificationsSettings.read(reader) if "notifications" in features else None
            ),
        )
        if settings.meetings and not settings.table_name:
            reader.problems.append("TABLE_NAME is ''; the feature 'meetings' needs a table")
        if reader.problems:
            raise SettingsError(reader.problems)
        return settings

    @property
    def is_local(self) -> bool:
        """Whether its Cloudflare is a stand-in on this machine, so the stage is not on AWS."""
        return urlsplit(self.cloudflare_api_url).hostname in _LOOPBACK

    def record_name(self, instance_id: str) -> str:
        """Return the name of the instance's DNS record."""
        return f"{instance_id}.{self.domain_root}"

    def link(self, instance_id: str) -> str:
        """Return the address that people get."""
        return f"https://{self.record_name(instance_id)}:{self.dcv_port}"


def _domain(text: str) -> str:
    if len(text) > _LONGEST_NAME:
        raise ValueError(f"at most {_LONGEST_NAME} characters, so that an instance's name fits")
    return matching(
        _DOMAIN, text, "a domain in lower case, without scheme, port or final dot: dcv.example.com"
    )


def _zone_id(text: str) -> str:
    return matching(
        _ZONE_ID,
        text,
        "the zone's id, 32 characters of 0-9 and a-f, from the zone's overview page at Cloudflare",
    )


def _secret_id(text: str) -> str:
    return matching(_SECRET, text, "the name or the ARN of a secret in Secrets Manager")


def _owner(text: str) -> str:
    return matching(
        _OWNER,
        text,
        "one word beginning with 'elephant:', at most 64 characters, that no other deployment "
        "in the zone has, such as 'elephant:prod/us-west-2'",
    )


def _table_name(text: str) -> str | None:
    if not text:
        return None
    return matching(_TABLE, text, "the name of a DynamoDB table, or empty for DNS only")


def _tag(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    if not (0 < len(key) <= _LONGEST_TAG_KEY and 0 < len(value) <= _LONGEST_TAG_VALUE):
        raise ValueError("a tag's key and value joined by '=', such as 'Project=Elephant'")
    if (key.strip(), value.strip()) != (key, value):
        raise ValueError("a tag's key and value without spaces around them: 'Project=Elephant'")
    return key, value


def _boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("'true' or 'false'")
    return text == "true"


def _port(text: str, *, proxied: bool) -> int:
    port = number(text)
    if proxied and port not in PROXIED_HTTPS_PORTS:
        ports = ", ".join(map(str, PROXIED_HTTPS_PORTS))
        raise ValueError(f"a port that Cloudflare proxies ({ports}), or PROXIED must be 'false'")
    if not 0 < port <= _LAST_PORT:
        raise ValueError(f"a port from 1 to {_LAST_PORT}")
    return port


def _ttl(text: str, *, proxied: bool) -> int:
    ttl = number(text)
    if proxied and ttl != AUTOMATIC_TTL:
        raise ValueError("1 (automatic), as for every proxied record, or PROXIED must be 'false'")
    if ttl != AUTOMATIC_TTL and not _SHORTEST_TTL <= ttl <= _LONGEST_TTL:
        raise ValueError(f"1 (automatic) or {_SHORTEST_TTL} to {_LONGEST_TTL} seconds")
    return ttl


def _event_tags(text: str) -> bool:
    if text not in {"optional", "required"}:
        raise ValueError("'optional', or 'required' for a bus whose events carry tags")
    return text == "required"


def _schedule(text: str) -> str:
    return matching(
        _SCHEDULE,
        text,
        "a recurring EventBridge schedule: 'rate(1 minute)', 'rate(5 minutes)' (up to 99 "
        "minutes or hours, or 1 day), or 'cron(MINUTES HOURS ? * DAYS-OF-THE-WEEK *)'",
    )


def _batch_size(text: str) -> int:
    # https://developers.cloudflare.com/dns/manage-dns-records/how-to/batch-record-changes/
    remedy = f"1 to {_LARGEST_BATCH} changes in one call: 200 on Cloudflare's free plan"
    return whole(text, 1, _LARGEST_BATCH, remedy)


def _delete_limit(text: str) -> int:
    remedy = "the number of records, 1 or more, that sweeps may delete without proof in a day"
    return whole(text, 1, _LARGEST_NUMBER, remedy)


def _delete_percent(text: str) -> int:
    remedy = (
        "the percentage of our records, 1 to 100, that sweeps may delete without proof in a day"
    )
    return whole(text, 1, 100, remedy)


def _grace(text: str) -> timedelta:
    remedy = f"1 to {_MINUTES_OF_A_DAY} minutes"
    return timedelta(minutes=whole(text, 1, _MINUTES_OF_A_DAY, remedy))


def _api_url(text: str) -> str:
    remedy = f"an https address such as {CLOUDFLARE_API}"
    matching(_ADDRESS, text, remedy)
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        raise ValueError(remedy) from None
    secure = url.scheme == "https" or (url.scheme == "http" and url.hostname in _LOOPBACK)
    if not (secure and url.hostname and not url.query and not url.fragment):
        raise ValueError(remedy)
    return text.rstrip("/")


def _features(text: str) -> frozenset[str]:
    features = words(text)
    if not set(features) <= set(FEATURES):
        raise ValueError(f"a list of features, separated by commas: {', '.join(FEATURES)}")
    return frozenset(features)
