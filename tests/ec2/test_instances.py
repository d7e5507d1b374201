"""EC2 is asked for exactly what is needed; its answer is complete, or an error."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.ec2.instances import (
    OWNER_TAG,
    IncompleteAnswerError,
    Instance,
    Instances,
    is_instance_id,
)
from tests.answers import INSTANCE, LAUNCHED_AT, answering, described, page, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.world import World

PROJECT = ("Project", "Elephant")
OTHER = "i-0fedcba9876543210"
IDS = [f"i-{number:08x}" for number in range(6)]


def instances(client: Any, owner: str | None = None) -> Instances:  # noqa: ANN401 (any client)
    return Instances(client, PROJECT, owner)


def ids(found: tuple[Instance, ...]) -> list[str]:
    return [each.id for each in found]


# One instance


def test_an_instance_is_found_with_address_and_tags_by_one_call(world: World) -> None:
    world.launch(MeetingID="m2")
    instance_id = world.launch(MeetingID="m1", Role="teacher")
    raw = world.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"]

    assert world.instances().find(instance_id) == Instance(
        id=instance_id,
        state="running",
        address=raw[0]["PublicIpAddress"],
        tags={"Project": "Elephant", "MeetingID": "m1", "Role": "teacher"},
        launched_at=raw[0]["LaunchTime"],
    )
    assert world.aws_calls == ["DescribeInstances"]
    assert world.instances().find(INSTANCE) is None


QUESTIONS: dict[str, Callable[[Instances], object]] = {
    "find": lambda asked: asked.find(INSTANCE),
    "of_meeting": lambda asked: asked.of_meeting("m1"),
    "of_project": lambda asked: asked.of_project(),
    "among": lambda asked: asked.among(IDS),
    "look_up": lambda asked: asked.look_up(IDS),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize(
    "code", ["UnauthorizedOperation", "RequestLimitExceeded", "InvalidInstanceID.Malformed"]
)
def test_any_other_refusal_is_raised_and_never_taken_for_none(
    question: Callable[[Instances], object], code: str
) -> None:
    with pytest.raises(ClientError, match=code):
        question(instances(answering(refusal(code))))


def test_only_the_instance_itself_is_taken_from_an_answer() -> None:
    client = answering(page(OTHER, INSTANCE), page(OTHER), page())

    assert instances(client).find(INSTANCE) == Instance.parse(described(INSTANCE))
    assert client.requests == [{"InstanceIds": [INSTANCE]}]
    for _ in range(2):
        with pytest.raises(IncompleteAnswerError, match=INSTANCE):
            instances(client).find(INSTANCE)


# What is read of an instance

STOPPED_AT = datetime(2026, 11, 20, 7, 59, 58, tzinfo=UTC)
ELASTIC_IP = {"PublicIpAddress": "192.0.2.1"}
TAGS = [{"Key": "Project"}, {"Key": "Role", "Value": "teacher"}]
ENDS = ("shutting-down", "terminated")


@pytest.mark.parametrize(
    ("members", "name", "expected"),
    [
        ({"State": {"Name": "stopped"}} | ELASTIC_IP, "address", "192.0.2.1"),
        ({}, "address", None),
        ({"PublicIpAddress": ""}, "address", None),
        ({"Tags": TAGS}, "tags", {"Project": "", "Role": "teacher"}),
        *(
            ({"State": {"Name": state}}, "has_ended", state in ENDS)
            for state in ("pending", "running", "stopping", "stopped", *ENDS)
        ),
        *(
            ({"StateTransitionReason": reason}, "stopped_at", moment)
            for reason, moment in (
                ("User initiated (2026-11-20 07:59:58 GMT)", STOPPED_AT),
                ("Server.SpotInstanceTermination (2026-11-20 07:59:58 UTC) x", STOPPED_AT),
                ("User initiated", None),
                ("(2026-11-20 07:59:58 PST)", None),
                ("User initiated (2026-13-40 25:61:61 GMT)", None),
            )
        ),
    ],
)
def test_what_ec2_describes_is_read(members: dict[str, Any], name: str, expected: object) -> None:
    assert getattr(Instance.parse(described(**members)), name) == expected


@pytest.mark.parametrize(
    ("tags", "has"),
    [
        ({"Role": "teacher", "Project": "Elephant"}, True),
        ({}, False),
        *(({"Project": value}, False) for value in ("elephant", "Elephant2", "")),
        ({"project": "Elephant"}, False),
    ],
)
def test_a_tag_counts_with_exactly_its_value(tags: dict[str, str], *, has: bool) -> None:
    assert Instance(INSTANCE, "running", None, tags, LAUNCHED_AT).has_tag(PROJECT) is has


# Listings


def test_a_meeting_has_its_instances_of_the_project_that_have_not_ended(world: World) -> None:
    teacher, student, ended = (world.launch(MeetingID="m1") for _ in range(3))
    world.ec2.stop_instances(InstanceIds=[student])
    world.terminate(ended)
    world.launch()
    world.launch(MeetingID="m10")
    world.launch(MeetingID="m1", Project="Giraffe")
    blue = world.launch(MeetingID="m1", Project="", Team="Blue")

    assert set(ids(world.instances().of_meeting("m1"))) == {teacher, student}
    assert world.aws_calls == ["DescribeInstances"]
    assert ids(world.instances(("Team", "Blue")).of_meeting("m1")) == [blue]
    assert world.instances().of_meeting("m2") == ()


def test_a_project_has_its_instances_in_every_state(world: World) -> None:
    running, stopped, ended = world.desktop(), world.launch(), world.launch()
    world.ec2.stop_instances(InstanceIds=[stopped])
    world.terminate(ended)
    giraffe = world.launch(Project="Giraffe")
    world.launch(Project="")

    found = {each.id: each.state for each in world.instances().of_project()}

    assert found == {running: "running", stopped: "stopped", ended: "terminated"}
    assert world.aws_calls == ["DescribeInstances"]
    assert ids(world.instances(("Project", "Giraffe")).of_project()) == [giraffe]
    assert world.instances(("Project", "Zebra")).of_project() == ()


def test_of_some_instances_those_that_ec2_knows_are_found_regardless_of_tags(world: World) -> None:
    known = {world.launch(Project="Giraffe"), world.launch(Project=""), ended := world.launch()}
    world.terminate(ended)
    world.launch()

    found = world.instances().among([*known, INSTANCE, "i-01234567"])

    assert set(ids(found)) == known
    assert world.aws_calls == ["DescribeInstances"]


OF_PROJECT = {"Name": "tag:Project", "Values": ["Elephant"]}
LISTINGS = {
    "of_meeting": [OF_PROJECT, {"Name": "tag:MeetingID", "Values": ["m1"]}],
    "of_project": [OF_PROJECT],
    "among": [{"Name": "instance-id", "Values": IDS}],
}


@pytest.mark.parametrize("listing", LISTINGS)
def test_every_page_of_a_listing_is_read(listing: str) -> None:
    """An instance on an unread page would lose its record, or its meeting be taken for over."""
    pages = [
        page(IDS[0], IDS[1], NextToken="second"),
        page(NextToken="third"),
        page(IDS[1], IDS[2], NextToken=""),
    ]
    client = answering(*pages)

    found = QUESTIONS[listing](instances(client))

    assert isinstance(found, tuple)
    assert ids(found) == IDS[:3]
    request = {"Filters": LISTINGS[listing], "MaxResults": 1000}
    tokens = [{}, {"NextToken": "second"}, {"NextToken": "third"}]
    assert client.requests == [request | token for token in tokens]


@pytest.mark.parametrize("listing", LISTINGS)
def test_a_page_that_fails_makes_the_listing_fail(listing: str) -> None:
    pages = page(IDS[0], NextToken="second"), refusal("RequestLimitExceeded")

    with pytest.raises(ClientError, match="RequestLimitExceeded"):
        QUESTIONS[listing](instances(answering(*pages)))


def test_a_page_that_leads_back_to_one_that_was_read_is_no_list() -> None:
    pages = (page(NextToken=token) for token in ("second", "third", "second"))

    with pytest.raises(IncompleteAnswerError, match="returned the same page twice"):
        instances(answering(*pages)).of_project()


@pytest.mark.parametrize(
    ("owner", "is_listed"),
    [("elephant:prod", True), (None, True), ("elephant:dev", False), ("", False)],
)
def test_what_another_stage_launched_is_not_listed(owner: str | None, *, is_listed: bool) -> None:
    marked = [] if owner is None else [{"Key": OWNER_TAG, "Value": owner}]
    tags = [{"Key": "Project", "Value": "Elephant"}, *marked]
    client = answering(*[page(described(Tags=tags))] * 3)

    ours = instances(client, "elephant:prod")

    assert bool(ours.of_meeting("m1")) is is_listed
    assert bool(ours.of_project()) is is_listed
    assert instances(client).of_project()


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        *(("*", r"\*"), ("m?", r"m\?"), (r"a\b", r"a\\b"), (r"\*", r"\\\*")),
        *(("**??", r"\*\*\?\?"), ("m-1_x.y/z", "m-1_x.y/z")),
    ],
)
def test_wildcards_in_tags_match_literally(text: str, escaped: str) -> None:
    """A MeetingID of `*` would otherwise be every meeting's."""
    client = answering(page())

    Instances(client, ("Project", text), None).of_meeting(text)

    (request,) = client.requests
    assert [each["Values"] for each in request["Filters"]] == [[escaped], [escaped]]


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (200, [200]), (201, [200, 1]), (450, [200, 200, 50])]
)
def test_as_many_are_asked_for_at_once_as_a_filter_takes(count: int, sizes: list[int]) -> None:
    wanted = [f"i-{number:08x}" for number in range(count)]
    client = answering(*(page() for _ in sizes))

    assert instances(client).among([*reversed(wanted), *wanted[:1]]) == ()

    asked = [request["Filters"][0]["Values"] for request in client.requests]
    assert [len(values) for values in asked] == sizes
    assert [each for values in asked for each in values] == wanted


# Looking up by id


class Asked:
    """EC2 that knows some instances, and shows or hides them, or names those it does not know."""

    def __init__(self, known: list[str], *, names: int = 1000, hides: bool = False) -> None:
        self._known = known
        self._names = names
        self._hides = hides
        self.questions: list[list[str]] = []

    def describe_instances(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        asked = request["InstanceIds"]
        self.questions.append(asked)
        unknown = [each for each in asked if each not in self._known]
        if unknown and not self._hides:
            named = f"The instance IDs '{', '.join(unknown[: self._names])}' do not exist"
            raise refusal("InvalidInstanceID.NotFound", named)
        return page(*(each for each in asked if each in self._known))


@pytest.mark.parametrize(("names", "questions"), [(1000, 2), (1, 4), (0, 11)])
def test_looked_up_by_id_an_instance_is_shown_or_denied(names: int, questions: int) -> None:
    """EC2 may name every id that it does not know, or one, or none."""
    ec2 = Asked(IDS[::2], names=names)

    found = instances(ec2).look_up(IDS)

    assert {each: instance and instance.id for each, instance in found.items()} == {
        each: each if each in IDS[::2] else None for each in IDS
    }
    assert len(ec2.questions) == questions


def test_what_is_neither_shown_nor_denied_is_left_out() -> None:
    assert list(instances(Asked(IDS[::2], hides=True)).look_up(IDS)) == IDS[::2]


def test_many_are_looked_up_at_once_and_in_a_bounded_number_of_calls() -> None:
    many = [f"i-{number:08x}" for number in range(1, 251)]
    ec2, slow = Asked(many), Asked([], names=1)

    assert len(instances(ec2).look_up(many)) == 250
    assert sorted(map(len, ec2.questions)) == [50, 100, 100]
    assert len(instances(slow).look_up(many)) == 100


@pytest.mark.parametrize(
    "text",
    [
        *("", "i-", "i-*", "i-0123456", "i-012345678"),
        *("i-0123456789abcdef", "i-0123456789abcdef01", "i-0123456789abcdefg"),
        *("i-0123456789ABCDEF0", "I-0123456789abcdef0", " i-0123456789abcdef0"),
        *("i-0123456789abcdef0\n", "i-0123456789abcdef0.example.com", "i-\u0660123456789abcdef0"),
    ],
)
def test_an_instance_id_has_8_or_17_hexadecimal_digits(text: str) -> None:
    assert not is_instance_id(text)
    assert is_instance_id("i-01234567")
    assert is_instance_id("i-0123456789abcdef0")
