"""`apigw limiter` as a real process: what it answers, and gateways that ask it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.program import PATIENCE, Gateway, wait_until
from tests.gateway.wire import get

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its workers share memory, which Windows has not")
TOKEN = "a-token-that-is-long-enough"


class Limiter:
    def __init__(self, folder: Path, *arguments: str) -> None:
        (folder / "token").write_text(TOKEN)
        command = [sys.executable, "-m", "apigw_cli.cli.app", "limiter", "--token-file", "token", *arguments]
        self.process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = int(re.findall(r":(\d+)/v1", wait_until(lambda: self.lines and self.lines[0], "its address"))[0])
        wait_until(self.well, "an answer")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())

    def well(self) -> bool:
        try:
            return self.ask("GET", "/health", b"")[0] == 200
        except OSError:
            return False

    def ask(self, method: str, path: str, body: bytes, token: str = TOKEN, **more: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, body, {"Authorization": f"Bearer {token}", **more})
        answer = connection.getresponse()
        status, text = answer.status, answer.read()
        connection.close()
        return status, json.loads(text)

    def decide(self, *questions: list[dict[str, Any]]) -> tuple[int, Any]:
        return self.ask("POST", "/v1/decide", json.dumps({"questions": questions}).encode())

    def stop(self) -> int:
        self.process.terminate()
        code = self.process.wait(PATIENCE)
        self._reader.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()
        assert not [line for line in self.lines if "Traceback" in line], "\n".join(self.lines)
        return code


@pytest.fixture(scope="module")
def limiter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Limiter]:
    one = Limiter(tmp_path_factory.mktemp("limiter"), "--port", "0", "--workers", "2")
    yield one
    assert one.stop() == 0


def charge(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "key": "k", "rate": "1/h", "burst": 2, **more}


def test_what_it_answers(limiter: Limiter) -> None:
    status, told = limiter.decide([charge("a")], [charge("a")], [charge("a")], [charge("a", cost=9)])
    assert status == 200
    assert told["decisions"] == [
        [{"allowed": True, "remaining": 1, "reset": 3600, "retry_after": 0}],
        [{"allowed": True, "remaining": 0, "reset": 3600, "retry_after": 0}],
        [{"allowed": False, "remaining": 0, "reset": 3600, "retry_after": 3600}],
        [{"allowed": False, "remaining": 0, "reset": 3600, "retry_after": None}],
    ]
    both = [charge("wide", burst=9), charge("narrow", burst=1)]
    _, told = limiter.decide(both, both)
    assert [[one["remaining"] for one in question] for question in told["decisions"]] == [[8, 0], [8, 0]]
    leaky = charge("l", algorithm="leaky", burst=1, delay=0)
    _, told = limiter.decide([leaky], [leaky])
    assert told["decisions"][1][0]["wait"] > 3_000 * 10**9


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"questions": [[{}]]}',
        b"\xff",
        *(
            json.dumps({"questions": [[charge("x", **more)]]}).encode()
            for more in ({"rate": "5"}, {"burst": -1}, {"algorithm": "none"}, {"cost": -1}, {"key": "k" * 5000},
                         {"x": 1}, {"algorithm": "fixed_window"})
        ),
        json.dumps({"questions": [[charge("x"), charge("x")]]}).encode(),
        json.dumps({"questions": [[charge("x")]] * 257}).encode(),
    ],
)  # fmt: skip
def test_what_it_refuses(limiter: Limiter, body: bytes) -> None:
    status, told = limiter.ask("POST", "/v1/decide", body)
    assert status == 400 and told["message"]


def test_who_may_ask(limiter: Limiter) -> None:
    assert limiter.ask("POST", "/v1/decide", b'{"questions": []}', token="wrong")[0] == 401
    assert limiter.ask("POST", "/v1/decide", b'{"questions": []}', Origin="http://evil.example")[0] == 403
    assert limiter.ask("GET", "/v1/decide", b"")[0] == 404
    command = [sys.executable, "-m", "apigw_cli.cli.app", "limiter", "--host", "0.0.0.0", "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 2 and "a token is required" in ended.stderr


SPEC = """\
openapi: 3.1.0
info: {title: Served, version: 1.0.0}
paths:
  /local: {get: {operationId: local, responses: {"200": {description: ok}}}}
  /closed: {get: {operationId: closed, responses: {"200": {description: ok}}}}
"""
CONFIG = """\
version: 1
limits: {service: {url: "http://127.0.0.1:PORT", token: {file: token}, timeout: 2s}}
apis:
  served:
    spec: spec.yaml
    hosts: [localhost, 127.0.0.1]
    mock: true
    routes:
      local: {rate_limit: {rate: 1/h, burst: 3, store: service}}
      closed: {rate_limit: [{rate: 1/h, burst: 3, store: service, on_store_failure: closed}]}
"""


def test_two_gateways_keep_one_bound_through_it(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path, "--port", "0", "--workers", "2")
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "apigw.yaml").write_text(CONFIG.replace("PORT", str(limiter.port)))
    gateways = [Gateway(tmp_path, "--workers", "2"), Gateway(tmp_path)]
    try:
        one, two = (gateway.ready() for gateway in gateways)
        seen = [get(gateway.port, "/local").status for gateway in (one, two, one, two, one)]
        assert seen == [200, 200, 200, 429, 429]
        # A worker of the limiter dies: the count stays, another takes its place.
        found = subprocess.run(["pgrep", "-P", str(limiter.process.pid)], capture_output=True, text=True, check=True)
        for pid in found.stdout.split():
            os.kill(int(pid), signal.SIGKILL)
        wait_until(lambda: get(two.port, "/closed").status == 200, "another worker")
        assert get(two.port, "/local").status == 429
        limiter.stop()
        assert get(two.port, "/closed").status == 503
        assert [get(two.port, "/local").status for _ in range(4)] == [200, 200, 200, 429]
        assert TOKEN not in "\n".join(one.lines + two.lines) + one.admin("/config")[1]
    finally:
        for gateway in gateways:
            gateway.stop()
        if limiter.process.poll() is None:
            limiter.stop()
