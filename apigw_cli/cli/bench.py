"""`apigw bench`: load, latency, and a proof that a declared limit holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from apigw_cli.cli import bench_flags as flags
from apigw_cli.cli.bench_output import Evidence, Pictures, deliver
from apigw_cli.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from apigw_cli.bench.options import Options


def bench(
    urls: flags.Urls = None,
    workers: flags.Workers = None,
    concurrency: flags.Concurrency = None,
    sweep: flags.Sweep = False,
    duration: flags.Duration = None,
    requests: flags.Requests = None,
    rate: flags.Rate = None,
    ramp: flags.Ramp = None,
    arrivals: flags.Arrivals = "constant",
    keepalive: flags.Keepalive = True,
    seed: flags.Seed = 0,
    warmup: flags.Warmup = None,
    header: flags.Header = None,
    method: flags.Method = None,
    data: flags.Data = None,
    csv: flags.Csv = None,
    spec: flags.Spec = None,
    operations: flags.Operations = None,
    api_key: flags.ApiKey = None,
    token_key: flags.TokenKey = None,
    timeout: flags.Timeout = "10s",
    verify_limits: flags.VerifyLimits = False,
    limit: flags.Limit = None,
    quiet_header: flags.QuietHeader = None,
    assertions: flags.Assertions = None,
    expect: flags.Expect = None,
    repeat: flags.Repeat = None,
    against: flags.Against = None,
    tolerance: flags.Tolerance = None,
    route: flags.Route = None,
    output: flags.Format = "text",
    to: flags.Output = None,
    report: flags.Report = None,
    plot: flags.Plot = None,
    config: flags.Config = None,
    stage: flags.Stage = None,
    admin: flags.Admin = None,
    admin_token_file: flags.AdminTokenFile = None,
    attach: flags.Attach = None,
    quiet: flags.Quiet = False,
) -> None:
    """Send load; measure throughput and latency, allowed and refused apart; prove that a limit holds.

    Without a URL it starts the configured gateway (and the sample upstream) for itself, and loads its strictest route.
    Totals are totals: --concurrency, --rate and --requests are divided over the workers, never multiplied.

    --sweep shows that concurrency is not parallelism: what more in flight cures, and what more workers do.

    Exit codes: 0, 4 a limit or a threshold does not hold, 7 not trustworthy or not proved, 1 nothing answered,
    130 interrupted.
    """
    from apigw_cli.bench import targets
    from apigw_cli.bench.options import MOST_CONNECTIONS, MOST_WORKERS, Options
    from apigw_cli.bench.spread import number

    if output in ("csv", "prometheus") and (sweep or against is not None or repeat is not None):
        raise UsageError(f"--format {output} is for a single run")
    pictures = Pictures(report, plot)
    url = targets.weighted(urls[0])[1] if urls else None
    options = Options(
        url=url,
        duration=duration,
        requests=requests,
        rate=rate,
        warmup=warmup,
        headers=tuple(header or ()),
        method=method,
        data=data,
        timeout=timeout,
        verify_limits=verify_limits,
        limit=limit,
        route=route,
        config=config,
        admin=admin,
        admin_token_file=admin_token_file,
        stage=stage,
        assertions=tuple(assertions or ()),
        quiet_headers=tuple(quiet_header or ()),
        ramp=ramp,
        arrivals=arrivals,
        seed=seed,
        keep_alive=keepalive,
        targets=tuple(urls or ()) if urls and urls != [url] else (),
        csv=csv,
        spec=spec,
        operations=operations,
        api_key=api_key,
        token_key=token_key,
        expect=tuple(expect or ()),
    )
    if sweep:
        repeated = {"--repeat": repeat, "--against": against, "--tolerance": tolerance, "--attach": attach}
        _check_sweep(options, repeated)
        _sweep(options, workers, concurrency, pictures, output, to, quiet)
        return
    options = replace(
        options,
        workers=number("--workers", workers, MOST_WORKERS, 1),
        concurrency=number("--concurrency", concurrency, MOST_CONNECTIONS, 32),
    )
    if against is not None or repeat is not None:
        _refuse({"--report": report, "--plot": plot, "--attach": attach}, "several runs")
        _check_runs(options)
        _compare_runs(options, against, repeat, tolerance, output, to, quiet)
        return
    _refuse({"--tolerance": tolerance}, "a single run")
    _run(options, pictures, Evidence(attach, config), output, to, quiet)


def _check_sweep(options: Options, repeated: Mapping[str, object]) -> None:
    single: dict[str, object] = {
        "--requests": options.requests,
        "--rate": options.rate,
        "--verify-limits": options.verify_limits or None,
        "--limit": options.limit,
    }
    ours: dict[str, object] = {"--route": options.route, "--config": options.config, "--stage": options.stage}
    _refuse(single | ours, "a sweep")
    if options.url is None:
        mine = {"--header": options.headers or None, "--method": options.method, "--data": options.data}
        _refuse(mine, "a sweep of our own servers")
    _refuse(repeated, "a sweep")
    many = {"several targets": options.targets or None, "--csv": options.csv, "--expect": options.expect or None}
    _refuse({**many, "--spec": options.spec, "--operations": options.operations}, "a sweep")
    _refuse({"--api-key": options.api_key, "--token-key": options.token_key}, "a sweep")


def _sweep(
    options: Options,
    workers: str | None,
    concurrency: str | None,
    pictures: Pictures,
    output: str,
    to: Path | None,
    quiet: bool,
) -> None:
    from apigw_cli.bench import charts, sweeping
    from apigw_cli.cli import bench_progress, bench_sweep_report

    wanted = sweeping.Options(
        options.url,
        workers,
        concurrency,
        options.duration,
        options.warmup,
        options.timeout,
        options.headers,
        options.method,
        options.data,
    )
    with bench_progress.shown(quiet=quiet) as progress:
        swept = sweeping.sweep_over(wanted, sweeping.Talk(progress.note, progress.cell))
    pictures.draw(f"apigw bench --sweep {options.url or ''}", bench_sweep_report.text(swept), charts.of_sweep(swept))
    text = swept.encode().decode() if output == "json" else bench_sweep_report.text(swept, quiet=quiet)
    deliver(text, to, swept.exit_code)


def _run(options: Options, pictures: Pictures, evidence: Evidence, output: str, to: Path | None, quiet: bool) -> None:
    from apigw_cli.bench import charts, command, export
    from apigw_cli.bench.result import Result
    from apigw_cli.cli import bench_progress, bench_report

    with bench_progress.shown(quiet=quiet) as progress:
        talk = command.Talk(progress.note, progress.show, progress.begin, progress.watched)
        result = command.bench(options, talk)
    pictures.draw(f"apigw bench {result.plan.url}", bench_report.text(result), charts.of_result(result))
    makers = {"json": Result.text, "csv": export.as_csv, "prometheus": export.as_prometheus}
    text = makers[output](result) if output in makers else bench_report.text(result, quiet=quiet)
    try:
        deliver(text, to, result.exit_code)
    finally:  # a result that speaks against the release is kept, too
        evidence.keep(result)


def _check_runs(options: Options) -> None:
    what = "runs that are compared"
    proof = {"--verify-limits": options.verify_limits or None, "--limit": options.limit, "--route": options.route}
    _refuse(proof, what)
    _refuse({"a run without a URL": True if options.url is None else None}, what)
    if options.operations is None:
        _refuse({"--config": options.config, "--stage": options.stage}, what)


def _compare_runs(
    options: Options,
    base: str | None,
    repeat: int | None,
    tolerance: str | None,
    output: str,
    to: Path | None,
    quiet: bool,
) -> None:
    from apigw_cli.bench import repeating
    from apigw_cli.cli import bench_progress, bench_report, compare_report
    from apigw_cli.cli.compare import TOLERANCE, part_of

    with bench_progress.shown(quiet=quiet) as progress:
        talk = repeating.Talk(progress.note, progress.cell)
        if base is not None:
            _refuse({"--assert": options.assertions or None}, "a comparison")
            _refuse({"several targets": options.targets or None}, "a comparison")
            tolerated = part_of(tolerance or TOLERANCE)
            compared = repeating.against(options, base, repeat or repeating.PAIRS, tolerated, talk)
            text = compare_report.text(compared, quiet=quiet)
            json, code = compared.encode(), compared.exit_code
        else:
            _refuse({"--tolerance": tolerance}, "runs of one URL")
            runs = repeating.repeated(options, repeat or 1, talk)
            text = "\n\n".join(bench_report.text(one, quiet=quiet) for one in runs.runs)
            json, code = runs.encode(), runs.exit_code
    deliver(json.decode() if output == "json" else text, to, code)


def _refuse(given: Mapping[str, object], what: str) -> None:
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"{name} has no meaning for {what}")
