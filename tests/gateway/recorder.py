"""An upstream that records, byte for byte, what reaches it, and misbehaves as its path asks."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass
class Received:
    """One request as it came; `raw` has every byte of it."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    raw: bytes
    connection: int
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Recorder:
    """Listens on a free port of this machine. The last part of a request's path says how it is answered."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self.received: list[Received] = []
        self.aborted = threading.Event()  # a client of /hang or /drip went away
        self.go_on = threading.Event()  # what /drip waits for
        self.says: list[bytes] = []  # what /say answers, byte for byte, each part as soon as the one before is taken
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # shutdown wakes the accepting thread; close alone would leave the port taken until it returns.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def last(self, url: str) -> Received:
        return next(one for one in reversed(self.received) if one.url == url)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            self._open.add(connection)
            stream = _Stream(connection)
            while self._one(stream, number):
                pass
        except (OSError, EOFError):
            pass
        finally:
            self._open.discard(connection)
            connection.close()

    def _one(self, stream: _Stream, number: int) -> bool:
        start = stream.taken
        lines = stream.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        method, url, _ = lines[0].split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:] if line)]
        request = Received(method, url, headers, b"", number)
        if urlsplit(url).path.endswith("/stuck"):
            self.go_on.wait(30)  # and read nothing
            return False
        if urlsplit(url).path.endswith("/early"):
            self.received.append(request)
            return _early(stream)
        self._body(stream, request)
        request.raw = stream.seen[start : stream.taken]
        self.received.append(request)
        behaviour = _BEHAVIOURS.get(urlsplit(url).path.rsplit("/", 1)[-1], _echo)
        return behaviour(self, stream, request)

    @staticmethod
    def _body(stream: _Stream, request: Received) -> None:
        if (request.header("transfer-encoding") or "").lower() == "chunked":
            while size := int(stream.until(b"\r\n").strip(), 16):
                request.body += stream.exactly(size)
                stream.exactly(2)
            while line := stream.until(b"\r\n").strip().decode("latin-1"):
                name, _, value = line.partition(":")
                request.trailers.append((name, value.strip()))
        else:
            request.body = stream.exactly(int(request.header("content-length") or 0))


class _Stream:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.seen = b""
        self.taken = 0

    def until(self, mark: bytes) -> bytes:
        while (at := self.seen.find(mark, self.taken)) < 0:
            self._more()
        return self._take(at + len(mark) - self.taken)

    def exactly(self, size: int) -> bytes:
        while len(self.seen) - self.taken < size:
            self._more()
        return self._take(size)

    def some(self) -> bytes:
        """What is there, at least a byte; it is not remembered."""
        if self.taken == len(self.seen):
            self._more()
        data = self.seen[self.taken :]
        self.seen = self.seen[: self.taken]
        return data

    def _take(self, size: int) -> bytes:
        self.taken += size
        return self.seen[self.taken - size : self.taken]

    def _more(self) -> None:
        data = self.connection.recv(65536)
        if not data:
            raise EOFError
        self.seen += data

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)


Behaviour = Callable[[Recorder, _Stream, Received], bool]


def _echo(_: Recorder, stream: _Stream, request: Received) -> bool:
    body = json.dumps({"method": request.method, "url": request.url, "size": len(request.body)}).encode()
    head = b"HTTP/1.1 200 OK\r\nX-Upstream: recorder\r\nContent-Length: %d\r\n\r\n" % len(body)
    stream.send(head if request.method == "HEAD" else head + body)  # at once: Nagle would hold the second part
    return True


def _say(recorder: Recorder, stream: _Stream, _: Received) -> bool:
    for part in recorder.says:
        stream.send(part)
    return b"\r\nconnection: close\r\n" not in b"".join(recorder.says).lower()


def _early(stream: _Stream) -> bool:
    stream.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nearly")
    return False


def _chunked(_: Recorder, stream: _Stream, __: Received) -> bool:
    stream.send(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Request-Id\r\n\r\n"
        b"6\r\nhello \r\n5;ext=1\r\nworld\r\n0\r\nX-Sum: 11\r\nX-Request-Id: forged\r\n\r\n"
    )
    return True


def _until_close(_: Recorder, stream: _Stream, __: Received) -> bool:
    stream.send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
    return False


def _status(_: Recorder, stream: _Stream, request: Received) -> bool:
    status = int(parse_qs(urlsplit(request.url).query)["code"][0])
    length = b"" if status in (204, 304) else b"Content-Length: 2\r\n"
    stream.send(b"HTTP/1.1 %d Whatever\r\nETag: x\r\n%b\r\n%b" % (status, length, b"ok" if length else b""))
    return True


def _bodied(_: Recorder, stream: _Stream, request: Received) -> bool:
    """A status that has no body, with one all the same."""
    status = int(parse_qs(urlsplit(request.url).query)["code"][0])
    stream.send(b"HTTP/1.1 %d No\r\nContent-Length: 6\r\n\r\npoison" % status)
    return True


def _drop(_: Recorder, __: _Stream, ___: Received) -> bool:
    return False


def _stale(_: Recorder, stream: _Stream, request: Received) -> bool:
    """Answer, then close the kept connection when the next request arrives on it, without a word."""
    _echo(_, stream, request)
    stream.until(b"\r\n\r\n")
    return False


def _garbage(_: Recorder, stream: _Stream, __: Received) -> bool:
    stream.send(b"this is no HTTP\r\n\r\n")
    return False


def _truncate(_: Recorder, stream: _Stream, __: Received) -> bool:
    stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.")
    return False


def _hang(recorder: Recorder, stream: _Stream, _: Received) -> bool:
    _wait_for_end(recorder, stream)
    return False


def _wait_for_end(recorder: Recorder, stream: _Stream) -> None:
    try:
        stream.exactly(1)
    except (EOFError, OSError):
        recorder.aborted.set()


def _drip(recorder: Recorder, stream: _Stream, request: Received) -> bool:
    """The first event at once, the second when told to: a server-sent event stream."""
    kind = parse_qs(urlsplit(request.url).query).get("type", ["text/event-stream"])[0]
    stream.send(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n\r\ndata: one\n\n" % kind.encode())
    recorder.go_on.wait(20)
    stream.send(b"data: two\n\n")
    return False


def _wait(recorder: Recorder, stream: _Stream, _: Received) -> bool:
    """Answer when the test says so."""
    recorder.go_on.wait(20)
    stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngone")
    return True


def _interim(_: Recorder, stream: _Stream, __: Received) -> bool:
    stream.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
    stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal")
    return True


def _hop(_: Recorder, stream: _Stream, __: Received) -> bool:
    stream.send(
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Secret\r\nKeep-Alive: timeout=5\r\nX-Secret: hop\r\n"
        b"X-Kept: end\r\nX-Request-Id: theirs\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\n"
        b"Content-Length: 2\r\n\r\nok"
    )
    return True


def _large(_: Recorder, stream: _Stream, request: Received) -> bool:
    size = int(parse_qs(urlsplit(request.url).query)["size"][0])
    stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    block = bytes(range(256)) * 256
    for start in range(0, size, len(block)):
        stream.send(block[: size - start])
    return True


def _two_lengths(_: Recorder, stream: _Stream, __: Received) -> bool:
    stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc")
    return False


def _unasked(_: Recorder, stream: _Stream, __: Received) -> bool:
    """A second answer that nobody asked for, in the same breath."""
    stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
    return True


def _ws(_: Recorder, stream: _Stream, request: Received) -> bool:
    """Switch to WebSocket, then send back what comes and, at the end, "bye"; the query says what is wrong with it."""
    key = request.header("Sec-WebSocket-Key") or ""
    accept = base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    faults = parse_qs(urlsplit(request.url).query)
    upgrade = faults.get("upgrade", ["websocket"])[0].encode()
    accept = faults.get("accept", [accept.decode()])[0].encode()
    stream.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %b\r\nSec-WebSocket-Accept: %b\r\n"
        b"X-Request-Id: theirs\r\nX-Upstream: recorder\r\n\r\nhello" % (upgrade, accept)
    )
    if faults.get("leave"):
        return False
    try:
        while True:
            stream.send(stream.some())
    except EOFError:
        stream.send(b"bye")
    return False


_BEHAVIOURS: dict[str, Behaviour] = {
    "say": _say,
    "chunked": _chunked,
    "until-close": _until_close,
    "status": _status,
    "drop": _drop,
    "stale": _stale,
    "garbage": _garbage,
    "truncate": _truncate,
    "hang": _hang,
    "drip": _drip,
    "interim": _interim,
    "hop": _hop,
    "large": _large,
    "two-lengths": _two_lengths,
    "unasked": _unasked,
    "bodied": _bodied,
    "wait": _wait,
    "ws": _ws,
}
