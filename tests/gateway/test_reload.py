"""Reload: what changes, what stays, and that no request is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.gateway import conftest
from tests.gateway.conftest import Start
from tests.gateway.program import Gateway, wait_until
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Wire, get


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("live")
    conftest.write(folder, recorder.port)
    one = Gateway(folder, "--workers", "2").ready()
    yield one
    one.stop()
    assert not [line for line in one.lines if "Traceback" in line], "\n".join(one.lines)


@pytest.fixture
def live(running: Gateway) -> Iterator[Gateway]:
    """Two workers that the tests of this module share; each finds the files as they were at first."""
    files = {path: path.read_text() for path in running.folder.glob("*.yaml")}
    yield running
    for path, text in files.items():
        if path.read_text() != text:
            path.write_text(text)
    assert running.admin("/reload", "POST")[0] == 200


def edit(gateway: Gateway, name: str, old: str, new: str) -> None:
    """Save a file as editors do: write another, rename it over the old one."""
    path = gateway.folder / name
    text = path.read_text()
    assert old in text
    beside = path.with_suffix(".tmp")
    beside.write_text(text.replace(old, new))
    os.replace(beside, path)  # noqa: PTH105


@contextmanager
def load(port: int, clients: int = 4) -> Iterator[Counter[int]]:
    """Keep asking on kept connections; gives the statuses that came. -1: a request that failed."""
    seen: Counter[int] = Counter()
    stop = threading.Event()

    def client() -> None:
        with Wire(port) as wire:
            while not stop.is_set():
                try:
                    wire.send(b"GET /open/load HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    seen[wire.answer().status] += 1
                except (EOFError, OSError):
                    seen[-1] += 1
                    return

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: seen[200] > 50, "load")
        yield seen
        before = seen[200]
        wait_until(lambda: seen[200] > before + 50, "load afterwards")
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)


def test_reloads_under_load_lose_nothing(live: Gateway) -> None:
    gateway, before = live, live.metric("apigw_requests_total", route="readOpen")
    done = gateway.metric("apigw_reloads_total", result="done")
    with load(gateway.port) as seen:
        for number in range(5):
            lines = len(gateway.lines)
            edit(gateway, "spec.yaml", "paths:\n", f"paths:\n  /new{number}:\n    get: {{operationId: new{number}, "
                 'responses: {"200": {description: ok}}}\n')  # fmt: skip
            line = gateway.line(r"reload  spec.yaml: \+ GET /new", after=lines)
            assert re.search(rf"reload  spec.yaml: \+ GET /new{number}   both workers in \d+ ms", line)
            assert get(gateway.port, f"/new{number}").status == 200
    assert set(seen) == {200}
    assert gateway.metric("apigw_reloads_total", result="done") >= done + 5
    wait_until(lambda: gateway.metric("apigw_requests_total", route="readOpen") == before + seen[200], "all counted")


def test_routes_come_change_and_go_under_load_and_no_request_fails(live: Gateway) -> None:
    """benchmarks/soak.py does this a hundred times."""
    gateway = live
    spec, config = (gateway.folder / name for name in ("spec.yaml", "apigw.yaml"))
    first, policies = spec.read_text(), config.read_text()
    strangers: Counter[int] = Counter()
    stop = threading.Event()

    def newcomers() -> None:  # a connection for each request, beside the kept ones
        while not stop.is_set():
            strangers[get(gateway.port, "/open/new").status] += 1

    thread = threading.Thread(target=newcomers)
    with load(gateway.port) as seen:
        thread.start()
        try:
            for number in range(12):
                route = f"  /round{number}:\n    get: {{operationId: round{number}, responses: {{}}}}\n"
                spec.write_text(first.replace("paths:\n", "paths:\n" + route))
                config.write_text(policies.replace("burst: 1000", f"burst: {1001 + number}"))
                assert gateway.admin("/reload", "POST")[0] == 200
                assert get(gateway.port, f"/round{number}").status == 200
                assert get(gateway.port, f"/round{number - 1}").status == 404
        finally:
            stop.set()
            thread.join(20)
    assert set(seen) == set(strangers) == {200}


def test_a_broken_file_keeps_the_last_good_configuration(live: Gateway) -> None:
    gateway = live
    refused = gateway.metric("apigw_reloads_total", result="refused")
    edit(gateway, "apigw.yaml", "rate_limit: {rate: 1/h", "ratelimit: {rate: 1/h")
    line = gateway.line("reload refused .*ratelimit")
    assert re.search(r'apigw\.yaml:\d+:\d+ .*"ratelimit".*still serving the last good configuration', line)
    assert get(gateway.port, "/limited").status == 200
    assert gateway.metric("apigw_reloads_total", result="refused") >= refused + 1
    status, body = gateway.admin("/reload", "POST")
    assert status == 422
    assert "ratelimit" in json.loads(body)["message"]
    edit(gateway, "apigw.yaml", "ratelimit: {rate: 1/h", "rate_limit: {rate: 2/h")
    assert "rate limit of readLimited 1/h burst 20 per ip → 2/h burst 20 per ip" in gateway.line(
        "reload  apigw.yaml: rate"
    )


def test_a_file_that_is_missing_and_then_comes(live: Gateway) -> None:
    gateway, lines = live, len(live.lines)
    edit(gateway, "apigw.yaml", "spec: spec.yaml", "spec: other.yaml")
    assert "no such file: other.yaml" in gateway.line("reload refused", after=lines)
    lines = len(gateway.lines)
    (gateway.folder / "other.yaml").write_text((gateway.folder / "spec.yaml").read_text().replace("/mocked", "/made"))
    gateway.line(r"reload  .*GET /mocked → GET /made", after=lines)
    assert get(gateway.port, "/made").status == 200


def test_changed_keys_take_effect_and_broken_ones_do_not(live: Gateway) -> None:
    gateway, lines = live, len(live.lines)
    edit(gateway, "keys.yaml", "alice: {sha256: c3", "alice: {sha256: d4")
    gateway.line("reload .*API keys", after=lines)
    assert get(gateway.port, "/keyed/x", "X-Api-Key: demo-alice").status == 401
    lines = len(gateway.lines)
    edit(gateway, "keys.yaml", "sha256: d4", "sha256: zz")
    assert "keys.yaml:1:" in gateway.line("reload refused", after=lines)
    edit(gateway, "keys.yaml", "sha256: zz", "sha256: c3")
    gateway.line("reload .*API keys", after=lines)
    assert get(gateway.port, "/keyed/x", "X-Api-Key: demo-alice").status == 200


def test_a_request_in_flight_ends_on_the_plan_that_it_began_with(live: Gateway, recorder: Recorder) -> None:
    gateway = live
    recorder.go_on.clear()
    with Wire(gateway.port) as wire:
        wire.send(b"GET /open/drip HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while b"data: one" not in wire.line():
            pass
        edit(gateway, "spec.yaml", "/open/{rest+}", "/opened/{rest+}")
        gateway.line(r"readOpen GET /open/\{rest\+\} → GET /opened/\{rest\+\}")
        assert get(gateway.port, "/open/x").status == 404
        recorder.go_on.set()
        assert b"data: two" in wire.rest_of_chunks()
        assert wire.send(b"GET /opened/x HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status == 200


def test_the_limiter_remembers_over_a_reload(live: Gateway) -> None:
    wait_until(lambda: get(live.port, "/limited").status == 429, "the limit's end")
    edit(live, "spec.yaml", "title: Everything", "title: All")
    live.line("reload  spec.yaml: specifications only: routes and policies are the same")
    assert get(live.port, "/limited").status == 429


def test_hangup_reloads_and_no_watch_watches_nothing(start: Start) -> None:
    gateway = start("--no-watch")
    assert not [line for line in gateway.lines if "watching" in line]
    edit(gateway, "spec.yaml", "/mocked", "/renamed")
    assert get(gateway.port, "/mocked").status == 200
    gateway.signal(signal.SIGHUP)
    gateway.line("reload  ")
    assert get(gateway.port, "/renamed").status == 200
    status, body = gateway.admin("/reload", "POST")
    assert (status, json.loads(body)["changed"]) == (200, [])


@pytest.mark.parametrize("name", ["apigw.yaml", "spec.yaml"])
def test_half_a_file_is_refused_with_its_place(name: str, live: Gateway) -> None:
    lines = len(live.lines)
    text = (live.folder / name).read_text()
    (live.folder / name).write_text(text + "\n  - : ]")
    live.line(rf"reload refused  \S*{name}:\d+:\d+", after=lines)
    assert get(live.port, "/open/x").status == 200
