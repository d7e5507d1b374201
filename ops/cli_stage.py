"""The command `stage`: write a stage's config.json and policies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from chalicelib.settings.parsing import Choice
from chalicelib.settings.stage import FEATURES
from ops.assemble import Features, Tags, assemble
from ops.concurrency import asked_for
from ops.configure import changes
from ops.console import json_option, project_and_region_option, said_clearly, stage_argument
from ops.features import CORE_SETTINGS, SETTINGS_OF, capitalized
from ops.neighbours import refuse_new_conflicts
from ops.prompts import Prompts
from ops.reach import Code
from ops.stages import ConfigFile, check_name
from ops.written_files import write_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from chalicelib.settings.parsing import Setting

    Command = Callable[..., None]


def _setting_options(settings_of: Mapping[str, Iterable[Setting]]) -> Callable[[Command], Command]:
    """Add the option of each setting to a command; its parameter is named like the variable."""
    options = [
        _option(feature, each)
        for feature, settings in settings_of.items()
        for each in settings
        if each.option
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _option(feature: str, setting: Setting) -> Callable[[Command], Command]:
    text = f"{feature}: {setting.meaning}" if feature else capitalized(setting.meaning)
    default = f"  [default: {setting.default}]" if setting.default else ""
    return click.option(
        f"--{setting.option}",
        setting.variable,
        type=click.Choice(setting.parse.words) if isinstance(setting.parse, Choice) else None,
        help=f"{text}.{default}",
    )


@click.command(short_help="Write a stage's configuration and its policies.")
@stage_argument
@_setting_options({"": CORE_SETTINGS})
@click.option("--account", help="The AWS account.  [default: your credentials']")
@click.option(
    "--concurrency",
    metavar="N|none",
    help="Executions reserved for events, also their limit; with none, sweeps may overlap.  "
    "[default: 20]",
)
@click.option(
    "--architecture",
    type=click.Choice(["x86_64", "arm64"]),
    help="The processor of the functions; arm64 costs a fifth less.  [default: x86_64]",
)
@click.option(
    "--with", "added", multiple=True, type=click.Choice(list(FEATURES)), help="A feature to add."
)
@click.option(
    "--without",
    "removed",
    multiple=True,
    type=click.Choice(list(FEATURES)),
    help="A feature to remove.",
)
@_setting_options(SETTINGS_OF)
@click.option(
    "--tag",
    "tagged",
    multiple=True,
    metavar="KEY=VALUE",
    help="A tag of your own on everything that the stage has, as for cost allocation.",
)
@click.option("--untag", "untagged", multiple=True, metavar="KEY", help="A tag to remove.")
@click.option("--alarm-email", help="The address that alarms are sent to; '' for none.")
@click.option("--diff", is_flag=True, help="Show the difference in full, new files as well.")
@click.option("--check", is_flag=True, help="Write nothing; fail if a file is out of date.")
@json_option
@project_and_region_option
def stage(  # noqa: PLR0913 (the options that are no text)
    name: str,
    directory: Path,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    *,
    tagged: tuple[str, ...],
    untagged: tuple[str, ...],
    diff: bool,
    check: bool,
    as_json: bool,
    **options: str | None,
) -> None:
    """Create or update stage NAME: its part of .chalice/config.json, and its policies.

    Options that are not given keep their value; on a terminal, missing ones are asked for. Shows
    what changes before it writes. Repeating it changes nothing. Refuses what would make the
    stage conflict with another one: the same owner, table, or tag and domain.

    \b
    Examples:
      elephant stage prod --domain-root example.com --zone-id 0123…cdef
      elephant stage prod --alarm-email ops@example.com
      elephant stage prod --with meetings --ami ami-… --security-groups sg-…
      elephant stage prod --with notifications --mail-from ops@… --mail-to you@…
      elephant stage prod --tag CostCenter=42 --tag Team=learning
      elephant stage prod --check
    """  # noqa: D301
    config_file = ConfigFile(directory.resolve())
    prompts = Prompts(config_file, name)
    with said_clearly(), prompts.kept():
        is_new = not config_file.values(name)
        code = Code(config_file.directory)
        check_name(name, code.functions)
        features, tags = Features(added, removed), Tags(tagged, untagged)
        wanted = assemble(config_file, name, options, features, tags, prompts=prompts)
        shared = refuse_new_conflicts(config_file, wanted)
        found = changes(config_file, code, wanted, asked_for(options["concurrency"]))
        paths = [change.path.relative_to(config_file.directory).as_posix() for change in found]
        if as_json:
            click.echo(json.dumps({"stage": name, "changed": paths, "written": not check}))
        else:
            for change, path in zip(found, paths, strict=True):
                if diff or not (change.is_whole or is_new):
                    _show_difference(change.difference(config_file.directory))
                else:
                    click.echo(f"  {path}: {change.in_short}")
        if check and found:
            raise click.ClickException(
                f"{', '.join(paths)} out of date: run `elephant stage {name}`"
            )
        write_files({each.path: each.after for each in found})
        prompts.forget()
    for each in shared:
        click.secho(f"warning: {each.found}; choose {each.remedy}", fg="yellow", err=True)
    if not as_json:
        click.echo(f"Stage {name}: {f'{len(found)} files written' if found else 'no change'}.")
        if found:
            click.echo(f"Next: elephant deploy {name}")


def _show_difference(text: str) -> None:
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in text.splitlines():
        click.secho(line, fg=colours.get(line[:1]))
