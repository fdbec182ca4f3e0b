"""`apigw top`: a running gateway, live."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from apigw_cli.cli import admin_flags, terminal

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

    from apigw_cli.gateway.top import CacheRow, Options, View

_SECONDS = 1.0  # between two looks
_CLASSES = ("2xx", "3xx", "4xx", "5xx")


def top(
    admin: admin_flags.Admin = None,
    config: admin_flags.Config = None,
    admin_token_file: admin_flags.TokenFile = None,
    once: Annotated[bool, typer.Option("--once", help="One look, over a second, then stop.")] = False,
    output: Annotated[Literal["text", "json"], typer.Option("--format", help="json: a line for each second.")] = "text",
) -> None:
    """Watch a running gateway: requests a second by route, latencies, refusals, workers and reloads.

    Each second shows what happened in it. Ctrl-C stops watching; the gateway goes on.
    """
    from apigw_cli.gateway.top import Options

    options = Options(admin, config, admin_token_file)
    try:
        if output == "json":
            _print_json(options, once)
        elif once or not sys.stdout.isatty():
            terminal.console(sys.stdout).print(_screen(next(_views(options)), None))
        else:
            _live(options)
    except KeyboardInterrupt:
        raise typer.Exit from None


def _views(options: Options) -> Iterator[View]:
    """A view each second."""
    from apigw_cli.gateway import top as core

    url = core.find(options)
    before = core.look(url, options.token_file)
    while True:
        time.sleep(_SECONDS)
        now = core.look(url, options.token_file)
        yield core.view(url, before, now)
        before = now


def _print_json(options: Options, once: bool) -> None:
    import msgspec

    for view in _views(options):
        terminal.out(msgspec.json.encode(view).decode())
        sys.stdout.flush()
        if once:
            return


def _live(options: Options) -> None:
    from rich.live import Live

    console = terminal.console(sys.stdout)
    views = _views(options)
    with Live("looking …", console=console, screen=True, auto_refresh=False) as live:
        for view in views:
            live.update(_screen(view, console.height), refresh=True)


def _screen(view: View, height: int | None) -> Group:
    """The whole picture; `height` lines at most."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [*(Text(line) for line in _head(view)), "", _apis(view), ""]
    used = len(parts) + len(view.apis) + 2
    parts.append(_routes(view, None if height is None else max(height - used - 2, 1)))
    return Group(*parts)


def _head(view: View) -> list[str]:
    dot = "·" if terminal.speaks_unicode() else "-"
    classes = "  ".join(f"{code} {terminal.count(view.classes[code])}/s" for code in _CLASSES)
    done = f"{terminal.plural(view.reloads, 'reload')}, {view.reloads_refused} refused"
    workers = f"{terminal.plural(view.workers, 'worker')}, {terminal.plural(view.worker_restarts, 'restart')}"
    lines = [
        f"apigw {view.version}  stage {view.stage}  {view.admin}  {view.digest[:12]}",
        f"{terminal.count(view.rate)} requests/s  {classes}",
        f"p50 {_time(view.p50)}  p99 {_time(view.p99)}  limiter refused {terminal.count(view.limiter_refusals)}/s",
        f"{view.in_flight:,} of {view.in_flight_maximum:,} in flight  {dot} {workers}  {dot} {done}",
    ]
    return [*lines, _cache(view.cache)] if view.cache is not None else lines


def _cache(row: CacheRow) -> str:
    rates = "  ".join(f"{what} {terminal.count(rate)}/s" for what, rate in row.rates.items())
    return f"cache: {rates}  {terminal.plural(row.entries, 'answer')}, {row.bytes / 2**20:,.1f} MiB"


def _apis(view: View) -> Table:
    from rich.markup import escape

    table = _table("API", "REQ/S", "P50", "P99")
    for row in view.apis:
        if row.api or row.rate:
            table.add_row(escape(row.api or "(no route)"), terminal.count(row.rate), _time(row.p50), _time(row.p99))
    return table


def _routes(view: View, most: int | None) -> Table:
    from rich.markup import escape

    table = _table("ROUTE", "REQ/S", *(code.upper() for code in _CLASSES), "LIMITED", "P50", "P99")
    for row in view.routes[:most]:
        name = f"{row.api} {row.route}" if row.route else "(no route)"
        cells = (row.rate, *(row.classes.get(code, 0.0) for code in _CLASSES), row.limited)
        latencies = (_time(row.p50), _time(row.p99))
        table.add_row(escape(name), *(terminal.count(cell) for cell in cells), *latencies)
    return table


def _table(first: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, overflow="ellipsis", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _time(seconds: float | None) -> str:
    return terminal.symbol("dash") if seconds is None else terminal.duration(seconds)
