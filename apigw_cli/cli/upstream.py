"""`apigw upstream`: a server to develop against."""

from __future__ import annotations

from typing import Annotated

import typer

from apigw_cli.cli import terminal


def upstream(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 9001,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes, each one event loop: parallelism.")] = 1,
    fail_rate: Annotated[float, typer.Option(min=0, max=1, help="Share of the answers that fail, 0 to 1.")] = 0.0,
    fail_status: Annotated[int, typer.Option(min=400, max=599, help="The status of such a failure.")] = 500,
    latency: Annotated[float, typer.Option(min=0, max=600_000, help="Milliseconds before every answer.")] = 0.0,
) -> None:
    """Run a small upstream to develop and measure against.

    Any path echoes the request as JSON; these do more: /io?ms=50 waits, /cpu?ms=5 computes, /status/404 answers so,
    /stream?chunks=10&ms=100, /sse?events=10&ms=100, /bytes?n=1000, /sink counts a body, /health is 200 until
    POST /health?status=503, /stats counts requests, /v1/pets is the sample pet shop. On any path
    ?fail=reset, close, hang, truncate or status fails that way.
    """
    from apigw_cli.upstream.server import Options, run

    options = Options(host, port, workers, fail_rate, fail_status, latency / 1000)

    def announce(url: str) -> None:
        how = [terminal.plural(workers, "worker")]
        how += [f"fails {fail_rate:.0%} with {fail_status}"] if fail_rate else []
        how += [f"{latency:g} ms before every answer"] if latency else []
        terminal.note(f"upstream on {url} · {' · '.join(how)} · Ctrl-C stops")

    code = run(options, announce)
    if code:
        raise typer.Exit(code)
