#!/usr/bin/env python3
"""Does a declared limit hold, while the gateway is reloaded and its workers are killed?

    python benchmarks/limits_hold.py --seconds 10

Real gateways with 1, 2 and 4 workers, and two gateways on one Redis (where redis-server is installed), each asked for
far more than the limit, 200/s burst 100 for one key, from many connections. Each is measured quiet, then with a reload
every half second, then with a kill -9 of a worker every second as well. With Redis the last case kills a gateway's
worker too.

What was let through is checked in every window: a request was decided between its sending and its answer, so those
sent after s and answered before t are at most burst + rate * (t - s) (apigw_cli/bench/admission.py).

That no less is let through is looked at where it is owed: a bucket that refuses is empty. From one refusal to the next,
if that came before the bucket could have been full again (burst / rate), what was let through must be rate * time: over
all such stretches together at least 99 %. (A dead only worker asks the limiter nothing: such time is left out.) An
exchange that broke while its answer was awaited may have been counted: it is told apart, and counts for this bound.

Ends with 4 where a bound is broken. Everything runs on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from running import Gateway, free_port, need

from apigw_cli.bench.admission import Event, tightest_window

RATE, BURST = 200, 100
CONNECTIONS = 24
PAUSE = 0.004  # seconds between two requests of a connection: some thousands a second in all
REQUEST = b"GET /limited HTTP/1.1\r\nHost: localhost\r\nX-Tenant: one\r\n\r\n"

SPEC = """\
openapi: 3.1.0
info: {title: Held, version: 1.0.0}
paths:
  /limited: {get: {operationId: limited, responses: {"200": {description: ok}}}}
  /other: {get: {operationId: other, responses: {"200": {description: ok}}}}
"""
CONFIG = """\
version: 1
%(limits)s
apis:
  held:
    spec: spec.yaml
    hosts: [localhost, 127.0.0.1]
    mock: true
    routes:
      limited: {rate_limit: {rate: %(rate)d/s, burst: %(burst)d, key: "header:X-Tenant"%(store)s}}
      other: {rate_limit: {rate: %(other)d/s}}
"""


@dataclass
class Seen:
    """What clients saw of one run; times in nanoseconds."""

    admitted: list[Event] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)  # when that was told
    lost: list[int] = field(default_factory=list)  # when an exchange broke while its answer was awaited
    other: int = 0
    reloads: int = 0
    kills: int = 0


async def client(ports: list[int], number: int, until: float, seen: Seen) -> None:
    port = ports[number % len(ports)]
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        try:
            await ask(reader, writer, until, seen)
        except (OSError, asyncio.IncompleteReadError):
            seen.lost.append(time.monotonic_ns())
        finally:
            writer.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, until: float, seen: Seen) -> None:
    while time.monotonic() < until:
        sent = time.monotonic_ns()
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        await reader.readexactly(length)
        status = head[9:12]
        if status == b"200":
            seen.admitted.append((sent, time.monotonic_ns()))
        elif status == b"429":
            seen.refused.append(time.monotonic_ns())
        else:
            seen.other += 1
        if b"connection: close" in head.lower():
            return
        await asyncio.sleep(PAUSE)


async def disturb(gateways: list[Gateway], config: dict[str, object], how: str, until: float, seen: Seen) -> None:
    chance, turn = random.Random(1), 0
    while how != "quiet" and time.monotonic() < until - 0.6:
        await asyncio.sleep(0.5)
        turn += 1
        for gateway in gateways:
            write(gateway.folder, config | {"other": 10 + turn})
        seen.reloads += 1
        if how == "killed" and turn % 2 == 0:
            workers = [pid for gateway in gateways for pid in gateway.workers()]
            with contextlib.suppress(ProcessLookupError, IndexError):  # the last one is not yet replaced
                os.kill(chance.choice(workers), signal.SIGKILL)
                seen.kills += 1


def write(folder: Path, config: dict[str, object]) -> None:
    new = folder / "apigw.new"
    new.write_text(CONFIG % config)
    new.replace(folder / "apigw.yaml")


async def load(gateways: list[Gateway], config: dict[str, object], how: str, seconds: float) -> tuple[Seen, float]:
    seen, began = Seen(), time.monotonic()
    until = began + seconds
    ports = [gateway.port for gateway in gateways]
    clients = (client(ports, number, until, seen) for number in range(CONNECTIONS))
    await asyncio.gather(*clients, disturb(gateways, config, how, until, seen))
    return seen, time.monotonic() - began


def stretches(seen: Seen) -> tuple[float, int]:
    """What was owed where the bucket was surely never full, and how much was let through then."""
    most, owed, given = BURST * 10**9 // RATE, 0, 0
    times = sorted([received for _, received in seen.admitted] + seen.lost)
    for one, other in itertools.pairwise(sorted(seen.refused)):
        if other - one < most:
            owed += other - one
            given += bisect_left(times, other) - bisect_left(times, one)
    return owed * RATE / 1e9, given


def judge(name: str, how: str, seen: Seen, seconds: float) -> bool:
    """One line of the table. Whether both bounds hold."""
    window = tightest_window(seen.admitted, Fraction(RATE), BURST)
    above = window is None or window.count > window.bound
    owed, given = stretches(seen)
    share = given / owed if owed else 1.0
    tight = f"{window.count:,} of {int(window.bound):,} in {window.seconds:.2f} s" if window else "-"
    verdict = "ABOVE" if above else "BELOW" if share < 0.99 else "held"
    admitted, answers = len(seen.admitted), len(seen.admitted) + len(seen.refused)
    proved = f"{share:.1%} in {owed / RATE:.1f} s"
    cells = (
        name,
        how,
        seen.reloads,
        seen.kills,
        f"{admitted:,} of {answers:,}",
        tight,
        proved,
        len(seen.lost),
        verdict,
    )
    print(f"| {' | '.join(map(str, cells))} |", flush=True)
    if seen.other:
        print(f"{seen.other} other answers", file=sys.stderr)
    return not above and share >= 0.99


@contextlib.contextmanager
def redis() -> Iterator[int]:
    port = free_port()
    command = ["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(20)


def held(name: str, workers: list[int], limits: str, store: str, how: str, seconds: float) -> bool:
    config: dict[str, object] = {"limits": limits, "store": store, "rate": RATE, "burst": BURST, "other": 10}
    with contextlib.ExitStack() as stack:
        gateways = []
        for count in workers:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            write(folder, config)
            options = ("--workers", str(count), "--access-log", "off")
            gateways.append(stack.enter_context(Gateway(folder, *options, files={"spec.yaml": SPEC})))
        return judge(name, how, *asyncio.run(load(gateways, config, how, seconds)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of load in each case")
    seconds = parser.parse_args().seconds
    need("apigw")
    print(f"{RATE}/s burst {BURST}, {CONNECTIONS} connections, {seconds:g} s each\n")
    print("| gateway | | reloads | kills | let through | tightest window | of what is owed | lost | |")
    print("|---|---|---|---|---|---|---|---|---|")
    good = True
    for count in (1, 2, 4):
        for how in ("quiet", "reloaded", "killed"):
            good &= held(f"{count} worker{'s' * (count > 1)}", [count], "", "", how, seconds)
    if shutil.which("redis-server"):
        for how in ("quiet", "reloaded", "killed"):
            with redis() as port:
                limits = f'limits: {{redis: {{url: "redis://127.0.0.1:{port}", timeout: 2s}}}}'
                store = ", store: redis, on_store_failure: closed"
                good &= held("2 gateways × 2 workers, Redis", [2, 2], limits, store, how, seconds)
    else:
        print("no redis-server here", file=sys.stderr)
    sys.exit(0 if good else 4)


if __name__ == "__main__":
    main()
