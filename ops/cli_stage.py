"""The command `stage`: what config.json and the policies should say of a stage."""

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
@click.option("--zone-id", help=f"Its zone's id; found by the domain if {TOKEN_VARIABLE} is set.")
@click.option("--secret", help="Name or ARN of the secret with the Cloudflare token.")
@click.option(
    "--owner", help="Marks our records: 'elephant:…'.  [default: elephant:NAME/ACCOUNT/REGION]"
)
@click.option("--table", help="Its table; '' for DNS only.  [default: elephant-NAME-meetings]")
@click.option("--region", help="Where the stage lives.  [default: your AWS configuration's]")
@click.option("--account", help="The AWS account.  [default: your credentials']")
@click.option("--project-tag", help="The tag that makes an instance ours, Key=Value.")
@click.option("--dcv-port", help="The port in the links.")
@click.option("--proxied", type=click.Choice(["true", "false"]), help="Proxied by Cloudflare?")
@click.option("--ttl", help="Seconds; 1 for automatic.")
@click.option("--event-tags", type=click.Choice(["optional", "required"]))
@click.option("--sweep-schedule", help="When the sweep runs: 'rate(1 minute)', 'cron(…)'.")
@click.option("--sweep-batch-size", help="Changes in one call to Cloudflare.")
@click.option(
    "--sweep-delete-limit", help="Hold back more deletions without proof in a day than this …"
)
@click.option("--sweep-delete-percent", help="… and than this share of our records.")
@click.option("--grace-minutes", help="Leave a new record whose instance is unknown so long.")
@click.option(
    "--concurrency",
    metavar="N|none",
    help="Executions reserved for events, and their limit; with none, sweeps may overlap.  "
    "[default: 20]",
)
@click.option(
    "--with", "added", multiple=True, type=click.Choice(FEATURES), help="A feature to add."
)
@click.option("--without", "removed", multiple=True, type=click.Choice(FEATURES), help="… to drop.")
@click.option("--ami", help="meetings: the desktops' image.")
@click.option("--security-groups", help="meetings: the desktops' groups, separated by commas.")
@click.option("--instance-type", help="meetings: the desktops' type.  [default: t3.large]")
@click.option("--key-name", help="meetings: the desktops' key pair; '' for none.")
@click.option("--vpc", help="meetings: where desktops start; '' for the default VPC.")
@click.option("--volume-gb", help="meetings: their disk; 0 as in the image.  [default: 60]")
@click.option("--allowed-origins", help="meetings: front ends elsewhere, separated by commas.")
@click.option(
    "--join-keys", type=click.Choice(["required", "off"]), help="meetings: keys in links."
)
@click.option("--max-meeting-minutes", help="meetings: the longest one.  [default: 180]")
@click.option("--mail-from", help="notifications: the address that e-mails come from.")
@click.option("--mail-to", help="notifications: those that they go to, separated by commas.")
@click.option("--auto-scaling-groups", help="notifications: whose instances, with commas.")
@click.option(
    "--termination-causes",
    type=click.Choice(["health-checks", "all"]),
    help="notifications: which ends of theirs.  [default: health-checks]",
)
@click.option("--codedeploy-applications", help="notifications: whose deployments, with commas.")
@click.option("--deployment-states", help="notifications: SUCCESS, FAILURE.  [default: SUCCESS]")
@click.option("--address-minutes", help="notifications: no address for so long.  [default: 10]")
@click.option(
    "--cloudflare-api-url",
    help=f"The API's address.  [default: {ADDRESS_VARIABLE}, or Cloudflare's own]",
)
@click.option("--alarm-email", help="Who is told of alarms; '' for nobody.")
@click.option("--check", is_flag=True, help="Write nothing; fail if a file is not as it should be.")
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

    What is not given stays as it is written; what is missing is asked for, on a terminal. Shows
    the difference before it writes. Twice the same changes nothing. Refuses what would make it
    fight with another stage: the same owner, table, or tag and domain.

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
                f"{', '.join(paths)} not as it should be: run `elephant stage {name}`"
            )
        write_files({each.path: each.after for each in found})
    for each in shared:
        click.secho(f"look: {each.found}; choose {each.remedy}", fg="yellow", err=True)
    if not as_json:
        click.echo(f"Stage {name}: {', '.join(paths) + ' written' if found else 'no change'}.")


def _show_difference(text: str) -> None:
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in text.splitlines():
        click.secho(line, fg=colours.get(line[:1]))
