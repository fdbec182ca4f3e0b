"""A real redis-server of a test's own: on a free port, without a disk, ended with the test."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server here")


class RedisServer:
    def __init__(self, folder: Path, *settings: str, password: str = "") -> None:
        self.port = free_port()
        self.password = password
        self._command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *settings]
        self._command += ["--dir", str(folder), "--requirepass", password or '""']
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not self.alive():
            assert time.monotonic() < deadline and self.process.poll() is None, "redis-server does not start"
            time.sleep(0.02)

    def alive(self) -> bool:
        try:
            return self.command("PING") == b"+PONG"
        except OSError:
            return False

    def command(self, *words: str) -> bytes:
        """The first line of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as wire:
            commands = ([("AUTH", self.password)] if self.password else []) + [words]
            for one in commands:
                wire.sendall(b"*%d\r\n" % len(one) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w.encode()) for w in one))
            with wire.makefile("rb") as lines:
                for _ in commands:
                    line = lines.readline().rstrip(b"\r\n")
                return line

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop_answering(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def redis_server(folder: Path, *settings: str, password: str = "") -> Iterator[RedisServer]:
    server = RedisServer(folder, *settings, password=password)
    try:
        yield server
    finally:
        server.go_on()
        server.kill()
