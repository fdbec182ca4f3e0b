#!/usr/bin/env python3
"""Does the gateway keep its footing? Reloads under load, then mixed traffic with faults, its footprint measured.

    python benchmarks/soak.py --reloads 100 --minutes 10

First the reloads: each adds a route, changes one and removes one, while clients ask on kept and on new connections.
No request may fail, and the new route must answer within a second of the file being saved.

Then the soak: the traffic that `traffic.py` lists, before two targets with health checks, ejection and retries,
and every few seconds a fault, in turn: a worker is killed; the files are reloaded (a route more, one less, one
changed: looked at afterwards); a target is killed; an API is put and removed at run time; the target is started again;
the WebSockets' upstream is killed and started. No GET may fail. A client's connection may break where its worker was
just killed; a stream where its target was. All else is a failure, and printed.

Each second the resident memory and the descriptors of the supervisor and of the workers are read. For the supervisor
and the worker that is never killed a line is fitted to what came after the warm-up (the first fifth), by least squares:
over the time from there to the end it may rise by 4 MiB and 8 descriptors.

Ends with 4 where something is not as it should be. Everything runs on 127.0.0.1 and is bounded in time. Needs Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from running import APIGW, Gateway, descriptors, end, free_port, memory
from traffic import EVERYBODY, STRICT, Load, fresh, kept

RESPONSES = {"200": {"description": "ok", "content": {"application/json": {"example": {"ok": True}}}}}
GROWTH = {"mib": 4.0, "descriptors": 8.0}
EXPLAINED_SECONDS = 5  # after a fault, for clients to meet it
LIVE_SECONDS = 1  # until a saved route answers
WARM_UP = 0.2


def openapi(paths: dict[str, Any]) -> str:
    return json.dumps({"openapi": "3.1.0", "info": {"title": "Soak", "version": "1"}, "paths": paths})


def any_path(*methods: str) -> str:
    return openapi({"/{rest+}": {m: {"operationId": f"{m}Any", "responses": RESPONSES} for m in methods}})


class Upstream:
    """A program on a port of its own, which can be killed and started again."""

    def __init__(self, *command: str) -> None:
        self.port = free_port()
        self._command = [*command, str(self.port)]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def until_listening(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket_to(self.port):
                return
            time.sleep(0.05)
        sys.exit(f"{self._command}: did not start")


def socket_to(port: int) -> contextlib.closing[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.connect()
    return contextlib.closing(connection)


class Files:
    """What the gateway serves; every `save` is another round of it."""

    def __init__(self, folder: Path, targets: list[int], echo: int) -> None:
        self.folder = folder
        self.round = 0
        defend = {
            "health": {"path": "/health", "every": "500ms", "timeout": "2s"},
            "eject": {"after": 3, "first": "1s", "longest": "5s"},
            "retries": {"attempts": 2, "budget": "100%"},
        }
        self._apis: dict[str, Any] = {
            "all": {"spec": "all.json", "base_path": "/any", "strip_base_path": True, "upstream": "up"},
            "sockets": {"spec": "sockets.json", "base_path": "/sockets", "upstream": "echo"},
        }
        self._upstreams = {
            "up": {"targets": [f"http://127.0.0.1:{port}" for port in targets], **defend},
            "echo": {"targets": [f"http://127.0.0.1:{echo}"]},
        }
        self._replace("all.json", any_path("get", "post"))
        self._replace("sockets.json", any_path("get"))
        self.save()

    def save(self) -> None:
        self.round += 1
        paths: dict[str, Any] = {
            f"/round{self.round}": {"get": {"operationId": f"round{self.round}", "responses": RESPONSES}},
            "/limited": {"get": {"operationId": "limited", "responses": RESPONSES}},
        }
        limit = {"rate": f"{100 + self.round % 50}/s", "burst": 50, "key": "ip"}
        turns = {"spec": "turns.json", "base_path": "/", "mock": True, "routes": {"limited": {"rate_limit": limit}}}
        config = {"version": 1, "apis": self._apis | {"turns": turns}, "upstreams": self._upstreams}
        self._replace("turns.json", openapi(paths))
        self._replace("apigw.yaml", json.dumps(config))

    def _replace(self, name: str, text: str) -> None:
        beside = self.folder / f".{name}.tmp"
        beside.write_text(text)
        beside.replace(self.folder / name)


def answers(port: int, path: str) -> int:
    """The status of a GET; 0 where the connection breaks."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        return connection.getresponse().status
    return 0


def swapped(gateway: Gateway, files: Files) -> float:
    """Seconds until the round's route is served; infinity where it is not, or the one before still is."""
    began = time.monotonic()
    while answers(gateway.port, f"/round{files.round}") != 200:
        if time.monotonic() > began + 10:
            return float("inf")
        time.sleep(0.01)
    took = time.monotonic() - began
    return took if answers(gateway.port, f"/round{files.round - 1}") in (404, 0) else float("inf")


def reloads(gateway: Gateway, files: Files, number: int) -> dict[str, Any]:
    """That many reloads under load."""
    load = Load(gateway.port)
    load.run(kept, kept, fresh)
    slowest = 0.0
    for _ in range(number):
        files.save()
        slowest = max(slowest, swapped(gateway, files))
    load.stop()
    found = {
        "reloads": number,
        "requests": load.seen.total(),
        "failures": dict(load.failures),
        "slowest_seconds": slowest,
    }
    return found | {"fine": not load.failures and slowest < LIVE_SECONDS}


class Faults:
    """What goes wrong, one thing after the other; and which of it explains that a client's connection broke."""

    def __init__(self, gateway: Gateway, files: Files, targets: list[Upstream], echo: Upstream) -> None:
        self.gateway = gateway
        self.files = files
        self.done: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._targets = targets
        self._echo = echo
        self._dead = targets[0]
        self._turns = itertools.cycle([self.worker, self.reload, self.target, self.api, self.revive, self.websockets])
        self._last: dict[str, tuple[float, int]] = {}

    def next(self) -> None:
        turn = next(self._turns)
        self.done[turn.__name__] += 1
        turn()

    def _now(self, kind: str) -> None:
        self._last[kind] = (time.monotonic(), self.done.total())

    def explain(self, kind: str) -> int | None:
        """The number of the fault just now that a break of this kind of traffic may come from."""
        causes = ["worker"]
        if kind == "sockets":
            causes.append("websockets")
        elif kind not in STRICT:
            causes.append("target")
        for cause in causes:
            when, number = self._last.get(cause, (float("-inf"), 0))
            if time.monotonic() - when < EXPLAINED_SECONDS:
                return number
        return None

    def worker(self) -> None:
        workers = self.gateway.workers()
        if len(workers) > 1:
            self._now("worker")
            os.kill(workers[-1], signal.SIGKILL)

    def reload(self) -> None:
        self.files.save()
        if (status := self.gateway.admin("POST", "/reload")) != 200:
            self.failures[f"reload: {status}"] += 1
        if swapped(self.gateway, self.files) > LIVE_SECONDS:
            self.failures[f"reload: round {self.files.round} is not served in time, or the one before still is"] += 1

    def target(self) -> None:
        self._dead = random.choice(self._targets)
        self._now("target")
        self._dead.kill()

    def revive(self) -> None:
        self._dead.start()
        self._dead.until_listening()

    def websockets(self) -> None:
        self._now("websockets")
        self._echo.kill()
        self._echo.start()
        self._echo.until_listening()
        self._now("websockets")

    def api(self) -> None:
        spec = json.loads(openapi({"/put": {"get": {"operationId": "put", "responses": RESPONSES}}}))
        body = json.dumps({"config": {"mock": True}, "spec": spec}).encode()
        for method, content in (("PUT", body), ("DELETE", None)):
            if (status := self.gateway.admin(method, "/apis/put", content)) != 200:
                self.failures[f"{method} /apis/put: {status}"] += 1


class Watch:
    """Memory and descriptors of the gateway's processes over time."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._began = time.monotonic()
        self.names = {gateway.process.pid: "supervisor", gateway.workers()[0]: "oldest worker"}
        self.samples: dict[int, list[tuple[float, float, int]]] = {}

    def look(self) -> None:
        for pid in (self._gateway.process.pid, *self._gateway.workers()):
            with contextlib.suppress(OSError, KeyError):  # killed meanwhile
                sample = (time.monotonic() - self._began, memory(pid)["rss"], descriptors(pid))
                self.samples.setdefault(pid, []).append(sample)

    def last(self, name: str) -> str:
        pid = next(pid for pid, known in self.names.items() if known == name)
        _, mib, count = self.samples[pid][-1]
        return f"{mib:9.1f}{count:5}"

    def growth(self) -> list[dict[str, Any]]:
        """What the fitted lines rise by between the warm-up and the end."""
        return [fitted(name, self.samples[pid]) for pid, name in self.names.items()]

    def highest_of_others(self) -> float:
        """The most that was resident in a worker that was killed at some time, MiB."""
        return max((one[1] for pid, own in self.samples.items() if pid not in self.names for one in own), default=0.0)


def fitted(name: str, samples: list[tuple[float, float, int]]) -> dict[str, Any]:
    """What the lines through (seconds, MiB, descriptors) rise by between the warm-up and the end."""
    warm = [one for one in samples if one[0] >= samples[-1][0] * WARM_UP]
    row: dict[str, Any] = {"process": name, "mib": rise(warm, 1), "descriptors": rise(warm, 2)}
    for end_name, sample in (("from", warm[0]), ("to", warm[-1])):
        row[f"{end_name}_mib"], row[f"{end_name}_descriptors"] = sample[1:]
    return row | {"flat": all(row[what] <= bound for what, bound in GROWTH.items())}


def rise(samples: list[tuple[float, float, int]], index: int) -> float:
    times = [one[0] for one in samples]
    if len(times) < 3 or times[-1] == times[0]:
        return 0.0
    return statistics.linear_regression(times, [one[index] for one in samples]).slope * (times[-1] - times[0])


def bugs(said: list[str]) -> list[str]:
    """The tracebacks among what the gateway said, each as one text."""
    starts = [at for at, line in enumerate(said) if line.startswith("Traceback")]
    return ["\n".join(said[at : at + 40]) for at in starts]


def soak(gateway: Gateway, faults: Faults, seconds: float, every: float, quiet: bool) -> dict[str, Any]:
    """Mixed traffic with faults."""
    load, watch = Load(gateway.port, faults.explain), Watch(gateway)
    load.run(*EVERYBODY)
    began, due, shown = time.monotonic(), every, 0.0
    while (elapsed := time.monotonic() - began) < seconds:
        watch.look()
        if elapsed >= due:
            faults.next()
            due += every
        if elapsed >= shown and not quiet:
            shown += seconds / 20
            footprints = f"supervisor{watch.last('supervisor')}   oldest worker{watch.last('oldest worker')}"
            print(f"{elapsed:5.0f} s   MiB, fds: {footprints}   {load.seen.total():>10,} requests", flush=True)
        time.sleep(min(1.0, every / 4))
    load.stop()
    failures = load.failures + faults.failures + Counter(bugs(gateway.said))
    growth = watch.growth()
    found = {"seconds": seconds, "requests": load.seen.total(), "failures": dict(failures), "faults": dict(faults.done)}
    found |= {"came_back": dict(sorted(load.seen.items())), "growth": growth}
    found |= {"highest_of_killed_mib": watch.highest_of_others()}
    return found | {"fine": not failures and all(row["flat"] for row in growth)}


def show(found: dict[str, Any]) -> None:
    if (part := found.get("reloads")) is not None:
        print(
            f"{part['reloads']} reloads, {part['requests']:,} requests, failed: {part['failures'] or 'none'}; ", end=""
        )
        print(f"a saved route answered after {part['slowest_seconds'] * 1000:.0f} ms at the latest")
    if (part := found.get("soak")) is not None:
        print(f"faults: {part['faults']}\ncame back: {part['came_back']}")
        for row in part["growth"]:
            mib = f"{row['from_mib']:.1f} → {row['to_mib']:.1f} MiB, fitted {row['mib']:+.1f} (may {GROWTH['mib']:.0f})"
            ends = f"{row['from_descriptors']} → {row['to_descriptors']} descriptors"
            fitted = f"fitted {row['descriptors']:+.1f} (may {GROWTH['descriptors']:.0f})"
            print(f"{row['process']:14} {mib}; {ends}, {fitted}: {'flat' if row['flat'] else 'GROWS'}")
        print(f"workers that were killed: {part['highest_of_killed_mib']:.1f} MiB at most")
        print("failures: " + (", ".join(f"{count} × {what}" for what, count in part["failures"].items()) or "none"))
    print("fine" if found["fine"] else "NOT as it should be")


def run(options: argparse.Namespace, folder: Path, stack: contextlib.ExitStack) -> dict[str, Any]:
    targets = [Upstream(*APIGW, "upstream", "--port") for _ in range(2)]
    echo = Upstream(sys.executable, str(Path(__file__).parent / "echo.py"))
    for one in (*targets, echo):
        stack.callback(one.kill)
    for one in (*targets, echo):
        one.until_listening()
    files = Files(folder, [one.port for one in targets], echo.port)
    gateway = Gateway(folder, "--workers", "2", "--access-log", "access.log", "--access-log-sample", "1%")
    stack.callback(gateway.process.kill)
    found: dict[str, Any] = {}
    if options.reloads:
        found["reloads"] = reloads(gateway, files, options.reloads)
    if options.minutes:
        faults = Faults(gateway, files, targets, echo)
        found["soak"] = soak(gateway, faults, options.minutes * 60, options.fault_every, options.json)
    found["exit_code"] = end(gateway.process)
    parts = [found[name]["fine"] for name in ("reloads", "soak") if name in found]
    return found | {"fine": all(parts) and found["exit_code"] == 0}


def main() -> int:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--reloads", type=int, default=100)
    cli.add_argument("--minutes", type=float, default=10)
    cli.add_argument("--fault-every", type=float, default=4, metavar="SECONDS")
    cli.add_argument("--json", action="store_true", help="the figures, on stdout")
    options = cli.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    with tempfile.TemporaryDirectory(prefix="soak-") as name, contextlib.ExitStack() as stack:
        found = run(options, Path(name), stack)
    if options.json:
        print(json.dumps(found))
    else:
        show(found)
    return 0 if found["fine"] else 4


if __name__ == "__main__":
    sys.exit(main())
