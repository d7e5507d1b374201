"""The command `network`: check the desktops' VPC, and make their security group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ops.account import Account
from ops.check import Context, Level
from ops.checks_network import subnet_findings
from ops.console import project_option, said_clearly, say, stage_argument, step
from ops.desktop_group import DesktopGroup, decide, group_name
from ops.network import default_vpc, subnets_of
from ops.opened import check_account
from ops.stages import ConfigError, ConfigFile

if TYPE_CHECKING:
    from pathlib import Path

_FEW_DESKTOPS = 2


@click.command(short_help="Check the desktops' VPC, make the security group.")
@stage_argument
@click.option("--vpc", "vpc_id", help="The VPC.  [default: the stage's, or the default one]")
@click.option("--yes", is_flag=True, help="Do not ask.")
@project_option
def network(name: str, directory: Path, vpc_id: str | None, *, yes: bool) -> None:
    """Check the VPC of stage NAME's desktops, and make a security group for them.

    The group lets in TCP on DCV's port (DCV_PORT) from the ranges that Cloudflare publishes, and
    nothing else. Later deployments keep it up to date; a group that Elephant did not make is never
    changed. Says what it will do, and asks. Repeating it changes nothing.

    \b
    Examples:
      elephant network prod
      elephant network prod --vpc vpc-0123456789abcdef0
    """  # noqa: D301
    with said_clearly():
        config_file = ConfigFile(directory.resolve())
        context = Context(config_file, name)
        stage, account = context.stage, Account(context.stage.region)
        check_account(stage, account)
        meetings, port = stage.settings.meetings, stage.settings.dcv_port
        if not stage.settings.proxied:
            raise ConfigError(
                "the stage is not proxied, so people connect to desktops directly: make a group "
                f"that lets them in on TCP {port}"
            )
        chosen = vpc_id or (meetings.vpc_id if meetings else None)
        vpc = chosen or default_vpc(account)
        if vpc is None:
            raise ConfigError(
                f"{stage.region} has no default VPC: make one with `aws ec2 create-default-vpc "
                f"--region {stage.region}`, or give --vpc"
            )
        step(f"Subnets of {vpc}")
        desktops = meetings.max_desktops if meetings else _FEW_DESKTOPS
        region = f" --region {stage.region}"
        for found in subnet_findings(subnets_of(account, chosen), desktops, region):
            say(f"{found.of}: {found.found}")
            if found.level is not Level.OK:
                say(f"→ {found.remedy}")
        group, ranges = DesktopGroup(account, stage), context.zone.ranges()
        group_id = group.find(vpc)
        step(f"Security group {group_id or group_name(stage)}")
        changes = decide(group.rules(group_id) if group_id else (), ranges, port)
        if group_id is None or changes.add or changes.remove:
            will = "change it" if group_id else f"create it in {vpc}"
            say(f"{will}: TCP {port} from Cloudflare, {changes.text}")
            if not yes:
                click.confirm("Go on?", abort=True)
            group_id = group_id or group.create(vpc)
            group.settle(group_id, ranges)
        else:
            say(f"{group_id} is up to date: TCP {port} from {len(ranges)} ranges of Cloudflare's")
        if meetings is None or group_id not in meetings.security_group_ids:
            with_it = f"--security-groups {group_id}" + (f" --vpc {chosen}" if chosen else "")
            first = "" if meetings else "--with meetings --ami ami-… "
            step("Next")
            say(f"elephant stage {name} {first}{with_it}")
