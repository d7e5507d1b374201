"""The desktops' security group, if it is Elephant's own: only Cloudflare may reach DCV's port.

A group without the stage's tag is never changed, nor is a rule that somebody else wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from chalicelib.dns.provider import DnsError
from chalicelib.secrets import SecretError
from ops.account import AwsError, error_code, readable_errors
from ops.stack import STAGE_TAG
from ops.stages import ConfigError
from ops.steps import WARNING
from ops.tags import NO_TAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ops.account import Account
    from ops.stages import Stage
    from ops.token_view import Network, TokenView

    Say = Callable[[str], None]

DESCRIPTION: Final = "Cloudflare, by Elephant"
"""The description of the rules that Elephant wrote."""

_IN_USE: Final = "DependencyViolation"
_GONE: Final = "InvalidGroup.NotFound"


@dataclass(frozen=True)
class Rule:
    """A rule that lets a range in."""

    id: str
    range: str
    """The range; or the id of a list of ranges, or of a group, which are not looked into."""
    ports: tuple[int, int]
    protocol: str
    is_ours: bool

    @classmethod
    def parse(cls, described: Mapping[str, Any]) -> Rule | None:
        """Parse an element of DescribeSecurityGroupRules; None if it lets nobody in."""
        if described["IsEgress"]:
            return None
        text = described.get("CidrIpv4") or described.get("CidrIpv6")
        other = described.get("PrefixListId") or described.get("ReferencedGroupInfo", {})
        return cls(
            described["SecurityGroupRuleId"],
            str(ip_network(text, strict=False)) if text else str(other),
            (described.get("FromPort", -1), described.get("ToPort", -1)),
            described["IpProtocol"],
            described.get("Description") == DESCRIPTION,
        )

    @property
    def network(self) -> Network | None:
        """The range; None if it is not known."""
        return ip_network(self.range) if "/" in self.range else None

    def admits(self, port: int) -> bool:
        """Tell whether it is about TCP at this port."""
        if self.protocol == "-1":
            return True
        first, last = self.ports
        return self.protocol == "tcp" and first <= port <= last


@dataclass(frozen=True)
class Changes:
    """What makes a group admit exactly Cloudflare's ranges, besides what others let in."""

    add: tuple[str, ...]
    remove: tuple[Rule, ...]

    @property
    def text(self) -> str:
        """Describe them."""
        added = f"admit {len(self.add)} ranges" if self.add else ""
        removed = f"no longer admit {len(self.remove)}" if self.remove else ""
        return ", ".join(filter(None, (added, removed))) or "no change"


def decide(rules: Iterable[Rule], ranges: Iterable[Network], port: int) -> Changes:
    """Compare a group's rules with Cloudflare's ranges."""
    wanted = {str(each) for each in ranges}
    exact = [each for each in rules if (each.protocol, each.ports) == ("tcp", (port, port))]
    there = {each.range for each in exact}
    return Changes(
        tuple(sorted(wanted - there)),
        tuple(
            each for each in rules if each.is_ours and not (each in exact and each.range in wanted)
        ),
    )


def group_name(stage: Stage) -> str:
    """Name the group that Elephant makes."""
    return f"{stage.place.prefix}-desktops"


class DesktopGroup:
    """The stage's own security group. Every method raises AwsError."""

    def __init__(self, account: Account, stage: Stage) -> None:
        self._ec2 = account.client("ec2")
        self._stage = stage

    def find(self, vpc_id: str) -> str | None:
        """Return the id of the stage's group in a VPC; None if there is none.

        Raises ConfigError if another group has its name.
        """
        found = self._named(vpc_id)
        ours = self._ours(found)
        if found and not ours:
            raise ConfigError(
                f"{found[0]['GroupId']} is named {group_name(self._stage)}, but is not of stage "
                f"{self._stage.name!r} (no tag {STAGE_TAG}), so it is left alone: use it with "
                f"`elephant stage {self._stage.name} --security-groups`, or delete it"
            )
        return ours[0] if ours else None

    def find_all(self) -> list[str]:
        """Return the ids of the stage's groups in all VPCs."""
        return self._ours(self._named())

    def _named(self, vpc_id: str | None = None) -> list[Mapping[str, Any]]:
        filters = [{"Name": "group-name", "Values": [group_name(self._stage)]}]
        if vpc_id:
            filters.append({"Name": "vpc-id", "Values": [vpc_id]})
        with readable_errors("look for the desktops' security group"):
            answer = self._ec2.describe_security_groups(Filters=filters)
        return list(answer["SecurityGroups"])

    def _ours(self, found: Iterable[Mapping[str, Any]]) -> list[str]:
        tag = {"Key": STAGE_TAG, "Value": self._stage.name}
        return [str(each["GroupId"]) for each in found if tag in each.get("Tags", [])]

    def create(self, vpc_id: str) -> str:
        """Create the group, without any rule, and return its id."""
        name = group_name(self._stage)
        tags = {**self._stage.tags, "Name": name, STAGE_TAG: self._stage.name}
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        with readable_errors(f"create the security group {name}"):
            answer = self._ec2.create_security_group(
                GroupName=name,
                Description=f"Desktops of stage {self._stage.name}: Cloudflare may reach DCV",
                VpcId=vpc_id,
                TagSpecifications=[{"ResourceType": "security-group", "Tags": listed}],
            )
        return str(answer["GroupId"])

    def rules(self, *group_ids: str) -> list[Rule]:
        """List the rules of groups that let ranges in."""
        filters = [{"Name": "group-id", "Values": list(group_ids)}]
        with readable_errors(f"read the rules of {', '.join(group_ids)}"):
            pages = self._ec2.get_paginator("describe_security_group_rules").paginate(
                Filters=filters
            )
            every = [Rule.parse(each) for page in pages for each in page["SecurityGroupRules"]]
        return [each for each in every if each]

    def settle(self, group_id: str, ranges: Iterable[Network]) -> Changes:
        """Let exactly these ranges in, and say what changed. New ones first."""
        port = self._stage.settings.dcv_port
        changes = decide(self.rules(group_id), ranges, port)
        with readable_errors(f"admit Cloudflare in {group_id}"):
            if changes.add:
                self._ec2.authorize_security_group_ingress(
                    GroupId=group_id, IpPermissions=[_permission(changes.add, port)]
                )
            if changes.remove:
                self._ec2.revoke_security_group_ingress(
                    GroupId=group_id, SecurityGroupRuleIds=[each.id for each in changes.remove]
                )
        return changes

    def tag(self, group_id: str, former: Mapping[str, str]) -> None:
        """Give it the stage's tags, and remove those of an earlier deployment."""
        tags = [{"Key": key, "Value": value} for key, value in self._stage.tags.items()]
        gone = [{"Key": key} for key in sorted(former.keys() - self._stage.tags.keys())]
        with readable_errors(f"tag {group_id}"):
            if tags:
                self._ec2.create_tags(Resources=[group_id], Tags=tags)
            if gone:
                self._ec2.delete_tags(Resources=[group_id], Tags=gone)

    def delete(self, say: Say) -> None:
        """Delete the stage's groups that nothing uses."""
        for group_id in self.find_all():
            with readable_errors(f"delete the security group {group_id}"):
                try:
                    self._ec2.delete_security_group(GroupId=group_id)
                except ClientError as error:
                    if error_code(error) not in {_IN_USE, _GONE}:
                        raise
                    say(
                        f"{WARNING}security group {group_id} is in use, and stays: once no "
                        f"instance has it, aws ec2 delete-security-group --group-id {group_id}"
                    )
                else:
                    say(f"removed security group {group_id}")


def _permission(ranges: Iterable[str], port: int) -> dict[str, Any]:
    said = {"Description": DESCRIPTION}
    of_ipv4 = [{"CidrIp": each, **said} for each in ranges if ":" not in each]
    of_ipv6 = [{"CidrIpv6": each, **said} for each in ranges if ":" in each]
    return {
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        **({"IpRanges": of_ipv4} if of_ipv4 else {}),
        **({"Ipv6Ranges": of_ipv6} if of_ipv6 else {}),
    }


def settle_groups(
    account: Account,
    stage: Stage,
    open_view: Callable[[], TokenView],
    say: Say,
    former_tags: Mapping[str, str] = NO_TAGS,
) -> None:
    """Keep the groups that Elephant made for the stage up to date; others are not touched.

    If Cloudflare does not say its ranges, the rules stay as they are.
    """
    if not stage.settings.proxied:
        return
    group = DesktopGroup(account, stage)
    try:
        ours = group.find_all()
    except AwsError as error:  # of a right that a stage with a group of its own does not need
        say(str(error))
        return
    for group_id in ours:
        group.tag(group_id, former_tags)
        try:
            ranges = open_view().ranges()
        except (DnsError, SecretError) as error:
            say(f"security group {group_id} stays as it is: {error}")
        else:
            say(f"security group {group_id}: {group.settle(group_id, ranges).text}")
