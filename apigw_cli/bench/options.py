"""What the command line of `apigw bench` may say, and what goes together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from apigw_cli.bench import request as requests
from apigw_cli.bench import targets
from apigw_cli.bench.times import DEFAULT_DURATION, Times, stages_of, times_of
from apigw_cli.errors import UsageError

MOST_CONNECTIONS, MOST_WORKERS = 65_536, 256


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of `apigw bench`, as typed."""

    url: str | None = None
    workers: int = 1
    concurrency: int = 32
    duration: str | None = None
    requests: int | None = None
    rate: float | None = None
    warmup: str | None = None
    headers: tuple[str, ...] = ()
    method: str | None = None
    data: str | None = None
    timeout: str = "10s"
    verify_limits: bool = False
    limit: str | None = None
    route: str | None = None
    config: Path | None = None
    admin: str | None = None
    admin_token_file: Path | None = None
    stage: str | None = None
    assertions: tuple[str, ...] = ()
    quiet_headers: tuple[str, ...] = ()
    ramp: str | None = None
    arrivals: str = "constant"
    seed: int = 0
    keep_alive: bool = True
    targets: tuple[str, ...] = ()  # where there are several, or one with a weight; `url` is the first
    csv: Path | None = None
    spec: str | None = None
    operations: str | None = None
    api_key: str | None = None
    token_key: Path | None = None
    expect: tuple[int, ...] = ()

    @property
    def is_scenario(self) -> bool:
        """Whether operations are asked for. A specification alone, with a proof, says what is declared."""
        return self.operations is not None or (self.spec is not None and not self.verify_limits)

    @property
    def is_proof(self) -> bool:
        return self.verify_limits or self.limit is not None

    def times(self) -> Times:
        """As typed; a ramp lasts as long as its stages, where nothing else is said."""
        ramp = stages_of(self.ramp) if self.ramp is not None else None
        default = DEFAULT_DURATION if ramp is None else sum(seconds for seconds, _ in ramp)
        counted = self.requests is not None
        return times_of(self.duration, self.warmup, self.timeout, of_requests=counted, default=default)


def check(options: Options) -> None:
    """Raises UsageError for the first thing that cannot be, or would be without effect."""
    _check_load(options)
    _check_scenario(options)
    if options.url is not None and not options.is_proof and not options.is_scenario:
        for name, value in _sources(options):
            if value is not None:
                raise UsageError(f"{name} has a meaning only with --verify-limits, or without a URL")
    if options.arrivals == "poisson" and options.rate is None and options.ramp is None:
        raise UsageError("--arrivals poisson is for the open model", hint="add --rate 100")
    _check_proof(options)
    _check_expected(options)
    if options.url is None:
        for name, value in (("--method", options.method), ("--data", options.data), ("--csv", options.csv)):
            if value is not None:
                raise UsageError(f"{name} needs a URL", hint="without a URL the request is made from the specification")


def _check_expected(options: Options) -> None:
    for status in options.expect:
        if not 400 <= status <= 599 or status == 429:
            raise UsageError(
                f"--expect {status}: what may be expected is 400 to 599, but for 429",
                hint="2xx and 3xx are anyway, and 429 is what a limit refuses: counted by itself",
            )
    if options.expect and options.is_proof:
        raise UsageError("--expect has no meaning for a proof: what a limit lets through is 2xx or 3xx")


def _sources(options: Options) -> tuple[tuple[str, Path | str | None], ...]:
    """The options that say where in which configuration something is declared."""
    return (("--config", options.config), ("--stage", options.stage), ("--route", options.route))


def _check_load(options: Options) -> None:
    if options.concurrency < options.workers:
        raise UsageError(
            f"{options.concurrency} in flight are too few for {options.workers} workers",
            hint=f"--concurrency is the total over all workers: at least {options.workers}",
        )
    servers = {requests.parse_url(targets.weighted(text)[1]).server for text in options.targets}
    if options.concurrency < len(servers):
        raise UsageError(
            f"{options.concurrency} in flight are too few for {len(servers)} servers",
            hint=f"--concurrency is the total over all targets: at least {len(servers)}",
        )
    if options.concurrency > MOST_CONNECTIONS:
        raise UsageError(f"at most {MOST_CONNECTIONS:,} connections")
    if options.duration is not None and options.requests is not None:
        raise UsageError("--duration and --requests exclude each other")


def _check_proof(options: Options) -> None:
    """What goes with `--verify-limits` and `--limit`, and what does not."""
    if options.spec is not None and options.is_proof and not options.is_scenario:
        for name, value in (("--config", options.config), ("--stage", options.stage), ("--limit", options.limit)):
            if value is not None:
                raise UsageError(f"--spec and {name} exclude each other: both say what is declared")
        if options.url is None:
            raise UsageError("--spec needs a URL to ask", hint="apigw bench http://127.0.0.1:8080/v1/pets --spec FILE")
    if options.admin is not None and (options.url is None or not options.verify_limits):
        raise UsageError("--admin has a meaning only with a URL and --verify-limits")
    if options.quiet_headers and not options.is_proof:
        raise UsageError("--quiet-header has a meaning only with --verify-limits or --limit")
    if options.limit is not None and options.url is not None:
        for name, value in (*_sources(options), ("--admin", options.admin)):
            if value is not None:
                raise UsageError(f"--limit and {name} exclude each other: both say what is declared")


def _check_scenario(options: Options) -> None:
    """What goes with `--spec` and `--operations`, and what does not."""
    if not options.is_scenario:
        for name, value in (("--api-key", options.api_key), ("--token-key", options.token_key)):
            if value is not None:
                raise UsageError(f"{name} is for --spec and --operations", hint="-H gives a header to all requests")
        return
    if options.is_proof:
        raise UsageError("a limit is proved with one request", hint="--route NAME says of which operation")
    if options.spec is not None and options.url is None:
        raise UsageError("--spec needs a URL to ask", hint="apigw bench http://127.0.0.1:8080 --spec FILE")
    if options.targets:
        raise UsageError("operations are asked of one URL", hint="--operations 3@getPet,createPet gives weights")
    alone = [("--route", options.route), ("--method", options.method), ("--data", options.data), ("--csv", options.csv)]
    if options.spec is not None:
        alone += [("--config", options.config), ("--stage", options.stage)]
    for name, value in alone:
        if value is not None:
            raise UsageError(f"{name} has no meaning beside {'--spec' if options.spec else '--operations'}")
