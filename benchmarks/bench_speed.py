#!/usr/bin/env python3
"""How fast is `apigw bench`, beside other load generators, against one nginx?

    python benchmarks/bench_speed.py --rounds 3 --seconds 10 --node-modules /tmp/node_modules

nginx has one worker, on CPU 0; each client has CPU 1 to itself. Requests are counted by the server, not by the tools;
CPU time is the operating system's, children and start-up included. Rounds take turns, so that a noisy moment meets
all tools: read the ratios, not the absolute figures. A tool that is not installed is left out, and that is said
(Debian has wrk, hey, nghttp2-client, apache2-utils; npm has autocannon). Afterwards the counts of `apigw bench` are
held against nginx's, once with connections that nginx keeps and once where it ends each after 100 requests; and its
memory is looked at three times in one run. Needs Linux, nginx and taskset.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

APIGW = f"{sys.executable} -m apigw_cli.cli.app bench {{url}} --duration {{s}}s -q"
CLIENTS = {
    "apigw": APIGW + " --warmup 0s --workers 1 --concurrency {c}",
    "apigw, 2 workers": APIGW + " --warmup 0s --workers 2 --concurrency {c}",
    "wrk": "wrk -t1 -c{c} -d{s}s {url}",
    "h2load": "h2load --h1 -t1 -c{c} -D {s} {url}",
    "hey": "env GOMAXPROCS=1 hey -z {s}s -c {c} {url}",
    "ab": "ab -k -q -t {s} -n 100000000 -c {c} {url}",
    "autocannon": "autocannon -c {c} -d {s} {url}",
}
CONFIG = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000;
  server {{ listen 127.0.0.1:{port} backlog=4096;
    location /status {{ stub_status; }}
    location /cut/ {{ keepalive_requests 100; return 200 'ok'; }}
    location / {{ default_type application/json; return 200 '{{"id":7,"name":"Rex","tag":"dog"}}'; }} }} }}
"""


@contextmanager
def nginx() -> Iterator[str]:
    """One nginx worker on CPU 0; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="bench-speed-") as folder:
        config = Path(folder) / "nginx.conf"
        config.write_text(CONFIG.format(folder=folder, port=port))
        server = subprocess.Popen(["taskset", "-c", "0", "nginx", "-e", "stderr", "-c", str(config)])
        try:
            until_listening(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(10)


def until_listening(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                sys.exit("nginx did not start")
            time.sleep(0.05)


def served(url: str) -> int:
    """How many requests the server has answered."""
    with urllib.request.urlopen(f"{url}/status") as answer:
        found = re.search(rb"(\d+)\s+(\d+)\s+(\d+)\s*\nReading", answer.read())
    assert found is not None
    return int(found[3])


def measure(command: str, url: str) -> tuple[float, float]:
    """Requests a second, and microseconds of client CPU for each, of one run."""
    before, cpu, start = served(url), resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(["taskset", "-c", "1", *shlex.split(command)], capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    requests = served(url) - before - 1
    if requests <= 0:
        sys.exit(f"{command}: no request reached the server\n{done.stdout}{done.stderr}")
    return requests / wall, (after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime) / requests * 1e6


def agreement(url: str, options: argparse.Namespace, workers: int) -> None:
    """Print by how much the tool's own count of requests differs from the server's."""
    server = "/".join(url.split("/")[:3])
    before = served(server)
    command = f"{APIGW} --workers {workers} --concurrency {options.connections} --warmup 1s --format json"
    line = command.format(url=url, s=options.seconds)
    done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=False)
    counts = json.loads(done.stdout)["requests"]
    own = sum(counts[name] for name in ("answered", "warmup", "errors", "unfinished"))
    there = served(server) - before - 1  # this look itself
    print(
        f"{url}: {own:,} requests by its own count, {there:,} by nginx's, {100 * abs(own - there) / there:.4f} % apart"
    )


def memory(url: str, options: argparse.Namespace) -> None:
    """Print the memory of a worker after a quarter of a run and at its end."""
    line = APIGW.format(url=url, s=4 * options.seconds) + f" --workers 1 --concurrency {options.connections}"
    process = subprocess.Popen(shlex.split(line), stdout=subprocess.DEVNULL)
    sizes = []
    for _ in range(3):
        time.sleep(options.seconds)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        sizes.append(int(Path(f"/proc/{children[0]}/statm").read_text().split()[1]) * 4)
    process.wait()
    print("memory of the worker, a look each quarter of one run: " + ", ".join(f"{size:,} KiB" for size in sizes))


def installed() -> dict[str, str]:
    """The clients that are here; the others are named."""
    found = {}
    for name, command in CLIENTS.items():
        program = next(word for word in command.split() if word != "env" and "=" not in word)
        if shutil.which(program):
            found[name] = command
        else:
            print(f"{name}: not installed, left out")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="long, so that start-up does not count")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--node-modules", type=Path, help="where autocannon is: npm install autocannon")
    options = parser.parse_args()
    if options.node_modules:
        os.environ["PATH"] += f":{(options.node_modules / '.bin').resolve()}"
    for program in ("nginx", "taskset"):
        if not shutil.which(program):
            sys.exit(f"{program} is needed and not installed")
    clients = installed()
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in clients}
    with nginx() as url:
        for _ in range(options.rounds):
            for name, command in clients.items():
                line = command.format(url=f"{url}/pets/7", c=options.connections, s=options.seconds)
                results[name].append(measure(line, url))
        for path, workers in (("pets/7", 1), ("pets/7", 2), ("cut/", 1)):
            agreement(f"{url}/{path}", options, workers)
        memory(f"{url}/pets/7", options)
    print(f"{'client':18}{'requests/s':>12}{'CPU µs/request':>16}   requests/s, apigw ÷ this one, per round")
    for name, rounds in results.items():
        ratios = " ".join(f"{own[0] / other[0]:.2f}" for own, other in zip(results["apigw"], rounds, strict=True))
        rate, cpu = (statistics.median(one[i] for one in rounds) for i in (0, 1))
        print(f"{name:18}{rate:12,.0f}{cpu:16.1f}   {ratios}")


if __name__ == "__main__":
    main()
