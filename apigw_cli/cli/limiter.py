"""`apigw limiter`: the limiter as a service of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apigw_cli.cli import terminal
from apigw_cli.errors import UsageError


def limiter(
    host: Annotated[str, typer.Option(help="Address to listen on; one that is not loopback needs a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 8082,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that answer; they count together.")] = 1,
    limit_keys: Annotated[
        int, typer.Option(min=128, max=1 << 28, help="Keys that there is room for; 32 bytes each, used where needed.")
    ] = 1 << 20,
    token_file: Annotated[Path | None, typer.Option(help="File with the bearer token that gateways must show.")] = None,
) -> None:
    """Run our limiter as a service for gateways with `store: service`, and for any other program.

    POST /v1/decide asks, GET /health answers. What is counted is kept in memory, over all workers.
    """
    from apigw_cli.gateway import guard
    from apigw_cli.gateway import limiter as service

    found = guard.token(token_file) if token_file is not None else None
    if found is None and not guard.is_loopback(host):
        raise UsageError(f"--host {host} lets other machines use up limits: a token is required", hint="--token-file")
    code = service.run(service.Options(host, port, workers, limit_keys, found or b""), terminal.note)
    if code:
        raise typer.Exit(code)
