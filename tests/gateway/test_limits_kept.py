"""Quotas, plans, requests in flight and the test's clock through real gateways, their restarts and deaths."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gateway.program import Gateway, wait_until
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Wire, get

SPEC = """\
openapi: 3.1.0
info: {title: Kept, version: 1.0.0}
paths:
  /daily: {get: {operationId: daily, responses: {"200": {description: ok}}}}
  /slow: {get: {operationId: slow, responses: {"200": {description: ok}}}}
  /keyed: {get: {operationId: keyed, responses: {"200": {description: ok}}}}
  /planned: {get: {operationId: planned, responses: {"200": {description: ok}}}}
  /busy/{rest+}: {get: {operationId: busy, responses: {"200": {description: ok}}}}
"""
CONFIG = """\
version: 1
apis:
  kept:
    spec: spec.yaml
    hosts: [localhost, 127.0.0.1]
    mock: true
    routes:
      daily: {quota: {limit: 3, per: day, key: ip}}
      slow: {rate_limit: {rate: 1/h, burst: 2}}
      keyed: {rate_limit: {rate: 1/h, burst: 1, key: "header:X"}}
      planned: {usage_plans: {plans: {free: {rate_limit: {rate: 1/h, burst: 1}}}, otherwise: free}}
      busy: {upstream: recorder, concurrency: {limit: 3, key: ip}}
upstreams:
  recorder: {targets: ["http://127.0.0.1:PORT"]}
"""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    one = Recorder()
    yield one
    one.close()


@pytest.fixture
def start(tmp_path: Path, recorder: Recorder) -> Iterator[Callable[..., Gateway]]:
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "apigw.yaml").write_text(CONFIG.replace("PORT", str(recorder.port)))
    running: list[Gateway] = []

    def begin(*arguments: str) -> Gateway:
        running.append(Gateway(tmp_path, *arguments))
        return running[-1].ready()

    yield begin
    for one in running:
        one.stop()
        assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


def statuses(gateway: Gateway, path: str, times: int) -> list[int]:
    return [get(gateway.port, path).status for _ in range(times)]


def test_a_quota_survives_the_gateway(start: Callable[..., Gateway], tmp_path: Path) -> None:
    first = start("--workers", "2")
    assert statuses(first, "/daily", 2) == [200, 200]
    workers = first.workers()
    os.kill(first.process.pid, signal.SIGKILL)
    for pid in workers:
        with contextlib.suppress(ProcessLookupError):  # they end by themselves, too
            os.kill(pid, signal.SIGKILL)
    second, beside = start(), start("--workers", "2")  # two gateways of one stage count together
    assert statuses(second, "/daily", 1) + statuses(beside, "/daily", 1) == [200, 429]
    told = get(second.port, "/daily")
    assert told.status == 429 and told.header("RateLimit-Policy") == '"day";q=3;w=86400'
    wait_until(lambda: second.metric("apigw_refusals_total", reason="quota_exceeded") == 1, "the refusal counted")
    table = tmp_path / ".apigw" / "run" / "quotas-default.table"
    assert table.stat().st_mode & 0o777 == 0o600 and table.stat().st_blocks * 512 < 100_000


@pytest.mark.parametrize("content", [b"x", b"something else" * 1000, b"else" * 2048, b"paglrgv1" + b"\xff" * 8184])
def test_quotas_that_cannot_be_read_are_an_error(start: Callable[..., Gateway], tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".apigw" / "run").mkdir(parents=True)
    (tmp_path / ".apigw" / "run" / "quotas-default.table").write_bytes(content)
    command = [sys.executable, "-m", "apigw_cli.cli.app", "serve", "--port", "0", "--admin-port", "0"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1 and "not a table of this version" in ended.stderr and "remove it" in ended.stderr


def test_a_test_moves_the_time_of_all_workers(start: Callable[..., Gateway]) -> None:
    gateway = start("--workers", "2", "--test-clock")

    def advance(body: str) -> tuple[int, dict[str, object]]:
        status, text = gateway.admin("/clock", "POST", body.encode(), Host=f"127.0.0.1:{gateway.admin_port}")
        return status, json.loads(text)

    assert statuses(gateway, "/daily", 4) == [200, 200, 200, 429]
    assert statuses(gateway, "/slow", 3) == [200, 200, 429]
    status, told = advance('{"advance": "1h"}')
    assert (status, told["advanced_s"]) == (200, 3600)
    assert sorted(statuses(gateway, "/slow", 6)) == [200] + [429] * 5
    assert advance('{"advance": "1d"}')[0] == 200
    assert sorted(statuses(gateway, "/daily", 8)) == [200] * 3 + [429] * 5
    for wrong in ("", "{}", '{"advance": "-1d"}', '{"advance": 5}', '{"advance": "1d", "more": 1}', "[1]", "null"):
        assert advance(wrong)[0] == 400
    assert advance('{"advance": "99999d"}')[0] == 422
    # A later worker goes by the same time.
    os.kill(gateway.workers()[0], signal.SIGKILL)
    gateway.line("was killed by SIGKILL")
    assert gateway.counts(2, "apigw_workers")
    assert 429 in statuses(gateway, "/daily", 4)


def test_nobody_moves_the_time_where_that_was_not_asked_for(start: Callable[..., Gateway], tmp_path: Path) -> None:
    gateway = start()
    host = f"127.0.0.1:{gateway.admin_port}"
    assert gateway.admin("/clock", "POST", b'{"advance": "1d"}', Host=host)[0] == 422
    command = [sys.executable, "-m", "apigw_cli.cli.app", "serve", "--test-clock", "--stage", "prod"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2 and "--test-clock is for tests" in ended.stderr


def test_plans_limit_callers(start: Callable[..., Gateway]) -> None:
    assert statuses(start(), "/planned", 2) == [200, 429]


def test_so_many_in_flight_over_the_workers_also_after_a_death(
    start: Callable[..., Gateway], recorder: Recorder
) -> None:
    gateway = start("--workers", "2")
    recorder.go_on.clear()
    wires = [Wire(gateway.port) for _ in range(3)]
    for number, wire in enumerate(wires):
        wire.send(b"GET /busy/drip HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda n=number: len(recorder.received) == n + 1, "the request in flight")
    assert statuses(gateway, "/busy/x", 2) == [429, 429]
    assert gateway.counts(2, "apigw_refusals_total", reason="concurrency_limited")
    for pid in gateway.workers():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: gateway.metric("apigw_workers") == 2 and gateway.metric("apigw_worker_restarts_total") == 2, "2")
    recorder.go_on.set()
    assert statuses(gateway, "/busy/x", 5) == [200] * 5
    assert gateway.counts(2, "apigw_refusals_total", reason="concurrency_limited")
    for wire in wires:
        wire.socket.close()


def test_where_all_room_is_owed_new_keys_are_refused_and_counted(start: Callable[..., Gateway]) -> None:
    gateway = start("--limit-keys", "128")
    with Wire(gateway.port) as wire:
        seen = [
            wire.send(b"GET /keyed HTTP/1.1\r\nHost: localhost\r\nX: %d\r\n\r\n" % number).answer().status
            for number in (*range(140), 0)
        ]
    assert seen == [200] * 128 + [429] * 13
    wait_until(lambda: gateway.metric("apigw_refusals_total", reason="limiter_full") == 12, "all counted")
