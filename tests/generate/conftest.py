"""A gateway written into a folder and compiled, and an upstream that records what reaches it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from apigw_cli.generate.run import load
from apigw_cli.snapshot.compiler import Compiled

SPECS = Path(__file__).parents[2] / "specs"

Build = Callable[..., Compiled]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Write apigw.yaml, shop.yaml and others by name, and compile them with the default stage."""
    monkeypatch.chdir(tmp_path)

    def build(config: str, **files: str) -> Compiled:
        for name, text in {"apigw": config, **files}.items():
            Path(f"{name}.yaml").write_text(text)
        return load(None, None)

    return build


@dataclass
class Upstream:
    """A server that answers everything with 200 and keeps what it was asked.

    A request's `X-Say: Name: value|Name: value` has it say these headers, `X-Size` have a body of so many bytes,
    `X-Status` another status.
    """

    port: int
    seen: list[tuple[str, str, list[tuple[str, str]]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def last(self, name: str) -> list[str]:
        """The values of one header of the last request."""
        return [value for header, value in self.seen[-1][2] if header.lower() == name.lower()]


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            recorder.seen.append((self.command, self.path, list(self.headers.items())))
            body = b"o" * int(self.headers["X-Size"]) if "X-Size" in self.headers else b"ok"
            self.send_response(int(self.headers.get("X-Status") or 200))
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Request-Id", "the upstream's own")
            for line in filter(None, (self.headers.get("X-Say") or "").split("|")):
                name, _, value = line.partition(":")
                self.send_header(name, value.strip())
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        def __getattr__(self, name: str) -> object:
            if name.startswith("do_"):
                return self.answer
            raise AttributeError(name)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recorder = Upstream(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield recorder
    server.shutdown()
    thread.join()
    server.server_close()
