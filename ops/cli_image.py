"""The command `image`: what a build of the desktops' image needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click

from ops.console import project_option, said_clearly, stage_argument
from ops.grants import certificate_secret
from ops.image import PLATFORMS, DesktopImage
from ops.stages import ConfigError, ConfigFile
from ops.written_files import write_files


class _Form(click.ParamType[str]):
    """A text of a certain form."""

    def __init__(self, name: str, pattern: str) -> None:
        self.name = name
        self._pattern = re.compile(pattern)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse other texts, so that none needs quotes where it is written."""
        if not self._pattern.fullmatch(value):
            self.fail(f"{value!r} is no {self.name}", param, ctx)
        return value


_SECRET: Final = _Form("name or ARN of a secret", r"[A-Za-z0-9/_+=.@:-]*")
_AMI: Final = _Form("id of an image", r"ami-[0-9a-f]+")
_VERSION: Final = _Form("version such as 1.0.0", r"\d+\.\d+\.\d+")
_SOME_IMAGE: Final = "ami-00000000000000000"


@click.command(short_help="Print what a build of the desktops' image needs.")
@stage_argument
@click.option(
    "--platform",
    type=click.Choice(list(PLATFORMS)),
    default="linux",
    show_default=True,
    help="The desktops' operating system.",
)
@click.option(
    "--parent",
    type=_AMI,
    default=_SOME_IMAGE,
    show_default=True,
    help="The image to build on, which has a DCV server.",
)
@click.option(
    "--version",
    type=_VERSION,
    default="1.0.0",
    show_default=True,
    help="A version that Image Builder does not have yet.",
)
@click.option(
    "--certificate-secret",
    "secret",
    type=_SECRET,
    help="The secret of `elephant certificate --secret`; empty if the image has its own "
    "certificate.  [default: the stage's CERTIFICATE_SECRET, or elephant/NAME/dcv]",
)
@click.option(
    "--idle-minutes",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Finish when nobody has been connected for so long; 0 for never.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the files into this directory instead of printing them.",
)
@project_option
def image(  # noqa: PLR0913 (the options)
    name: str,
    directory: Path,
    *,
    platform: str,
    parent: str,
    version: str,
    secret: str | None,
    idle_minutes: int,
    out: Path | None,
) -> None:
    """Print what a build of stage NAME's desktop image needs: files for EC2, and the commands.

    A component and a recipe for EC2 Image Builder, user data to try it on one instance, and the
    commands that use them. It changes nothing in AWS. docs/desktops.md says what is installed.

    \b
    Examples:
      elephant image prod --parent ami-0123456789abcdef0 --out prod-image
      elephant image prod --platform windows --idle-minutes 15
    """  # noqa: D301 (click's mark for text that keeps its lines)
    with said_clearly():
        stage = ConfigFile(directory.resolve()).stage(name)
        if stage.settings.meetings is None:
            raise ConfigError(
                f"stage {name!r} launches no desktops: turn that on with `elephant stage {name} "
                "--with meetings …`"
            )
        if secret is None:
            secret = certificate_secret(stage)
        sign_in = "dcv" if stage.settings.meetings.signs_in else "none"
        wanted = DesktopImage(stage, platform, parent, version, secret, sign_in, idle_minutes)
        files = wanted.files()
        if out is None:
            for file, text in files.items():
                click.echo(f"# ----- {file}\n{text}")
            return
        write_files({out / file: text for file, text in files.items()})
        click.echo(f"{', '.join(files)} are in {out}; start with {out / 'commands.sh'}.")
