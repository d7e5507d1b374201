"""The command `completion`: how a shell completes commands, options and stages."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

_SHELLS: Final = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands and stages.

    Completion reads .chalice/config.json and your AWS configuration, and uses no network.

    \b
    Examples:
      eval "$(elephant completion bash)"    # in ~/.bashrc
      eval "$(elephant completion zsh)"     # in ~/.zshrc, after compinit
      elephant completion fish | source     # in ~/.config/fish/config.fish
    """  # noqa: D301 (click's mark for text that keeps its lines)
    group = context.find_root().command
    click.echo(_SHELLS[shell](group, {}, "elephant", "_ELEPHANT_COMPLETE").source())
