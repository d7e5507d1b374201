"""Formats of a stage's settings, such as domains, tags, secrets, schedules and addresses."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from chalicelib.settings.parsing import listed, matching, number

CLOUDFLARE_API: Final = "https://api.cloudflare.com/client/v4"
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

PROXIED_HTTPS_PORTS: Final = (443, 2053, 2083, 2087, 2096, 8443)
"""https://developers.cloudflare.com/fundamentals/reference/network-ports/"""

AUTOMATIC_TTL: Final = 1
"""https://developers.cloudflare.com/dns/manage-dns-records/reference/ttl/"""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")

_SHORTEST_TTL, _LONGEST_TTL = 30, 86400
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}\.)+(?=[a-z]){_LABEL}"
_LONGEST_NAME = 253 - len("i-0123456789abcdef0.")
_LONGEST_TAG_KEY, _LONGEST_TAG_VALUE = 128, 256

TAG_TEXT: Final = r"[\w .:/=+@-]"
"""A character that every service of AWS allows in tags."""
MOST_TAGS: Final = 40
"""Of the operator: AWS allows 50, and desktops have some of their own."""

_PLAIN_KEY = r"(?!\.{1,2}=|_index=)[A-Za-z0-9+._:@-]{1,128}"  # or the metadata cannot hold it
_LONGEST_TAGS = 1500  # of the 4 KB that Lambda allows for all variables
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
_RATE = r"rate\((?:1 (?:minute|hour|day)|(?!1 )[1-9][0-9]? (?:minutes|hours))\)"
_FIELD = "[0-9A-Za-z*,/#-]+"
# No date, month or year: such a schedule ends, and some dates never come.
_DAYS = rf"(?:\? \* {_FIELD}|\* \* \?)"  # day of month, month, day of week
_SCHEDULE = rf"{_RATE}|cron\({_FIELD} {_FIELD} {_DAYS} \*\)"


def domain(text: str) -> str:
    """Parse a domain under which instances can have their names."""
    if len(text) > _LONGEST_NAME:
        raise ValueError(f"at most {_LONGEST_NAME} characters, so that an instance's name fits")
    remedy = "a domain in lower case, without scheme, port or final dot: dcv.example.com"
    return matching(_DOMAIN, remedy)(text)


def tag(text: str) -> tuple[str, str]:
    """Parse a tag's key and value."""
    key, _, value = text.partition("=")
    if not (0 < len(key) <= _LONGEST_TAG_KEY and 0 < len(value) <= _LONGEST_TAG_VALUE):
        raise ValueError("a tag's key and value joined by '=', such as 'Project=Elephant'")
    if (key.strip(), value.strip()) != (key, value):
        raise ValueError("a tag's key and value without spaces around them: 'Project=Elephant'")
    return key, value


def tags(text: str) -> tuple[tuple[str, str], ...]:
    """Parse tags of desktops, whose metadata must be able to hold the keys.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html
    """
    remedy = (
        f"up to {MOST_TAGS} tags of at most {_LONGEST_TAGS} characters together, whose keys "
        "desktops can read: letters, digits and + . _ : @ -, no spaces"
    )
    if len(text) > _LONGEST_TAGS:
        raise ValueError(remedy)
    words = listed(rf"{_PLAIN_KEY}={TAG_TEXT}{{1,256}}", remedy, most=MOST_TAGS)(text)
    pairs = (word.partition("=") for word in words)
    return tuple((key, value) for key, _, value in pairs)


def secret(text: str) -> str:
    """Parse the name or the ARN of a secret in Secrets Manager."""
    remedy = "the name or the ARN of a secret in Secrets Manager"
    return matching("[A-Za-z0-9/_+=.@:!-]{1,2048}", remedy)(text)


def schedule(text: str) -> str:
    """Parse a schedule of EventBridge that recurs for good."""
    remedy = (
        "a recurring EventBridge schedule: 'rate(1 minute)', 'rate(5 minutes)' (up to 99 "
        "minutes or hours, or 1 day), or 'cron(MINUTES HOURS ? * DAYS-OF-THE-WEEK *)'"
    )
    return matching(_SCHEDULE, remedy)(text)


def proxied_port(text: str) -> int:
    """Parse a port that Cloudflare's proxy serves."""
    port = number(text)
    if port not in PROXIED_HTTPS_PORTS:
        ports = ", ".join(map(str, PROXIED_HTTPS_PORTS))
        raise ValueError(f"a port that Cloudflare proxies ({ports}), or PROXIED must be 'false'")
    return port


def time_to_live(text: str) -> int:
    """Parse a record's time to live."""
    seconds = number(text)
    if seconds != AUTOMATIC_TTL and not _SHORTEST_TTL <= seconds <= _LONGEST_TTL:
        raise ValueError(f"1 (automatic) or {_SHORTEST_TTL} to {_LONGEST_TTL} seconds")
    return seconds


def api_url(text: str) -> str:
    """Parse the address of an API: https, or this machine."""
    remedy = f"an https address such as {CLOUDFLARE_API}"
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError(remedy)
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        raise ValueError(remedy) from None
    secure = url.scheme == "https" or (url.scheme == "http" and url.hostname in LOOPBACK)
    if not (secure and url.hostname and not url.query and not url.fragment):
        raise ValueError(remedy)
    return text.rstrip("/")
