"""The clients of the soak: each a loop in a thread, and what may come back to each.

| client | does | may see |
|---|---|---|
| `kept`, `fresh` | GET on a kept connection, on a new one each time | 200 and nothing else |
| `limited` | GET beyond a rate limit | 200, 429 |
| `post`, `upload` | a small body, 1 MiB | 200; where a target was just killed 502, for a POST is not sent twice |
| `download`, `events` | 1 MiB, an event stream of 2 s | 200; broken off where the target was just killed |
| `sockets` | a WebSocket with frames there and back; sometimes just left | 101; broken off, or 502, likewise |
| `unknown`, `malformed` | a path that is none, a head with two Hosts | 404; 400 |
| `slow`, `leaver` | byte by byte; breaks off in the middle | |

A connection may break when its worker is killed, and only then: `kept` and `fresh` are each allowed one for each such
fault, after which a new connection must be answered.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

MEGABYTE = bytes(1 << 20)
PATIENCE = 60  # seconds for anything that a client waits for
MAY = {
    "limited": {200, 429},
    "sockets": {101},
    "unknown": {404},
    "malformed": {400},
}
MAY_FAIL = {"post", "upload", "sockets"}  # with 502, where their upstream was just killed
STRICT = {"kept", "fresh"}

Explain = Callable[[str], int | None]  # a kind of traffic → the number of the fault just now that explains a break


class Load:
    """Counts what came back, by kind and status, and keeps what should not have."""

    def __init__(self, port: int, explain: Explain = lambda _: None) -> None:
        self.port = port
        self.seen: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._explain = explain
        self._excused: set[tuple[int, int]] = set()  # thread and fault
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def run(self, *clients: Callable[[Load], None]) -> None:
        for client in clients:
            thread = threading.Thread(target=self._loop, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _loop(self, client: Callable[[Load], None]) -> None:
        while self.going():
            try:
                client(self)
            except (OSError, http.client.HTTPException) as error:
                self.broke(client.__name__, error)

    def going(self) -> bool:
        return not self._stop.is_set()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE + 10)
            if thread.is_alive():
                self.failures["a client hangs"] += 1

    def broke(self, kind: str, error: Exception) -> None:
        """A connection ended where an answer was due."""
        self.seen[f"{kind} {type(error).__name__}"] += 1
        fault = None if isinstance(error, TimeoutError) else self._explain(kind)
        once = (threading.get_ident(), fault or 0)
        if fault is None or (kind in STRICT and once in self._excused):
            self.failures[f"{kind}: {error!r}"] += 1
        self._excused.add(once)

    def came(self, kind: str, status: int) -> None:
        """An answer came."""
        self.seen[f"{kind} {status}"] += 1
        may = MAY.get(kind, {200})
        if status in may or (kind in MAY_FAIL and status == 502 and self._explain(kind) is not None):
            return
        self.failures[f"{kind}: {status}"] += 1

    def ask(self, connection: http.client.HTTPConnection, kind: str, path: str, body: bytes | None = None) -> None:
        try:
            connection.request("GET" if body is None else "POST", path, body)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.broke(kind, error)
            connection.close()
        else:
            self.came(kind, answer.status)

    def connection(self) -> contextlib.closing[http.client.HTTPConnection]:
        return contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE))

    def socket(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)


def kept(load: Load) -> None:
    with load.connection() as connection:
        while load.going():
            load.ask(connection, "kept", "/any/x")
            time.sleep(0.002)


def fresh(load: Load) -> None:
    with load.connection() as connection:
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
        ]
    )
    with load.connection() as connection:
        while load.going():
            load.ask(connection, *next(kinds))
            time.sleep(0.01)


def events(load: Load) -> None:
    with load.connection() as connection:
        load.ask(connection, "events", "/any/sse?events=20&ms=100")


def sockets(load: Load) -> None:
    with load.socket() as one:
        lines = ("GET /sockets/echo HTTP/1.1", "Host: soak", "Connection: Upgrade", "Upgrade: websocket")
        lines += ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
        one.sendall("\r\n".join((*lines, "", "")).encode())
        stream = one.makefile("rb")
        line = stream.readline()
        if not line:
            raise ConnectionResetError("no answer to a handshake")
        load.came("sockets", int(line.split()[1]))
        if b" 101 " not in line:
            time.sleep(0.1)
            return
        while stream.readline().strip():
            pass
        for _ in range(random.randrange(1, 20)):
            frame = b"\x82\xfe\x01\x00" + os.urandom(4 + 256)  # binary, masked, 256 bytes
            one.sendall(frame)
            if stream.read(len(frame)) != frame:
                raise ConnectionResetError("the WebSocket ended early")
            time.sleep(0.05)
        if random.random() < 0.5:
            one.sendall(b"\x88\x80" + bytes(4))  # Close
            stream.read(6)


def malformed(load: Load) -> None:
    with load.socket() as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        status = one.recv(4096)[9:12]
        if not status:
            raise ConnectionResetError("no answer to a malformed request")
        load.came("malformed", int(status))
    time.sleep(0.2)


def slow(load: Load) -> None:
    with load.socket() as one:
        for byte in b"GET /any/bytes?n=300000 HTTP/1.1\r\nHost: slow\r\nConnection: close\r\n\r\n":
            one.sendall(bytes([byte]))
            time.sleep(0.02)
        status = one.recv(20_000)[9:12]
        if not status:
            raise ConnectionResetError("no answer to a slow request")
        load.came("slow", int(status))
        while load.going() and one.recv(20_000):
            time.sleep(0.05)


def leaver(load: Load) -> None:
    """Breaks off in the middle of an upload or of an answer."""
    with load.socket() as one:
        length = random.choice((0, 1 << 20))
        method = "POST" if length else "GET"
        head = f"{method} /any/bytes?n=9000000 HTTP/1.1\r\nHost: leaver\r\nContent-Length: {length}\r\n\r\n"
        with contextlib.suppress(ConnectionError):  # an answer may come, and the connection end, before the body does
            one.sendall(head.encode() + bytes(length // 2))
            one.recv(1000 if not length else 0)
    load.seen["leaver left"] += 1
    time.sleep(0.1)


EVERYBODY = (kept, kept, fresh, mixed, events, sockets, sockets, malformed, slow, slow, leaver)
