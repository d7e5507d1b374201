"""The rule fires for what matters; of an event only the instance's id is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.events.models import EventPattern

from chalicelib.ec2.event import IgnoredEventError, InstanceEvent, event_of, event_pattern
from chalicelib.ec2.instances import is_instance_id
from tests.json_values import JSON
from tests.world import ACCOUNT, FUNCTION_ARN, make_event, make_settings

INSTANCE = "i-0123456789abcdef0"
STATES = ("pending", "running", "stopping", "stopped", "shutting-down", "terminated")
STARTS_AND_ENDS = ["running", "shutting-down"]
STARTS_AND_STOPS = ["running", "stopping", "shutting-down"]


def event(detail: object = None, **members: object) -> dict[str, Any]:
    """Make the event that AWS makes, with some members changed."""
    return make_event(INSTANCE) | members | ({} if detail is None else {"detail": detail})


# The rule


@pytest.mark.parametrize(
    ("variables", "states", "tags"),
    [
        ({}, STARTS_AND_STOPS, {"Project": ["Elephant", {"exists": False}]}),
        ({"EVENT_TAGS": "required"}, STARTS_AND_ENDS, {"Project": ["Elephant"]}),
        ({"PROJECT_TAG": "Team=Blue"}, STARTS_AND_STOPS, {"Team": ["Blue", {"exists": False}]}),
    ],
)
def test_the_rule_asks_for_changes_of_the_projects_instances(
    variables: dict[str, str], states: list[str], tags: dict[str, Any]
) -> None:
    assert event_pattern(make_settings(**variables)) == {
        "source": ["aws.ec2"],
        "detail-type": ["EC2 Instance State-change Notification"],
        "detail": {"state": states, "tags": tags},
    }


@pytest.mark.parametrize("tags", ["optional", "required"])
def test_the_rule_of_the_longest_tag_is_within_eventbridges_limit(tags: str) -> None:
    tag = f"{'k' * 128}={'v' * 256}"

    pattern = event_pattern(make_settings(PROJECT_TAG=tag, EVENT_TAGS=tags))

    assert len(json.dumps(pattern)) <= 2048


def state(name: str, **tags: str) -> dict[str, Any]:
    """Make an event with this state, and tags as a bus may add them."""
    return event({"instance-id": INSTANCE, "state": name} | ({"tags": tags} if tags else {}))


@pytest.mark.parametrize(
    ("occurred", "fires", "fires_if_required"),
    [
        *(
            (state(name, Project="Elephant"), name in STARTS_AND_STOPS, name in STARTS_AND_ENDS)
            for name in STATES
        ),
        *((state(name), name in STARTS_AND_STOPS, False) for name in STATES),
        (state("running", Owner="someone"), True, False),
        *((state("running", Project=name), False, False) for name in ("Giraffe", "elephant", "")),
        (event(source="my.app"), False, False),
        (event(**{"detail-type": "EC2 Spot Instance Interruption Warning"}), False, False),
    ],
)
def test_the_rule_fires_when_an_address_of_the_project_may_come_or_go(
    occurred: dict[str, Any], *, fires: bool, fires_if_required: bool
) -> None:
    """AWS's own events carry no tags."""
    for tags, expected in (("optional", fires), ("required", fires_if_required)):
        pattern = event_pattern(make_settings(EVENT_TAGS=tags))
        matcher: Any = EventPattern(json.dumps(pattern), pattern)
        assert bool(matcher.matches_event(occurred)) is expected


# The event


@pytest.mark.parametrize("instance_id", [INSTANCE, "i-0abcdef1"])
@pytest.mark.parametrize("name", [*STATES, "unheard-of", ""])
def test_an_event_of_any_state_says_which_instance_to_look_at(instance_id: str, name: str) -> None:
    occurred = event({"instance-id": instance_id, "state": name})

    assert InstanceEvent.parse(occurred, FUNCTION_ARN) == InstanceEvent(
        id="7bf73129-1428-4cd3-a780-95db273d1602", instance_id=instance_id, state=name
    )


def test_an_event_needs_no_more_than_source_kind_and_instance() -> None:
    occurred = {
        "source": "aws.ec2",
        "detail-type": "EC2 Instance State-change Notification",
        "detail": {"instance-id": INSTANCE},
    }

    assert InstanceEvent.parse(occurred) == InstanceEvent(id="", instance_id=INSTANCE, state="")


KIND = "'EC2 Instance State-change Notification'"


@pytest.mark.parametrize(
    ("occurred", "reason"),
    [
        (None, "the event is None, not a JSON object"),
        ([event()], "the event is [{'version': '0', "),
        # A quotation is cut after 80 characters.
        ("x" * 78, f"the event is '{'x' * 78}', not a JSON object"),
        ("x" * 79, f"the event is '{'x' * 79}…, not a JSON object"),
        ({}, "its source is None, not 'aws.ec2'"),
        (event(source="aws.s3"), "its source is 'aws.s3', not 'aws.ec2'"),
        (event(**{"detail-type": None}), f"its detail-type is None, not {KIND}"),
        (event() | {"detail": None}, "its detail is None, not a JSON object"),
        (event({}), "its instance-id None is not an instance id"),
        (event({"instance-id": "i-*"}), "its instance-id 'i-*' is not an instance id"),
        (event(account="999999999999"), f"its account is '999999999999', not '{ACCOUNT}'"),
        (event(account=None), f"its account is None, not '{ACCOUNT}'"),
        (event(region="us-east-1"), "its region is 'us-east-1', not 'us-west-2'"),
    ],
)
def test_what_is_no_event_of_ours_is_ignored_for_a_reason(occurred: object, reason: str) -> None:
    """EC2 would not know an instance of another account or region."""
    with pytest.raises(IgnoredEventError) as caught:
        InstanceEvent.parse(occurred, FUNCTION_ARN)

    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize("function_arn", ["", "local", f"not-{FUNCTION_ARN}"])
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
def test_the_functions_region_is_known_in_every_partition(function_arn: str, region: str) -> None:
    assert InstanceEvent.parse(event(region=region), function_arn).instance_id == INSTANCE
    with pytest.raises(IgnoredEventError, match=f"its region is 'us-west-2', not '{region}'"):
        InstanceEvent.parse(event(), function_arn)


KNOWN = st.sampled_from([INSTANCE, *(text for text in event().values() if isinstance(text, str))])
MEMBERS = st.sampled_from(sorted(event()))
EVENTS = st.builds(
    lambda members, detail: event(detail) | members,
    st.dictionaries(MEMBERS, KNOWN | JSON, max_size=2),
    JSON | st.fixed_dictionaries({"instance-id": KNOWN | JSON, "state": JSON}),
)


@given(occurred=JSON | EVENTS, function_arn=st.sampled_from(["", FUNCTION_ARN]))
def test_every_json_value_is_an_event_or_ignored_and_never_an_error(
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


def test_an_instance_id_alone_makes_an_event_of_the_functions_own_account_and_region() -> None:
    made = event_of({"instance-id": INSTANCE}, FUNCTION_ARN)

    assert (made["account"], made["region"]) == (ACCOUNT, "us-west-2")
    expected = InstanceEvent(id="", instance_id=INSTANCE, state="")
    assert InstanceEvent.parse(made, FUNCTION_ARN) == expected
    assert InstanceEvent.parse(event_of({"instance-id": INSTANCE})) == expected


@pytest.mark.parametrize(
    "body", [{}, {"instance": INSTANCE}, {"instance-id": INSTANCE, "x": 1}, event()]
)
def test_any_other_body_is_the_event_itself(body: dict[str, Any]) -> None:
    assert event_of(body) is body
