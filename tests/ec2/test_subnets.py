"""Desktops are started in the VPC's public subnets, one in each zone, spread by the meeting."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.ec2.desktops import Desktops
from chalicelib.ec2.launch_errors import NeverError, NotNowError
from chalicelib.ec2.subnets import Subnet, in_order
from tests.answers import answering, refusal
from tests.world import REGION

if TYPE_CHECKING:
    from tests.world import World

THREE = tuple(Subnet(f"subnet-{zone}", zone, has_room=True, is_public=True) for zone in "abc")


def described(subnet_id: str, **members: Any) -> dict[str, Any]:  # noqa: ANN401
    """Make a subnet as EC2 describes it."""
    return {"SubnetId": subnet_id, "AvailabilityZone": "a", "MapPublicIpOnLaunch": True} | members


def test_without_a_vpc_the_default_subnets_of_the_default_vpc_are_taken(world: World) -> None:
    world.ec2.create_vpc(CidrBlock="10.1.0.0/16")
    desktops = Desktops(world.app_ec2)

    found = desktops.read_subnets(None)

    assert [each.zone for each in found] == [f"{REGION}{zone}" for zone in "abcd"]
    assert all(each.has_room and each.is_public for each in found)
    assert world.aws_calls == ["DescribeSubnets"]

    for each in found:
        world.ec2.delete_subnet(SubnetId=each.id)
    with pytest.raises(NeverError, match=r"the default VPC has no usable subnet .* set VPC_ID"):
        desktops.read_subnets(None)


def test_of_a_vpc_its_public_subnets_are_taken_or_all_if_none_is_marked(world: World) -> None:
    vpc = world.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    desktops = Desktops(world.app_ec2)
    with pytest.raises(NeverError, match=rf"{vpc} has no usable subnet .* correct VPC_ID"):
        desktops.read_subnets(vpc)

    public, other = (
        world.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.1.{number}.0/24")["Subnet"]["SubnetId"]
        for number in range(2)
    )
    assert {each.id for each in desktops.read_subnets(vpc)} == {public, other}

    world.ec2.modify_subnet_attribute(SubnetId=public, MapPublicIpOnLaunch={"Value": True})
    assert [each.id for each in desktops.read_subnets(vpc)] == [public]


def test_a_refusal_says_what_was_asked() -> None:
    with pytest.raises(NotNowError, match="listing subnets"):
        Desktops(answering(refusal("RequestLimitExceeded"))).read_subnets(None)


def test_every_page_is_read_and_outposts_are_left_out() -> None:
    outpost = described("subnet-2", OutpostArn="arn:aws:outposts:…")
    first = {"Subnets": [described("subnet-1"), outpost], "NextToken": "1"}
    client = answering(first, {"Subnets": [described("subnet-3")]})

    found = Desktops(client).read_subnets("vpc-1")

    assert [each.id for each in found] == ["subnet-1", "subnet-3"]
    filters = [{"Name": "vpc-id", "Values": ["vpc-1"]}, {"Name": "state", "Values": ["available"]}]
    assert client.requests == [{"Filters": filters}, {"Filters": filters, "NextToken": "1"}]


def test_a_subnet_without_a_free_address_has_no_room() -> None:
    assert not Subnet.parse(described("subnet-1", AvailableIpAddressCount=0)).has_room


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
    """A token is good for one Availability Zone: in its second subnet it would be rejected."""
    same_zone = [Subnet(f"subnet-{number}", "a", has_room=True, is_public=True) for number in "12"]
    full = Subnet("subnet-3", "b", has_room=False, is_public=True)

    order = in_order([*same_zone, full], "m1", None)

    assert len(order) == 1
    assert order[0] in {"subnet-1", "subnet-2"}


@pytest.mark.parametrize("first", ["subnet-c", "subnet-gone"])
def test_the_subnet_of_an_earlier_attempt_is_tried_first_in_any_case(first: str) -> None:
    order = in_order(THREE, "m1", first)

    assert order[0] == first
    assert {"subnet-a", "subnet-b", "subnet-c"} <= set(order)
    assert len(order) == len(set(order))
