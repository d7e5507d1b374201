"""Settings of a stage: environment variables, validated once, immutable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from chalicelib.settings.formats import (
    AUTOMATIC_TTL,
    CLOUDFLARE_API,
    LOOPBACK,
    api_url,
    domain,
    proxied_port,
    schedule,
    secret,
    tag,
    time_to_live,
)
from chalicelib.settings.parsing import (
    Choice,
    Reader,
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
    from collections.abc import Mapping
    from datetime import timedelta

    from chalicelib.settings.meetings import MeetingsSettings
    from chalicelib.settings.notifications import NotificationsSettings

FEATURES: Final = ("meetings", "notifications")
"""Optional features besides the watchdog and the sweep."""

TABLE_NAME: Final = "elephant-meetings"
"""The default table."""

_LAST_PORT = 65535
# https://developers.cloudflare.com/dns/manage-dns-records/how-to/batch-record-changes/
_LARGEST_BATCH = 3500
_LARGEST_NUMBER = 999_999_999


def settings_of(feature: str) -> type[MeetingsSettings | NotificationsSettings]:
    """Return the class of a feature's settings; it is not loaded in stages without the feature."""
    if feature == "meetings":
        from chalicelib.settings.meetings import MeetingsSettings  # noqa: PLC0415

        return MeetingsSettings
    from chalicelib.settings.notifications import NotificationsSettings  # noqa: PLC0415

    return NotificationsSettings


class SettingsError(Exception):
    """One or more settings are missing or wrong; the message names all of them."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        lines = "".join(f"\n  - {problem}" for problem in problems)
        count = "1 setting" if len(problems) == 1 else f"{len(problems)} settings"
        super().__init__(
            f"{count} of this stage missing or wrong "
            f"(environment_variables in .chalice/config.json):{lines}"
        )


@settings
class Settings:
    """The settings of a stage; docs/settings.md is generated from them."""

    domain_root: str = setting(
        "DOMAIN_ROOT", domain, meaning="the domain under which instances get their names"
    )
    zone_id: str = setting(
        "ZONE_ID",
        matching(
            "[0-9a-f]{32}",
            "the zone's id, 32 characters of 0-9 and a-f, from the zone's overview page at "
            "Cloudflare",
        ),
        meaning=(
            "the id of the zone that contains the domain. A new stage looks it up if "
            "CLOUDFLARE_API_TOKEN is set"
        ),
    )
    secret_id: str = setting(
        "SECRET_ARN",
        secret,
        meaning=(
            "name or ARN of the secret that holds the Cloudflare token. A new stage gets "
            "elephant/NAME/cloudflare"
        ),
        option="secret",
    )
    owner: str = setting(
        "OWNER",
        matching(
            "elephant:[!-~]{1,55}",
            "one word beginning with 'elephant:', at most 64 characters, that no other deployment "
            "in the zone has, such as 'elephant:prod/us-west-2'",
        ),
        meaning=(
            "marks our records: one word beginning with 'elephant:', unique for a deployment "
            "within the zone. A new stage gets elephant:NAME/ACCOUNT/REGION"
        ),
    )
    table_name: str | None = setting(
        "TABLE_NAME",
        optional(
            matching("[A-Za-z0-9_.-]{3,255}", "the name of a DynamoDB table, or empty for DNS only")
        ),
        TABLE_NAME,
        meaning=("the meetings table; empty for DNS only. A new stage gets elephant-NAME-meetings"),
        option="table",
    )
    project_tag: tuple[str, str] = setting(
        "PROJECT_TAG",
        tag,
        "Project=Elephant",
        meaning="the tag that makes an instance ours, Key=Value",
    )
    proxied: bool = setting(
        "PROXIED",
        Choice(("true", "false"), "true", "'true' or 'false'"),
        "true",
        meaning="whether Cloudflare proxies the records",
    )
    dcv_port: int = setting(
        "DCV_PORT",
        whole(1, _LAST_PORT, f"a port from 1 to {_LAST_PORT}"),
        "8443",
        meaning="the port in the links; if proxied, it must be one that Cloudflare proxies",
        while_proxied=proxied_port,
    )
    ttl: int = setting(
        "TTL",
        time_to_live,
        str(AUTOMATIC_TTL),
        meaning=(
            "the records' TTL in seconds; 1 for automatic, the only value for proxied records"
        ),
        while_proxied=whole(
            AUTOMATIC_TTL,
            AUTOMATIC_TTL,
            "1 (automatic), as for every proxied record, or PROXIED must be 'false'",
        ),
    )
    event_tags_required: bool = setting(
        "EVENT_TAGS",
        Choice(
            ("optional", "required"),
            "required",
            "'optional', or 'required' for a bus whose events carry tags",
        ),
        "optional",
        meaning="'required' for an event bus whose events carry tags",
    )
    sweep_schedule: str = setting(
        "SWEEP_SCHEDULE",
        schedule,
        "rate(1 minute)",
        meaning=(
            "when the sweep runs, 'rate(…)' or 'cron(…)': at least every 15 minutes, or the alarm "
            "sweep-stopped fires"
        ),
    )
    batch_size: int = setting(
        "SWEEP_BATCH_SIZE",
        whole(
            1,
            _LARGEST_BATCH,
            f"1 to {_LARGEST_BATCH} changes in one call: 200 on Cloudflare's free plan",
        ),
        "200",
        meaning=(
            "changes in one call to Cloudflare: the free plan accepts 200, paid plans "
            f"{_LARGEST_BATCH}"
        ),
    )
    delete_limit: int = setting(
        "SWEEP_DELETE_LIMIT",
        whole(
            1,
            _LARGEST_NUMBER,
            "the number of records, 1 or more, that sweeps may delete without proof in a day",
        ),
        "10",
        meaning=(
            "sweeps hold back deletions without proof beyond this number in a day, if they are "
            "also beyond SWEEP_DELETE_PERCENT"
        ),
    )
    delete_percent: int = setting(
        "SWEEP_DELETE_PERCENT",
        whole(
            1,
            100,
            "the percentage of our records, 1 to 100, that sweeps may delete without proof in a "
            "day",
        ),
        "30",
        meaning=(
            "sweeps hold back deletions without proof beyond this percentage of our records in a "
            "day, if they are also beyond SWEEP_DELETE_LIMIT"
        ),
    )
    grace: timedelta = setting(
        "GRACE_MINUTES",
        minutes(1, 1440),
        "10",
        meaning=(
            "a record younger than this many minutes is left alone while EC2 does not know its "
            "instance"
        ),
    )
    cloudflare_api_url: str = setting(
        "CLOUDFLARE_API_URL",
        api_url,
        CLOUDFLARE_API,
        meaning=(
            "the API's address; one on this machine makes the stage local. A new stage gets "
            "CLOUDFLARE_BASE_URL if that is set"
        ),
    )
    features: frozenset[str] = setting(
        "FEATURES",
        unordered(
            listed(
                "|".join(FEATURES),
                f"a list of features, separated by commas: {', '.join(FEATURES)}",
                repeated=True,
            )
        ),
        "",
        meaning=(
            f"{', '.join(FEATURES)} or both, separated by a comma; --with adds one, --without "
            "removes one"
        ),
        option="",
    )
    meetings: MeetingsSettings | None = None
    notifications: NotificationsSettings | None = None

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings from environment variables.

        Raises SettingsError naming each variable that is missing or wrong, its value, and what
        it should be.
        """
        reader = Reader(environment)
        values = reader.values(cls)
        wanted = values["features"] or ()
        values |= {each: reader.read(settings_of(each)) for each in FEATURES if each in wanted}
        stage = cls(**values)
        if stage.meetings and not environment.get("TABLE_NAME", TABLE_NAME):
            reader.problems.append("TABLE_NAME is ''; the feature 'meetings' needs a table")
        if reader.problems:
            raise SettingsError(reader.problems)
        return stage

    @property
    def is_local(self) -> bool:
        """Whether its Cloudflare is a stand-in on this machine, so the stage is not on AWS."""
        return urlsplit(self.cloudflare_api_url).hostname in LOOPBACK

    @property
    def invites(self) -> bool:
        """Whether the people of its meetings get e-mails."""
        return bool(self.meetings and self.notifications and self.notifications.invitations)

    def record_name(self, instance_id: str) -> str:
        """Return the name of the instance's DNS record."""
        return f"{instance_id}.{self.domain_root}"

    def link(self, instance_id: str) -> str:
        """Return the address that people get."""
        return f"https://{self.record_name(instance_id)}:{self.dcv_port}"
