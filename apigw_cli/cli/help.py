"""`apigw --help`: the commands under their groups, whole sentences, no boxes.

Typer's own rich help costs half of the time that `apigw --help` may take, before it prints a letter.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

_LONGEST = 200  # letters of a command's first sentence; longer ones are cut


class GroupedCommands(TyperGroup):
    """A Typer group whose help lists each command under its `rich_help_panel`, in the order of registration."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                panel = getattr(command, "rich_help_panel", None)
                group = panel if isinstance(panel, str) else "Commands"
                groups.setdefault(group, []).append((name, command.get_short_help_str(_LONGEST)))
        for group, rows in groups.items():
            with formatter.section(group):
                formatter.write_dl(rows)
