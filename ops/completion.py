"""The command `completion`: how a shell completes commands, options and stages."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
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
    maker = get_completion_class(shell)
    if maker is None:  # click has all three
        raise click.ClickException(f"completion for {shell} is not available")
    group = context.find_root().command
    click.echo(maker(group, {}, "elephant", "_ELEPHANT_COMPLETE").source())
