"""The rule lets in what it should, and of an event only the instance's id is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.events.models import EventPattern

from chalicelib.ec2.event import (
    IgnoredEventError,
    InstanceEvent,
    event_of,
    event_pattern,
)
from chalicelib.ec2.instances import is_instance_id
from chalicelib.settings.stage import Settings

INSTANCE = "i-0123456789abcdef0"
FUNCTION_ARN = "arn:aws:lambda:us-west-2:123456789012:function:elephant-prod-dns_watchdog"
STATES = ("pending", "running", "stopping", "stopped", "shutting-down", "terminated")


def settings(**variables: str) -> Settings:
    """Parse the required settings and these."""
    required = {
        "DOMAIN_ROOT": "desktops.example.com",
        "ZONE_ID": "0" * 32,
        "SECRET_ARN": "prod/elephant/cloudflare",
        "OWNER": "elephant:prod",
    }
    return Settings.parse(required | variables)


def event(detail: object = None, **members: object) -> dict[str, Any]:
    """Make the event that AWS makes, with some members changed."""
    return {
        "version": "0",
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "detail-type": "EC2 Instance State-change Notification",
        "source": "aws.ec2",
        "account": "123456789012",
        "time": "2026-11-11T21:29:54Z",
        "region": "us-west-2",
        "resources": [f"arn:aws:ec2:us-west-2:123456789012:instance/{INSTANCE}"],
        "detail": {"instance-id": INSTANCE, "state": "running"} if detail is None else detail,
        **members,
    }


def tagged(state: str = "running", **tags: str) -> dict[str, Any]:
    """Make an event as a bus may enrich it, with the instance's tags."""
    return event({"instance-id": INSTANCE, "state": state, "tags": tags})


def rule_matches(pattern: dict[str, Any], occurred: dict[str, Any]) -> bool:
    """Ask EventBridge's matcher, as moto has it, whether the rule fires."""
    matcher: Any = EventPattern(json.dumps(pattern), pattern)
    return bool(matcher.matches_event(occurred))


def reason(occurred: object, function_arn: str = "") -> str:
    """Return why the event is ignored."""
    with pytest.raises(IgnoredEventError) as caught:
        InstanceEvent.parse(occurred, function_arn)
    return str(caught.value)


# The rule


def test_the_rule_asks_for_changes_of_the_projects_instances_and_of_untagged_events() -> None:
    assert event_pattern(settings()) == {
        "source": ["aws.ec2"],
        "detail-type": ["EC2 Instance State-change Notification"],
        "detail": {
            "state": ["running", "stopping", "shutting-down"],
            "tags": {"Project": ["Elephant", {"exists": False}]},
        },
    }


def test_with_tags_required_the_rule_is_the_guides_to_the_letter() -> None:
    assert event_pattern(settings(EVENT_TAGS="required")) == {
        "source": ["aws.ec2"],
        "detail-type": ["EC2 Instance State-change Notification"],
        "detail": {"state": ["running", "shutting-down"], "tags": {"Project": ["Elephant"]}},
    }


@pytest.mark.parametrize(
    ("tags", "expected"),
    [("optional", ["Blue", {"exists": False}]), ("required", ["Blue"])],
)
def test_the_rule_asks_for_the_projects_own_tag(tags: str, expected: list[object]) -> None:
    pattern = event_pattern(settings(PROJECT_TAG="Team=Blue", EVENT_TAGS=tags))

    assert pattern["detail"]["tags"] == {"Team": expected}


@pytest.mark.parametrize("tags", ["optional", "required"])
def test_the_rule_of_the_longest_tag_is_within_eventbridges_limit(tags: str) -> None:
    tag = f"{'k' * 128}={'v' * 256}"

    pattern = event_pattern(settings(PROJECT_TAG=tag, EVENT_TAGS=tags))

    assert len(json.dumps(pattern)) <= 2048


@pytest.mark.parametrize("state", STATES)
def test_the_rule_fires_when_an_address_may_come_or_go(state: str) -> None:
    occurred = event({"instance-id": INSTANCE, "state": state})

    fires = rule_matches(event_pattern(settings()), occurred)

    assert fires == (state in {"running", "stopping", "shutting-down"})


def test_the_rule_fires_for_aws_own_events_which_carry_no_tags() -> None:
    assert rule_matches(event_pattern(settings()), event())
    assert rule_matches(event_pattern(settings()), tagged(Owner="someone"))


def test_the_rule_fires_for_an_event_with_the_projects_tag() -> None:
    assert rule_matches(event_pattern(settings()), tagged(Project="Elephant", Role="teacher"))


@pytest.mark.parametrize("project", ["Giraffe", "elephant", ""])
def test_the_rule_does_not_fire_for_another_projects_event(project: str) -> None:
    assert not rule_matches(event_pattern(settings()), tagged(Project=project))


def test_the_rule_does_not_fire_for_other_sources_and_kinds_of_events() -> None:
    pattern = event_pattern(settings())

    assert not rule_matches(pattern, event(source="my.app"))
    assert not rule_matches(
        pattern, event(**{"detail-type": "EC2 Spot Instance Interruption Warning"})
    )


@pytest.mark.parametrize("state", STATES)
def test_with_tags_required_the_rule_fires_for_tagged_starts_and_ends_only(state: str) -> None:
    pattern = event_pattern(settings(EVENT_TAGS="required"))

    fires = rule_matches(pattern, tagged(state, Project="Elephant"))

    assert fires == (state in {"running", "shutting-down"})
    assert not rule_matches(pattern, event({"instance-id": INSTANCE, "state": state}))
    assert not rule_matches(pattern, tagged(state, Project="Giraffe"))


# The event


@pytest.mark.parametrize("instance_id", ["i-0123456789abcdef0", "i-0abcdef1"])
def test_an_event_says_which_instance_to_look_at(instance_id: str) -> None:
    occurred = event({"instance-id": instance_id, "state": "stopping"})

    assert InstanceEvent.parse(occurred, FUNCTION_ARN) == InstanceEvent(
        id="7bf73129-1428-4cd3-a780-95db273d1602", instance_id=instance_id, state="stopping"
    )


@pytest.mark.parametrize("state", [*STATES, "unheard-of", ""])
def test_no_state_makes_an_event_ignored(state: str) -> None:
    """The instance's live state decides, so a state that is new to us is no reason to pass by."""
    occurred = event({"instance-id": INSTANCE, "state": state})

    assert InstanceEvent.parse(occurred).state == state


def test_an_event_needs_no_more_than_source_kind_and_instance() -> None:
    occurred = {
        "source": "aws.ec2",
        "detail-type": "EC2 Instance State-change Notification",
        "detail": {"instance-id": INSTANCE},
    }

    assert InstanceEvent.parse(occurred) == InstanceEvent(id="", instance_id=INSTANCE, state="")


@pytest.mark.parametrize("occurred", [None, [], "event", 5, True, [event()]])
def test_what_is_no_object_is_ignored(occurred: object) -> None:
    said = reason(occurred)

    assert said.startswith("the event is ")
    assert said.endswith(", not a JSON object")


@pytest.mark.parametrize("key", ["source", "detail-type"])
@pytest.mark.parametrize("value", ["aws.s3", "", None, 5, ["aws.ec2"], {"a": 1}])
def test_an_event_of_another_kind_is_ignored(key: str, value: object) -> None:
    expected = {"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification"}[key]

    assert reason(event(**{key: value})) == f"its {key} is {value!r}, not {expected!r}"


def test_an_empty_event_is_ignored() -> None:
    assert reason({}) == "its source is None, not 'aws.ec2'"


@pytest.mark.parametrize("detail", [[], "detail", 5, False, [{"instance-id": INSTANCE}]])
def test_a_detail_that_is_no_object_is_ignored(detail: object) -> None:
    assert reason(event(detail)) == f"its detail is {detail!r}, not a JSON object"


def test_an_event_without_detail_is_ignored() -> None:
    assert reason(event(detail={}) | {"detail": None}) == "its detail is None, not a JSON object"


NO_IDS = [
    "",
    "i-",
    "i-0123456",
    "i-012345678",
    "i-0123456789abcdef",
    "i-0123456789abcdef01",
    "i-0123456789ABCDEF0",
    "i-0123456789abcdefg",
    "I-0123456789abcdef0",
    " i-0123456789abcdef0",
    "i-0123456789abcdef0\n",
    "xi-0123456789abcdef0",
    "i-0123456789abcdef0.example.com",
    "i-*",
    "i-\u0660123456789abcdef0",
    "vol-0123456789abcdef0",
]


@pytest.mark.parametrize("instance_id", [*NO_IDS, None, 5, [INSTANCE], {"id": INSTANCE}, True])
def test_an_event_without_an_instances_id_is_ignored(instance_id: object) -> None:
    said = reason(event({"instance-id": instance_id, "state": "running"}))

    assert said == f"its instance-id {instance_id!r} is not an instance id"


@pytest.mark.parametrize("text", NO_IDS)
def test_only_an_instances_id_has_the_form_of_one(text: str) -> None:
    assert not is_instance_id(text)
    assert is_instance_id("i-0123456789abcdef0")
    assert is_instance_id("i-0abcdef1")


def test_a_reason_quotes_no_more_than_the_beginning_of_what_was_sent() -> None:
    # given values whose spelling is just short enough to be quoted whole, and one longer
    whole, longer = "x" * 78, "x" * 79

    # then
    assert reason(whole) == f"the event is '{whole}', not a JSON object"
    assert reason(longer) == f"the event is '{longer}…, not a JSON object"


@pytest.mark.parametrize(("key", "value"), [("account", "999999999999"), ("region", "us-east-1")])
def test_an_event_of_another_account_or_region_is_ignored(key: str, value: str) -> None:
    """The function's rights do not reach there, so EC2 would say that there is no such instance."""
    home = {"account": "123456789012", "region": "us-west-2"}[key]

    assert reason(event(**{key: value}), FUNCTION_ARN) == f"its {key} is {value!r}, not {home!r}"
    assert reason(event(**{key: None}), FUNCTION_ARN) == f"its {key} is None, not {home!r}"


@pytest.mark.parametrize(
    "function_arn",
    [
        "",
        "local",
        "not-arn:aws:lambda:us-west-2:123456789012:function:x",
        "arn:aws:lambda:us-west-2:123456789012:layer:x",
        "arn:aws:lambda:us-west-2:1234:function:x",
    ],
)
def test_where_the_function_is_unknown_no_account_and_region_is_ignored(function_arn: str) -> None:
    occurred = event(account="999999999999", region="us-east-1")

    assert InstanceEvent.parse(occurred, function_arn).instance_id == INSTANCE


@pytest.mark.parametrize(
    ("function_arn", "region"),
    [
        ("arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:x", "us-gov-west-1"),
        ("arn:aws-cn:lambda:cn-north-1:123456789012:function:x:7", "cn-north-1"),
    ],
)
def test_the_functions_home_is_known_in_every_partition(function_arn: str, region: str) -> None:
    assert InstanceEvent.parse(event(region=region), function_arn).instance_id == INSTANCE
    assert reason(event(), function_arn) == f"its region is 'us-west-2', not {region!r}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
KNOWN = st.sampled_from(
    ["aws.ec2", "EC2 Instance State-change Notification", INSTANCE, "123456789012", "us-west-2"]
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "source": KNOWN | JSON,
        "detail-type": KNOWN | JSON,
        "account": KNOWN | JSON,
        "region": KNOWN | JSON,
        "id": JSON,
        "detail": JSON | st.fixed_dictionaries({"instance-id": KNOWN | JSON, "state": JSON}),
    },
)
RIGHT_BUT = st.builds(
    lambda detail, members: event(detail) | members,
    JSON | st.fixed_dictionaries({"instance-id": KNOWN | JSON, "state": JSON}),
    st.dictionaries(st.sampled_from(sorted(event())), JSON, max_size=1),
)


@given(occurred=JSON | NEARLY | RIGHT_BUT, function_arn=st.sampled_from(["", FUNCTION_ARN]))
def test_an_event_of_any_shape_is_read_or_ignored_and_never_an_error(
    occurred: object, function_arn: str
) -> None:
    try:
        parsed = InstanceEvent.parse(occurred, function_arn)
    except IgnoredEventError:
        return

    assert is_instance_id(parsed.instance_id)
    assert isinstance(parsed.id, str)
    assert isinstance(parsed.state, str)


# The short form


def test_an_instances_id_alone_makes_an_event() -> None:
    made = event_of({"instance-id": INSTANCE})

    assert InstanceEvent.parse(made) == InstanceEvent(id="", instance_id=INSTANCE, state="")


@pytest.mark.parametrize("body", [{}, {"instance": INSTANCE}, {"instance-id": INSTANCE, "x": 1}])
def test_any_other_body_is_the_event_itself(body: dict[str, Any]) -> None:
    assert event_of(body) is body


def test_a_whole_event_is_handed_on_as_it_is() -> None:
    occurred = event()

    assert event_of(occurred) is occurred


def test_the_short_form_is_checked_as_any_event_is() -> None:
    assert reason(event_of({"instance-id": "i-*"})) == (
        "its instance-id 'i-*' is not an instance id"
    )
