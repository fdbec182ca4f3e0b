"""Raw HTTP/1.1 over a socket: what is sent and what comes back, byte for byte."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from tests.gateway.program import PATIENCE


@dataclass
class Answer:
    """One answer. `raw_body` is as framed on the wire."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Wire:
    """A client's connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._buffer = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> Wire:
        self.socket.sendall(data)
        return self

    def answer(self, head: bool = False) -> Answer:
        """Read one answer; `head` says that it belongs to a HEAD request."""
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        _, status, reason = lines[0].split(" ", 2)
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:] if line)]
        answer = Answer(int(status), reason, headers)
        if head or answer.status < 200 or answer.status in (204, 304):
            return answer
        if (answer.header("transfer-encoding") or "").lower() == "chunked":
            self._chunks(answer)
        elif answer.header("content-length") is not None:
            answer.body = self._exactly(int(answer.header("content-length") or ""))
        else:
            answer.body = self.rest()
        return answer

    def _chunks(self, answer: Answer) -> None:
        while size := int(self._until(b"\r\n").strip().partition(b";")[0], 16):
            answer.body += self._exactly(size)
            assert self._exactly(2) == b"\r\n"
        while line := self._until(b"\r\n").strip().decode("latin-1"):
            name, _, value = line.partition(":")
            answer.trailers.append((name, value.strip()))

    def rest_of_chunks(self) -> bytes:
        """What is left of a chunked body, as framed."""
        return self._until(b"\r\n0\r\n\r\n")

    def line(self) -> bytes:
        return self._until(b"\r\n")

    def rest(self) -> bytes:
        """Everything until the other side closes."""
        while self._receive():
            pass
        data, self._buffer = self._buffer, b""
        return data

    def exactly(self, size: int) -> bytes:
        return self._exactly(size)

    def closed(self) -> bool:
        """Whether the other side closes without another byte."""
        try:
            return self.rest() == b""
        except ConnectionResetError:
            return True

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            if not self._receive():
                raise EOFError(f"the connection ended after {self._buffer!r}")
        data, _, self._buffer = self._buffer.partition(mark)
        return data + mark

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not self._receive():
                raise EOFError(f"the connection ended {size - len(self._buffer)} bytes early")
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _receive(self) -> bool:
        data = self.socket.recv(65536)
        self._buffer += data
        return bool(data)


def ask(port: int, request: bytes, head: bool = False) -> Answer:
    """Send one request on a connection of its own and read the answer."""
    with Wire(port) as wire:
        return wire.send(request).answer(head)


def get(port: int, path: str, *headers: str, method: str = "GET") -> Answer:
    lines = "".join(f"{line}\r\n" for line in headers)
    return ask(port, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode(), method == "HEAD")
