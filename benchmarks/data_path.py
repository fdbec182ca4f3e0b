#!/usr/bin/env python3
"""What a request costs in the worker's own code, without sockets: for finding out what a change to the data path does.

    python benchmarks/data_path.py                       # every variant
    python benchmarks/data_path.py bare all --rounds 50
    python benchmarks/data_path.py all --profile         # where the time goes
    python benchmarks/data_path.py --cold 256            # with that many KiB written over before each callback

Bytes are fed to `ClientConnection`s as the event loop would, and answers to the connections of the upstream's pool;
what they write is thrown away. In `paths` no request has a path that was seen before, in `differ` and `differ_all` no
request has the header lines of another, and no answer those of another; elsewhere they all have the same, as in most
benchmarks, which caches make cheaper. In `put` and what begins so, requests have a small JSON body. The variants take
turns, so that a noisy moment meets all of them; the least time of all rounds counts. Sockets and kernel are not in
these figures: a race on the wire says what they add. Between two callbacks the kernel has the processor, and its
caches: `--cold` tells what that does.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import itertools
import json
import os
import pstats
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, cast

from apigw_cli.gateway import metrics
from apigw_cli.gateway.accesslog import AccessLog
from apigw_cli.gateway.connection import ClientConnection
from apigw_cli.gateway.site import Site
from apigw_cli.gateway.table import Table
from apigw_cli.gateway.upstream_connection import UpstreamConnection
from apigw_cli.limits.inflight import InFlight
from apigw_cli.limits.store import MemoryStore, SharedStore, Store
from apigw_cli.policies.interface import Runtime
from apigw_cli.snapshot.model import Api, HttpIntegration, Route, Snapshot, Timeout, Upstream
from apigw_cli.snapshot.schemes import ApiKeys

CONNECTIONS = 64
TARGET = "http://127.0.0.1:9"  # never connected to
REQUEST = b"GET /pets/1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-Api-Key: bench-key\r\n\r\n"
PUT = (
    b"PUT /pets/1?limit=10 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-Api-Key: bench-key\r\n"
    b"Content-Type: application/json\r\n"
    b'Content-Length: 45\r\n\r\n{"id":7,"name":"Rex","tags":["good","small"]}'
)
BODY = b'{"id":1,"name":"Rex","tag":"dog"}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 22 Nov 2026 10:45:10 GMT\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: keep-alive\r\n\r\n%b" % (len(BODY), BODY)
)
KEYS = b"bench: {sha256: %b}" % sha256(b"bench-key").hexdigest().encode()

KEY = {"auth": {"alternatives": [["Key"]]}}
LIMIT = {"rate_limit": {"rate": "1000000/s", "burst": 1_000_000, "key": "api_key"}}
HEADERS = {"request_headers": {"set": {"X-Gateway": "apigw"}}}
TEMPLATES = {"request": {"headers": {"set": {"X-Gateway": "apigw ${request.path.id}"}}}}
CORS = {"cors": {"origins": ["https://app.example"]}}
ANSWER_HEADERS = {"response": {"headers": {"set": {"X-Gateway": "apigw"}}}, "security_headers": {}}
RESPONSE_BODY = {"response": {"body": {"remove": ["/tag"], "set": {"/status": "${response.status}"}}}}
COMPRESS = {"compress": {"min_size": 0, "codings": ["gzip"]}}  # the client takes none: what looking costs
VALIDATE = {"validate": {"request": "enforce", "response": "off"}}
BOTH_VALID = {"validate": {"request": "enforce", "response": "report"}}
ALL = KEY | LIMIT | HEADERS
PET = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": {"type": "integer", "format": "int32"},
        "name": {"type": "string", "maxLength": 50},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
CONTENT = {"content": {"application/json": {"schema": PET}}}
OPERATION = {
    "operationId": "getPet",
    "parameters": [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}},
        {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
    ],
    "requestBody": CONTENT,
    "responses": {"200": {"description": "ok", **CONTENT}},
}
SPEC = {"openapi": "3.1.0", "info": {"title": "Pets", "version": "1"}, "paths": {"/pets/{id}": {"put": OPERATION}}}
VARIANTS: dict[str, tuple[dict[str, Any], bool, int]] = {  # policies, log, workers that share the limiter
    "bare": ({}, False, 1),
    "key": (KEY, False, 1),
    "cors": (CORS, False, 1),
    "answer": (ANSWER_HEADERS, False, 1),
    "answer_body": (RESPONSE_BODY, False, 1),
    "compress": (COMPRESS, False, 1),
    "filters": (CORS | ANSWER_HEADERS | COMPRESS, False, 1),
    "headers": (HEADERS, False, 1),
    "templates": (TEMPLATES, False, 1),
    "cached": ({"cache": {"mode": "ttl", "ttl": "1h", "per_caller": True}}, False, 1),  # all are hits
    "limit": (LIMIT, False, 1),
    "limit2": (LIMIT, False, 2),
    "log": ({}, True, 1),
    "all": (ALL, True, 1),
    "all2": (ALL, True, 2),
    "routes": ({}, False, 1),
    "paths": ({}, False, 1),
    "put": ({}, False, 1),
    "put_validate": (VALIDATE, False, 1),
    "put_validate_both": (BOTH_VALID, False, 1),
    "differ": ({}, False, 1),
    "differ_all": (ALL, True, 1),
}


class Nowhere:
    """A transport that takes everything and keeps the last write."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written = data

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> tuple[str, int] | None:
        return ("127.0.0.1", 50_000) if name == "peername" else None

    def close(self) -> None:
        sys.exit(f"the connection was closed after {self.written!r}")

    abort = close


def snapshot(policies: dict[str, Any], more: int, method: str = "GET") -> Snapshot:
    """`/pets/{id}` of `method`, and `more` routes beside it in the shape of GitHub's."""
    upstream = Upstream("up", (TARGET,), "round_robin", Timeout(1, 5, 5))
    integration = HttpIntegration("up")
    routes = [Route("pets", "getPet", method, "/pets/{id}", (), integration, policies)]
    for number in range(more):
        path = f"/repos/{{owner}}/{{repo}}/kind{number % 40}/{{id}}/part{number}"
        routes.append(Route("pets", f"op{number}", "GET", path, (), integration, policies))
    scheme = ApiKeys("Key", "header", "X-Api-Key", ("file:keys.yaml",))
    api = Api("pets", "http", "spec", (), "", "t")
    documents: Any = {"spec": json.dumps(SPEC).encode()}
    return Snapshot(1, "bench", (api,), tuple(routes), {"up": upstream}, {"Key": scheme}, documents)


def lanes(loop: asyncio.AbstractEventLoop, variant: str, cold: int = 0) -> Callable[[int], float]:
    """What answers `count` requests on every connection, in turn, and says how many seconds that took."""
    policies, logs, workers = VARIANTS[variant]
    log = AccessLog(os.open(os.devnull, os.O_WRONLY)) if logs else None
    site = Site(loop, InFlight.create(workers, 4096), metrics.WorkerCells(metrics.create(workers), 0), log)
    puts = variant.startswith("put")
    one = snapshot(policies, 1_100 if variant == "routes" else 0, "PUT" if puts else "GET")
    runtime = Runtime(one, time.monotonic_ns, store(workers), lambda _: KEYS)
    layout = metrics.Layout()
    cells = [(layout.histogram(r.api, r.operation), layout.route(r.api, r.operation)) for r in one.routes]
    site.swap(Table(one, site, runtime, cells, {}))
    pool = site.pool(site.upstreams["up"], TARGET)
    for _ in range(CONNECTIONS):
        upstream = UpstreamConnection(pool)
        upstream.connection_made(cast("asyncio.Transport", Nowhere()))
        pool.idle.append(upstream)
    clients = [ClientConnection(site) for _ in range(CONNECTIONS)]
    for client in clients:
        client.connection_made(cast("asyncio.Transport", Nowhere()))

    requests, answers = always(PUT if puts else REQUEST), always(ANSWER)
    if variant == "paths":
        requests = (REQUEST.replace(b"/1 ", b"/%d " % number) for number in itertools.count())
    elif variant.startswith("differ"):
        requests = (REQUEST.replace(b"\r\n\r\n", b"\r\nX-N: %d\r\n\r\n" % number) for number in itertools.count())
        answers = (ANSWER.replace(b"nginx", b"nginx\r\nETag: %d" % number) for number in itertools.count())

    noise, over = bytearray(cold * 1024), bytearray(cold * 1024)

    def receive(on: ClientConnection | UpstreamConnection, data: bytes) -> float:
        noise[:] = over
        start = time.perf_counter()
        on.data_received(data)
        return time.perf_counter() - start

    if variant == "cached":
        every = list(pool.idle)
        clients[0].data_received(REQUEST)
        next(one for one in every if one not in pool.idle).data_received(ANSWER)

    def exchange() -> float:
        asked = [] if variant == "cached" else list(pool.idle)
        if cold:
            seconds = sum(receive(client, next(requests)) for client in clients)
            return seconds + sum(receive(upstream, next(answers)) for upstream in asked)
        start = time.perf_counter()
        for client in clients:
            client.data_received(next(requests))
        for upstream in asked:
            upstream.data_received(next(answers))
        return time.perf_counter() - start

    def run(count: int) -> float:
        seconds = sum(exchange() for _ in range(count))
        written = cast("Nowhere", clients[0].transport).written
        assert written.startswith(b"HTTP/1.1 200 OK"), written
        assert len(pool.idle) == CONNECTIONS
        return seconds

    return run


def always(data: bytes) -> Iterator[bytes]:
    """The same again and again, each time a new object, as what is read from a socket is."""
    while True:
        yield bytes(bytearray(data))


def store(workers: int) -> Store:
    """The limiter's state as that many workers share it."""
    shared = SharedStore.create()
    return shared if workers > 1 else MemoryStore.attach(os.dup(shared.fd))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant", nargs="*", help=f"of {', '.join(VARIANTS)}; default: all of them")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--cold", type=int, default=0, metavar="KIB")
    parser.add_argument("--profile", action="store_true", help="cProfile of each variant (it slows calls down)")
    options = parser.parse_args()
    for name in options.variant:
        if name not in VARIANTS:
            parser.error(f"{name} is none of {', '.join(VARIANTS)}")
    loop = asyncio.new_event_loop()
    runs = {name: lanes(loop, name, options.cold) for name in options.variant or VARIANTS}
    if options.profile:
        for run in runs.values():
            profile = cProfile.Profile()
            profile.runcall(run, 300)
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    best = dict.fromkeys(runs, float("inf"))
    count = 30
    for _ in range(options.rounds):
        for name, run in runs.items():
            best[name] = min(best[name], run(count) / count / CONNECTIONS * 1e6)
    first = next(iter(best.values()))
    for name, micros in best.items():
        print(f"{name:10}{micros:8.2f} µs a request {micros - first:+8.2f}")


if __name__ == "__main__":
    main()
