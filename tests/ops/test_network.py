"""The desktops' network: what is said of a VPC, and the security group that Elephant makes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from chalicelib.dns.provider import UnavailableError
from localcloud.cloudflare import DEFAULT_TOKEN, IPV4
from localcloud.provisions import open_default_vpc
from ops import cli_network
from ops.account import AwsError
from ops.check import Context, Level
from ops.checks_network import port_findings, quota_finding, subnet_findings
from ops.cli import main
from ops.desktop_group import DESCRIPTION, DesktopGroup, Rule, decide, settle_groups
from ops.network import SubnetView, Vcpus, quota_code, subnets_of, vcpus_of
from ops.stages import ConfigFile
from ops.token_view import TokenView
from tests.ops.projects import ROOT, account, edit_stages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from click.testing import Result

    from ops.stages import Stage
    from tests.world import World

RANGES = tuple(map(ip_network, ("104.16.0.0/13", "172.64.0.0/13", "2606:4700::/32")))
PUBLIC = SubnetView("subnet-1", "us-west-2a", 250, assigns_addresses=True, reaches_internet=True)


def rule(text: str, ports: tuple[int, int] = (8443, 8443), *, is_ours: bool = True) -> Rule:
    return Rule(f"sgr-{text}", text, ports, "tcp", is_ours)


def test_a_group_gets_what_cloudflare_publishes_and_keeps_what_others_wrote() -> None:
    office = rule("198.51.100.0/24", (22, 22), is_ours=False)
    by_hand = rule("104.16.0.0/13", is_ours=False)
    former, moved = rule("103.21.244.0/22"), rule("172.64.0.0/13", (2053, 2053))

    changes = decide([office, by_hand, former, moved], RANGES, 8443)

    assert changes.add == ("172.64.0.0/13", "2606:4700::/32")
    assert changes.remove == (former, moved)


@pytest.mark.parametrize(
    ("rules", "level", "said"),
    [
        ([rule(str(each)) for each in RANGES], Level.OK, "open to Cloudflare only"),
        ([rule("104.16.0.0/13"), rule("172.64.0.0/13", (1, 9000))], Level.OK, "Cloudflare only"),
        ([rule("pl-0123456789abcdef0")], Level.SKIPPED, "open to pl-0123456789abcdef0, which"),
        ([rule("104.16.0.0/14")], Level.FAILURE, "closed to 2 of Cloudflare's ranges (104.16.0.0"),
        ([rule("0.0.0.0/0", (22, 22))], Level.FAILURE, "closed to 2 of"),
        ([replace(rule("0.0.0.0/0"), protocol="udp")], Level.FAILURE, "closed to 2 of"),
        (
            [replace(rule("0.0.0.0/0", (-1, -1)), protocol="-1")],
            Level.WARNING,
            "than Cloudflare: 0",
        ),
    ],
)
def test_a_port_is_open_to_cloudflare_and_to_nobody_else(
    rules: Sequence[Rule], level: Level, said: str
) -> None:
    (found,) = port_findings(rules, RANGES, 8443, "remedy")

    assert (found.level, said in found.found) == (level, True), found


@pytest.mark.parametrize(
    ("subnets", "levels"),
    [
        ([PUBLIC], [Level.OK, Level.OK]),
        ([replace(PUBLIC, free=99)], [Level.OK, Level.WARNING]),
        ([PUBLIC, replace(PUBLIC, reaches_internet=False)], [Level.FAILURE, Level.OK]),
    ],
)
def test_subnets_need_a_way_to_the_internet_and_addresses(
    subnets: Sequence[SubnetView], levels: list[Level]
) -> None:
    assert [each.level for each in subnet_findings(subnets, 100, "")] == levels


@pytest.mark.parametrize(
    ("instance_type", "code"),
    [
        ("t3.large", "L-1216C47A"),
        ("im4gn.large", "L-1216C47A"),
        ("g4dn.xlarge", "L-DB2E81BA"),
        ("gr6.4xlarge", "L-DB2E81BA"),
        ("p5en.48xlarge", "L-417A185B"),
        ("inf2.xlarge", "L-1945791B"),
        ("u-6tb1.metal", "L-43DA4232"),
    ],
)
def test_an_instance_type_counts_against_its_quota(instance_type: str, code: str) -> None:
    assert quota_code(instance_type) == code


@pytest.mark.parametrize(
    ("quota", "level", "said"),
    [
        (None, Level.SKIPPED, "the quota could not be read"),
        (32, Level.WARNING, "need 200 vCPUs, and the account may run 32 at a time"),
        (200, Level.OK, "200 may run"),
    ],
)
def test_a_quota_is_compared_with_the_desktops_that_may_run(
    quota: int | None, level: Level, said: str
) -> None:
    context = Context(ConfigFile(ROOT), "local")
    meetings = context.stage.settings.meetings
    assert meetings

    found = quota_finding(Vcpus(2, quota, "L-1216C47A"), meetings, context)

    assert (found.level, said in found.found) == (level, True), found
    if level is Level.WARNING:
        assert "--desired-value 200 --region us-west-2`, or `elephant stage" in found.remedy
        assert "--max-desktops 16" in found.remedy


@pytest.fixture
def stage(project: Path, world: World) -> Stage:
    """Give a stage in a world whose default VPC has a way to the Internet."""
    open_default_vpc(world.ec2)
    return ConfigFile(project).stage("test")


def run(project: Path, *words: str, answer: str = "y\n") -> Result:
    arguments = ["network", "test", *words, "--project", str(project)]
    return CliRunner().invoke(main, arguments, input=answer)


def group_of(world: World, group_id: str) -> dict[str, Any]:
    found: dict[str, Any] = world.ec2.describe_security_groups(GroupIds=[group_id])
    return dict(found["SecurityGroups"][0])


def test_the_command_shows_what_it_will_do_and_makes_the_group_once(
    project: Path,
    stage: Stage,
    world: World,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = DesktopGroup(account(), stage)

    refused = run(project, answer="n\n")
    assert refused.exit_code == 1
    assert "create it in vpc-" in refused.output
    assert "TCP 8443 from Cloudflare, admit 22 ranges" in refused.output
    assert group.find_all() == []

    done = run(project)
    (group_id,) = group.find_all()
    assert done.exit_code == 0, done.output
    assert f"--with meetings --ami ami-… --security-groups {group_id}" in done.output
    assert "with a way to the Internet" in done.output
    (permission,) = group_of(world, group_id)["IpPermissions"]
    assert (permission["FromPort"], permission["ToPort"]) == (8443, 8443)
    assert sorted(each["CidrIp"] for each in permission["IpRanges"]) == sorted(IPV4)
    again = run(project, "--yes")
    assert f"{group_id} is up to date" in again.output

    vpc_id = group_of(world, group_id)["VpcId"]
    assert DesktopGroup(account(), replace(stage, name="other")).find(vpc_id) is None
    refusal = ClientError({"Error": {"Code": "DependencyViolation"}}, "DeleteSecurityGroup")
    with monkeypatch.context() as patch:
        patch.setattr(group._ec2, "delete_security_group", Mock(side_effect=refusal))
        group.delete(said.append)
    assert "is in use, and stays" in said.pop()
    group.delete(said.append)
    assert (group.find_all(), said) == ([], [f"removed security group {group_id}"])
    group.delete(lambda _: None)


@pytest.mark.usefixtures("stage")
def test_a_group_that_somebody_else_made_is_left_alone(project: Path, world: World) -> None:
    ec2: Any = world.ec2
    made = ec2.create_security_group(GroupName="elephant-test-desktops", Description="mine")

    refused = run(project, "--yes")

    assert refused.exit_code == 1
    assert f"{made['GroupId']} is named elephant-test-desktops, but is not of stage" in (
        refused.output
    )
    assert group_of(world, made["GroupId"])["IpPermissions"] == []


def test_a_deployment_keeps_only_its_own_group_up_to_date(
    project: Path,
    stage: Stage,
    world: World,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(project, "--yes")
    (group_id,) = DesktopGroup(account(), stage).find_all()
    deployed = replace(stage, tags={"Team": "learning"})
    ec2: Any = world.ec2
    permission = {"IpProtocol": "tcp", "FromPort": 8443, "ToPort": 8443}
    ours, theirs = (
        {"CidrIp": "192.0.2.0/24", "Description": DESCRIPTION},
        {"CidrIp": "198.51.100.0/24"},
    )
    ec2.authorize_security_group_ingress(
        GroupId=group_id, IpPermissions=[permission | {"IpRanges": [ours, theirs]}]
    )

    def view() -> TokenView:
        return TokenView(world.cloudflare.url, DEFAULT_TOKEN)

    settle_groups(account(), replace(deployed, tags={"Former": "x"}), view, said.append)
    settle_groups(account(), deployed, view, said.append, {"Former": "x"})

    assert said == [
        f"security group {group_id}: no longer admit 1",
        f"security group {group_id}: no change",
    ]
    (left,) = group_of(world, group_id)["IpPermissions"]
    ranges = {each["CidrIp"] for each in left["IpRanges"]}
    assert ranges == {*IPV4, "198.51.100.0/24"}
    tags = {each["Key"] for each in group_of(world, group_id)["Tags"]}
    assert tags == {"Name", "Team", "elephant:stage"}

    def unavailable() -> TokenView:
        raise UnavailableError("Cloudflare did not answer")

    settle_groups(account(), deployed, unavailable, said.append)
    denied = Mock(side_effect=AwsError("could not look for the desktops' security group"))
    monkeypatch.setattr(DesktopGroup, "find_all", denied)
    settle_groups(account(), deployed, unavailable, said.append)
    assert said.pop() == "could not look for the desktops' security group"
    assert said[2] == f"security group {group_id} stays as it is: Cloudflare did not answer"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"ipv4_cidrs": ["0.0.0.0/0"], "ipv6_cidrs": []}, "no ranges of Cloudflare's"),
        ({"ipv4_cidrs": [], "ipv6_cidrs": ["2606:4700::/32"]}, "no ranges of Cloudflare's"),
        ({"ipv4_cidrs": ["10.0.0.0/16"], "ipv6_cidrs": []}, "no ranges of Cloudflare's"),
        ({"ipv4_cidrs": [16], "ipv6_cidrs": []}, "what is no range"),
        ({"ipv4_cidrs": "104.16.0.0/13"}, "ipv4_cidrs is missing or not of type list"),
    ],
)
def test_ranges_that_cannot_be_cloudflares_open_nothing(
    answer: object, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = TokenView("https://api.invalid", "t" * 40)
    result = type("Answer", (), {"result": answer})
    monkeypatch.setattr(view, "_ask", lambda _: result)

    with pytest.raises(UnavailableError, match=problem):
        view.ranges()


@pytest.mark.usefixtures("stage")
def test_what_cannot_be_done_is_refused_with_the_remedy(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_network, "default_vpc", lambda _: None)
    assert "aws ec2 create-default-vpc --region us-west-2" in run(project).output
    assert "has no usable subnet" in run(project, "--vpc", "vpc-0123456789abcdef0").output
    edit_stages(
        project / ".chalice/config.json",
        lambda stages: stages["test"]["environment_variables"].update(PROXIED="false"),
    )
    assert "people connect to desktops directly" in run(project).output


@pytest.mark.usefixtures("stage")
def test_a_quota_is_known_if_it_may_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    quotas = type("Quotas", (), {"get_service_quota": lambda *_, **__: {"Quota": {"Value": 32.0}}})
    known = account()
    assert vcpus_of(known, "t3.large") == Vcpus(2, None, "L-1216C47A")
    client = known.client
    monkeypatch.setattr(
        type(known), "client", lambda _, name: quotas() if "quotas" in name else client(name)
    )
    assert vcpus_of(known, "t3.large") == Vcpus(2, 32, "L-1216C47A")
    assert all(each.reaches_internet for each in subnets_of(known, None))
