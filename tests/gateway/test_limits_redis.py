"""Limits in Redis through real gateways: one bound over several, and what each does while Redis is away."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gateway.program import Gateway, wait_until
from tests.gateway.wire import get
from tests.limits.redis_server import RedisServer, needs_redis, redis_server

pytestmark = needs_redis

SPEC = """\
openapi: 3.1.0
info: {title: Shared, version: 1.0.0}
paths:
  /many: {get: {operationId: many, responses: {"200": {description: ok}}}}
  /local: {get: {operationId: local, responses: {"200": {description: ok}}}}
  /open: {get: {operationId: open, responses: {"200": {description: ok}}}}
  /closed: {get: {operationId: closed, responses: {"200": {description: ok}}}}
"""
CONFIG = """\
version: 1
limits: {redis: {url: "redis://127.0.0.1:PORT/1", password: {env: REDIS_PASSWORD}, timeout: 2s}}
apis:
  shared:
    spec: spec.yaml
    hosts: [localhost, 127.0.0.1]
    mock: true
    routes:
      many: {rate_limit: [{rate: 50/s, burst: 20, store: redis, on_store_failure: closed},
        {rate: 1000/s, key: route, store: redis, on_store_failure: closed}]}
      local: {rate_limit: {rate: 1/h, burst: 3, store: redis}}
      open: {rate_limit: {rate: 1/h, burst: 3, store: redis, on_store_failure: open}}
      closed: {rate_limit: {rate: 1/h, burst: 3, store: redis, on_store_failure: closed}}
"""
PASSWORD = "correct-horse"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    with redis_server(tmp_path / "redis", password=PASSWORD) as one:
        yield one


@pytest.fixture
def start(tmp_path: Path, server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Gateway]]:
    monkeypatch.setenv("REDIS_PASSWORD", PASSWORD)
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "apigw.yaml").write_text(CONFIG.replace("PORT", str(server.port)))
    running: list[Gateway] = []

    def begin(*arguments: str) -> Gateway:
        running.append(Gateway(tmp_path, *arguments))
        return running[-1].ready()

    yield begin
    for one in running:
        one.stop()
        assert not [line for line in one.lines if "Traceback" in line or PASSWORD in line], "\n".join(one.lines)


def hammer(ports: list[int], path: str, seconds: float) -> tuple[int, float]:
    """How many were admitted, and in how many seconds."""
    admitted: list[float] = []
    began = time.monotonic()

    def client(port: int) -> None:
        while time.monotonic() < began + seconds:
            if get(port, path).status == 200:
                admitted.append(time.monotonic())

    threads = [threading.Thread(target=client, args=(port,)) for port in ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(admitted), time.monotonic() - began


def test_two_gateways_keep_one_bound(start: Callable[..., Gateway]) -> None:
    one, two = start("--workers", "2"), start()
    admitted, seconds = hammer([one.port, two.port, one.port, two.port], "/many", 2.0)
    assert 20 <= admitted <= 20 + 50 * seconds  # how much more than the burst depends on who else is busy here
    told = get(one.port, "/many").header("RateLimit") or ""
    assert '"ip"' in told and '"route"' in told


def test_while_redis_is_away_each_limit_does_what_it_says(start: Callable[..., Gateway], server: RedisServer) -> None:
    gateway = start()
    for path in ("/local", "/open", "/closed"):
        assert [get(gateway.port, path).status for _ in range(4)] == [200, 200, 200, 429]
    server.kill()
    assert [get(gateway.port, "/closed").status for _ in range(3)] == [503] * 3
    assert [get(gateway.port, "/open").status for _ in range(5)] == [200] * 5
    # The machine's own count begins when Redis fails, and holds.
    assert [get(gateway.port, "/local").status for _ in range(5)] == [200, 200, 200, 429, 429]
    refused = {"reason": "limiter_unavailable", "route": "closed"}
    wait_until(lambda: gateway.metric("apigw_refusals_total", **refused) == 3, "all counted")
    server.start()
    wait_until(lambda: get(gateway.port, "/closed").status == 200, "Redis again")


def test_a_wrong_password_is_not_told_to_anybody(
    start: Callable[..., Gateway], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "wrong-battery")
    gateway = start()
    answer = get(gateway.port, "/closed")
    assert answer.status == 503
    said = (
        "\n".join(gateway.lines)
        + gateway.admin("/config")[1]
        + str(answer.body)
        + (tmp_path / "access.log").read_text()
    )
    assert "wrong-battery" not in said and PASSWORD not in said


def test_a_limit_in_redis_needs_one(start: Callable[..., Gateway], tmp_path: Path) -> None:
    text = (tmp_path / "apigw.yaml").read_text()
    (tmp_path / "apigw.yaml").write_text("\n".join(line for line in text.splitlines() if not line.startswith("limits")))
    command = [sys.executable, "-m", "apigw_cli.cli.app", "serve", "--port", "0", "--admin-port", "0"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1 and "no Redis is configured" in ended.stderr
