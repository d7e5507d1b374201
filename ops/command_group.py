"""The help of a group of commands, by what they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECTIONS: Final[Mapping[str, Sequence[str]]] = {
    "Set up and remove": (
        "stage",
        "token",
        "network",
        "deploy",
        "certificate",
        "image",
        "deployer",
        "package",
        "destroy",
    ),
    "Look and repair": ("status", "doctor", "plan", "sweep", "selftest", "notify-test"),
    "Meetings": ("meetings", "keys"),
}
_OTHERS: Final = "Others"


class CommandGroup(click.Group):
    """A group whose help lists its commands in sections, each in the order of their use."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections; a command that none of them names is in the last."""
        placed = {name for names in SECTIONS.values() for name in names}
        others = [name for name in self.list_commands(ctx) if name not in placed]
        longest = max(map(len, self.commands))
        limit = formatter.width - longest - 6
        for title, names in {**SECTIONS, _OTHERS: others}.items():
            rows = [
                (name.ljust(longest), self.commands[name].get_short_help_str(limit))
                for name in names
                if name in self.commands
            ]
            with formatter.section(title):
                formatter.write_dl(rows)
