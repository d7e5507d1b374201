"""The command `stage`: write a stage's config.json and policies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from chalicelib.settings.stage import FEATURES
from ops.assemble import ADDRESS_VARIABLE, TOKEN_VARIABLE, Features, assemble
from ops.concurrency import asked_for
from ops.configure import changes
from ops.console import json_option, project_option, said_clearly, stage_argument
from ops.neighbours import refuse_new_conflicts
from ops.reach import Code
from ops.stages import ConfigFile, check_name, write_files

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@stage_argument
@click.option("--domain-root", help="The domain under which instances get their names.")
@click.option(
    "--zone-id", help=f"Its zone's id; looked up by the domain if {TOKEN_VARIABLE} is set."
)
@click.option("--secret", help="Name or ARN of the secret with the Cloudflare token.")
@click.option(
    "--owner", help="Marks our records: 'elephant:…'.  [default: elephant:NAME/ACCOUNT/REGION]"
)
@click.option(
    "--table", help="The meetings table; '' for DNS only.  [default: elephant-NAME-meetings]"
)
@click.option("--region", help="The stage's AWS region.  [default: your AWS configuration's]")
@click.option("--account", help="The AWS account.  [default: your credentials']")
@click.option("--project-tag", help="The tag that makes an instance ours, Key=Value.")
@click.option("--dcv-port", help="The port in the links.")
@click.option(
    "--proxied", type=click.Choice(["true", "false"]), help="Whether Cloudflare proxies records."
)
@click.option("--ttl", help="The records' TTL in seconds; 1 for automatic.")
@click.option("--event-tags", type=click.Choice(["optional", "required"]))
@click.option("--sweep-schedule", help="When the sweep runs: 'rate(1 minute)', 'cron(…)'.")
@click.option("--sweep-batch-size", help="Changes in one call to Cloudflare.")
@click.option(
    "--sweep-delete-limit", help="Hold back unproven deletions beyond this number in a day …"
)
@click.option("--sweep-delete-percent", help="… and beyond this percentage of our records.")
@click.option(
    "--grace-minutes",
    help="Minutes to leave a new record alone while EC2 does not know its instance.",
)
@click.option(
    "--concurrency",
    metavar="N|none",
    help="Executions reserved for events, also their limit; with none, sweeps may overlap.  "
    "[default: 20]",
)
@click.option(
    "--with", "added", multiple=True, type=click.Choice(FEATURES), help="A feature to add."
)
@click.option(
    "--without", "removed", multiple=True, type=click.Choice(FEATURES), help="A feature to remove."
)
@click.option("--ami", help="meetings: the desktops' image.")
@click.option(
    "--security-groups", help="meetings: the desktops' security groups, separated by commas."
)
@click.option("--instance-type", help="meetings: the desktops' instance type.  [default: t3.large]")
@click.option("--key-name", help="meetings: the desktops' key pair; '' for none.")
@click.option("--vpc", help="meetings: the desktops' VPC; '' for the default VPC.")
@click.option(
    "--volume-gb", help="meetings: size of the root volume; 0 for the image's own.  [default: 60]"
)
@click.option(
    "--allowed-origins", help="meetings: origins of browser front ends, separated by commas."
)
@click.option(
    "--join-keys",
    type=click.Choice(["required", "off"]),
    help="meetings: whether join links have keys.",
)
@click.option("--max-meeting-minutes", help="meetings: maximum length in minutes.  [default: 180]")
@click.option("--mail-from", help="notifications: the sender's address.")
@click.option("--mail-to", help="notifications: the recipients' addresses, separated by commas.")
@click.option("--auto-scaling-groups", help="notifications: groups to report, separated by commas.")
@click.option(
    "--termination-causes",
    type=click.Choice(["health-checks", "all"]),
    help="notifications: which terminations to report.  [default: health-checks]",
)
@click.option(
    "--codedeploy-applications", help="notifications: applications to report, separated by commas."
)
@click.option(
    "--deployment-states", help="notifications: SUCCESS, FAILURE or both.  [default: SUCCESS]"
)
@click.option(
    "--address-minutes",
    help="notifications: minutes without an address before an e-mail.  [default: 10]",
)
@click.option(
    "--cloudflare-api-url",
    help=f"The API's address.  [default: {ADDRESS_VARIABLE}, or Cloudflare's own]",
)
@click.option("--alarm-email", help="The address that alarms are sent to; '' for none.")
@click.option("--check", is_flag=True, help="Write nothing; fail if a file is out of date.")
@json_option
@project_option
def stage(  # noqa: PLR0913 (the options that are no text)
    name: str,
    directory: Path,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    *,
    check: bool,
    as_json: bool,
    **options: str | None,
) -> None:
    """Create or update stage NAME: its part of .chalice/config.json, and its policies.

    Options that are not given keep their value; on a terminal, missing ones are asked for. Shows
    the difference before it writes. Repeating it changes nothing. Refuses what would make the
    stage conflict with another one: the same owner, table, or tag and domain.

    \b
    Examples:
      elephant stage prod --domain-root example.com --zone-id 0123…cdef
      elephant stage prod --alarm-email ops@example.com
      elephant stage prod --with meetings --ami ami-… --security-groups sg-…
      elephant stage prod --with notifications --mail-from ops@… --mail-to you@…,me@…
      elephant stage prod --check
    """  # noqa: D301
    with said_clearly():
        config_file = ConfigFile(directory.resolve())
        code = Code(config_file.directory)
        check_name(name, code.functions)
        wanted = assemble(config_file, name, options, Features(added, removed))
        shared = refuse_new_conflicts(config_file, wanted)
        found = changes(config_file, code, wanted, asked_for(options["concurrency"]))
        paths = [change.path.relative_to(config_file.directory).as_posix() for change in found]
        if as_json:
            click.echo(json.dumps({"stage": name, "changed": paths, "written": not check}))
        else:
            for change in found:
                _show_difference(change.difference(config_file.directory))
        if check and found:
            raise click.ClickException(
                f"{', '.join(paths)} out of date: run `elephant stage {name}`"
            )
        write_files({each.path: each.after for each in found})
    for each in shared:
        click.secho(f"warning: {each.found}; choose {each.remedy}", fg="yellow", err=True)
    if not as_json:
        click.echo(f"Stage {name}: {', '.join(paths) + ' written' if found else 'no change'}.")


def _show_difference(text: str) -> None:
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in text.splitlines():
        click.secho(line, fg=colours.get(line[:1]))
