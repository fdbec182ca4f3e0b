"""`apigw routes`: the route table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from apigw_cli.cli import columns, terminal

if TYPE_CHECKING:
    from apigw_cli.generate.table import Row
    from apigw_cli.snapshot.model import Api, Snapshot

_POLICIES_FIRST = (3, 2, 1)  # which columns to cut on a narrow terminal: policies, operation, path


def routes(
    stage: Annotated[str | None, typer.Option(help="The stage to look at.", show_default="the first one")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The configuration.", show_default="./apigw.yaml")
    ] = None,
    spec: Annotated[str | None, typer.Option(help="A bare OpenAPI file or URL instead: every route mocked.")] = None,
    output: Annotated[
        Literal["text", "json"], typer.Option("--format", help="json: the same as `apigw generate routes`.")
    ] = "text",
) -> None:
    """Show every route with its policies and what answers it."""
    from apigw_cli.generate import routes as native
    from apigw_cli.generate import table, text

    compiled = table.compiled(table.Options(config, stage, spec))
    if output == "json":
        terminal.out(text.dump(native.table(compiled.snapshot), "json").rstrip("\n"))
        return
    _verdict(compiled.snapshot)
    for api, rows in table.rows(compiled):
        _api(api, rows)
    _upstreams(compiled.snapshot)


def _verdict(snapshot: Snapshot) -> None:
    count = terminal.plural(len(snapshot.routes), "route")
    sites = sum(api.kind == "site" for api in snapshot.apis)
    apis = [terminal.plural(len(snapshot.apis) - sites, "API")] if len(snapshot.apis) > sites else []
    places = [*apis, *([terminal.plural(sites, "site")] if sites else [])]
    terminal.out(f"{count} in {' and '.join(places or ['no API'])}, stage {snapshot.stage}")


def _api(api: Api, rows: list[Row]) -> None:
    hosts = ", ".join(api.hosts) or "any host"
    terminal.out()
    about = "site" if api.kind == "site" else f"{api.title}  {api.spec}"
    terminal.out(f"{terminal.style(api.name, 'bold')}  {about}  {hosts}  {api.base_path or '/'}")
    header = ("METHOD", "PATH", "OPERATION", "POLICIES", "ANSWERED BY")
    cells = [(r.method, r.path, r.operation, r.policies, f"→ {r.integration}") for r in rows]
    limit = columns.available()
    widths = columns.widths([header, *cells], limit and limit - 2, _POLICIES_FIRST)
    terminal.out(terminal.style(f"  {columns.line(header, widths)}", "dim"))
    for row in cells:
        terminal.out(f"  {columns.line(row, widths)}")


def _upstreams(snapshot: Snapshot) -> None:
    for name, upstream in snapshot.upstreams.items():
        terminal.out()
        where = f"→ {terminal.style(name, 'bold')}  {', '.join(upstream.targets)}"
        terminal.out(f"{where}  {upstream.balance}, timeout {upstream.timeout.total:g} s")
