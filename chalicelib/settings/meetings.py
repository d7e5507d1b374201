"""Settings of the feature `meetings`, read only in stages that have it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from chalicelib.settings.formats import secret, tags
from chalicelib.settings.parsing import (
    Choice,
    listed,
    matching,
    minutes,
    optional,
    setting,
    settings,
    unordered,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE: Final = timedelta(minutes=1)
SHORTEST_MEETING: Final = timedelta(minutes=15)
"""From its start; until then no meeting is ended, regardless of its row."""
LONGEST_MEETING: Final = timedelta(days=1)
"""The upper limit for the longest time of a stage's meetings."""

DESKTOPS: Final = 2
"""Of a meeting: one for each role."""

# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html
_HEX = "(?:[0-9a-f]{17}|[0-9a-f]{8})"
_ORIGIN = r"(?:https://[a-z0-9.-]+|http://(?:127\.0\.0\.1|localhost))(?::[0-9]{1,5})?"
MEETING_ID: Final = "{meeting_id}"
"""What a room's address has for the meeting's id."""
_ROOM = r"https://[!-~]+"
_POLICY = r"arn:aws[a-z-]*:iam::(?:aws|[0-9]{12}):policy/[\w+=,.@/-]{1,512}"
_MOST_POLICIES = 10
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
_MOST_GROUPS = 5
_LARGEST_VOLUME = 16_384


_MOST_DESKTOPS = 10_000
_MOST_MEETINGS = 10_000
_MOST_DAYS = 3650


def _days(least: int, most: int) -> Callable[[str], timedelta]:
    """Parse a number of days from least to most."""
    parse = whole(least, most, f"{least} to {most} days")
    return lambda text: timedelta(days=parse(text))


def _kept(text: str) -> timedelta | None:
    """Parse for how long rows are kept; None for good."""
    return _days(0, _MOST_DAYS)(text) or None


def _room(text: str) -> str:
    if not re.fullmatch(_ROOM, text) or MEETING_ID not in text:
        raise ValueError(f"an https address with {MEETING_ID} in it, or empty for no room")
    return text


@settings
class MeetingsSettings:
    """The settings of a stage with meetings."""

    ami_id: str = setting(
        "AMI_ID",
        matching(f"ami-{_HEX}", "the id of the desktops' image, ami-…"),
        meaning="the id of the desktops' image",
        option="ami",
    )
    security_group_ids: tuple[str, ...] = setting(
        "SECURITY_GROUP_IDS",
        listed(
            f"sg-{_HEX}",
            f"the ids of 1 to {_MOST_GROUPS} security groups, sg-…, separated by commas",
            least=1,
            most=_MOST_GROUPS,
            repeated=True,
        ),
        meaning="the ids of the desktops' security groups, separated by commas",
        option="security-groups",
    )
    instance_type: str = setting(
        "INSTANCE_TYPE",
        matching(
            r"[a-z0-9-]{1,20}\.[a-z0-9-]{1,20}",
            "an instance type such as t3.large or g4dn.xlarge",
        ),
        "t3.large",
        meaning="the desktops' instance type",
    )
    key_name: str | None = setting(
        "KEY_NAME",
        optional(matching("[ -~]{1,255}", "the name of a key pair, or empty for none")),
        "",
        meaning="the desktops' key pair; empty for none",
    )
    vpc_id: str | None = setting(
        "VPC_ID",
        optional(
            matching(f"vpc-{_HEX}", "the id of a VPC, vpc-…, or empty for the default one"),
        ),
        "",
        meaning=(
            "the desktops' VPC; empty for the default one. They start in any of its subnets whose "
            "Availability Zone has capacity"
        ),
        option="vpc",
    )
    volume_gb: int = setting(
        "VOLUME_GB",
        whole(
            0,
            _LARGEST_VOLUME,
            f"the root volume's size in GB up to {_LARGEST_VOLUME}, or 0 for the image's own",
        ),
        "60",
        meaning="size of the root volume in GB; 0 for the image's own",
    )
    signs_in: bool = setting(
        "DESKTOP_SIGN_IN",
        Choice(
            ("dcv", "none"), "dcv", "'dcv', or 'none' if people sign in to desktops by themselves"
        ),
        "dcv",
        meaning=(
            "'dcv': a join link opens the desktop without another password; 'none': the desktops "
            "have a log-in of their own"
        ),
    )
    room_url: str | None = setting(
        "ROOM_URL",
        optional(_room),
        "",
        meaning=(
            "where a meeting's people talk, such as https://meet.example.com/{meeting_id}; empty "
            "for no room"
        ),
    )
    certificate_secret: str | None = setting(
        "CERTIFICATE_SECRET",
        optional(secret),
        "",
        meaning=(
            "the secret with the desktops' certificate, see `elephant certificate`; empty for "
            "elephant/NAME/dcv"
        ),
    )
    desktop_policy_arns: tuple[str, ...] = setting(
        "DESKTOP_POLICY_ARNS",
        listed(
            _POLICY,
            f"the ARNs of up to {_MOST_POLICIES} IAM policies, separated by commas",
            most=_MOST_POLICIES,
        ),
        "",
        meaning="IAM policies that desktops have besides Elephant's own, separated by commas",
    )
    desktop_tags: tuple[tuple[str, str], ...] = setting(
        "DESKTOP_TAGS",
        tags,
        "",
        meaning="the stage's own tags, for its desktops; written by --tag and --untag",
        option="",
    )
    allowed_origins: frozenset[str] = setting(
        "ALLOWED_ORIGINS",
        unordered(
            listed(
                _ORIGIN,
                "origins such as https://app.example.com, separated by commas and without a path",
                repeated=True,
            )
        ),
        "",
        meaning="origins of front ends in browsers, separated by commas",
    )
    requires_join_keys: bool = setting(
        "JOIN_KEYS",
        Choice(("required", "off"), "required", "'required', or 'off' for links without a key"),
        "required",
        meaning="whether join links have keys; 'off' for links without",
    )
    longest: timedelta = setting(
        "MAX_MEETING_MINUTES",
        minutes(
            SHORTEST_MEETING // MINUTE, LONGEST_MEETING // MINUTE, "minutes from a meeting's start"
        ),
        "180",
        meaning="this many minutes after its start a meeting is ended, even if people are in it",
    )
    days_ahead: timedelta = setting(
        "MAX_DAYS_AHEAD",
        _days(1, 366),
        "366",
        meaning="how many days ahead a meeting may be scheduled",
    )
    max_desktops: int = setting(
        "MAX_DESKTOPS",
        whole(DESKTOPS, _MOST_DESKTOPS, f"{DESKTOPS} to {_MOST_DESKTOPS} desktops"),
        "100",
        meaning="how many desktops may run at the same time, two for each meeting",
    )
    meetings_a_day: int = setting(
        "MAX_MEETINGS_A_DAY",
        whole(1, _MOST_MEETINGS, f"1 to {_MOST_MEETINGS} meetings"),
        "500",
        meaning="how many meetings may start on the same day (UTC)",
    )
    key_meetings_a_day: int = setting(
        "KEY_MEETINGS_A_DAY",
        whole(1, _MOST_MEETINGS, f"1 to {_MOST_MEETINGS} meetings"),
        "100",
        meaning="how many of them may be scheduled by the same key",
    )
    key_meetings_at_once: int = setting(
        "KEY_MEETINGS_AT_ONCE",
        whole(1, _MOST_MEETINGS, f"1 to {_MOST_MEETINGS} meetings"),
        "25",
        meaning="how many meetings of the same key may take place at the same time",
    )
    kept: timedelta | None = setting(
        "ROW_DAYS",
        _kept,
        "90",
        meaning="how many days after its end a meeting's row is removed; 0 to keep it for good",
    )
