"""What `apigw top` shows: the difference between two looks at a running gateway's metrics.

It speaks to the admin port only, as any other program would. Pure but for `find` and `look`.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from apigw_cli.config import project
from apigw_cli.errors import EnvironmentFailure, InputError, UsageError, reason
from apigw_cli.gateway import guard, rundir

_SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_LATENCY = "apigw_request_duration_seconds_bucket"
_CACHE = "apigw_cache_requests_total"
_SECONDS = 5.0  # what an answer of the admin port may take

Labels = tuple[tuple[str, str], ...]
Metrics = dict[str, dict[Labels, float]]


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of `apigw top`. `admin`: the admin port's URL; None: the gateway that runs beside `config`."""

    admin: str | None = None
    config: Path | None = None
    token_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """The metrics at a moment of `time.monotonic()`."""

    when: float
    metrics: Metrics

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        wanted = set(labels.items())
        return sum(value for have, value in self.metrics.get(name, {}).items() if wanted <= set(have))

    def label(self, name: str, label: str) -> str:
        return next((dict(labels).get(label, "") for labels in self.metrics.get(name, {})), "")


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One route between two looks: requests a second, by class of status, and refused by the limiter; latencies."""

    api: str
    route: str
    rate: float
    classes: dict[str, float]
    limited: float
    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class ApiRow:
    """One API between two looks; latencies in seconds, None where no request ended."""

    api: str
    rate: float
    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class CacheRow:
    """What the caches did between two looks, requests a second by result, and what they hold now."""

    rates: dict[str, float]
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True)
class View:
    """All that is shown. Rates are per second of `seconds`; totals count since the gateway began."""

    admin: str
    version: str
    stage: str
    digest: str
    seconds: float
    rate: float
    classes: dict[str, float]
    p50: float | None
    p99: float | None
    in_flight: int
    in_flight_maximum: int
    workers: int
    worker_restarts: int
    reloads: int
    reloads_refused: int
    limiter_refusals: float
    cache: CacheRow | None  # None where no route with a cache was ever asked for
    apis: list[ApiRow]
    routes: list[RouteRow]


def find(options: Options) -> str:
    """The admin URL: the one that is named, else the gateway started last beside apigw.yaml. Raises ApigwError."""
    if options.admin is not None:
        url = options.admin if "://" in options.admin else f"http://{options.admin}"
        if not re.match(r"https?://[^/]", url):
            raise UsageError(f"{options.admin} is no URL", hint="--admin http://127.0.0.1:8081")
        return url.rstrip("/")
    try:
        folder = rundir.of(project.find(options.config).parent)
    except InputError as error:
        hint = "run it beside the apigw.yaml of a running gateway, or name the admin port: --admin URL"
        raise UsageError(f"{error.message}: which gateway is not known", hint=hint) from None
    running = rundir.running(folder)
    if not running:
        raise EnvironmentFailure("no gateway runs here", hint="apigw serve, or name one: --admin http://127.0.0.1:8081")
    return str(running[0]["admin"])


def look(url: str, token_file: Path | None) -> Look:
    """The metrics now. Raises EnvironmentFailure where no gateway answers."""
    import httpx

    token = guard.token(token_file)
    headers = {"Authorization": f"Bearer {token.decode()}"} if token else {}
    try:
        answer = httpx.get(f"{url}/metrics/routes", headers=headers, timeout=_SECONDS, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise EnvironmentFailure(f"no gateway answers at {url}: {reason(error)}") from None
    if answer.status_code == 401:
        raise EnvironmentFailure(
            f"{url} asks for a token", hint=f"--admin-token-file FILE, or export {guard.VARIABLE}=…"
        )
    if answer.status_code != 200 or "apigw_info" not in answer.text:
        raise EnvironmentFailure(f"{url} is no admin port of apigw (status {answer.status_code})")
    return Look(time.monotonic(), parse(answer.text))


def parse(text: str) -> Metrics:
    """Prometheus' text format, as far as the gateway writes it."""
    found: Metrics = {}
    for line in text.splitlines():
        match = _SAMPLE.fullmatch(line)
        if match is not None:
            labels = tuple((name, _unescaped(value)) for name, value in _LABEL.findall(match[2] or ""))
            found.setdefault(match[1], {})[labels] = float(match[3])
    return found


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], value)


def view(admin: str, before: Look, now: Look) -> View:
    """What happened between two looks, and how things stand at the second."""
    seconds = max(now.when - before.when, 1e-3)
    routes = _routes(before, now, seconds)
    classes = {code: sum(row.classes.get(code, 0.0) for row in routes) for code in ("2xx", "3xx", "4xx", "5xx")}
    buckets = _histograms(before, now, _LATENCY).get((), [])
    return View(
        admin=admin,
        version=now.label("apigw_info", "version"),
        stage=now.label("apigw_info", "stage"),
        digest=now.label("apigw_info", "digest"),
        seconds=seconds,
        rate=sum(row.rate for row in routes),
        classes=classes,
        p50=quantile(buckets, 0.5),
        p99=quantile(buckets, 0.99),
        in_flight=int(now.total("apigw_in_flight")),
        in_flight_maximum=int(now.total("apigw_in_flight_maximum")),
        workers=int(now.total("apigw_workers")),
        worker_restarts=int(now.total("apigw_worker_restarts_total")),
        reloads=int(now.total("apigw_reloads_total", result="done")),
        reloads_refused=int(now.total("apigw_reloads_total", result="refused")),
        limiter_refusals=sum(row.limited for row in routes),
        cache=_cache(before, now, seconds),
        apis=_apis(before, now, seconds),
        routes=routes,
    )


def _cache(before: Look, now: Look, seconds: float) -> CacheRow | None:
    old = before.metrics.get(_CACHE, {})
    found = now.metrics.get(_CACHE, {})
    if not any(found.values()):
        return None
    rates = {
        dict(labels)["result"]: max(value - old.get(labels, 0.0), 0.0) / seconds for labels, value in found.items()
    }
    return CacheRow(rates, int(now.total("apigw_cache_entries")), int(now.total("apigw_cache_bytes")))


def _routes(before: Look, now: Look, seconds: float) -> list[RouteRow]:
    """Every route that was ever asked for, the busiest first; requests without a route have empty names."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    old = before.metrics.get("apigw_requests_total", {})
    for labels, value in now.metrics.get("apigw_requests_total", {}).items():
        named = dict(labels)
        rates = found.setdefault((named["api"], named["route"]), {})
        rates[named["code"]] = max(value - old.get(labels, 0.0), 0.0) / seconds
    latencies = _histograms(before, now, "apigw_route_duration_seconds_bucket", "api", "route")
    rows = []
    for (api, route), classes in found.items():
        limited = {"api": api, "route": route, "reason": "rate_limited"}
        refused = now.total("apigw_refusals_total", **limited) - before.total("apigw_refusals_total", **limited)
        buckets = latencies.get((api, route), [])
        quantiles = (quantile(buckets, 0.5), quantile(buckets, 0.99))
        rows.append(RouteRow(api, route, sum(classes.values()), classes, max(refused, 0.0) / seconds, *quantiles))
    return sorted(rows, key=lambda row: (-row.rate, row.api, row.route))


def _apis(before: Look, now: Look, seconds: float) -> list[ApiRow]:
    rows = []
    for (name,), buckets in _histograms(before, now, _LATENCY, "api").items():
        rows.append(ApiRow(name, buckets[-1][1] / seconds, quantile(buckets, 0.5), quantile(buckets, 0.99)))
    return sorted(rows, key=lambda row: (-row.rate, row.api))


def _histograms(before: Look, now: Look, name: str, *by: str) -> dict[tuple[str, ...], list[tuple[float, float]]]:
    """Upper bounds and cumulated counts of the requests that ended between the looks, by these labels."""
    old = before.metrics.get(name, {})
    found: dict[tuple[str, ...], dict[float, float]] = {}
    for labels, value in now.metrics.get(name, {}).items():
        named = dict(labels)
        counts = found.setdefault(tuple(named[label] for label in by), {})
        bound = float(named["le"])
        counts[bound] = counts.get(bound, 0.0) + max(value - old.get(labels, 0.0), 0.0)
    return {key: sorted(counts.items()) for key, counts in found.items()}


def quantile(buckets: list[tuple[float, float]], share: float) -> float | None:
    """The latency that `share` of the requests kept to, in seconds; within a bucket as if they were spread evenly.

    Beyond the last bound that bound is told, as Prometheus does. None without requests.
    """
    if not buckets or not buckets[-1][1]:
        return None
    rank = share * buckets[-1][1]
    for (low, below), (high, count) in pairwise([(0.0, 0.0), *buckets]):
        if count >= rank:
            return low if high == float("inf") else low + (high - low) * (rank - below) / (count - below)
    return None
