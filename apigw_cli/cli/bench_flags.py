"""The flags of `apigw bench`: what each may be, and what its help says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Urls = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[URL]...",
        help="Where to. Several share the load, 3@URL gets three parts. Default: a gateway started for this run.",
        show_default=False,
    ),
]
Workers = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="Processes, each one event loop: parallelism. With --sweep several: 1,2,4.",
        show_default="1",
    ),
]
Concurrency = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="In flight at once over all workers, each on its own connection. With --sweep several: 1,8,64.",
        show_default="32",
    ),
]
Sweep = Annotated[
    bool,
    typer.Option("--sweep", help="Measure a grid of --workers and --concurrency; without a URL, of our own servers."),
]
Duration = Annotated[str | None, typer.Option(help="How long to measure: 10s, 1m.", show_default="10s")]
Requests = Annotated[
    int | None, typer.Option(min=1, help="So many requests instead, over all workers.", show_default=False)
]
Rate = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=1_000_000,
        help="Open model: so many requests a second over all workers, whatever the answers do.",
        show_default="closed model",
    ),
]
Ramp = Annotated[
    str | None,
    typer.Option(
        metavar="STAGES",
        help="Open model whose rate grows from --rate (0): 10s:100,30s:1000.",
        show_default=False,
    ),
]
Arrivals = Annotated[
    Literal["constant", "poisson"],
    typer.Option(help="Open model: evenly, or as of clients who know nothing of one another."),
]
Keepalive = Annotated[
    bool, typer.Option("--keepalive/--no-keepalive", help="Keep connections, or open one for each request.")
]
Seed = Annotated[int, typer.Option(help="Of everything that is drawn by lot.")]
Warmup = Annotated[
    str | None,
    typer.Option(help="Load before the measurement.", show_default="1s; 0s with --requests or --verify-limits"),
]
Header = Annotated[
    list[str] | None, typer.Option("--header", "-H", help="'Name: value'; repeat it for more.", show_default=False)
]
Method = Annotated[str | None, typer.Option("--method", "-X", help="The method.", show_default="GET, with -d POST")]
Data = Annotated[str | None, typer.Option("--data", "-d", help="The body: text, or @FILE.", show_default=False)]
Csv = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Values of {{csv.COLUMN}} in URL, headers and body; {{seq}} and {{uuid}} need none.",
        show_default=False,
    ),
]
Spec = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Valid requests of every operation of this specification, at URL.", show_default=False
    ),
]
Operations = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Which: 'getPet,3@POST /pets' (3@ is a weight), or all. Without --spec those of the configuration.",
        show_default="all, with --spec",
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", metavar="KEY", help="Where an operation asks for an API key.", show_default=False),
]
TokenKey = Annotated[
    Path | None,
    typer.Option(
        "--token-key",
        metavar="FILE",
        help="Where one asks for a token: signed with this key of `apigw token keys`.",
        show_default="token-key.json beside the configured key set",
    ),
]
Timeout = Annotated[str, typer.Option(help="How long one request may take.")]
VerifyLimits = Annotated[
    bool, typer.Option("--verify-limits", help="Prove the route's declared limit, or show where it is broken.")
]
Limit = Annotated[
    str | None,
    typer.Option(
        help="Prove this limit, of any server: '5/s burst 5 key=header:X-Api-Key'.",
        show_default="what the configuration declares",
    ),
]
QuietHeader = Annotated[
    list[str] | None,
    typer.Option(
        "--quiet-header",
        help="With a proof: a header of another caller, who must not suffer from the load.",
        show_default=False,
    ),
]
Assertions = Annotated[
    list[str] | None,
    typer.Option(
        "--assert",
        metavar="THRESHOLD",
        help="Exit 4 unless the run keeps it: 'p99<20ms', 'errors<0.1%', 'rate>=5000'; repeat it for more.",
        show_default=False,
    ),
]
Expect = Annotated[
    list[int] | None,
    typer.Option(
        "--expect",
        metavar="STATUS",
        help="This error is what is to be measured: it counts as allowed, as 2xx does; repeat it for more.",
        show_default=False,
    ),
]
Repeat = Annotated[
    int | None,
    typer.Option(min=1, max=1000, help="So many runs, for `apigw compare`.", show_default="1"),
]
Against = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Compare with this base: --repeat pairs of runs in turn, and whether it is real.",
        show_default=False,
    ),
]
Tolerance = Annotated[
    str | None,
    typer.Option(metavar="PERCENT", help="With --against: how much worse is no regression.", show_default="5%"),
]
Route = Annotated[
    str | None,
    typer.Option(
        metavar="OPERATION", help="The route, by operationId or 'METHOD /path'.", show_default="the strictest"
    ),
]
Format = Annotated[
    Literal["text", "json", "csv", "prometheus"],
    typer.Option("--format", help="How to print the result; csv: counts over time."),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write the result there.", show_default="stdout"),
]
Report = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write a page (HTML) with charts, too. Extra `report`.", show_default=False),
]
Plot = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the charts as .svg or .png, too. Extra `report`.", show_default=False),
]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="The configuration.", show_default="./apigw.yaml")]
Stage = Annotated[str | None, typer.Option(help="The stage.", show_default="the first one")]
Admin = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="With a proof: the admin port of the gateway at the URL, which says what it goes by, and may have a "
        "clock for tests.",
        show_default="the gateway that runs beside apigw.yaml",
    ),
]
AdminTokenFile = Annotated[
    Path | None,
    typer.Option(help="File with its bearer token. Else from APIGW_ADMIN_TOKEN, if set.", show_default=False),
]
Attach = Annotated[
    str | None,
    typer.Option(
        metavar="STAGE",
        help="Keep the result as evidence for what this stage runs; its gateway must have served just that.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only the verdict.")]
