#!/usr/bin/env python3
"""Does the gateway keep its footing? Reloads under load, then mixed traffic with faults, its footprint measured.

    python benchmarks/soak.py --reloads 100 --minutes 10

First the reloads: each adds a route, changes one and removes one, while clients ask on kept and on new connections.
No request may fail, and the new route must answer within a second of the file being saved.

Then the soak: reads, writes, 1 MiB bodies both ways, event streams, unknown paths, malformed requests and slow
clients, some of which break off in the middle, while every few seconds something happens, in turn: a worker is
killed, the files are reloaded, an upstream is killed, an API is put and removed, the upstream is started again. The
curve shows resident memory and descriptors of the supervisor and of the oldest worker (the others are the ones
killed). Flat means: the median of the last quarter is at most 8 MiB and 8 descriptors above that of the second. Ends
with 1 where something is not as it should be.

Everything runs on 127.0.0.1 and is bounded in time. Needs Linux (/proc).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

APIGW = [sys.executable, "-m", "apigw_cli.cli.app"]
MEGABYTE = bytes(1 << 20)
RESPONSES = {"200": {"description": "ok", "content": {"application/json": {"example": {"ok": True}}}}}
FLAT_MIB, FLAT_DESCRIPTORS = 8, 8


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def openapi(paths: dict[str, Any]) -> str:
    return json.dumps({"openapi": "3.1.0", "info": {"title": "Soak", "version": "1"}, "paths": paths})


class Upstream:
    """`apigw upstream`, which can be killed and started again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()

    def start(self) -> None:
        command = [*APIGW, "upstream", "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Gateway:
    """`apigw serve --workers 2` in `folder`, before two upstreams."""

    def __init__(self, folder: Path, upstreams: list[Upstream]) -> None:
        self.folder = folder
        self.round = 0
        targets = ", ".join(f'"http://127.0.0.1:{one.port}"' for one in upstreams)
        self._config = (
            "version: 1\napis:\n"
            "  all: {spec: all.json, base_path: /any, strip_base_path: true, upstream: up}\n"
            "  turns: {spec: turns.json, mock: true, "
            "routes: {limited: {rate_limit: {rate: RATE/s, burst: 50, key: ip}}}}\n"
            "upstreams: {up: {targets: [TARGETS]}}\n"
        ).replace("TARGETS", targets)
        self.save()
        command = [*APIGW, "serve", "--workers", "2", "--port", "0", "--admin-port", "0", "--access-log", "access.log"]
        self.process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        self.said: list[str] = []
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip())
            if "Ctrl-C drains" in line:
                break
        threading.Thread(target=self._read, daemon=True).start()
        ports = [int(one) for one in re.findall(r"http://[\w.]+:(\d+)", "\n".join(self.said))]
        self.port, self.admin_port = ports[0], ports[-1]

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(line.rstrip() for line in self.process.stderr)

    def save(self) -> None:
        """The files of the next round: a route more, one less, one changed."""
        self.round += 1
        paths: dict[str, Any] = {
            f"/round{self.round}": {"get": {"operationId": f"round{self.round}", "responses": RESPONSES}},
            "/limited": {"get": {"operationId": "limited", "responses": RESPONSES}},
        }
        if self.round == 1:
            operations = {m: {"operationId": f"{m}Any", "responses": RESPONSES} for m in ("get", "post")}
            self._replace("all.json", openapi({"/{rest+}": operations}))
        self._replace("turns.json", openapi(paths))
        self._replace("apigw.yaml", self._config.replace("RATE", str(100 + self.round % 50)))

    def _replace(self, name: str, text: str) -> None:
        beside = self.folder / f".{name}.tmp"
        beside.write_text(text)
        beside.replace(self.folder / name)

    def admin(self, method: str, path: str, body: bytes | None = None) -> int:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=30)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def workers(self) -> list[int]:
        """The workers' process ids, the oldest first."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return sorted(map(int, found.stdout.split()), key=lambda pid: (started(pid), pid))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def started(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return sys.maxsize


def footprint(pid: int) -> tuple[float, int]:
    """Resident MiB and open descriptors."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / (1 << 20), sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


class Load:
    """Clients in threads, each with a share of the traffic; counts what came back by kind and status."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.seen: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def run(self, *clients: Callable[[Load], None]) -> None:
        for client in clients:
            thread = threading.Thread(target=self._loop, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _loop(self, client: Callable[[Load], None]) -> None:
        while not self._stop.is_set():
            try:
                client(self)
            except (OSError, http.client.HTTPException) as error:
                self.seen[f"{client.__name__} {type(error).__name__}"] += 1

    def going(self) -> bool:
        return not self._stop.is_set()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(40)

    def ask(self, connection: http.client.HTTPConnection, kind: str, path: str, body: bytes | None = None) -> None:
        connection.request("GET" if body is None else "POST", path, body)
        answer = connection.getresponse()
        answer.read()
        self.seen[f"{kind} {answer.status}"] += 1

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)


def kept(load: Load) -> None:
    with contextlib.closing(load.connection()) as connection:
        while load.going():
            load.ask(connection, "kept", "/any/x")
            time.sleep(0.002)


def fresh(load: Load) -> None:
    with contextlib.closing(load.connection()) as connection:
        load.ask(connection, "fresh", "/any/x")
    time.sleep(0.002)


def mixed(load: Load) -> None:
    kinds: Iterator[tuple[str, str, bytes | None]] = itertools.cycle(
        [
            ("limited", "/limited", None),
            ("post", "/any/echo", b"x" * 2000),
            ("upload", "/any/../any/sink", MEGABYTE),
            ("unknown", "/nowhere", None),
            ("download", "/any/bytes?n=1048576", None),
            ("events", "/any/sse?events=5&ms=20", None),
        ]
    )
    with contextlib.closing(load.connection()) as connection:
        while load.going():
            load.ask(connection, *next(kinds))
            time.sleep(0.01)


def malformed(load: Load) -> None:
    with socket.create_connection(("127.0.0.1", load.port), 30) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        load.seen[f"malformed {one.recv(4096)[9:12].decode()}"] += 1
    time.sleep(0.2)


def slow(load: Load) -> None:
    """Sends a byte now and then, reads a byte now and then."""
    with socket.create_connection(("127.0.0.1", load.port), 30) as one:
        for byte in b"GET /any/bytes?n=300000 HTTP/1.1\r\nHost: slow\r\nConnection: close\r\n\r\n":
            one.sendall(bytes([byte]))
            time.sleep(0.02)
        while load.going() and one.recv(20_000):
            time.sleep(0.05)
    load.seen["slow done"] += 1


def leaver(load: Load) -> None:
    """Breaks off in the middle of an upload or of an answer."""
    with socket.create_connection(("127.0.0.1", load.port), 30) as one:
        length = random.choice((0, 1 << 20))
        method = "POST" if length else "GET"
        head = f"{method} /any/bytes?n=9000000 HTTP/1.1\r\nHost: leaver\r\nContent-Length: {length}\r\n\r\n"
        one.sendall(head.encode() + bytes(length // 2))
        one.recv(1000 if not length else 0)
    load.seen["leaver left"] += 1
    time.sleep(0.1)


def reloads(gateway: Gateway, number: int) -> bool:
    """That many reloads under load. Whether none failed a request, and each was live in time."""
    load = Load(gateway.port)
    load.run(kept, kept, fresh)
    slowest, left = 0.0, 0
    for _ in range(number):
        gateway.save()
        began = time.monotonic()
        while answers(gateway.port, f"/round{gateway.round}") != 200 and time.monotonic() < began + 10:
            time.sleep(0.01)
        slowest = max(slowest, time.monotonic() - began)
        left += answers(gateway.port, f"/round{gateway.round - 1}") != 404
    load.stop()
    failed = {what: count for what, count in load.seen.items() if not what.endswith(" 200")}
    print(f"{number} reloads, {load.seen.total():,} requests, failed: {failed or 'none'}; ", end="")
    print(f"a saved route answered after {slowest * 1000:.0f} ms at the latest", flush=True)
    return not failed and not left and slowest < 1


def answers(port: int, path: str) -> int:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


class Faults:
    """What goes wrong, one thing after the other."""

    def __init__(self, gateway: Gateway, upstreams: list[Upstream]) -> None:
        self.gateway = gateway
        self.upstreams = upstreams
        self.done: Counter[str] = Counter()
        self._dead: Upstream | None = None
        self._turns = itertools.cycle([self.worker, self.reload, self.upstream, self.api, self.revive])

    def next(self) -> None:
        turn = next(self._turns)
        turn()
        self.done[turn.__name__] += 1

    def worker(self) -> None:
        workers = self.gateway.workers()
        if len(workers) > 1:
            os.kill(workers[-1], signal.SIGKILL)

    def reload(self) -> None:
        self.gateway.save()
        assert self.gateway.admin("POST", "/reload") == 200

    def upstream(self) -> None:
        self._dead = random.choice(self.upstreams)
        self._dead.kill()

    def revive(self) -> None:
        assert self._dead is not None
        self._dead.start()

    def api(self) -> None:
        paths = {"/put": {"get": {"operationId": "put", "responses": RESPONSES}}}
        body = json.dumps({"config": {"mock": True}, "spec": json.loads(openapi(paths))}).encode()
        assert self.gateway.admin("PUT", "/apis/put", body) == 200
        assert self.gateway.admin("DELETE", "/apis/put") == 200


def soak(gateway: Gateway, upstreams: list[Upstream], seconds: float, every: float) -> bool:
    """Mixed traffic with faults. Whether memory and descriptors stayed flat and nothing unforeseen came back."""
    load, faults = Load(gateway.port), Faults(gateway, upstreams)
    load.run(kept, kept, fresh, mixed, malformed, slow, slow, leaver)
    oldest, began = gateway.workers()[0], time.monotonic()
    curve: list[tuple[float, int, float, int]] = []
    print(f"{'s':>5} {'supervisor MiB':>15} {'fds':>5} {'worker MiB':>11} {'fds':>5} {'requests':>10}  faults")
    shown, due = 0.0, every
    while (elapsed := time.monotonic() - began) < seconds:
        time.sleep(1)
        curve.append((*footprint(gateway.process.pid), *footprint(oldest)))
        if elapsed >= due:
            faults.next()
            due += every
        if elapsed >= shown:
            shown += seconds / 20
            one = curve[-1]
            counts = f"{load.seen.total():>10,}  {faults.done.total()}"
            print(f"{elapsed:5.0f} {one[0]:15.1f} {one[1]:5} {one[2]:11.1f} {one[3]:5} {counts}", flush=True)
    load.stop()
    print(f"faults: {dict(faults.done)}\ncame back: {dict(sorted(load.seen.items()))}")
    return judge(curve) & unforeseen(load.seen, gateway)


def judge(curve: list[tuple[float, int, float, int]]) -> bool:
    """Whether the last quarter is no higher than the second."""
    quarter = len(curve) // 4
    fine = True
    bounds = (FLAT_MIB, FLAT_DESCRIPTORS) * 2
    names = ("supervisor's memory, MiB", "supervisor's descriptors", "worker's memory, MiB", "worker's descriptors")
    for index, (name, bound) in enumerate(zip(names, bounds, strict=True)):
        second = statistics.median(one[index] for one in curve[quarter : 2 * quarter])
        last = statistics.median(one[index] for one in curve[-quarter:])
        flat = last - second <= bound
        fine &= flat
        print(f"{name:26} {second:7.1f} → {last:7.1f}  {'flat' if flat else 'GROWS'}")
    return fine


def unforeseen(seen: Counter[str], gateway: Gateway) -> bool:
    """Whether there is nothing but what the faults explain: no 500, no traceback; malformed is always refused."""
    wrong = [
        what for what in seen if what.endswith(" 500") or (what.startswith("malformed") and not what.endswith("400"))
    ]
    wrong = [what for what in wrong if what not in ("malformed ConnectionResetError", "malformed ")]  # a killed worker
    wrong += [line for line in gateway.said if "Traceback" in line]
    print(f"unforeseen: {wrong or 'nothing'}")
    return not wrong


def main() -> int:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--reloads", type=int, default=100)
    cli.add_argument("--minutes", type=float, default=10)
    cli.add_argument("--fault-every", type=float, default=4, metavar="SECONDS")
    args = cli.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    with tempfile.TemporaryDirectory() as folder:
        upstreams = [Upstream(), Upstream()]
        gateway = Gateway(Path(folder), upstreams)
        try:
            fine = reloads(gateway, args.reloads) if args.reloads else True
            if args.minutes:
                fine &= soak(gateway, upstreams, args.minutes * 60, args.fault_every)
            fine &= gateway.stop() == 0
        finally:
            gateway.process.kill()
            for one in upstreams:
                one.kill()
    print("fine" if fine else "NOT as it should be")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
