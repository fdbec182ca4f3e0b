"""The access log: one JSON line a request, written in batches.

docs/gateway.md lists the fields. A query's values never appear, only the names of its parameters: keys and tokens
travel in them.
"""

from __future__ import annotations

import os
import random
import select
import stat
import time
from collections import deque
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from apigw_cli.gateway.request import Request

_BATCH = 64  # lines that are written together; what is left goes at the next tick
_PENDING_MAXIMUM = 4 * 1024 * 1024  # bytes that wait for a slow reader; beyond that lines are dropped and counted
_PIECE = getattr(select, "PIPE_BUF", 512)
_LONGEST = 1024  # characters of a path or a list of names, so that a line always fits into a pipe at once

_STATUS = {status: b',"status":%d,' % status for status in range(100, 1000)}
_REST = b',"duration_ms":%d.%03d,"bytes_in":%d,"bytes_out":%d,"upstream":'
_CACHE = {how: b',"cache":"%b"' % how.encode() for how in ("hit", "stale", "miss", "validated", "bypass")}
_CACHE[""] = b',"cache":null'
_NO_ROUTE = b'"route":null,"api":null,"principal":'
_NO_TRACE = b',"trace_id":null'
_END = b',"reason":null}\n'


def route_fields(operation: str, api: str) -> bytes:
    """What is the same for every request of a route."""
    return b'"route":%b,"api":%b,"principal":' % (orjson.dumps(operation), orjson.dumps(api))


def client_fields(address: str) -> bytes:
    """What is the same for every request of a connection."""
    return b'","client":%b,"method":"' % orjson.dumps(address)


class AccessLog:
    """Writes to a descriptor that all workers share: a file that appends, a pipe, a terminal.

    A pipe is written to only when it takes PIPE_BUF bytes at once: so a reader that stands still never stops the
    worker, and lines of several workers are never torn apart (POSIX, write). `share`: of the requests that went
    well, which part is logged (0 to 1); errors and refusals always are.
    """

    def __init__(self, descriptor: int, share: float = 1) -> None:
        self.dropped = 0
        self._skip = 1 - share
        self._descriptor = descriptor
        self._lines: list[bytes] = []
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._now = self._second = -1
        self._date = self._stamp = b""
        self._poll: select.poll | None = None
        if hasattr(select, "poll") and not stat.S_ISREG(os.fstat(descriptor).st_mode):
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLOUT)

    def add(self, request: Request, elapsed: int) -> None:
        """Log an answered request that took `elapsed` nanoseconds."""
        if self._skip and request.status < 400 and not request.reason and random.random() < self._skip:
            return
        now = time.time_ns() // 1_000_000
        if now != self._now:
            self._stamp = self._start(now)
        path, plan, handler = request.path, request.plan, request.handler
        micros = elapsed // 1000
        self._lines.append(
            b"".join(
                (
                    self._stamp,
                    request.id,
                    request.connection.log_fields,
                    request.method,
                    b'","path":',
                    orjson.dumps(path if len(path) <= _LONGEST else path[:_LONGEST] + "…"),
                    b',"query":%b' % _query_names(request.query) if request.query else b',"query":null',
                    _STATUS[request.status],
                    plan.log_fields if plan is not None else _NO_ROUTE,
                    orjson.dumps(request.principal),
                    _REST % (micros // 1000, micros % 1000, request.bytes_in, request.bytes_out),
                    handler.labels[request.target.index] if handler is not None else request.asked or b"null",
                    _CACHE[request.cache],
                    request.trace.field if request.trace is not None else _NO_TRACE,
                    _noticed(request.noticed) if request.noticed is not None else b"",
                    _why(request) if request.reason else _END,
                )
            )
        )
        if len(self._lines) >= _BATCH:
            self.flush()

    def _start(self, now: int) -> bytes:
        """How the lines of this millisecond begin."""
        self._now = now
        second, millisecond = divmod(now, 1000)
        if second != self._second:
            self._second = second
            self._date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        return b'{"time":"%b.%03dZ","request_id":"' % (self._date, millisecond)

    def flush(self) -> None:
        """Write what is logged, as far as the reader takes it."""
        if self._lines:
            self._queue(self._lines)
            self._lines = []
        self._write(0)

    def close(self) -> None:
        """Write what is left; a reader that takes nothing is waited for at most a second."""
        self.flush()
        self._write(1000)

    def _queue(self, lines: list[bytes]) -> None:
        if self._pending_bytes > _PENDING_MAXIMUM:
            self.dropped += len(lines)
            return
        batch = b"".join(lines)
        self._pending_bytes += len(batch)
        self._pending.extend(pieces(batch, _PIECE) if self._poll is not None else (batch,))

    def _write(self, patience: int) -> None:
        """Write what is pending; wait for a reader at most `patience` milliseconds each time."""
        pending = self._pending
        try:
            while pending and (self._poll is None or self._poll.poll(patience)):
                piece = pending.popleft()
                self._pending_bytes -= len(piece)
                written = os.write(self._descriptor, piece)
                if written < len(piece):
                    pending.appendleft(piece[written:])
                    self._pending_bytes += len(piece) - written
        except OSError:  # the reader has gone, or the disk is full: serving goes on without these lines
            self.dropped += sum(piece.count(b"\n") for piece in pending)
            pending.clear()
            self._pending_bytes = 0


def pieces(batch: bytes, size: int) -> list[bytes]:
    """`batch` cut at line ends into pieces of at most `size` bytes (a longer line is a piece by itself)."""
    found: list[bytes] = []
    start = 0
    while len(batch) - start > size:
        cut = batch.rfind(b"\n", start, start + size)
        cut = cut if cut >= 0 else batch.find(b"\n", start)
        found.append(batch[start : cut + 1])
        start = cut + 1
    if start < len(batch):
        found.append(batch[start:])
    return found


def _why(request: Request) -> bytes:
    detail = b',"detail":%b' % orjson.dumps(request.detail[:200]) if request.detail else b""
    return b',"reason":"%b"%b}\n' % (request.reason.encode(), detail)


def _noticed(noticed: list[tuple[str, str]]) -> bytes:
    return b',"noticed":%b' % orjson.dumps([f"{what}: {detail}"[:_LONGEST] for what, detail in noticed[:3]])


def _query_names(query: bytes) -> bytes:
    names = [pair.partition(b"=")[0].decode("latin-1") for pair in query.split(b"&")]
    return orjson.dumps(names) if len(query) <= _LONGEST else orjson.dumps([*names[:10], "…"])
