"""`apigw keys`: who holds an API key."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apigw_cli.cli import lists, terminal
from apigw_cli.cli.help import GroupedCommands

if TYPE_CHECKING:
    from apigw_cli.policies.auth.key_list import Holder

keys = typer.Typer(
    name="keys",
    cls=GroupedCommands,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make, list and revoke API keys.",
    epilog="Example: apigw keys new alice --expires 90d",
)

File = Annotated[Path | None, typer.Option("--file", help="The list. Default: the one that apigw.yaml names.")]
Config = Annotated[Path | None, typer.Option("-c", "--config", help="The configuration.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Who holds the key.")]


@keys.command("new", epilog="Example: apigw keys new alice --expires 90d --plan gold --scope pets:read")
def new(
    name: Name,
    expires: Annotated[str, typer.Option(help="A time from now (90d), a day or a time: 2027-01-31.")] = "",
    plan: Annotated[str, typer.Option(help="The usage plan.")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="A scope that its holder has; may be repeated.")] = None,
    file: File = None,
    config: Config = None,
) -> None:
    """Make a key. It is printed once, on stdout; the list gets its SHA-256."""
    import json
    import secrets
    from hashlib import sha256

    from apigw_cli.errors import UsageError
    from apigw_cli.policies.auth import key_list, list_file

    path = lists.find(file, config, "keys", "")
    if not key_list.NAME.fullmatch(name):
        raise UsageError("a name must be plain text of 1 to 200 characters")
    key = secrets.token_urlsafe(32)
    parts = [f"sha256: {sha256(key.encode()).hexdigest()}"]
    parts += [f"expires: {_moment(expires)}"] if expires else []
    parts += [f"plan: {json.dumps(plan, ensure_ascii=False)}"] if plan else []
    parts += [f"scopes: {json.dumps(scope, ensure_ascii=False)}"] if scope else []

    def edit(text: str) -> str:
        edited = list_file.added(text, lists.label(path), name, f"{{{', '.join(parts)}}}")
        key_list.entries(edited.encode(), lists.label(path))  # what cannot be used is not written
        return edited

    lists.change(path, edit, missing=True)
    terminal.note(f"{terminal.symbol('ok')} {lists.label(path)} has {name}; the key is shown this once:")
    terminal.out(key)


@keys.command("list", epilog="Example: apigw keys list")
def list_(
    form: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    file: File = None,
    config: Config = None,
) -> None:
    """Show who holds a key, and until when."""
    import json
    import time

    from apigw_cli.cli.columns import available, line, widths
    from apigw_cli.errors import UsageError
    from apigw_cli.policies.auth import key_list

    if form not in ("text", "json"):
        raise UsageError(f'there is no format "{form}"', hint="text or json")
    path = lists.find(file, config, "keys", "")
    holders = key_list.entries(lists.read(path).encode(), lists.label(path)).values()
    now = time.time()
    told = [
        (one.name, _state(one, now), None if one.expires is None else _iso(one.expires), one.plan, sorted(one.scopes))
        for one in holders
    ]
    if form == "json":
        names = ("name", "state", "expires", "plan", "scopes")
        rows = [dict(zip(names, one, strict=True)) for one in told]
        terminal.out(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    cells = [(name, state, expires or "", plan or "", " ".join(scopes)) for name, state, expires, plan, scopes in told]
    to = widths(cells, available(), (0, 4)) if cells else []
    for row in cells:
        terminal.out(line(row, to))


@keys.command("revoke", epilog="Example: apigw keys revoke alice")
def revoke(name: Name, file: File = None, config: Config = None) -> None:
    """Take a key out of the list; a running gateway sees it at once."""
    from apigw_cli.policies.auth import list_file

    path = lists.find(file, config, "keys", "")
    lists.change(path, lambda text: list_file.removed(text, lists.label(path), name))
    terminal.note(f"{terminal.symbol('ok')} {lists.label(path)} has no {name} any more")


def _state(holder: Holder, now: float) -> str:
    if not holder.enabled:
        return "disabled"
    return "expired" if holder.expires is not None and now >= holder.expires else "valid"


def _moment(text: str) -> str:
    """The time as the list has it. Raises UsageError."""
    import time

    from apigw_cli.config.values import DURATION, parse_duration
    from apigw_cli.errors import UsageError
    from apigw_cli.policies.auth import key_list

    if re.fullmatch(DURATION, text):
        return _iso(time.time() + parse_duration(text))
    try:
        key_list.moment(text)
    except ValueError as error:
        raise UsageError(f"--expires {text}: {error.args[1]}", hint="or a time from now: 90d") from None
    return text


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
