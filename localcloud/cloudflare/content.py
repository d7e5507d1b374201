"""Names and contents of records: what Cloudflare accepts, and the form it stores.

https://developers.cloudflare.com/dns/manage-dns-records/reference/dns-record-types/
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from . import errors

if TYPE_CHECKING:
    from .jsonvalue import JsonObject

PROXIABLE_TYPES = frozenset({"A", "AAAA", "CNAME"})
RECORD_TYPES = frozenset(
    {
        *("A", "AAAA", "CAA", "CERT", "CNAME", "DNSKEY", "DS", "HTTPS", "LOC", "MX", "NAPTR"),
        *("NS", "OPENPGPKEY", "PTR", "SMIMEA", "SRV", "SSHFP", "SVCB", "TLSA", "TXT", "URI"),
    },
)
HOST_TYPES = frozenset({"CNAME", "MX", "NS", "PTR"})
PRIORITY_TYPES = frozenset({"MX", "SRV", "URI"})

MAX_NAME = 253
MAX_CONTENT = 4096
MAX_UINT16 = 65535

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NO_ORIGIN = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
        "::/127",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
    )
)


def ascii_name(name: str) -> str:
    """Return a name as the API writes names: lower-case Punycode without the last dot.

    Raises the API's 9000 for a name that DNS cannot carry.
    """
    labels = name.removesuffix(".").lower().split(".")
    encoded = [_ascii_label(label) for label in labels]
    for position, label in enumerate(encoded):
        if not (_LABEL.fullmatch(label) or (label == "*" and position == 0)):
            raise errors.invalid_name()
    full = ".".join(encoded)
    if len(full) > MAX_NAME:
        raise errors.invalid_name()
    return full


def _ascii_label(label: str) -> str:
    if label.isascii():
        return label
    try:
        return label.encode("idna").decode("ascii")
    except UnicodeError:
        raise errors.invalid_name() from None


def name_in_zone(name: str, zone_name: str) -> str:
    """Return the full name: `@` is the apex, and what does not end in the zone gets it appended.

    Hence `mail.other.org` in `example.com` becomes `mail.other.org.example.com`: only the name in
    the answer shows a client that it used the wrong zone.
    """
    if name in {"@", "@."}:
        return zone_name
    normal = ascii_name(name)
    if normal == zone_name or normal.endswith(f".{zone_name}"):
        return normal
    return ascii_name(f"{normal}.{zone_name}")


def normal_content(record_type: str, content: str, name: str) -> str:
    """Return the content in the form it is stored, or raise what the API answers."""
    if len(content.encode()) > MAX_CONTENT:
        raise errors.content_too_long()
    if record_type == "A":
        return _ipv4(content)
    if record_type == "AAAA":
        return _ipv6(content)
    if record_type in HOST_TYPES:
        return _host(record_type, content, name)
    if not content.strip():
        raise errors.invalid_content(record_type)
    return content


def _ipv4(content: str) -> str:
    try:
        return str(ipaddress.IPv4Address(content))
    except ValueError:
        raise errors.invalid_ipv4() from None


def _ipv6(content: str) -> str:
    try:
        return str(ipaddress.IPv6Address(content))
    except ValueError:
        raise errors.invalid_ipv6() from None


def _host(record_type: str, content: str, name: str) -> str:
    if record_type == "MX" and content == ".":
        return content
    try:
        host = ascii_name(content)
    except errors.ApiError:
        raise errors.invalid_content(record_type) from None
    is_address = host.replace(".", "").isdigit()
    if is_address or "*" in host or (record_type == "CNAME" and host == name):
        raise errors.invalid_content(record_type)
    return host


def check_proxied(record_type: str, content: str) -> None:
    """Refuse to proxy what cannot be: other types (9004) and addresses that are no origin (9003).

    https://developers.cloudflare.com/dns/proxy-status/
    """
    if record_type not in PROXIABLE_TYPES:
        raise errors.not_proxiable()
    if not is_proxiable(record_type, content):
        raise errors.proxied_target_refused(content)


def is_proxiable(record_type: str, content: str) -> bool:
    """Return the record's `proxiable` member says."""
    if record_type == "CNAME":
        return True
    if record_type not in PROXIABLE_TYPES:
        return False
    address = ipaddress.ip_address(content)
    return not any(
        address in network for network in _NO_ORIGIN if network.version == address.version
    )


def content_of_data(record_type: str, data: JsonObject) -> str:
    """Return the content of a record given by its components, in Cloudflare's format."""
    if record_type == "CAA":
        return f'{data.get("flags", 0)} {data.get("tag", "")} "{data.get("value", "")}"'
    if record_type == "SRV":
        target = str(data.get("target", "")).removesuffix(".") or "."
        return f"{data.get('weight', 0)} {data.get('port', 0)} {target}"
    return " ".join(str(value) for value in data.values())
