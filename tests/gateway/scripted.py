"""Upstreams that do with each request what a test's function says, byte for byte."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

from tests.gateway.program import PATIENCE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Script = Callable[["Scripted", socket.socket, bytes], bool]


class Scripted:
    """`script` gets server, connection and request (head and body), and returns whether the connection lives on."""

    def __init__(
        self, script: Script, context: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self.most = 0  # connections at the same time
        self.ended = threading.Event()  # set by `close`: what scripts wait on
        self._context = context
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{'http' if self._context is None else 'https'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._thread.join(PATIENCE)

    def cut(self) -> None:
        """End all connections."""
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    @property
    def open(self) -> int:
        return len(self._open)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
            self.most = max(self.most, len(self._open))
        plain = connection
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            while request := _read(connection):
                self.requests.append(request)
                if not self.script(self, connection, request):
                    return
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(plain)
            connection.close()


def _read(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            return b""
        body += part
    return head + b"\r\n\r\n" + body


def answer(data: bytes = OK) -> Script:
    """The same answer to everybody."""

    def script(_: Scripted, connection: socket.socket, __: bytes) -> bool:
        connection.sendall(data)
        return True

    return script


def silent(server: Scripted, connection: socket.socket, _: bytes) -> bool:
    """No answer; the connection stays open."""
    server.ended.wait(PATIENCE)
    return False


def then_silent(data: bytes) -> Script:
    """The beginning of an answer, and nothing after it."""

    def script(server: Scripted, connection: socket.socket, request: bytes) -> bool:
        connection.sendall(data)
        return silent(server, connection, request)

    return script


def paused(*parts: bytes, seconds: float) -> Script:
    """The parts of an answer, so many seconds apart, and then the end of the connection."""

    def script(server: Scripted, connection: socket.socket, _: bytes) -> bool:
        for part in parts:
            connection.sendall(part)
            if server.ended.wait(seconds):
                break
        return False

    return script
