#!/usr/bin/env python3
"""What memory does a worker take: idle, with the sample gateway; and while a large body goes through it?

    python benchmarks/streaming.py --mib 1024

**Idle**: `apigw serve --workers 2` on the sample, after a few requests. `rss` is
what is resident; `pss` counts a page that several processes share in equal shares (both from /proc/PID/smaps_rollup).
The mark is for rss, the larger one.

**Streaming**: one body from client to upstream, and one from upstream to client, each framed by Content-Length and
chunked, each with a peer that takes what comes, and with one that stops taking for a while at the start and after
every quarter. The worker's growth is its peak (VmHWM, which the kernel keeps and forgets when told to before each
body) less what was resident before. Every byte is counted at the other end.

Ends with 4 where a mark is missed. Needs Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from running import MIB, Gateway, forget_peak, memory, peak

IDLE_MIB, GROWTH_MIB = 60, 16  # the marks
PIECE = 64 * 1024
SAMPLE = Path(__file__).parents[1] / "specs"
OPERATION = {"responses": {"200": {"description": "ok"}}}
SPEC = {
    "openapi": "3.1.0",
    "info": {"title": "Streams", "version": "1"},
    "paths": {"/{rest+}": {"get": OPERATION | {"operationId": "down"}, "post": OPERATION | {"operationId": "up"}}},
}


class Taker:
    """Takes what comes; but stops for `stall` seconds at the start and after each quarter of `size`, unless it is 0."""

    def __init__(self, size: int, stall: float) -> None:
        self.taken = 0
        self._stall = stall
        self._pauses = [size * quarter // 4 for quarter in range(4)] if stall else []

    def take(self, count: int) -> None:
        self.taken += count
        if self._pauses and self.taken >= self._pauses[0]:
            self._pauses.pop(0)
            time.sleep(self._stall)


def send(to: socket.socket, size: int, chunked: bool) -> None:
    """A body of so many bytes."""
    piece = bytes(PIECE)
    framed = b"%x\r\n%b\r\n" % (PIECE, piece) if chunked else piece
    block = framed * (MIB // PIECE)
    for _ in range(size // MIB):
        to.sendall(block)
    if chunked:
        to.sendall(b"0\r\n\r\n")


def framing(size: int, chunked: bool) -> bytes:
    return b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size


class Upstream:
    """Answers GET with a large body and takes POST's: /SIZE/length or chunked/seconds of a stall."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError):
            while line := stream.readline():
                method, path, _ = line.decode().split()
                _, size, kind, stall = path.split("/")
                while stream.readline() not in (b"\r\n", b""):
                    pass
                if method == "GET":
                    connection.sendall(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framing(int(size), kind == "chunked"))
                    send(connection, int(size), kind == "chunked")
                else:
                    taker = Taker(int(size), float(stall))
                    drain(stream, int(size), kind == "chunked", taker)
                    said = b"%d" % taker.taken
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def drain(stream: BinaryIO, size: int, chunked: bool, taker: Taker) -> None:
    """Read a body off a connection."""

    def read(length: int) -> None:
        while length and (got := len(stream.read1(min(length, PIECE)))):  # type: ignore[attr-defined]
            taker.take(got)
            length -= got

    if not chunked:
        return read(size)
    while length := int(stream.readline(), 16):
        read(length)
        stream.readline()
    stream.readline()
    return None


def down(port: int, size: int, kind: str, stall: float) -> int:
    """GET; how many bytes came."""
    taker = Taker(size, stall)
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        connection.request("GET", f"/{size}/{kind}/{stall}")
        answer = connection.getresponse()
        buffer = memoryview(bytearray(PIECE))
        while got := answer.readinto(buffer):
            taker.take(got)
    return taker.taken


def up(port: int, size: int, kind: str, stall: float) -> int:
    """POST; how many bytes the upstream says it got."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        head = f"POST /{size}/{kind}/{stall} HTTP/1.1\r\nHost: streams\r\nConnection: close\r\n".encode()
        connection.sendall(head + framing(size, kind == "chunked") + b"\r\n\r\n")
        send(connection, size, kind == "chunked")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return int(answer.read())


def streamed(size: int, pause: float) -> Iterator[dict[str, Any]]:
    """A row for each direction, framing and pace."""
    upstream = Upstream()
    config = {
        "version": 1,
        "apis": {"streams": {"spec": "streams.json", "base_path": "/", "upstream": "up"}},
        "upstreams": {"up": {"targets": [f"http://127.0.0.1:{upstream.port}"], "timeout": {"total": "30m"}}},
    }
    files: dict[str, str | bytes] = {"streams.json": json.dumps(SPEC), "apigw.yaml": json.dumps(config)}
    options = ("--no-watch", "--access-log", "off")
    with tempfile.TemporaryDirectory() as name, Gateway(Path(name), *options, files=files) as gateway:
        (worker,) = gateway.workers()
        for go, kind, stall in itertools.product((down, up), ("length", "chunked"), (0.0, pause)):
            go(gateway.port, MIB, kind, 0)  # what only a first request takes
            forget_peak(worker)
            before, began = peak(worker), time.monotonic()
            count = go(gateway.port, size, kind, stall)
            if count != size:
                sys.exit(f"{go.__name__} {kind}: {count} of {size} bytes came through")
            took = time.monotonic() - began
            growth = peak(worker) - before
            row = {"direction": go.__name__, "framing": kind, "stall": stall, "growth_mib": growth, "seconds": took}
            yield row | {"met": growth < GROWTH_MIB}
    upstream.close()


def idle() -> list[dict[str, float]]:
    """The workers' memory, with the sample."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "sample"
        shutil.copytree(SAMPLE, folder)
        with Gateway(folder, "--workers", "2", "--mock", "--access-log", "off") as gateway:
            for _ in range(20):
                connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
                connection.request("GET", "/v1/hours")
                connection.getresponse().read()
                connection.close()
            return [memory(pid) for pid in gateway.workers()]


def main() -> int:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--mib", type=int, default=1024, help="of each body")
    cli.add_argument("--stall", type=float, default=1, metavar="SECONDS")
    cli.add_argument("--json", action="store_true", help="the figures, on stdout")
    options = cli.parse_args()
    say = (lambda *_: None) if options.json else print
    workers = idle()
    for one in workers:
        say(f"idle worker: rss {one['rss']:.1f} MiB, pss {one['pss']:.1f} MiB (mark: below {IDLE_MIB})")
    rows = []
    for row in streamed(options.mib * MIB, options.stall):
        rows.append(row)
        speed = options.mib / row["seconds"]
        what = f"{row['direction']:5}{row['framing']:8}{'stalls' if row['stall'] else 'even':7}"
        say(f"{options.mib} MiB {what} worker grew by {row['growth_mib']:5.1f} MiB, {speed:6.0f} MiB/s")
    fine = all(one["rss"] < IDLE_MIB for one in workers) and all(row["met"] for row in rows)
    if options.json:
        print(json.dumps({"idle": workers, "streamed": rows}))
    say("fine" if fine else f"MISSED a mark: idle below {IDLE_MIB} MiB, growth below {GROWTH_MIB} MiB")
    return 0 if fine else 4


if __name__ == "__main__":
    sys.exit(main())
