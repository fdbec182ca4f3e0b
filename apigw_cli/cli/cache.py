"""`apigw cache`: the cache of a running gateway."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from apigw_cli.cli import admin_flags, terminal
from apigw_cli.cli.help import GroupedCommands
from apigw_cli.errors import UsageError

cache = typer.Typer(
    name="cache",
    cls=GroupedCommands,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Purge the cache of a running gateway.",
    epilog="Example: apigw cache purge --tag pets",
)


@cache.callback()
def _group() -> None:
    """A group, also with one command."""


@cache.command("purge", epilog="Example: apigw cache purge --url http://api.petshop.localhost:8080/v1/pets --tag pets")
def purge(
    url: Annotated[
        list[str] | None, typer.Option(help="What was stored for this URL, whatever its query; repeatable.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="What came with this tag (Surrogate-Key, Cache-Tag); repeatable.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of it.")] = False,
    admin: admin_flags.Admin = None,
    config: admin_flags.Config = None,
    admin_token_file: admin_flags.TokenFile = None,
    output: Annotated[Literal["text", "json"], typer.Option("--format", help="How to say it.")] = "text",
) -> None:
    """Have answers used no more, in all workers at once, also those that are on their way."""
    from apigw_cli.gateway import top
    from apigw_cli.gateway.purging import Options, Order
    from apigw_cli.gateway.purging import purge as core

    if everything and (url or tag):
        raise UsageError("--all takes neither --url nor --tag with it")
    order = Order(tuple(url or ()), tuple(tag or ()), everything)
    count = core(Options(order, top.Options(admin, config, admin_token_file)))
    if output == "json":
        terminal.out(f'{{"purged":{count}}}')
    else:
        what = "everything" if everything else f"{count} {'URL or tag' if count == 1 else 'URLs and tags'}"
        terminal.out(f"{terminal.symbol('ok')} purged {what}, in all workers")
