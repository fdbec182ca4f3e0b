"""`apigw serve`: the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apigw_cli.cli import terminal
from apigw_cli.errors import UsageError


def serve(
    stage: Annotated[str | None, typer.Option(help="The stage to run. Default: the first one declared.")] = None,
    released: Annotated[bool, typer.Option("--released", help="Run what is deployed to the stage.")] = False,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="Default: ./apigw.yaml, then specs/.")] = None,
    spec: Annotated[
        str | None, typer.Option(help="Serve a bare OpenAPI file or URL, mocked, without apigw.yaml.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 8080,
    listen: Annotated[
        str | None, typer.Option(metavar="unix:PATH", help="Listen on a Unix socket in place of host and port.")
    ] = None,
    admin_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of metrics, health and the admin API; 0 picks a free one.")
    ] = 8081,
    admin_host: Annotated[str, typer.Option(help="Its address; one that is not loopback needs a token.")] = "127.0.0.1",
    admin_token_file: Annotated[
        Path | None, typer.Option(help="File with its bearer token. Else from APIGW_ADMIN_TOKEN, if that is set.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes, each one event loop: parallelism.")] = 1,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Requests in flight over all workers; beyond it 503.")
    ] = 4096,
    mock: Annotated[bool, typer.Option("--mock", help="Answer from the specifications' examples and schemas.")] = False,
    watch: Annotated[bool, typer.Option(help="Reload when a file that took part changes.")] = True,
    upstream: Annotated[
        bool, typer.Option("--upstream", help="Start the sample upstream for local targets too.")
    ] = False,
    tls_cert: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Serve https with this certificate chain (PEM); repeatable."),
    ] = None,
    tls_key: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Its private key, in the same order.")
    ] = None,
    limit_keys: Annotated[
        int,
        typer.Option(min=128, max=1 << 28, help="Keys that limits have room for; 32 bytes each, used where needed."),
    ] = 1 << 20,
    cache_memory: Annotated[
        int, typer.Option(min=1, max=1 << 20, metavar="MIB", help="Memory for cached answers in MiB, over all workers.")
    ] = 64,
    test_clock: Annotated[
        bool, typer.Option("--test-clock", help="Let POST /clock on the admin port move the time of limits and quotas.")
    ] = False,
    access_log: Annotated[
        str, typer.Option(metavar="FILE|-|off", help="JSON lines, one a request; - is stdout.")
    ] = "-",
    access_log_sample: Annotated[
        str, typer.Option(metavar="PERCENT", help="Log this share of what went well; errors and refusals always.")
    ] = "100%",
) -> None:
    """Run the gateway; it reloads by itself when a file changes, without losing a request.

    Metrics, health and routes are on the admin port; there APIs are put and removed at run time, too. Ctrl-C (or
    SIGTERM) answers what is in flight, then ends; SIGHUP reloads.
    """
    from apigw_cli.gateway import source, supervisor
    from apigw_cli.gateway.options import Options, share

    if spec is not None and (config is not None or stage is not None or released):
        raise UsageError("--spec serves a file by itself: leave out --config, --stage and --released")
    if released and stage is None:
        raise UsageError("--released runs what is deployed to a stage", hint="name it: --stage prod")
    if test_clock and (released or stage in ("prod", "production")):
        raise UsageError(
            "--test-clock is for tests: whoever moves the clock refills every limit",
            hint="leave it out where a release or production is served",
        )
    unix, _, path = (listen or "").partition(":")
    if listen is not None and (unix != "unix" or not path):
        raise UsageError(f"--listen takes unix:PATH, not {listen}", hint="for an address: --host and --port")
    options = Options(
        host,
        port,
        admin_port,
        workers,
        concurrency,
        watch,
        upstream,
        access_log,
        path,
        admin_host=admin_host,
        admin_token_file=admin_token_file,
        access_log_share=share(access_log_sample),
        limit_keys=limit_keys,
        cache_memory=cache_memory << 20,
        test_clock=test_clock,
    )
    if spec is not None:
        load = source.specification(spec)
    elif released:
        from apigw_cli.stages.released import deployed

        load = source.released(lambda: deployed(config, str(stage)), config)
    else:
        load = source.working_files(config, stage)
    if mock or spec is not None:
        load = source.mocked(load)
    if tls_cert or tls_key:
        load = source.with_certificates(load, tls_cert or [], tls_key or [])
    code = supervisor.run(options, load, terminal.note)
    if code:
        raise typer.Exit(code)
