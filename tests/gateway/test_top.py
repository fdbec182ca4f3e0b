"""`apigw top`: the arithmetic between two looks, and the program against a running gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from apigw_cli.errors import EnvironmentFailure, UsageError
from apigw_cli.gateway import rundir, top
from apigw_cli.gateway.top import Look, Options
from tests.gateway.conftest import Start
from tests.gateway.program import PATIENCE, Gateway
from tests.gateway.wire import get


def text(requests: int, quick: int, slow: int, refused: int = 0) -> str:
    every = quick + slow
    return f"""\
# HELP apigw_requests_total text
apigw_requests_total{{api="a",route="say \\"hi\\"",code="2xx"}} {requests}
apigw_requests_total{{api="a",route="b",code="4xx"}} {refused}
apigw_refusals_total{{api="a",route="b",reason="rate_limited"}} {refused}
apigw_request_duration_seconds_bucket{{api="a",le="0.001"}} {quick}
apigw_request_duration_seconds_bucket{{api="a",le="0.01"}} {every}
apigw_request_duration_seconds_bucket{{api="a",le="+Inf"}} {every}
apigw_request_duration_seconds_count{{api="a"}} {every}
apigw_route_duration_seconds_bucket{{api="a",route="b",le="0.001"}} {quick - 5}
apigw_route_duration_seconds_bucket{{api="a",route="b",le="+Inf"}} {quick}
apigw_workers 2
apigw_cache_requests_total{{result="hits"}} {quick}
apigw_cache_requests_total{{result="misses"}} {slow}
apigw_cache_entries 7
apigw_cache_bytes 9000
apigw_reloads_total{{result="done"}} 3
apigw_reloads_total{{result="refused"}} 1
apigw_info{{version="1",stage="qa",digest="abc"}} 1
"""


def test_what_happened_between_two_looks() -> None:
    before, now = Look(10.0, top.parse(text(100, 80, 20))), Look(12.0, top.parse(text(200, 170, 30, refused=10)))
    view = top.view("url", before, now)
    assert (view.rate, view.classes["2xx"], view.classes["4xx"], view.limiter_refusals) == (55, 50, 5, 5)
    assert [(row.route, row.rate) for row in view.routes] == [('say "hi"', 50), ("b", 5)]
    assert (view.workers, view.reloads, view.reloads_refused, view.stage) == (2, 3, 1, "qa")
    assert view.p50 == pytest.approx(0.001 * 50 / 90)
    assert view.p99 == pytest.approx(0.001 + 0.009 * 0.9)
    assert view.apis[0].rate == 50
    assert view.cache == top.CacheRow({"hits": 45, "misses": 5}, 7, 9000)
    assert [(row.p50, row.p99) for row in view.routes] == [
        (None, None),
        (pytest.approx(0.0005), pytest.approx(0.00099)),
    ]


def test_a_gateway_that_began_anew_counts_from_zero() -> None:
    before, now = Look(10.0, top.parse(text(100, 80, 20))), Look(11.0, top.parse(text(5, 5, 0)))
    assert top.view("url", before, now).rate == 0


def test_a_gateway_without_a_cache_says_nothing_of_one() -> None:
    look = Look(1.0, top.parse('apigw_cache_requests_total{result="hits"} 0'))
    assert top.view("url", look, look).cache is None


def test_quantiles_at_the_edges() -> None:
    infinite = float("inf")
    assert top.quantile([], 0.5) is None
    assert top.quantile([(0.1, 0.0), (infinite, 0.0)], 0.5) is None
    assert top.quantile([(0.1, 0.0), (infinite, 4.0)], 0.5) == 0.1
    assert top.quantile([(0.1, 4.0), (infinite, 4.0)], 1.0) == pytest.approx(0.1)


def apigw_top(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "apigw_cli.cli.app", "top", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_it_finds_the_gateway_beside_the_configuration(start: Start, tmp_path: Path) -> None:
    gateway = start("--workers", "2")
    get(gateway.port, "/open/x")
    (facts,) = rundir.running(rundir.of(tmp_path))
    assert (facts["pid"], facts["admin"]) == (gateway.process.pid, f"http://127.0.0.1:{gateway.admin_port}")
    found = apigw_top(tmp_path, "--once", "--format", "json")
    assert found.returncode == 0, found.stderr
    view = json.loads(found.stdout)
    assert (view["admin"], view["workers"], view["stage"]) == (facts["admin"], 2, "default")
    assert [row["route"] for row in view["routes"]] == ["readOpen"]
    assert view["routes"][0].keys() >= {"rate", "p50", "p99"}
    found = apigw_top(tmp_path, "--admin", f"127.0.0.1:{gateway.admin_port}")  # a pipe gets one look
    assert "2 workers, 0 restarts" in found.stdout
    assert "everything readOpen" in found.stdout
    assert gateway.stop() == 0
    assert not list((tmp_path / ".apigw/run").glob("gateway-*"))
    found = apigw_top(tmp_path)
    assert (found.returncode, "no gateway runs here" in found.stderr) == (1, True)


def _ask_until(port: int, enough: threading.Event) -> None:
    while not enough.wait(0.02):
        get(port, "/open/x")


def test_a_live_terminal(gateway: Gateway) -> None:
    pexpect = pytest.importorskip("pexpect")
    arguments = ["-m", "apigw_cli.cli.app", "top", "--admin", f"http://127.0.0.1:{gateway.admin_port}"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    program = pexpect.spawn(sys.executable, arguments, env=environment, encoding="utf-8", timeout=PATIENCE)
    program.expect("requests/s")
    program.expect("in flight")
    program.expect("requests/s")  # refreshed
    go_on = threading.Event()
    asking = threading.Thread(target=_ask_until, args=(gateway.port, go_on))
    asking.start()
    try:
        program.expect(r"LIMITED[^\r\n]*P50[^\r\n]*P99")
        program.expect(r"everything readOpen [^\r\n]*\d ?(µs|us|ms|s) +[\d.]+ ?(µs|us|ms|s)")  # its latencies
    finally:
        go_on.set()
        asking.join()
    program.sendintr()
    program.expect(pexpect.EOF)
    program.close()
    assert program.exitstatus == 0


def test_files_of_dead_gateways_are_passed_over(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folder = rundir.of(tmp_path)
    own = rundir.announce(folder, {"admin": "http://127.0.0.1:1"})
    dead = folder / f"gateway-{ended.pid}.json"
    dead.write_text(json.dumps({"pid": ended.pid, "admin": "http://127.0.0.1:2"}))
    (folder / "gateway-9.json").write_text("half a fi")
    assert [facts["admin"] for facts in rundir.running(folder)] == ["http://127.0.0.1:1"]
    assert own.exists()
    assert not dead.exists()


def test_what_is_no_gateway_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"no apigw\.yaml here"):
        top.find(Options())
    with pytest.raises(UsageError, match="is no URL"):
        top.find(Options("http://"))
    with pytest.raises(EnvironmentFailure, match="no gateway answers"):
        top.look("http://127.0.0.1:1", None)
