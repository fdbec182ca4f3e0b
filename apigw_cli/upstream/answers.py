"""What each path answers; pure: a request in, a reply out, nothing sent.

/io?ms=            waits, without blocking           /status/NNN      that status
/cpu?ms=           burns CPU time                    /stream?chunks=&ms=&size=   a chunked body
/bytes?n=          a body of n bytes                 /sse?events=&ms= server-sent events
/sink              counts a body and forgets it      /health          200; POST ?status=503 flips it
/stats             requests answered so far          /v1/pets …       the sample pet shop
any other path     an echo of the request; with ?fail=reset|close|hang|truncate|status any path fails
"""

from __future__ import annotations

import base64
import os
import random
import time
from collections.abc import Callable, Iterator

import orjson

from apigw_cli.upstream.messages import (
    JSON,
    Answer,
    BadValue,
    Delayed,
    Fault,
    Reply,
    Request,
    Stream,
    bounded,
    json_answer,
    message,
)
from apigw_cli.upstream.pets import Shop
from apigw_cli.upstream.shared import Shared

MOST_WAIT_MS = 600_000
MOST_CPU_MS = 60_000
MOST_BYTES = 1 << 30
FAULTS = ("reset", "close", "hang", "truncate")
_BLOCK = bytes(range(32, 127)) * 690
_BODYLESS = (204, 205, 304)


class Site:
    """The paths of one worker. `fail_rate` (0 to 1) of all replies fail with `fail_status`; `latency` is in seconds."""

    def __init__(self, shared: Shared, *, fail_rate: float = 0, fail_status: int = 500, latency: float = 0) -> None:
        self.shared = shared
        self.shop = Shop()
        self.fail_rate, self.fail_status, self.latency = fail_rate, fail_status, latency
        self._paths: dict[str, Callable[[Request], Reply]] = {
            "/io": _io,
            "/cpu": _cpu,
            "/stream": _stream,
            "/sse": _sse,
            "/bytes": _bytes,
            "/sink": _sink,
        }

    def answer(self, request: Request) -> Reply:
        """The reply to a request; a value that cannot be used is a 400 that says so."""
        try:
            if request.path == "/health":
                return self._health(request)
            if request.path == "/stats":
                return json_answer(200, {"requests": self.shared.requests, "workers": self.shared.workers})
            self.shared.count()
            return self._delayed(self._fault(request) or self._reply(request))
        except BadValue as error:
            return message(400, str(error))

    def _delayed(self, reply: Reply) -> Reply:
        if not self.latency:
            return reply
        if isinstance(reply, Delayed):
            return Delayed(reply.seconds + self.latency, reply.reply)
        return Delayed(self.latency, reply)

    def _fault(self, request: Request) -> Reply | None:
        kind = request.values.get("fail")
        if kind is None:
            if self.fail_rate and random.random() < self.fail_rate:
                return message(self.fail_status, "failed by --fail-rate")
            return None
        if kind == "status":
            return message(request.whole("status", self.fail_status, 400, 599), "failed on demand")
        if kind not in FAULTS:
            raise BadValue(f"fail must be one of {', '.join(FAULTS)}, status; not {kind[:40]!r}")
        return Fault(kind)

    def _reply(self, request: Request) -> Reply:
        special = self._paths.get(request.path)
        if special is not None:
            return special(request)
        if request.path.startswith("/status/"):
            return _status(request.path.removeprefix("/status/"))
        return self.shop.answer(request) or echo(request)

    def _health(self, request: Request) -> Answer:
        if request.method == "POST":
            self.shared.health = request.whole("status", 200, 200, 599)
            return json_answer(200, {"status": self.shared.health})
        status = self.shared.health
        return json_answer(status, {"status": "ok" if status < 400 else "failing"})


def echo(request: Request) -> Answer:
    """The request as JSON: `headers` by lower-case name, repeated values joined; `raw_headers` as they came."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    data: dict[str, object] = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": headers,
        "raw_headers": request.headers,
        "worker": os.getpid(),
    }
    try:
        data["body"] = request.body.decode()
    except UnicodeDecodeError:
        data["body_base64"] = base64.b64encode(request.body).decode()
    return Answer(200, orjson.dumps(data))


def _io(request: Request) -> Reply:
    milliseconds = request.whole("ms", 50, 0, MOST_WAIT_MS)
    return Delayed(milliseconds / 1000, json_answer(200, {"waited_ms": milliseconds, "worker": os.getpid()}))


def _cpu(request: Request) -> Reply:
    milliseconds = request.whole("ms", 5, 0, MOST_CPU_MS)
    # CPU time, not wall time: two workers on one core must not seem to compute twice as much.
    end = time.process_time_ns() + milliseconds * 1_000_000
    while time.process_time_ns() < end:
        pass
    return json_answer(200, {"computed_ms": milliseconds, "worker": os.getpid()})


def _status(text: str) -> Answer:
    status = bounded("status", text, 200, 599)
    return Answer(status) if status in _BODYLESS else json_answer(status, {"status": status})


def _stream(request: Request) -> Stream:
    count = request.whole("chunks", 10, 0, 1_000_000)
    size = request.whole("size", 0, 0, 1 << 20)
    pieces = (f"chunk {n}\n".encode().ljust(size, b".") for n in range(1, count + 1))
    return Stream(pieces, request.whole("ms", 0, 0, MOST_WAIT_MS) / 1000)


def _sse(request: Request) -> Stream:
    count = request.whole("events", 10, 0, 1_000_000)
    events = (f'id: {n}\nevent: tick\ndata: {{"n":{n}}}\n\n'.encode() for n in range(1, count + 1))
    return Stream(events, request.whole("ms", 100, 0, MOST_WAIT_MS) / 1000, b"text/event-stream")


def _bytes(request: Request) -> Stream:
    length = request.whole("n", 1024, 0, MOST_BYTES)
    return Stream(_blocks(length), content_type=b"application/octet-stream", length=length)


def _blocks(length: int) -> Iterator[bytes]:
    for start in range(0, length, len(_BLOCK)):
        yield _BLOCK[: min(len(_BLOCK), length - start)]


def _sink(request: Request) -> Answer:
    return Answer(200, orjson.dumps({"bytes": request.size, "sha256": request.digest}), JSON)
