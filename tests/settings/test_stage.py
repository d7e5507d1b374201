"""A stage's settings are checked once, before its first event, and every problem is named."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.settings.stage import (
    AUTOMATIC_TTL,
    CLOUDFLARE_API,
    PROXIED_HTTPS_PORTS,
    Settings,
    SettingsError,
)

INSTANCE = "i-0123456789abcdef0"
REQUIRED = {
    "DOMAIN_ROOT": "desktops.example.com",
    "ZONE_ID": "0123456789abcdef0123456789abcdef",
    "SECRET_ARN": "prod/elephant/cloudflare",
    "OWNER": "elephant:prod/us-west-2",
}
OPTIONAL = (
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
)
LONGEST_LABEL = "a" * 63
LONGEST_DOMAIN = f"{LONGEST_LABEL}.{LONGEST_LABEL}.{LONGEST_LABEL}.{'b' * 37}.com"


def parse(**variables: str) -> Settings:
    """Parse the required settings and these."""
    return Settings.parse(REQUIRED | variables)


def problems(**variables: str) -> list[str]:
    """Return what is said of settings that are not accepted."""
    with pytest.raises(SettingsError) as caught:
        parse(**variables)
    return caught.value.problems


def assert_refused(name: str, value: str, remedy: str, **others: str) -> None:
    """Check that the one problem names the variable, its value and the remedy."""
    (problem,) = problems(**{name: value}, **others)
    assert problem.startswith(f"{name} is {value!r}; it must be {remedy}")


def test_what_is_required_is_enough() -> None:
    assert Settings.parse(REQUIRED) == Settings(
        domain_root="desktops.example.com",
        zone_id="0123456789abcdef0123456789abcdef",
        secret_id="prod/elephant/cloudflare",
        owner="elephant:prod/us-west-2",
        table_name="elephant-meetings",
        project_tag=("Project", "Elephant"),
        dcv_port=8443,
        proxied=True,
        ttl=1,
        event_tags_required=False,
        sweep_schedule="rate(1 minute)",
        batch_size=200,
        delete_limit=10,
        delete_percent=30,
        grace=timedelta(minutes=10),
        cloudflare_api_url="https://api.cloudflare.com/client/v4",
        features=frozenset(),
    )


def test_every_variable_is_read() -> None:
    assert Settings.parse(
        {
            "DOMAIN_ROOT": "vm.example.org",
            "ZONE_ID": "f" * 32,
            "SECRET_ARN": "arn:aws:secretsmanager:us-west-2:123456789012:secret:cf-AbCdEf",
            "OWNER": "elephant:dev",
            "TABLE_NAME": "meetings.dev_1",
            "PROJECT_TAG": "Team=Blue=Sky",
            "DCV_PORT": "443",
            "PROXIED": "false",
            "TTL": "120",
            "EVENT_TAGS": "required",
            "SWEEP_SCHEDULE": "cron(0/5 * * * ? *)",
            "SWEEP_BATCH_SIZE": "3500",
            "SWEEP_DELETE_LIMIT": "1",
            "SWEEP_DELETE_PERCENT": "100",
            "GRACE_MINUTES": "120",
            "CLOUDFLARE_API_URL": "http://127.0.0.1:8080/client/v4/",
            "UNRELATED": "is passed over",
        }
    ) == Settings(
        domain_root="vm.example.org",
        zone_id="f" * 32,
        secret_id="arn:aws:secretsmanager:us-west-2:123456789012:secret:cf-AbCdEf",
        owner="elephant:dev",
        table_name="meetings.dev_1",
        project_tag=("Team", "Blue=Sky"),
        dcv_port=443,
        proxied=False,
        ttl=120,
        event_tags_required=True,
        sweep_schedule="cron(0/5 * * * ? *)",
        batch_size=3500,
        delete_limit=1,
        delete_percent=100,
        grace=timedelta(hours=2),
        cloudflare_api_url="http://127.0.0.1:8080/client/v4",
        features=frozenset(),
    )


def test_settings_cannot_be_changed() -> None:
    settings = parse()

    for field in fields(Settings):
        with pytest.raises(FrozenInstanceError):
            setattr(settings, field.name, "changed")


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_variable_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.parse({key: value for key, value in REQUIRED.items() if key != name})

    assert caught.value.problems == [f"{name} is missing; it is required"]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_variable_that_is_empty_is_refused(name: str) -> None:
    assert_refused(name, "", "")


def test_all_problems_are_reported_in_one_error() -> None:
    # given nothing of what is required, and something wrong in all the rest
    variables = dict.fromkeys(OPTIONAL, "wrong !")

    # when they are read
    with pytest.raises(SettingsError) as caught:
        Settings.parse(variables)

    # then one error names every variable, on a line each, and where they are set
    heading, *lines = str(caught.value).splitlines()
    assert heading == (
        "16 setting(s) of this stage are missing or wrong "
        "(environment_variables in .chalice/config.json):"
    )
    assert lines == [f"  - {problem}" for problem in caught.value.problems]
    assert sorted(line.split()[1] for line in lines) == sorted((*REQUIRED, *OPTIONAL))


@pytest.mark.parametrize("value", ["example.com", "a.b", "dcv-1.example.co.uk", LONGEST_DOMAIN])
def test_a_domain_is_accepted(value: str) -> None:
    assert parse(DOMAIN_ROOT=value).domain_root == value


@pytest.mark.parametrize(
    "value",
    [
        "localhost",
        "Example.com",
        "https://example.com",
        "example.com:8443",
        "example.com.",
        ".example.com",
        "*.example.com",
        "a..example.com",
        "-a.example.com",
        "a-.example.com",
        "a_b.example.com",
        "bücher.example",
        " example.com",
        "example.com\n",
        f"a{LONGEST_LABEL}.com",
    ],
)
def test_what_is_no_domain_is_refused(value: str) -> None:
    assert_refused(
        "DOMAIN_ROOT",
        value,
        "a domain in lower case, without scheme, port or final dot: dcv.example.com",
    )


def test_a_domain_leaves_room_for_an_instances_name() -> None:
    """A DNS name has at most 253 characters, the instance's label and dot among them."""
    assert len(parse(DOMAIN_ROOT=LONGEST_DOMAIN).record_name(INSTANCE)) == 253

    assert_refused(
        "DOMAIN_ROOT",
        LONGEST_DOMAIN.replace("b.com", "bb.com"),
        "at most 233 characters, so that an instance's name fits",
    )


@pytest.mark.parametrize(
    "value",
    ["0" * 31, "0" * 33, "A" * 32, "g" * 32, "example.com", f" {'0' * 32}", f"{'0' * 32}\n"],
)
def test_what_is_no_zones_id_is_refused(value: str) -> None:
    assert_refused("ZONE_ID", value, "the zone's id, 32 characters of 0-9 and a-f")


@pytest.mark.parametrize("value", ["x", "a/b_c+d=e.f@g-h", "!", "x" * 2048])
def test_a_secrets_name_is_accepted(value: str) -> None:
    assert parse(SECRET_ARN=value).secret_id == value


@pytest.mark.parametrize("value", ["my secret", "secret\n", "sécret", "a#b", "x" * 2049])
def test_what_is_no_secrets_name_is_refused(value: str) -> None:
    assert_refused("SECRET_ARN", value, "the name or the ARN of a secret in Secrets Manager")


@pytest.mark.parametrize("value", ["elephant:x", "elephant:!~", "elephant:" + "x" * 55])
def test_an_owner_is_accepted(value: str) -> None:
    assert parse(OWNER=value).owner == value


@pytest.mark.parametrize(
    "value",
    [
        "elephant:",
        "elephant: x",
        "elephant:two words",
        "elephant:x ",
        "elephant:x\n",
        "elephant:é",
        "elephant:\x7f",
        "Elephant:x",
        "xelephant:x",
        "prod",
        "elephant:" + "x" * 56,
    ],
)
def test_an_owner_that_no_comment_could_bear_is_refused(value: str) -> None:
    assert_refused(
        "OWNER", value, "one word beginning with 'elephant:', at most 64 characters, that no other"
    )


def test_an_empty_table_name_means_dns_only() -> None:
    assert parse(TABLE_NAME="").table_name is None


@pytest.mark.parametrize("value", ["abc", "A-z_0.9", "x" * 255])
def test_a_tables_name_is_accepted(value: str) -> None:
    assert parse(TABLE_NAME=value).table_name == value


@pytest.mark.parametrize("value", [" ", "ab", "x" * 256, "my table", "a/b", "abc\n"])
def test_what_is_no_tables_name_is_refused(value: str) -> None:
    assert_refused("TABLE_NAME", value, "the name of a DynamoDB table, or empty for DNS only")


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("a=b", ("a", "b")),
        ("a==", ("a", "=")),
        ("Cost Centre=4 2", ("Cost Centre", "4 2")),
        (f"{'k' * 128}={'v' * 256}", ("k" * 128, "v" * 256)),
    ],
)
def test_a_projects_tag_is_split_at_its_first_equals_sign(value: str, tag: tuple[str, str]) -> None:
    assert parse(PROJECT_TAG=value).project_tag == tag


@pytest.mark.parametrize(
    "value", ["", "=", "Project", "Project=", "=Elephant", f"{'k' * 129}=v", f"k={'v' * 257}"]
)
def test_what_is_no_tag_is_refused(value: str) -> None:
    assert_refused("PROJECT_TAG", value, "a tag's key and value joined by '='")


@pytest.mark.parametrize("value", [" Project=Elephant", "Project=Elephant\n", "Project =Elephant"])
def test_a_tag_with_stray_spaces_is_refused(value: str) -> None:
    assert_refused("PROJECT_TAG", value, "a tag's key and value without spaces around them")


@pytest.mark.parametrize("value", ["443", "2053", "2083", "2087", "2096", "8443"])
def test_a_port_that_cloudflare_proxies_is_accepted(value: str) -> None:
    assert parse(DCV_PORT=value).dcv_port == int(value)


@pytest.mark.parametrize("value", ["0", "80", "8444", "22", "65536", "", "https", "-443", "443.0"])
def test_a_port_that_cloudflare_does_not_proxy_is_refused_while_proxied(value: str) -> None:
    assert_refused(
        "DCV_PORT",
        value,
        "a port that Cloudflare proxies (443, 2053, 2083, 2087, 2096, 8443), "
        "or PROXIED must be 'false'",
    )


@pytest.mark.parametrize("value", ["1", "22", "8444", "65535"])
def test_any_port_is_accepted_when_not_proxied(value: str) -> None:
    assert parse(DCV_PORT=value, PROXIED="false").dcv_port == int(value)


@pytest.mark.parametrize("value", ["0", "65536", "-1", "", "8443 ", "+8443", "8_443", "٨٤٤٣", "²"])
def test_what_is_no_port_is_refused(value: str) -> None:
    assert_refused("DCV_PORT", value, "a port from 1 to 65535", PROXIED="false")


@pytest.mark.parametrize(("value", "proxied"), [("true", True), ("false", False)])
def test_proxied_is_true_or_false(value: str, proxied: bool) -> None:  # noqa: FBT001
    assert parse(PROXIED=value).proxied is proxied


@pytest.mark.parametrize("value", ["", "True", "FALSE", "yes", "1", "true "])
def test_what_is_neither_true_nor_false_is_refused(value: str) -> None:
    assert_refused("PROXIED", value, "'true' or 'false'")


def test_a_wrong_proxied_is_not_blamed_on_port_and_ttl() -> None:
    assert_refused("PROXIED", "no", "'true' or 'false'", DCV_PORT="22", TTL="300")


@pytest.mark.parametrize("value", ["0", "30", "120", "86400", "", "auto", "-1", "1.0"])
def test_a_ttl_of_its_own_is_refused_while_proxied(value: str) -> None:
    """Cloudflare would store 1 instead, and every later look would find it to be wrong."""
    assert_refused(
        "TTL", value, "1 (automatic), as for every proxied record, or PROXIED must be 'false'"
    )


@pytest.mark.parametrize("value", ["1", "30", "120", "86400"])
def test_a_ttl_that_cloudflare_takes_is_accepted_when_not_proxied(value: str) -> None:
    assert parse(TTL=value, PROXIED="false").ttl == int(value)


@pytest.mark.parametrize("value", ["0", "2", "29", "86401", "-1", "", "60s", "٦٠"])
def test_a_ttl_that_cloudflare_does_not_take_is_refused(value: str) -> None:
    assert_refused("TTL", value, "1 (automatic) or 30 to 86400 seconds", PROXIED="false")


@pytest.mark.parametrize(("value", "required"), [("optional", False), ("required", True)])
def test_tags_of_events_are_optional_or_required(value: str, required: bool) -> None:  # noqa: FBT001
    assert parse(EVENT_TAGS=value).event_tags_required is required


@pytest.mark.parametrize("value", ["", "Required", "true", "optional "])
def test_anything_else_about_tags_of_events_is_refused(value: str) -> None:
    assert_refused(
        "EVENT_TAGS", value, "'optional', or 'required' for a bus whose events carry tags"
    )


@pytest.mark.parametrize(
    "value",
    [
        "rate(1 minute)",
        "rate(2 minutes)",
        "rate(10 minutes)",
        "rate(1 hour)",
        "rate(12 hours)",
        "rate(1 day)",
        "cron(* * * * ? *)",
        "cron(0/15 8-17 ? * MON-FRI *)",
        "cron(0 0 ? * 3#2 *)",
    ],
)
def test_a_schedule_that_eventbridge_takes_is_accepted(value: str) -> None:
    assert parse(SWEEP_SCHEDULE=value).sweep_schedule == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "rate(1 minutes)",
        "rate(2 minute)",
        "rate(1 hours)",
        "rate(5 hour)",
        "rate(0 minutes)",
        "rate(01 minute)",
        "rate(-1 minutes)",
        "rate(1.5 minutes)",
        "rate(30 seconds)",
        "rate(² minutes)",
        "rate(5  minutes)",
        "rate(30 days)",
        "rate(100 hours)",
        "cron(0 0 31 2 ? *)",
        "cron(0 0 * * ? 2026)",
        "rate(5 minutes) ",
        "rate(5 minutes)\n",
        "rate 5 minutes",
        "Rate(5 minutes)",
        "5 minutes",
        "cron()",
        "cron(* * * * ?)",
        "cron(* * * * ? * *)",
        "cron(* * * * * *)",
        "cron(* * ? * ? *)",
        "cron(? * * * ? *)",
        "cron(0 12 * * ? *",
        "* * * * ? *",
    ],
)
def test_a_schedule_that_eventbridge_refuses_is_refused(value: str) -> None:
    assert_refused(
        "SWEEP_SCHEDULE",
        value,
        "a recurring EventBridge schedule: 'rate(1 minute)', 'rate(5 minutes)' (up to 99 "
        "minutes or hours, or 1 day), or 'cron(MINUTES HOURS ? * DAYS-OF-THE-WEEK *)'",
    )


@pytest.mark.parametrize("value", ["1", "200", "3500"])
def test_a_batch_that_cloudflare_takes_is_accepted(value: str) -> None:
    assert parse(SWEEP_BATCH_SIZE=value).batch_size == int(value)


@pytest.mark.parametrize("value", ["0", "3501", "-1", "", "all", "200 ", "2e2"])
def test_a_batch_that_cloudflare_does_not_take_is_refused(value: str) -> None:
    assert_refused("SWEEP_BATCH_SIZE", value, "1 to 3500 changes in one call: 200 on Cloudflare's")


@pytest.mark.parametrize("value", ["1", "10", "999999999"])
def test_a_limit_of_deletions_is_accepted(value: str) -> None:
    assert parse(SWEEP_DELETE_LIMIT=value).delete_limit == int(value)


@pytest.mark.parametrize("value", ["0", "-1", "1000000000", "", "none", "1.5"])
def test_what_is_no_limit_of_deletions_is_refused(value: str) -> None:
    assert_refused("SWEEP_DELETE_LIMIT", value, "the number of records, 1 or more, that sweeps")


@pytest.mark.parametrize("value", ["1", "30", "100"])
def test_a_share_of_deletions_is_accepted(value: str) -> None:
    assert parse(SWEEP_DELETE_PERCENT=value).delete_percent == int(value)


@pytest.mark.parametrize("value", ["0", "-1", "101", "", "30%", "0.3"])
def test_what_is_no_share_of_deletions_is_refused(value: str) -> None:
    remedy = "the percentage of our records, 1 to 100, that sweeps"
    assert_refused("SWEEP_DELETE_PERCENT", value, remedy)


@pytest.mark.parametrize("value", ["1", "10", "1440"])
def test_a_time_of_grace_is_accepted_in_minutes(value: str) -> None:
    assert parse(GRACE_MINUTES=value).grace == timedelta(minutes=int(value))


@pytest.mark.parametrize("value", ["0", "1441", "-1", "", "10m", "0.5"])
def test_what_is_no_time_of_grace_is_refused(value: str) -> None:
    assert_refused("GRACE_MINUTES", value, "1 to 1440 minutes")


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/client/v4//", "https://api.example.com/client/v4"),
        ("https://localhost:8443", "https://localhost:8443"),
        ("http://localhost", "http://localhost"),
        ("http://127.0.0.1:5001/client/v4", "http://127.0.0.1:5001/client/v4"),
        ("http://[::1]:5001/client/v4/", "http://[::1]:5001/client/v4"),
    ],
)
def test_an_address_of_an_api_is_accepted_without_its_final_slash(value: str, url: str) -> None:
    assert parse(CLOUDFLARE_API_URL=value).cloudflare_api_url == url


@pytest.mark.parametrize(
    "value",
    [
        "",
        "api.cloudflare.com/client/v4",
        "https://",
        "https:///client/v4",
        "https://api.example.com/v4?x=1",
        "https://api.example.com/v4#x",
        "ftp://api.example.com",
        "ftp://localhost",
        "//localhost",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address_of_an_api_is_refused(value: str) -> None:
    assert_refused("CLOUDFLARE_API_URL", value, f"an https address such as {CLOUDFLARE_API}")


@pytest.mark.parametrize(
    "value",
    [
        "http://api.cloudflare.com/client/v4",
        "http://127.0.0.2",
        "http://192.168.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "http://0.0.0.0",
    ],
)
def test_the_token_is_never_sent_in_clear_beyond_this_machine(value: str) -> None:
    assert_refused("CLOUDFLARE_API_URL", value, f"an https address such as {CLOUDFLARE_API}")


@pytest.mark.parametrize(
    "value",
    [
        " https://api.example.com",
        "https://api.example.com/v4 ",
        "https://api.example.com/v4\n",
        "https://api.exam\tple.com",
        "https://api.example.com:port",
        "https://api.example.com:65536",
        "https://[api.example.com",
    ],
)
def test_an_address_that_no_request_could_be_made_to_is_refused(value: str) -> None:
    assert_refused("CLOUDFLARE_API_URL", value, f"an https address such as {CLOUDFLARE_API}")


@pytest.mark.parametrize(
    ("url", "local"),
    [
        (CLOUDFLARE_API, False),
        ("https://localhost.example.com", False),
        ("https://example.com/localhost", False),
        ("https://localhost:8443", True),
        ("http://127.0.0.1:5001/client/v4", True),
        ("http://[::1]:5001", True),
    ],
)
def test_a_stage_is_local_if_its_cloudflare_is_on_this_machine(
    url: str,
    local: bool,  # noqa: FBT001
) -> None:
    assert parse(CLOUDFLARE_API_URL=url).is_local is local


def test_an_instances_name_and_link_follow_from_domain_and_port() -> None:
    settings = parse(DOMAIN_ROOT="vm.example.org", DCV_PORT="443")

    assert settings.record_name(INSTANCE) == "i-0123456789abcdef0.vm.example.org"
    assert settings.link(INSTANCE) == "https://i-0123456789abcdef0.vm.example.org:443"


def anything_like(*examples: str) -> st.SearchStrategy[str]:
    """Make text: any, or one of the examples with something before, in or after it."""
    near = st.builds(
        lambda value, at, more: value[:at] + more + value[at:],
        st.sampled_from(examples),
        st.integers(0, 40),
        st.text(max_size=3),
    )
    return st.one_of(st.text(), near)


NEAR = {
    "DOMAIN_ROOT": anything_like(REQUIRED["DOMAIN_ROOT"]),
    "ZONE_ID": anything_like(REQUIRED["ZONE_ID"], "0" * 31),
    "SECRET_ARN": anything_like(REQUIRED["SECRET_ARN"]),
    "OWNER": anything_like(REQUIRED["OWNER"]),
    "TABLE_NAME": anything_like("elephant-meetings"),
    "PROJECT_TAG": anything_like("Project=Elephant"),
    "DCV_PORT": anything_like("443", "8443", "1"),
    "PROXIED": anything_like("true", "false"),
    "TTL": anything_like("1", "60"),
    "EVENT_TAGS": anything_like("optional", "required"),
    "SWEEP_SCHEDULE": anything_like("rate(1 minute)", "rate(5 minutes)", "cron(* * * * ? *)"),
    "SWEEP_BATCH_SIZE": anything_like("200", "3500"),
    "SWEEP_DELETE_LIMIT": anything_like("1", "10"),
    "SWEEP_DELETE_PERCENT": anything_like("1", "30", "100"),
    "GRACE_MINUTES": anything_like("1", "10", "1440"),
    "CLOUDFLARE_API_URL": anything_like(CLOUDFLARE_API, "http://127.0.0.1:5001", "https://[::1]"),
}


@given(
    st.sampled_from(sorted(NEAR)).flatmap(lambda name: st.tuples(st.just(name), NEAR[name])),
    st.sampled_from(["true", "false"]),
)
def test_any_text_is_refused_by_name_or_makes_names_and_links_that_hold(
    variable: tuple[str, str], proxied: str
) -> None:
    # given any text for a variable
    name, value = variable
    try:
        settings = parse(**({"PROXIED": proxied} | {name: value}))
    except SettingsError as error:
        # then it is refused by its name
        (problem,) = error.problems
        assert problem.startswith(f"{name} is {value!r}; it must be ")
        return

    # or a name and a link can be made of it that hold
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
    assert settings.delete_limit >= 0
    assert 0 <= settings.delete_percent <= 100
    assert timedelta(minutes=1) <= settings.grace <= timedelta(days=1)
    if settings.sweep_schedule.startswith("rate"):
        number, unit = settings.sweep_schedule[5:-1].split(" ")
        assert (int(number) > 1) is unit.endswith("s")
    else:
        assert len(settings.sweep_schedule.split(" ")) == 6


@given(anything_like(CLOUDFLARE_API, "http://127.0.0.1:5001", "https://[::1]"))
def test_whatever_address_is_accepted_is_one_word_and_secure(value: str) -> None:
    try:
        url = parse(CLOUDFLARE_API_URL=value).cloudflare_api_url
    except SettingsError:
        return

    parts = urlsplit(url)
    assert "".join(url.split()) == url
    assert not url.endswith("/")
    assert parts.scheme == "https" or parts.hostname in {"127.0.0.1", "localhost", "::1"}
