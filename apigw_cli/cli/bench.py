"""`apigw bench`: load, latency, and a proof that a declared limit holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from apigw_cli.cli import terminal
from apigw_cli.errors import EnvironmentFailure, UsageError

if TYPE_CHECKING:
    from apigw_cli.bench.charts import Chart
    from apigw_cli.bench.command import Options
    from apigw_cli.bench.result import Result

_COLOUR = re.compile(r"\x1b\[[0-9]+m")


def bench(
    urls: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[URL]...",
            help="Where to. Several share the load, 3@URL gets three parts. Default: a gateway started for this run.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Processes, each one event loop: parallelism. With --sweep several: 1,2,4.",
            show_default="1",
        ),
    ] = None,
    concurrency: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="In flight at once over all workers, each on its own connection. With --sweep several: 1,8,64.",
            show_default="32",
        ),
    ] = None,
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep", help="Measure a grid of --workers and --concurrency; without a URL, of our own servers."
        ),
    ] = False,
    duration: Annotated[str | None, typer.Option(help="How long to measure: 10s, 1m.", show_default="10s")] = None,
    requests: Annotated[
        int | None, typer.Option(min=1, help="So many requests instead, over all workers.", show_default=False)
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=1_000_000,
            help="Open model: so many requests a second over all workers, whatever the answers do.",
            show_default="closed model",
        ),
    ] = None,
    ramp: Annotated[
        str | None,
        typer.Option(
            metavar="STAGES",
            help="Open model whose rate grows from --rate (0): 10s:100,30s:1000.",
            show_default=False,
        ),
    ] = None,
    arrivals: Annotated[
        Literal["constant", "poisson"],
        typer.Option(help="Open model: evenly, or as of clients who know nothing of one another."),
    ] = "constant",
    keepalive: Annotated[
        bool, typer.Option("--keepalive/--no-keepalive", help="Keep connections, or open one for each request.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn by lot.")] = 0,
    warmup: Annotated[
        str | None,
        typer.Option(help="Load before the measurement.", show_default="1s; 0s with --requests or --verify-limits"),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="'Name: value'; repeat it for more.", show_default=False)
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", "-X", help="The method.", show_default="GET, with -d POST")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", "-d", help="The body: text, or @FILE.", show_default=False)
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Values of {{csv.COLUMN}} in URL, headers and body; {{seq}} and {{uuid}} need none.",
            show_default=False,
        ),
    ] = None,
    spec: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Valid requests of every operation of this specification, at URL.", show_default=False
        ),
    ] = None,
    operations: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Which: 'getPet,3@POST /pets' (3@ is a weight), or all. Without --spec those of the configuration.",
            show_default="all, with --spec",
        ),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option("--api-key", metavar="KEY", help="Where an operation asks for an API key.", show_default=False),
    ] = None,
    token_key: Annotated[
        Path | None,
        typer.Option(
            "--token-key",
            metavar="FILE",
            help="Where one asks for a token: signed with this key of `apigw token keys`.",
            show_default="token-key.json beside the configured key set",
        ),
    ] = None,
    timeout: Annotated[str, typer.Option(help="How long one request may take.")] = "10s",
    verify_limits: Annotated[
        bool, typer.Option("--verify-limits", help="Prove the route's declared limit, or show where it is broken.")
    ] = False,
    limit: Annotated[
        str | None,
        typer.Option(
            help="Prove this limit, of any server: '5/s burst 5 key=header:X-Api-Key'.",
            show_default="what the configuration declares",
        ),
    ] = None,
    quiet_header: Annotated[
        list[str] | None,
        typer.Option(
            "--quiet-header",
            help="With a proof: a header of another caller, who must not suffer from the load.",
            show_default=False,
        ),
    ] = None,
    assertions: Annotated[
        list[str] | None,
        typer.Option(
            "--assert",
            metavar="THRESHOLD",
            help="Exit 4 unless the run keeps it: 'p99<20ms', 'errors<0.1%', 'rate>=5000'; repeat it for more.",
            show_default=False,
        ),
    ] = None,
    repeat: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="So many runs, for `apigw compare`.", show_default="1"),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Compare with this base: --repeat pairs of runs in turn, and whether it is real.",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        str | None,
        typer.Option(metavar="PERCENT", help="With --against: how much worse is no regression.", show_default="5%"),
    ] = None,
    route: Annotated[
        str | None,
        typer.Option(
            metavar="OPERATION", help="The route, by operationId or 'METHOD /path'.", show_default="the strictest"
        ),
    ] = None,
    output: Annotated[
        Literal["text", "json", "csv", "prometheus"],
        typer.Option("--format", help="How to print the result; csv: counts over time."),
    ] = "text",
    to: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the result there.", show_default="stdout"),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page (HTML) with charts, too. Extra `report`.", show_default=False),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the charts as .svg or .png, too. Extra `report`.", show_default=False),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The configuration.", show_default="./apigw.yaml")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="The stage.", show_default="the first one")] = None,
    admin: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="With a proof: the admin port of the gateway at the URL, which says what it goes by, and may have a "
            "clock for tests.",
            show_default="the gateway that runs beside apigw.yaml",
        ),
    ] = None,
    admin_token_file: Annotated[
        Path | None,
        typer.Option(help="File with its bearer token. Else from APIGW_ADMIN_TOKEN, if set.", show_default=False),
    ] = None,
    attach: Annotated[
        str | None,
        typer.Option(
            metavar="STAGE",
            help="Keep the result as evidence for what this stage runs; its gateway must have served just that.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the verdict.")] = False,
) -> None:
    """Send load; measure throughput and latency, allowed and refused apart; prove that a limit holds.

    Without a URL it starts the configured gateway (and the sample upstream) for itself, and loads its strictest route.
    Totals are totals: --concurrency, --rate and --requests are divided over the workers, never multiplied.

    --sweep shows that concurrency is not parallelism: what more in flight cures, and what more workers do.

    Exit codes: 0, 4 a limit or a threshold does not hold, 7 not trustworthy or not proved, 1 nothing answered,
    130 interrupted.
    """
    from apigw_cli.bench import charts, export, sweeping, targets
    from apigw_cli.bench.command import MOST_CONNECTIONS, MOST_WORKERS, Options, Talk
    from apigw_cli.bench.command import bench as run
    from apigw_cli.bench.result import Result
    from apigw_cli.bench.spread import number
    from apigw_cli.cli import bench_progress, bench_report, bench_sweep_report

    if output in ("csv", "prometheus") and (sweep or against is not None or repeat is not None):
        raise UsageError(f"--format {output} is for a single run")
    pictures = _Pictures(report, plot)
    url = targets.weighted(urls[0])[1] if urls else None
    shared = tuple(urls or ()) if urls and urls != [url] else ()
    if sweep:
        single: dict[str, object] = {
            "--requests": requests,
            "--rate": rate,
            "--verify-limits": verify_limits or None,
            "--limit": limit,
        }
        ours: dict[str, object] = {"--route": route, "--config": config, "--stage": stage}
        _refuse(single | ours, "a sweep")
        if url is None:
            _refuse({"--header": header, "--method": method, "--data": data}, "a sweep of our own servers")
        _refuse({"--repeat": repeat, "--against": against, "--tolerance": tolerance, "--attach": attach}, "a sweep")
        _refuse(
            {"several targets": shared or None, "--csv": csv, "--spec": spec, "--operations": operations}, "a sweep"
        )
        _refuse({"--api-key": api_key, "--token-key": token_key}, "a sweep")
        headers = tuple(header or ())
        wanted = sweeping.Options(url, workers, concurrency, duration, warmup, timeout, headers, method, data)
        with bench_progress.shown(quiet=quiet) as progress:
            swept = sweeping.sweep_over(wanted, sweeping.Talk(progress.note, progress.cell))
        pictures.draw(f"apigw bench --sweep {url or ''}", bench_sweep_report.text(swept), charts.of_sweep(swept))
        text = swept.encode().decode() if output == "json" else bench_sweep_report.text(swept, quiet=quiet)
        _deliver(text, to, swept.exit_code)
        return
    options = Options(
        url=url,
        workers=number("--workers", workers, MOST_WORKERS, 1),
        concurrency=number("--concurrency", concurrency, MOST_CONNECTIONS, 32),
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
        targets=shared,
        csv=csv,
        spec=spec,
        operations=operations,
        api_key=api_key,
        token_key=token_key,
    )
    if against is not None or repeat is not None:
        _refuse({"--report": report, "--plot": plot, "--attach": attach}, "several runs")
        what = "runs that are compared"
        _refuse({"--verify-limits": verify_limits or None, "--limit": limit, "--route": route}, what)
        _refuse({"a run without a URL": True if url is None else None}, what)
        if operations is None:
            _refuse({"--config": config, "--stage": stage}, what)
        _compare_runs(options, against, repeat, tolerance, output, to, quiet)
        return
    _refuse({"--tolerance": tolerance}, "a single run")
    evidence = _Evidence(attach, config)
    with bench_progress.shown(quiet=quiet) as progress:
        result = run(options, Talk(progress.note, progress.show, progress.begin, progress.watched))
    pictures.draw(f"apigw bench {result.plan.url}", bench_report.text(result), charts.of_result(result))
    makers = {"json": Result.text, "csv": export.as_csv, "prometheus": export.as_prometheus}
    text = makers[output](result) if output in makers else bench_report.text(result, quiet=quiet)
    try:
        _deliver(text, to, result.exit_code)
    finally:  # a result that speaks against the release is kept, too
        evidence.keep(result)


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
    _deliver(json.decode() if output == "json" else text, to, code)


class _Evidence:
    """What a result is to be attached to. A stage without a release is said before anything is measured."""

    def __init__(self, stage: str | None, config: Path | None) -> None:
        self._target = None
        if stage is not None:
            from apigw_cli.stages import evidence

            self._target = evidence.target(config, stage)

    def keep(self, result: Result) -> None:
        if self._target is None or result.interrupted:
            return
        from apigw_cli.stages import evidence
        from apigw_cli.stages.releases import short

        kept = evidence.attach(self._target, result.summary())
        words = "as evidence" if kept.holds else "as evidence against it"
        terminal.note(f"attached to {self._target.stage}'s release {short(self._target.release)} {words}")


class _Pictures:
    """The page and the picture that were asked for. What cannot be drawn is said before anything is measured."""

    def __init__(self, report: Path | None, plot: Path | None) -> None:
        from apigw_cli.bench import drawing

        self._report, self._plot = report, plot
        self._page = drawing.page() if report is not None else None
        self._picture = drawing.picture(plot) if plot is not None else None

    def draw(self, title: str, text: str, charts: list[Chart]) -> None:
        if self._report is not None and self._page is not None:
            _write(self._report, self._page(title.strip(), _COLOUR.sub("", text), charts))
        if self._plot is not None and self._picture is not None:
            if not charts:
                raise EnvironmentFailure(f"{self._plot} was not written: nothing was measured")
            _write(self._plot, self._picture(charts))


def _refuse(given: dict[str, object], what: str) -> None:
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"{name} has no meaning for {what}")


def _deliver(text: str, to: Path | None, code: int) -> None:
    if to is None:
        terminal.out(text)
    else:
        _write(to, text)
    if code:
        raise typer.Exit(code)


def _write(path: Path, content: str | bytes) -> None:
    try:
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(_COLOUR.sub("", content).rstrip("\n") + "\n", encoding="utf-8")
    except OSError as error:
        raise EnvironmentFailure(f"cannot write {path}: {error.strerror}") from None
