"""The real nginx, started on loopback with a generated configuration."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not on this machine")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    lines: list[tuple[str, str]] = field(default_factory=list)  # names in lower case

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.lines if key == name]


def ask(
    port: int, method: str, path: str, host: str = "localhost", body: bytes | None = None, **headers: str
) -> Answer:
    """One request, its path sent as it is written; `X_Api_Key` means X-Api-Key."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": host, **headers}.items():
            connection.putheader(name.replace("_", "-"), value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        lines = [(name.lower(), value) for name, value in answer.getheaders()]
        return Answer(answer.status, dict(lines), answer.read(), lines)
    finally:
        connection.close()


@dataclass(eq=False)
class Nginx:
    port: int
    folder: Path
    log: dict[str, dict[str, Any]] = field(default_factory=dict)
    read: int = 0

    def ask(self, method: str, path: str, host: str = "localhost", body: bytes | None = None, **headers: str) -> Answer:
        """`ask` of this one's port."""
        return ask(self.port, method, path, host, body, **headers)

    def logged(self, request_id: str) -> dict[str, Any] | None:
        """The line of the access log for a request; None where it is not written yet."""
        if request_id not in self.log:
            with (self.folder / "access.log").open() as stream:
                stream.seek(self.read)
                while (line := stream.readline()).endswith("\n"):
                    self.read = stream.tell()
                    entry = json.loads(line)
                    self.log[entry["id"]] = entry
        return self.log.get(request_id)


def check(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`nginx -t` on a configuration."""
    assert NGINX is not None
    (folder / "nginx.conf").write_text(text)
    command = [NGINX, "-t", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@contextmanager
def running(text: str, folder: Path, keys: dict[str, str] | None = None) -> Iterator[Nginx]:
    """nginx with the configuration `text`, generated with `--listen 127.0.0.1:1`; another port is put in."""
    for scheme, lines in (keys or {}).items():
        place = folder / "apigw-keys" / scheme
        place.mkdir(parents=True)
        (place / "keys.map").write_text(lines)
    for _ in range(5):
        port = free_port()
        process = start(text.replace("listen 127.0.0.1:1", f"listen 127.0.0.1:{port}"), folder)
        try:
            if answers(port, process):
                yield Nginx(port, folder)
                return
        finally:
            process.terminate()
            process.wait(20)
    raise AssertionError((folder / "stderr.log").read_text())


def start(text: str, folder: Path) -> subprocess.Popen[bytes]:
    assert NGINX is not None
    (folder / "nginx.conf").write_text(text.replace("worker_processes auto;", "worker_processes 1;"))
    settings = "daemon off;" + (" user root;" if os.getuid() == 0 else "")  # pytest's folders are for their owner only
    command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", settings]
    with (folder / "stderr.log").open("wb") as stderr:
        return subprocess.Popen(command, stderr=stderr)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False
