"""Checks of what desktops need from the network: subnets, quotas, and who may reach them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ops.check import failure, ok, question, skipped, warning
from ops.checks_aws import in_region
from ops.desktop_group import DesktopGroup
from ops.network import subnets_of, vcpus_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from chalicelib.settings.meetings import MeetingsSettings
    from ops.check import Context, Finding
    from ops.desktop_group import Rule
    from ops.network import SubnetView, Vcpus
    from ops.token_view import Network

_SHOWN: Final = 3
_IPV4: Final = 4


@question("network", needs=("credentials",))
def subnets(context: Context) -> Iterator[Finding]:
    """Whether desktops reach the Internet from their subnets, which have addresses for them."""
    meetings = context.stage.settings.meetings
    if meetings:
        found = subnets_of(context.account, meetings.vpc_id)
        yield from subnet_findings(found, meetings.max_desktops, in_region(context))


def subnet_findings(found: Sequence[SubnetView], desktops: int, region: str) -> Iterator[Finding]:
    """Judge the subnets in which so many desktops may start."""
    cut_off = [each for each in found if not each.reaches_internet]
    if cut_off:
        of_some = ", of the others" if len(cut_off) < len(found) else ""
        yield failure(
            f"no route to an internet gateway: {_named(cut_off)}{of_some}",
            f"`aws ec2 describe-route-tables --filters Name=association.subnet-id,Values="
            f"{cut_off[0].id}{region}` shows its routes: add 0.0.0.0/0 to an internet gateway; or "
            f"keep desktops out of it: `aws ec2 modify-subnet-attribute --subnet-id "
            f"{cut_off[0].id} --no-map-public-ip-on-launch{region}`, while others have that",
            of="subnets",
        )
    else:
        zones = len({each.zone for each in found})
        yield ok(
            f"{len(found)} with a way to the Internet, in {zones} Availability Zones", of="subnets"
        )
    free = sum(each.free for each in found)
    if free < desktops:
        yield warning(
            f"{free} addresses are free in {_named(found)}, for up to {desktops} desktops",
            "add subnets, or lower MAX_DESKTOPS",
            of="addresses",
        )
    else:
        yield ok(f"{free} are free, for up to {desktops} desktops", of="addresses")


@question("vCPU quota", needs=("credentials",))
def vcpus(context: Context) -> Iterator[Finding]:
    """Whether EC2's quota allows as many desktops as may be booked."""
    meetings = context.stage.settings.meetings
    if not meetings:
        return
    known = vcpus_of(context.account, meetings.instance_type)
    yield quota_finding(known, meetings, context)


def quota_finding(known: Vcpus, meetings: MeetingsSettings, context: Context) -> Finding:
    """Judge a quota by the desktops that may run at a time."""
    wanted = known.each * meetings.max_desktops
    need = f"{meetings.max_desktops} desktops of {meetings.instance_type} need {wanted} vCPUs"
    quota = f"--service-code ec2 --quota-code {known.code}"
    if known.quota is None:
        return skipped(
            f"{need}; the quota could not be read",
            f"`aws service-quotas get-service-quota {quota}{in_region(context)}` needs "
            "servicequotas:GetServiceQuota",
        )
    if known.quota < wanted:
        fewer = context.command("stage", f"--max-desktops {max(2, known.quota // known.each)}")
        return warning(
            f"{need}, and the account may run {known.quota} at a time",
            f"`aws service-quotas request-service-quota-increase {quota} --desired-value "
            f"{wanted}{in_region(context)}`, or {fewer}, then {context.command('deploy')}",
        )
    return ok(f"{need}, and {known.quota} may run")


@question("desktops' ports", needs=("credentials", "token", "desktops"))
def ports(context: Context) -> Iterator[Finding]:
    """Whether the security groups let Cloudflare in on DCV's port, and nobody else."""
    settings = context.stage.settings
    if not settings.meetings or not settings.proxied:
        return
    group = DesktopGroup(context.account, context.stage)
    rules = group.rules(*settings.meetings.security_group_ids)
    ranges = context.zone.ranges()
    is_own = bool({*group.find_all()} & {*settings.meetings.security_group_ids})
    remedy = context.command("deploy") if is_own else context.command("network")
    yield from port_findings(rules, ranges, settings.dcv_port, remedy)


def port_findings(
    rules: Iterable[Rule], ranges: Sequence[Network], port: int, remedy: str
) -> Iterator[Finding]:
    """Judge rules by Cloudflare's ranges. Desktops have IPv4 addresses only."""
    open_to = [each for each in rules if each.admits(port)]
    admitted = [each.network for each in open_to if each.network]
    indirect = [each.range for each in open_to if not each.network]
    missing = [
        each
        for each in ranges
        if each.version == _IPV4 and not any(_contains(other, each) for other in admitted)
    ]
    strange = [
        each for each in admitted if not any(_contains(cloudflares, each) for cloudflares in ranges)
    ]
    if missing and indirect:
        yield skipped(f"TCP {port} is open to {', '.join(indirect)}, which is not looked into")
    elif missing:
        shown = ", ".join(map(str, missing[:_SHOWN])) + (" …" if len(missing) > _SHOWN else "")
        yield failure(
            f"TCP {port} is closed to {len(missing)} of Cloudflare's ranges ({shown}): visitors "
            "get error 522",
            remedy,
        )
    elif strange:
        shown = ", ".join(map(str, strange[:_SHOWN])) + (" …" if len(strange) > _SHOWN else "")
        yield warning(
            f"TCP {port} is open to others than Cloudflare: {shown}",
            "remove those rules, so that nobody gets past Cloudflare to a desktop",
        )
    else:
        yield ok(f"TCP {port} is open to Cloudflare only")


def _contains(network: Network, other: Network) -> bool:
    return network.version == other.version and other.subnet_of(network)  # type: ignore[arg-type]


def _named(found: Iterable[SubnetView]) -> str:
    return ", ".join(f"{each.id} ({each.zone})" for each in found)


QUESTIONS: Final = (subnets, vcpus, ports)
