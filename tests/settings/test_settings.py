"""A stage's settings are checked once, before its first event, and every problem is named."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.settings.formats import AUTOMATIC_TTL, CLOUDFLARE_API, PROXIED_HTTPS_PORTS
from chalicelib.settings.meetings import MeetingsSettings
from chalicelib.settings.notifications import NotificationsSettings
from chalicelib.settings.parsing import declared
from chalicelib.settings.stage import (
    FEATURES,
    Settings,
    SettingsError,
    settings_of,
)

INSTANCE = "i-0123456789abcdef0"
REQUIRED = {
    "DOMAIN_ROOT": "desktops.example.com",
    "ZONE_ID": "0123456789abcdef0123456789abcdef",
    "SECRET_ARN": "prod/elephant/cloudflare",
    "OWNER": "elephant:prod/us-west-2",
}
MEETINGS = {
    "FEATURES": "meetings",
    "AMI_ID": "ami-0123456789abcdef0",
    "SECURITY_GROUP_IDS": "sg-0123456789abcdef0,sg-01234567",
}
NOTIFICATIONS = {
    "FEATURES": "notifications",
    "MAIL_FROM": "elephant@example.com",
    "MAIL_TO": "ops@example.com",
}
WHOLE = REQUIRED | MEETINGS | NOTIFICATIONS | {"FEATURES": "meetings, notifications"}
"""A stage with every feature."""

DECLARED = [Settings, *map(settings_of, FEATURES)]
LONGEST_LABEL = "a" * 63
LONGEST_DOMAIN = f"{LONGEST_LABEL}.{LONGEST_LABEL}.{LONGEST_LABEL}.{'b' * 37}.com"
FIFTY = tuple(f"ops{number}@example.com" for number in range(50))


def parse(**variables: str) -> Settings:
    """Parse the settings of a stage with every feature and these variables."""
    return Settings.parse(WHOLE | variables)


def problems(environment: dict[str, str]) -> list[str]:
    """Return what is said of settings that are not accepted."""
    with pytest.raises(SettingsError) as caught:
        Settings.parse(environment)
    return caught.value.problems


def value_of(settings: Settings, variable: str) -> object:
    """Return what was read from a variable."""
    for part in (settings, settings.meetings, settings.notifications):
        for field, setting in declared(type(part)).items():
            if setting.variable == variable:
                return getattr(part, field)
    raise LookupError(variable)


# What a stage has


def test_what_is_required_is_enough() -> None:
    assert asdict(Settings.parse(REQUIRED)) == {
        "domain_root": "desktops.example.com",
        "zone_id": "0123456789abcdef0123456789abcdef",
        "secret_id": "prod/elephant/cloudflare",
        "owner": "elephant:prod/us-west-2",
        "table_name": "elephant-meetings",
        "project_tag": ("Project", "Elephant"),
        "dcv_port": 8443,
        "proxied": True,
        "ttl": 1,
        "event_tags_required": False,
        "sweep_schedule": "rate(1 minute)",
        "batch_size": 200,
        "delete_limit": 10,
        "delete_percent": 30,
        "grace": timedelta(minutes=10),
        "cloudflare_api_url": "https://api.cloudflare.com/client/v4",
        "features": frozenset(),
        "meetings": None,
        "notifications": None,
    }


def test_what_meetings_require_is_enough() -> None:
    settings = Settings.parse(REQUIRED | MEETINGS)

    assert settings.features == {"meetings"}
    assert settings.notifications is None
    assert settings.meetings == MeetingsSettings(
        ami_id="ami-0123456789abcdef0",
        security_group_ids=("sg-0123456789abcdef0", "sg-01234567"),
        instance_type="t3.large",
        key_name=None,
        vpc_id=None,
        volume_gb=60,
        desktop_tags=(),
        allowed_origins=frozenset(),
        requires_join_keys=True,
        signs_in=True,
        room_url=None,
        certificate_secret=None,
        desktop_policy_arns=(),
        longest=timedelta(hours=3),
        days_ahead=timedelta(days=366),
        max_desktops=100,
        meetings_a_day=500,
        key_meetings_a_day=100,
        key_meetings_at_once=25,
        kept=timedelta(days=90),
    )


def test_what_notifications_require_is_enough_and_they_need_no_table() -> None:
    settings = Settings.parse(REQUIRED | NOTIFICATIONS | {"TABLE_NAME": ""})

    assert settings.features == {"notifications"}
    assert settings.meetings is None
    assert settings.notifications == NotificationsSettings(
        mail_from="elephant@example.com",
        mail_to=("ops@example.com",),
        groups=(),
        reports_every_cause=False,
        applications=(),
        deployment_states=("SUCCESS",),
        address_patience=timedelta(minutes=10),
        invitations=True,
    )
    assert not settings.invites  # without meetings there are none
    assert settings.notifications.mail_domain == "example.com"


def test_variables_of_features_that_are_off_and_unknown_ones_are_not_read() -> None:
    strange = {"AMI_ID": "?", "MAX_MEETING_MINUTES": "-1", "MAIL_FROM": "?", "UNRELATED": "?"}

    assert Settings.parse(REQUIRED | strange) == Settings.parse(REQUIRED)


def test_settings_cannot_be_changed() -> None:
    for part in (parse(), parse().meetings, parse().notifications):
        for field in declared(type(part)):
            with pytest.raises(FrozenInstanceError):
                setattr(part, field, "changed")


def test_an_instances_name_and_link_follow_from_domain_and_port() -> None:
    settings = parse(DOMAIN_ROOT="vm.example.org", DCV_PORT="443")

    assert settings.record_name(INSTANCE) == "i-0123456789abcdef0.vm.example.org"
    assert settings.link(INSTANCE) == "https://i-0123456789abcdef0.vm.example.org:443"


@pytest.mark.parametrize(
    ("url", "local"),
    [
        (CLOUDFLARE_API, False),
        ("https://localhost.example.com", False),
        ("http://127.0.0.1:5001/client/v4", True),
        ("http://[::1]:5001", True),
    ],
)
def test_a_stage_is_local_if_its_cloudflare_is_on_this_machine(url: str, *, local: bool) -> None:
    assert parse(CLOUDFLARE_API_URL=url).is_local is local


# What is wrong


def test_all_problems_are_reported_in_one_error() -> None:
    variables = {each.variable: each for kind in DECLARED for each in declared(kind).values()}
    wrong = dict.fromkeys(variables, "wrong\n!") | {"FEATURES": "meetings,notifications"}

    with pytest.raises(SettingsError) as caught:
        Settings.parse({name: value for name, value in wrong.items() if name not in REQUIRED})

    heading, *lines = str(caught.value).splitlines()
    assert heading == (
        "44 settings of this stage missing or wrong "
        "(environment_variables in .chalice/config.json):"
    )
    assert lines == [f"  - {problem}" for problem in caught.value.problems]
    assert [line.split()[1] for line in lines] == [each for each in variables if each != "FEATURES"]


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "FEATURES"])
def test_a_required_variable_that_is_missing_or_empty_is_named(name: str) -> None:
    missing = {key: value for key, value in WHOLE.items() if key != name}

    assert problems(missing) == [f"{name} is missing; it is required"]
    (problem,) = problems(missing | {name: ""})
    assert problem.startswith(f"{name} is ''; it must be ")


def test_a_wrong_proxied_is_not_blamed_on_port_and_ttl() -> None:
    (problem,) = problems(WHOLE | {"PROXIED": "no", "DCV_PORT": "22", "TTL": "300"})

    assert problem.startswith("PROXIED is 'no'")


def test_meetings_need_a_table() -> None:
    assert problems(WHOLE | {"TABLE_NAME": ""}) == [
        "TABLE_NAME is ''; the feature 'meetings' needs a table"
    ]


# What each variable takes

UNPROXIED = {"PROXIED": "false"}
UNCHANGED = {
    "DOMAIN_ROOT": ["example.com", "a.b", "dcv-1.example.co.uk", LONGEST_DOMAIN],
    "ZONE_ID": ["f" * 32],
    "SECRET_ARN": ["a/b_c+d=e.f@g-h!", "x" * 2048, "arn:aws:secretsmanager:a:1:secret:x-y"],
    "OWNER": ["elephant:x", "elephant:!~", "elephant:" + "x" * 55],
    "TABLE_NAME": ["abc", "A-z_0.9", "x" * 255],
    "SWEEP_SCHEDULE": [
        *("rate(1 minute)", "rate(10 minutes)", "rate(1 hour)", "rate(12 hours)", "rate(1 day)"),
        *("cron(* * * * ? *)", "cron(0 0 ? * 3#2 *)", "cron(0/15 8-17 ? * MON-FRI *)"),
    ],
    "AMI_ID": ["ami-01234567"],
    "INSTANCE_TYPE": ["g4dn.xlarge"],
    "KEY_NAME": ["my key"],
    "VPC_ID": ["vpc-01234567"],
    "MAIL_FROM": ["alerts+prod@mail.example.co.uk"],
}
NUMBERS = {
    "DCV_PORT": [443, 2053, 2083, 2087, 2096, 8443],
    "TTL": [1],
    "SWEEP_BATCH_SIZE": [1, 3500],
    "SWEEP_DELETE_LIMIT": [1, 999_999_999],
    "SWEEP_DELETE_PERCENT": [1, 100],
    "VOLUME_GB": [0, 16_384],
}
MINUTES = {"GRACE_MINUTES": 1, "MAX_MEETING_MINUTES": 15, "ADDRESS_MINUTES": 1}
"""The least; the most is a day."""

ACCEPTED = [
    *((name, text, text) for name, texts in UNCHANGED.items() for text in texts),
    *((name, str(number), number) for name, found in NUMBERS.items() for number in found),
    *((name, str(least), timedelta(minutes=least)) for name, least in MINUTES.items()),
    *((name, "1440", timedelta(days=1)) for name in MINUTES),
    ("PROJECT_TAG", "a==", ("a", "=")),
    ("PROJECT_TAG", "Cost Centre=4 2", ("Cost Centre", "4 2")),
    ("PROJECT_TAG", f"{'k' * 128}={'v' * 256}", ("k" * 128, "v" * 256)),
    ("PROXIED", "true", True),
    ("PROXIED", "false", False),
    ("EVENT_TAGS", "optional", False),
    ("EVENT_TAGS", "required", True),
    ("CLOUDFLARE_API_URL", "https://example.com/client/v4//", "https://example.com/client/v4"),
    ("CLOUDFLARE_API_URL", "http://localhost", "http://localhost"),
    ("CLOUDFLARE_API_URL", "http://127.0.0.1:5001/v4", "http://127.0.0.1:5001/v4"),
    ("CLOUDFLARE_API_URL", "http://[::1]:5001/v4/", "http://[::1]:5001/v4"),
    ("FEATURES", "notifications , meetings", {"meetings", "notifications"}),
    ("SECURITY_GROUP_IDS", "sg-01234567, sg-01234567", ("sg-01234567", "sg-01234567")),
    ("KEY_NAME", "", None),
    ("VPC_ID", "", None),
    ("DESKTOP_TAGS", "Cost.Center=4 2=a,Team=Ä", (("Cost.Center", "4 2=a"), ("Team", "Ä"))),
    (
        "ALLOWED_ORIGINS",
        "https://a.b:443,http://127.0.0.1",
        {"https://a.b:443", "http://127.0.0.1"},
    ),
    ("ALLOWED_ORIGINS", "http://localhost:5173", {"http://localhost:5173"}),
    ("JOIN_KEYS", "required", True),
    ("JOIN_KEYS", "off", False),
    ("MAIL_TO", ",".join(FIFTY), FIFTY),
    ("AUTO_SCALING_GROUPS", "web, Workers (blue)/1", ("web", "Workers (blue)/1")),
    ("TERMINATION_CAUSES", "health-checks", False),
    ("TERMINATION_CAUSES", "all", True),
    ("CODEDEPLOY_APPLICATIONS", "shop, shop-api", ("shop", "shop-api")),
    ("DEPLOYMENT_STATES", "FAILURE, SUCCESS", ("FAILURE", "SUCCESS")),
]
ACCEPTED_UNPROXIED = [
    *(("DCV_PORT", str(port), port) for port in (1, 22, 8444, 65535)),
    *(("TTL", str(ttl), ttl) for ttl in (1, 30, 120, 86400)),
]


@pytest.mark.parametrize(
    ("others", "variable", "text", "value"),
    [({}, *case) for case in ACCEPTED] + [(UNPROXIED, *case) for case in ACCEPTED_UNPROXIED],
)
def test_what_can_be_used_is_accepted(
    others: dict[str, str], variable: str, text: str, value: object
) -> None:
    assert value_of(parse(**others, **{variable: text}), variable) == value


ADDRESSES = "1 to 50 e-mail addresses, separated by commas"
GROUPS = "names of Auto Scaling groups, separated by commas; empty for none"
STATES = "SUCCESS, FAILURE, or both, separated by a comma"
REFUSED: dict[tuple[str, str], list[str]] = {
    ("DOMAIN_ROOT", "a domain in lower case, without scheme, port or final dot: "): [
        *("localhost", "Example.com", "https://example.com", "example.com:8443", "example.com."),
        *("*.example.com", "a..example.com", "-a.example.com", "a-.example.com", "bücher.example"),
        *(" example.com", "example.com\n", f"a{LONGEST_LABEL}.com"),
    ],
    ("DOMAIN_ROOT", "at most 233 characters, so that an instance's name fits"): [
        LONGEST_DOMAIN.replace("b.com", "bb.com")
    ],
    ("ZONE_ID", "the zone's id, 32 characters of 0-9 and a-f, from the zone's overview page"): [
        *("0" * 31, "0" * 33, "A" * 32, f" {'0' * 32}", f"{'0' * 32}\n")
    ],
    ("SECRET_ARN", "the name or the ARN of a secret in Secrets Manager"): [
        *("my secret", "secret\n", "sécret", "x" * 2049)
    ],
    ("OWNER", "one word beginning with 'elephant:', at most 64 characters, that no other"): [
        *("elephant:", "elephant:two words", "elephant:x\n", "elephant:é", "elephant:\x7f"),
        *("Elephant:x", "xelephant:x", "elephant:" + "x" * 56),
    ],
    ("TABLE_NAME", "the name of a DynamoDB table, or empty for DNS only"): [
        *("ab", "x" * 256, "my table", "abc\n")
    ],
    ("PROJECT_TAG", "a tag's key and value joined by '=', such as 'Project=Elephant'"): [
        *("", "Project", "Project=", "=Elephant", f"{'k' * 129}=v", f"k={'v' * 257}")
    ],
    ("PROJECT_TAG", "a tag's key and value without spaces around them: 'Project=Elephant'"): [
        *(" Project=Elephant", "Project=Elephant\n", "Project =Elephant")
    ],
    ("DCV_PORT", "a port that Cloudflare proxies (443, 2053, 2083, 2087, 2096, 8443), or PROX"): [
        *("8444", "22", "", "https", "-443", "443.0")
    ],
    ("PROXIED", "'true' or 'false'"): ["", "True", "true "],
    # Cloudflare would store 1 instead, and every later look would find it to be wrong.
    ("TTL", "1 (automatic), as for every proxied record, or PROXIED must be 'false'"): [
        *("0", "30", "86400", "auto")
    ],
    ("EVENT_TAGS", "'optional', or 'required' for a bus whose events carry tags"): ["", "Required"],
    ("SWEEP_SCHEDULE", "a recurring EventBridge schedule: 'rate(1 minute)', 'rate(5 minutes)' "): [
        *("", "rate(1 minutes)", "rate(2 minute)", "rate(0 minutes)", "rate(01 minute)"),
        *("rate(1.5 minutes)", "rate(30 seconds)", "rate(² minutes)", "rate(5  minutes)"),
        *("rate(30 days)", "rate(100 hours)", "rate(5 minutes)\n", "Rate(5 minutes)", "5 minutes"),
        *("cron(0 0 31 2 ? *)", "cron(0 0 * * ? 2026)", "cron(* * * * ?)", "cron(* * * * ? * *)"),
        *("cron(* * * * * *)", "cron(* * ? * ? *)", "cron(? * * * ? *)", "cron(0 12 * * ? *"),
    ],
    ("SWEEP_BATCH_SIZE", "1 to 3500 changes in one call: 200 on Cloudflare's free plan"): [
        *("0", "3501", "", "2e2")
    ],
    ("SWEEP_DELETE_LIMIT", "the number of records, 1 or more, that sweeps may delete without"): [
        *("0", "1000000000", "none")
    ],
    ("SWEEP_DELETE_PERCENT", "the percentage of our records, 1 to 100, that sweeps may delete"): [
        *("0", "101", "30%")
    ],
    ("GRACE_MINUTES", "1 to 1440 minutes"): ["0", "1441", "10m"],
    ("CLOUDFLARE_API_URL", f"an https address such as {CLOUDFLARE_API}"): [
        *("", "api.cloudflare.com/client/v4", "https:///client/v4", "//localhost"),
        *("https://api.example.com/v4?x=1", "https://api.example.com/v4#x", "ftp://localhost"),
        # the token is never sent in clear beyond this machine
        *("http://api.cloudflare.com/client/v4", "http://127.0.0.2", "http://0.0.0.0"),
        *("http://localhost.example.com", "http://127.0.0.1@example.com"),
        # no request could be made to these
        *(" https://api.example.com", "https://example.com/v4\n", "https://api.exam\tple.com"),
        *("https://api.example.com:port", "https://[api.example.com", "https://example.com:65536"),
    ],
    ("FEATURES", "a list of features, separated by commas: meetings, notifications"): [
        *("meeting", "meetings,", "meetings;notifications")
    ],
    ("AMI_ID", "the id of the desktops' image, ami-…"): ["ami-1"],
    ("SECURITY_GROUP_IDS", "the ids of 1 to 5 security groups, sg-…, separated by commas"): [
        *("sg-01234567,", ",".join(["sg-01234567"] * 6))
    ],
    ("INSTANCE_TYPE", "an instance type such as t3.large or g4dn.xlarge"): ["large"],
    ("KEY_NAME", "the name of a key pair, or empty for none"): ["two\nlines", "ключ"],
    ("VPC_ID", "the id of a VPC, vpc-…, or empty for the default one"): ["default"],
    (
        "DESKTOP_TAGS",
        "up to 40 tags of at most 1500 characters together, whose keys desktops can",
    ): [
        *("a", "a=", "=b", "a b=c", "a/b=c", ".=a", "..=a", "_index=a", "a=b,", "a=b\tc", "é=a"),
        *(",".join(f"{key}=a" for key in range(41)), f"a={'b' * 257}"),
        ",".join(f"{key}={'a' * 200}" for key in range(8)),
    ],
    ("VOLUME_GB", "the root volume's size in GB up to 16384, or 0 for the image's own"): ["16385"],
    ("ALLOWED_ORIGINS", "origins such as https://app.example.com, separated by commas and"): [
        *("*", "https://app.example.com/", "http://app.example.com", "https://app.example.com,")
    ],
    ("JOIN_KEYS", "'required', or 'off' for links without a key"): ["on"],
    ("MAX_MEETING_MINUTES", "15 to 1440 minutes from a meeting's start"): ["14", "1441"],
    ("MAIL_FROM", "the sender's e-mail address, such as elephant@example.com"): [
        *("ops", "@example.com", "ops@localhost", "ops@-example.com", "o..ps@example.com"),
        *("öps@example.com", "Ops <ops@example.com>", "ops@example.com\n"),
        *(f"{'o' * 65}@example.com", f"ops@{'a.' * 130}example.com"),
    ],
    ("MAIL_TO", ADDRESSES): ["ops@example.com,", ",".join((*FIFTY, "one.more@example.com"))],
    ("MAIL_TO", f"{ADDRESSES}, each once"): ["ops@example.com, ops@example.com"],
    ("AUTO_SCALING_GROUPS", GROUPS): ["web,,workers", "a:b"],
    ("AUTO_SCALING_GROUPS", f"{GROUPS}, each once"): ["web,web"],
    ("TERMINATION_CAUSES", "'health-checks', or 'all' for every termination by a group"): ["some"],
    ("CODEDEPLOY_APPLICATIONS", "names of CodeDeploy applications, separated by commas; empty"): [
        *("shop,", "s" * 101)
    ],
    ("DEPLOYMENT_STATES", STATES): ["", "success"],
    ("DEPLOYMENT_STATES", f"{STATES}, each once"): ["SUCCESS,SUCCESS"],
    ("ADDRESS_MINUTES", "1 to 1440 minutes"): ["0", "1441"],
}
REFUSED_UNPROXIED = {
    ("DCV_PORT", "a port from 1 to 65535"): ["0", "65536", "8443 ", "+8443", "8_443", "٨٤٤٣", "²"],
    ("TTL", "1 (automatic) or 30 to 86400 seconds"): ["0", "2", "29", "86401", "60s", "٦٠"],
}


@pytest.mark.parametrize(
    ("others", "variable", "remedy", "text"),
    [
        ({} if cases is REFUSED else UNPROXIED, *rule, text)
        for cases in (REFUSED, REFUSED_UNPROXIED)
        for rule, texts in cases.items()
        for text in texts
    ],
)
def test_what_cannot_be_used_is_refused_with_its_value_and_the_remedy(
    others: dict[str, str], variable: str, remedy: str, text: str
) -> None:
    (problem,) = problems(WHOLE | others | {variable: text})
    assert problem.startswith(f"{variable} is {text!r}; it must be {remedy}")


# Any text


def anything_like(*examples: str) -> st.SearchStrategy[str]:
    """Make text: any, or one of the examples with something before, in or after it."""
    near = st.builds(
        lambda value, at, more: value[:at] + more + value[at:],
        st.sampled_from(examples),
        st.integers(0, 40),
        st.text(max_size=3),
    )
    return st.one_of(st.text(), near)


NEAR: dict[str, Any] = {
    name: anything_like(*(text for variable, text, _ in ACCEPTED if variable == name))
    for name in sorted({variable for variable, _, _ in ACCEPTED} - {"FEATURES"})
}


@given(
    st.sampled_from([*NEAR]).flatmap(lambda name: st.tuples(st.just(name), NEAR[name])),
    st.sampled_from(["true", "false"]),
)
def test_any_text_is_refused_by_name_or_makes_names_and_links_that_hold(
    variable: tuple[str, str], proxied: str
) -> None:
    name, value = variable
    try:
        settings = parse(**{"PROXIED": proxied} | {name: value})
    except SettingsError as error:
        (problem,) = error.problems
        assert problem.startswith(f"{name} is {value!r}; ")
        return

    link = urlsplit(settings.link(INSTANCE))
    assert link.hostname == settings.record_name(INSTANCE)
    assert len(settings.record_name(INSTANCE)) <= 253
    assert link.port == settings.dcv_port
    if settings.proxied:
        assert settings.dcv_port in PROXIED_HTTPS_PORTS
        assert settings.ttl == AUTOMATIC_TTL
    assert settings.ttl == AUTOMATIC_TTL or 30 <= settings.ttl <= 86400
    assert settings.owner.startswith("elephant:")
    assert settings.owner.split() == [settings.owner]
    assert all(settings.project_tag)
    assert 1 <= settings.batch_size <= 3500
    assert settings.delete_limit >= 1
    assert 1 <= settings.delete_percent <= 100
    assert timedelta(minutes=1) <= settings.grace <= timedelta(days=1)
    if settings.sweep_schedule.startswith("rate"):
        number, unit = settings.sweep_schedule[5:-1].split(" ")
        assert (int(number) > 1) is unit.endswith("s")
    else:
        assert len(settings.sweep_schedule.split(" ")) == 6
    url = settings.cloudflare_api_url
    assert "".join(url.split()) == url.rstrip("/") == url
    host = urlsplit(url).hostname
    assert url.startswith("https:") or host in {"127.0.0.1", "localhost", "::1"}
