#!/usr/bin/env python3
"""Do two workers do twice the work of one? And how do connections spread over workers?

    python benchmarks/parallelism.py --rounds 5 --seconds 3

**The work.** POST of a chunked body to a mocked route: 1,000 chunks of 16 bytes, each of which the
worker must parse and count, while the client writes one prepared string. So the worker takes over ten times the CPU
that the client takes: on a machine of two cores, both of which two workers want, the client must not be
what is measured. Clients are wrk with a low priority (nice 10; with the lowest it gets nothing on a busy machine).

**The figures.** A gateway with one worker and one with two run side by side and are asked in turn. `speed-up` is the
ratio of requests a second in a round; the median counts. It is one of this machine's: other programs that want the
cores take more from two workers than from one. `by CPU` leaves them out: twice the CPU a request with one worker over
that with two, which is what two undisturbed cores would give if both workers were always busy. `busier` is the share
of the CPU that the busier of the two workers used: one half is even. `machine` is what the machine gives at that time:
two processes that only compute and share nothing, against one of them. Virtual machines whose two processors share a
core, or whose neighbours are busy, give far less than 2; nothing can gain more from a second worker there.

**The spread.** So many connections are opened at once, kept, and counted by worker (as descriptors), many times over.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from running import Gateway, cpu_seconds, descriptors, need

CHUNKS = 1000
MARK = 1.7
RESPONSES = {"200": {"description": "ok", "content": {"application/json": {"example": {"id": 7, "name": "Rex"}}}}}
SPEC = {
    "openapi": "3.1.0",
    "info": {"title": "Heavy", "version": "1"},
    "paths": {"/heavy": {"post": {"operationId": "heavy", "responses": RESPONSES}}},
}
LIMIT = {"rate_limit": {"rate": "1000000/s", "burst": 1000000, "key": "ip"}}
REQUEST = "POST /heavy HTTP/1.1\\r\\nHost: heavy\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
LUA = f"""
local chunk = "10\\r\\n0123456789abcdef\\r\\n"
local whole = "{REQUEST}" .. chunk:rep({CHUNKS}) .. "0\\r\\n\\r\\n"
request = function() return whole end
"""


BURN = """
import sys, time
end = time.perf_counter() + float(sys.argv[1])
turns = 0
while time.perf_counter() < end:
    for number in range(1000):
        number * number
    turns += 1
print(turns)
"""


def machine(seconds: float) -> float:
    """How much more two processes compute than one, when they share nothing but the machine."""

    def turns(processes: int) -> int:
        command = [sys.executable, "-c", BURN, str(seconds)]
        started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
        return sum(int(process.communicate(timeout=60)[0]) for process in started)

    return turns(2) / turns(1)


def gateway(folder: Path, workers: int, *, limited: bool) -> Gateway:
    folder.mkdir()
    api = {"spec": "heavy.json", "base_path": "/", "mock": True} | ({"defaults": LIMIT} if limited else {})
    config = {"version": 1, "apis": {"heavy": api}}
    files: dict[str, str | bytes] = {"heavy.json": json.dumps(SPEC), "apigw.yaml": json.dumps(config), "load.lua": LUA}
    return Gateway(folder, "--workers", str(workers), "--no-watch", "--access-log", "off", files=files)


def load(one: Gateway, seconds: int, connections: int) -> dict[str, Any]:
    """Requests a second, CPU microseconds for each, and the share of the busiest worker."""
    workers = one.workers()
    before = [cpu_seconds(pid) for pid in workers]
    command = [
        "nice",
        "-n",
        "19",
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "-s",
        str(one.folder / "load.lua"),
    ]
    command.append(f"http://127.0.0.1:{one.port}/heavy")
    said = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True).stdout
    used = [cpu_seconds(pid) - was for pid, was in zip(workers, before, strict=True)]
    rate, count = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"(\d+) requests in", said)
    assert rate is not None
    assert count is not None
    if "Non-2xx" in said:
        sys.exit(f"requests were refused:\n{said}")
    total = sum(used)
    cpu_us = total / max(int(count[1]), 1) * 1e6
    return {"rate": float(rate[1]), "cpu_us": cpu_us, "busiest": max(used) / total if total else 1.0}


def spread(one: Gateway, number: int, times: int) -> list[float]:
    """The share of connections that the worker with the most got, each time."""
    workers = one.workers()
    idle = [descriptors(pid) for pid in workers]
    found = []
    for _ in range(times):
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(socket.create_connection(("127.0.0.1", one.port))) for _ in range(number)]
            for client in clients:
                client.sendall(b"GET /nowhere HTTP/1.1\r\nHost: spread\r\n\r\n")
            for client in clients:
                client.recv(4096)
            found.append(max(descriptors(pid) - was for pid, was in zip(workers, idle, strict=True)) / number)
        deadline = time.monotonic() + 20
        while [descriptors(pid) for pid in workers] != idle and time.monotonic() < deadline:
            time.sleep(0.005)
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    rounds, spreads = [], {}
    with tempfile.TemporaryDirectory(prefix="parallelism-") as name, contextlib.ExitStack() as stack:
        one, two = (
            stack.enter_context(gateway(Path(name) / str(workers), workers, limited=options.limit))
            for workers in (1, 2)
        )
        for number in options.spread:
            spreads[number] = spread(two, number, options.times)
        for _ in range(options.rounds):
            turn = {"one": load(one, options.seconds, options.connections)}
            turn["two"] = load(two, options.seconds, options.connections)
            turn["machine"] = machine(options.seconds / 3)
            rounds.append(turn)
    speed_up = statistics.median(turn["two"]["rate"] / turn["one"]["rate"] for turn in rounds)
    by_cpu = statistics.median(2 * turn["one"]["cpu_us"] / turn["two"]["cpu_us"] for turn in rounds)
    ceiling = statistics.median(turn["machine"] for turn in rounds)
    return {
        "rounds": rounds,
        "speed_up": speed_up,
        "by_cpu": by_cpu,
        "machine": ceiling,
        "mark": MARK,
        "spread": spreads,
    }


def show(found: dict[str, Any]) -> None:
    print(f"{'1 worker':>10}{'CPU µs':>9}{'2 workers':>12}{'CPU µs':>9}{'busier':>9}{'speed-up':>10}{'machine':>9}")
    for turn in found["rounds"]:
        one, two = turn["one"], turn["two"]
        share = f"{two['busiest']:9.2f}{two['rate'] / one['rate']:10.2f}{turn['machine']:9.2f}"
        print(f"{one['rate']:10,.0f}{one['cpu_us']:9.1f}{two['rate']:12,.0f}{two['cpu_us']:9.1f}{share}")
    verdict = "met" if found["speed_up"] >= MARK else "MISSED"
    of_machine = found["speed_up"] / found["machine"]
    print(f"speed-up {found['speed_up']:.2f}, mark {MARK}: {verdict}; by CPU {found['by_cpu']:.2f}")
    gives = f"the machine gives {found['machine']:.2f} to two processes that share nothing"
    print(f"{gives}: {of_machine:.2f} of it are reached")
    for number, shares in found["spread"].items():
        median, worst = statistics.median(shares), max(shares)
        print(f"{number} connections: the fuller of 2 workers has {median:.0%} of them, {worst:.0%} at worst")


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--rounds", type=int, default=5)
    cli.add_argument("--seconds", type=int, default=3, help="of one gateway's turn")
    cli.add_argument("--connections", type=int, default=16, help="kept by wrk")
    cli.add_argument(
        "--limit", action="store_true", help="a rate limit with one key for all: both workers want one lock"
    )
    cli.add_argument("--spread", type=int, nargs="*", default=[2, 8, 64], metavar="CONNECTIONS")
    cli.add_argument("--times", type=int, default=20, help="that the spread is tried")
    cli.add_argument("--json", action="store_true", help="every round's figures, on stdout")
    options = cli.parse_args()
    need("wrk", "nice")
    found = measure(options)
    if options.json:
        print(json.dumps(found))
    else:
        show(found)


if __name__ == "__main__":
    main()
