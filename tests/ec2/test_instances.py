"""Everything that the project has in EC2 is listed, whole, or the list fails."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.ec2.instances import IncompleteAnswerError, Instances, is_instance_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.world import World

PROJECT = ("Project", "Elephant")
LAUNCHED_AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
OF_PROJECT = [{"Name": "tag:Project", "Values": ["Elephant"]}]


class Ec2:
    """EC2 that has pages for each question, and keeps what was asked."""

    def __init__(self, *pages: Mapping[str, Any] | Exception) -> None:
        self._pages = list(pages)
        self.requests: list[dict[str, Any]] = []

    def describe_instances(self, **request: object) -> Mapping[str, Any]:
        self.requests.append(dict(request))
        page = self._pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page


def page(*instance_ids: str, **members: object) -> dict[str, Any]:
    instances = [
        {"InstanceId": each, "State": {"Name": "running"}, "LaunchTime": LAUNCHED_AT}
        for each in instance_ids
    ]
    return {"Reservations": [{"Instances": instances}], **members}


def throttled() -> ClientError:
    return ClientError({"Error": {"Code": "RequestLimitExceeded"}}, "DescribeInstances")


def test_a_page_that_leads_to_one_that_was_read_is_no_list() -> None:
    """It would be read for ever."""
    pages = [page(NextToken="second"), page(NextToken="third"), page(NextToken="second")]

    with pytest.raises(IncompleteAnswerError, match="returned the same page twice"):
        Instances(Ec2(*pages), PROJECT, None).of_project()


# Of the project


def test_the_project_has_its_instances_in_whatever_state(world: World) -> None:
    running, stopped, ended = world.desktop(), world.launch(), world.launch()
    world.ec2.stop_instances(InstanceIds=[stopped])
    world.terminate(ended)
    world.launch(Project="Giraffe")
    world.launch(Project="")

    found = {each.id: each.state for each in world.instances().of_project()}

    assert found == {running: "running", stopped: "stopped", ended: "terminated"}
    assert world.aws_calls == ["DescribeInstances"]


def test_a_project_without_instances_has_none(world: World) -> None:
    world.launch(Project="Giraffe")

    assert world.instances().of_project() == ()


def test_a_project_goes_by_a_tag_of_its_own(world: World) -> None:
    world.launch()
    giraffe = world.launch(Project="Giraffe")

    instances = world.instances(("Project", "Giraffe"))

    assert [each.id for each in instances.of_project()] == [giraffe]


def test_every_page_of_the_projects_instances_is_read() -> None:
    """An instance on a page that was not read would lose its record."""
    ec2 = Ec2(page("i-00000001", NextToken="second"), page(NextToken="third"), page("i-00000002"))

    found = Instances(ec2, PROJECT, None).of_project()

    assert [each.id for each in found] == ["i-00000001", "i-00000002"]
    asked = {"Filters": OF_PROJECT, "MaxResults": 1000}
    assert ec2.requests == [
        asked,
        asked | {"NextToken": "second"},
        asked | {"NextToken": "third"},
    ]


def test_an_instance_that_two_pages_have_is_one() -> None:
    ec2 = Ec2(page("i-00000001", NextToken="second"), page("i-00000001", "i-00000002"))

    assert len(Instances(ec2, PROJECT, None).of_project()) == 2


def test_a_page_that_fails_makes_the_list_fail() -> None:
    ec2 = Ec2(page("i-00000001", NextToken="second"), throttled())

    with pytest.raises(ClientError, match="RequestLimitExceeded"):
        Instances(ec2, PROJECT, None).of_project()


def test_wildcards_in_the_projects_tag_stand_for_themselves() -> None:
    """A project named `*` would otherwise have everybody's instances."""
    ec2 = Ec2(page())

    Instances(ec2, ("Project", "*?\\"), None).of_project()

    assert ec2.requests[0]["Filters"] == [{"Name": "tag:Project", "Values": ["\\*\\?\\\\"]}]


# Among some


def test_of_some_instances_those_are_found_that_ec2_knows_whatever_their_tags(
    world: World,
) -> None:
    giraffe, bare, ended = world.launch(Project="Giraffe"), world.launch(Project=""), world.launch()
    world.terminate(ended)
    world.launch()

    asked = [giraffe, bare, ended, "i-0123456789abcdef0", "i-01234567"]
    found = world.instances().among(asked)

    assert {each.id for each in found} == {giraffe, bare, ended}
    assert world.aws_calls == ["DescribeInstances"]


def test_nothing_is_asked_about_no_instance(world: World) -> None:
    assert world.instances().among([]) == ()
    assert world.aws_calls == []


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (200, [200]), (201, [200, 1]), (450, [200, 200, 50])]
)
def test_many_are_asked_about_by_as_many_as_a_filter_takes(count: int, sizes: list[int]) -> None:
    wanted = [f"i-{number:08x}" for number in range(count)]
    ec2 = Ec2(*(page() for _ in sizes))

    assert Instances(ec2, PROJECT, None).among([*reversed(wanted), wanted[0]]) == ()

    asked = [request["Filters"][0]["Values"] for request in ec2.requests]
    assert [len(values) for values in asked] == sizes
    assert [each for values in asked for each in values] == wanted
    assert {request["Filters"][0]["Name"] for request in ec2.requests} == {"instance-id"}


def test_every_page_about_some_instances_is_read() -> None:
    ec2 = Ec2(page("i-00000001", NextToken="second"), page("i-00000002"))

    found = Instances(ec2, PROJECT, None).among(["i-00000001", "i-00000002"])

    assert [each.id for each in found] == ["i-00000001", "i-00000002"]
    assert [request.get("NextToken") for request in ec2.requests] == [None, "second"]


def test_a_part_that_fails_makes_the_answer_fail() -> None:
    ec2 = Ec2(page("i-00000001"), throttled())

    with pytest.raises(ClientError, match="RequestLimitExceeded"):
        Instances(ec2, PROJECT, None).among([f"i-{number:08x}" for number in range(201)])


# Ids


@pytest.mark.parametrize("text", ["i-01234567", "i-0123456789abcdef0"])
def test_an_instances_id_has_8_or_17_digits(text: str) -> None:
    assert is_instance_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "i-", "i-1", "i-012345678", "I-01234567", "i-0123456G", "i-01234567\n", " i-01234567"],
)
def test_what_looks_like_one_is_none(text: str) -> None:
    assert not is_instance_id(text)
