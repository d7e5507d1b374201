"""The VPC in which desktops start: its subnets, their way to the Internet, and EC2's quotas."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from chalicelib.ec2.desktops import Desktops
from chalicelib.ec2.launch_errors import NeverError, NotNowError
from ops.account import AwsError, error_code, readable_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ops.account import Account

_ANYWHERE: Final = "0.0.0.0/0"
# https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
_QUOTAS: Final = {
    **dict.fromkeys(("g", "gr", "vt"), "L-DB2E81BA"),
    **dict.fromkeys(("u", "u-"), "L-43DA4232"),
    "dl": "L-6E869C2A",
    "f": "L-74FC7D96",
    "hpc": "L-F7808C92",
    "inf": "L-1945791B",
    "p": "L-417A185B",
    "trn": "L-2C3B7624",
    "x": "L-7295265B",
}
"""The codes of quotas by the letters of an instance family; the others are Standard."""
_STANDARD_QUOTA: Final = "L-1216C47A"


@dataclass(frozen=True)
class SubnetView:
    """A subnet in which desktops may start."""

    id: str
    zone: str
    free: int
    """Addresses that it has left."""
    assigns_addresses: bool
    """Whether an instance gets a public IPv4 address without asking for one."""
    reaches_internet: bool
    """Whether its route table has an internet gateway."""


@dataclass(frozen=True)
class Vcpus:
    """What EC2's quota allows of an instance type; None if it is not known."""

    each: int
    quota: int | None
    code: str


def default_vpc(account: Account) -> str | None:
    """Return the id of the region's default VPC; None if it was deleted. Raises AwsError."""
    with readable_errors("look for the default VPC"):
        found = account.client("ec2").describe_vpcs(
            Filters=[{"Name": "is-default", "Values": ["true"]}]
        )["Vpcs"]
    return str(found[0]["VpcId"]) if found else None


def subnets_of(account: Account, vpc_id: str | None) -> tuple[SubnetView, ...]:
    """Read the subnets that `launch_ec2` would use, of the VPC or the default one.

    Raises AwsError, also if there are none.
    """
    ec2 = account.client("ec2")
    try:
        used = {each.id for each in Desktops(ec2).read_subnets(vpc_id)}
    except (NeverError, NotNowError) as error:
        raise AwsError(f"could not find subnets for desktops: {error}") from error
    with readable_errors("read the subnets"):
        pages = ec2.get_paginator("describe_subnets").paginate(SubnetIds=sorted(used))
        found = [each for page in pages for each in page["Subnets"]]
    with readable_errors("read the route tables"):
        pages = ec2.get_paginator("describe_route_tables").paginate(
            Filters=[{"Name": "vpc-id", "Values": sorted({each["VpcId"] for each in found})}]
        )
        tables = [each for page in pages for each in page["RouteTables"]]
    return tuple(_view(each, tables) for each in found)


def vcpus_of(account: Account, instance_type: str) -> Vcpus:
    """Read how many vCPUs one such instance has, and how many may run. Raises AwsError."""
    with readable_errors(f"look for the instance type {instance_type}"):
        (described,) = account.client("ec2").describe_instance_types(InstanceTypes=[instance_type])[
            "InstanceTypes"
        ]
    code = quota_code(instance_type)
    each = int(described["VCpuInfo"]["DefaultVCpus"])
    with readable_errors(f"read the quota {code} of EC2"):
        try:
            answer = account.client("service-quotas").get_service_quota(
                ServiceCode="ec2", QuotaCode=code
            )
        except ClientError as error:
            if error_code(error) not in {"AccessDeniedException", "NoSuchResourceException"}:
                raise
            return Vcpus(each, None, code)
    return Vcpus(each, int(answer["Quota"]["Value"]), code)


def quota_code(instance_type: str) -> str:
    """Return the code of the quota of running On-Demand vCPUs that counts an instance type."""
    letters = "".join(takewhile(lambda each: not each.isdigit(), instance_type))
    return _QUOTAS.get(letters, _STANDARD_QUOTA)


def _view(subnet: Mapping[str, Any], tables: Sequence[Mapping[str, Any]]) -> SubnetView:
    own = [each for each in tables if _is_of(each, SubnetId=subnet["SubnetId"])]
    main = [each for each in tables if each["VpcId"] == subnet["VpcId"] and _is_of(each, Main=True)]
    return SubnetView(
        id=subnet["SubnetId"],
        zone=subnet["AvailabilityZone"],
        free=subnet["AvailableIpAddressCount"],
        assigns_addresses=subnet["MapPublicIpOnLaunch"],
        reaches_internet=any(_reaches_internet(each["Routes"]) for each in (own or main)),
    )


def _is_of(table: Mapping[str, Any], **member: object) -> bool:
    return any(member.items() <= each.items() for each in table.get("Associations", ()))


def _reaches_internet(routes: Iterable[Mapping[str, Any]]) -> bool:
    return any(
        route.get("DestinationCidrBlock") == _ANYWHERE
        and route.get("GatewayId", "").startswith("igw-")
        and route.get("State", "active") == "active"
        for route in routes
    )
