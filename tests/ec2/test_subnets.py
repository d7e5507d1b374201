"""Desktops are started in the VPC's public subnets, one in each zone, spread by the meeting."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.ec2.launch_errors import NeverError, NotNowError
from chalicelib.ec2.subnets import Subnet, Subnets, in_order
from tests.ec2.test_desktops import client
from tests.world import REGION

if TYPE_CHECKING:
    from tests.world import World

THREE = tuple(Subnet(f"subnet-{zone}", zone, has_room=True, is_public=True) for zone in "abc")


def described(subnet_id: str, **members: Any) -> dict[str, Any]:  # noqa: ANN401
    """Make a subnet as EC2 describes it."""
    return {"SubnetId": subnet_id, "AvailabilityZone": "a", "MapPublicIpOnLaunch": True} | members


def test_without_a_vpc_the_default_ones_subnets_are_taken_one_in_each_zone(world: World) -> None:
    world.ec2.create_vpc(CidrBlock="10.1.0.0/16")

    found = Subnets(world.app_ec2).read_subnets(None)

    assert [each.zone for each in found] == [f"{REGION}{zone}" for zone in "abcd"]
    assert all(each.has_room and each.is_public for each in found)
    assert world.aws_calls == ["DescribeSubnets"]


def test_of_a_vpc_its_public_subnets_are_taken(world: World) -> None:
    vpc, public = make_vpc(world)
    world.ec2.modify_subnet_attribute(SubnetId=public, MapPublicIpOnLaunch={"Value": True})

    assert [each.id for each in Subnets(world.app_ec2).read_subnets(vpc)] == [public]


def test_of_a_vpc_that_marks_none_as_public_all_are_taken(world: World) -> None:
    vpc, _ = make_vpc(world)

    assert len(Subnets(world.app_ec2).read_subnets(vpc)) == 2


def make_vpc(world: World) -> tuple[str, str]:
    """Make a VPC with two subnets; return its id and one of theirs."""
    vpc = str(world.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"])
    made = [
        world.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.1.{number}.0/24")["Subnet"]["SubnetId"]
        for number in range(2)
    ]
    return vpc, str(made[0])


def test_a_vpc_without_subnets_is_refused_by_its_name(world: World) -> None:
    with pytest.raises(NeverError, match=r"vpc-01234567 has no usable subnet .* correct VPC_ID"):
        Subnets(world.app_ec2).read_subnets("vpc-01234567")


def test_a_region_without_a_default_vpc_asks_for_one(world: World) -> None:
    for subnet in world.ec2.describe_subnets()["Subnets"]:
        world.ec2.delete_subnet(SubnetId=subnet["SubnetId"])

    with pytest.raises(NeverError, match=r"the default VPC has no usable subnet .* set VPC_ID"):
        Subnets(world.app_ec2).read_subnets(None)


def test_a_refusal_is_told(world: World) -> None:
    world.fail("DescribeSubnets", "RequestLimitExceeded")

    with pytest.raises(NotNowError, match="listing subnets"):
        Subnets(world.app_ec2).read_subnets(None)


class Pages:
    """A client that answers one page after the other."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self._pages = pages
        self.requests: list[dict[str, Any]] = []

    def describe_subnets(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        self.requests.append(dict(request))
        number = int(request.get("NextToken", 0))
        more = number + 1 < len(self._pages)
        return {"Subnets": self._pages[number]} | ({"NextToken": str(number + 1)} if more else {})


def test_every_page_is_read_and_outposts_are_left_out() -> None:
    outpost = described("subnet-2", OutpostArn="arn:aws:outposts:…")
    pages: Any = Pages([described("subnet-1"), outpost], [described("subnet-3")])

    found = Subnets(pages).read_subnets("vpc-1")

    assert [each.id for each in found] == ["subnet-1", "subnet-3"]
    filters = [
        {"Name": "vpc-id", "Values": ["vpc-1"]},
        {"Name": "state", "Values": ["available"]},
    ]
    assert pages.requests == [{"Filters": filters}, {"Filters": filters, "NextToken": "1"}]


def test_a_subnet_without_an_address_left_is_known() -> None:
    full = described("subnet-1", AvailableIpAddressCount=0)

    (found,) = Subnets(client({"Subnets": [full]})).read_subnets(None)

    assert not found.has_room


def test_the_order_is_the_same_for_a_meeting_however_they_are_listed() -> None:
    order = in_order(THREE, "m1", None)

    assert sorted(order) == ["subnet-a", "subnet-b", "subnet-c"]
    assert in_order(reversed(THREE), "m1", None) == order


def test_meetings_are_spread_over_the_zones() -> None:
    firsts = Counter(in_order(THREE, f"m{number}", None)[0] for number in range(600))

    assert all(150 < count < 250 for count in firsts.values()), firsts


def test_a_zone_more_changes_nothing_in_the_order_of_the_others() -> None:
    four = (*THREE, Subnet("subnet-d", "d", has_room=True, is_public=True))

    for number in range(20):
        order = in_order(four, f"m{number}", None)
        assert tuple(each for each in order if each != "subnet-d") == in_order(
            THREE, f"m{number}", None
        )


def test_of_a_zone_one_subnet_is_tried_and_none_that_is_full() -> None:
    """A token is good for a zone: in its second subnet it would only be refused."""
    same_zone = [Subnet(f"subnet-{number}", "a", has_room=True, is_public=True) for number in "12"]
    full = Subnet("subnet-3", "b", has_room=False, is_public=True)

    order = in_order([*same_zone, full], "m1", None)

    assert len(order) == 1
    assert order[0] in {"subnet-1", "subnet-2"}


@pytest.mark.parametrize("first", ["subnet-c", "subnet-gone"])
def test_the_one_that_was_asked_in_is_tried_first_whatever_it_is_like(first: str) -> None:
    order = in_order(THREE, "m1", first)

    assert order[0] == first
    assert {"subnet-a", "subnet-b", "subnet-c"} <= set(order)
    assert len(order) == len(set(order))
