"""`apigw bench` as a person runs it: what it prints, its exit codes, and that it leaves nothing running."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.bench.server import ADMITTED, HANG, OK, REFUSED, Bucket, answer, serving
from tests.gateway.certificates import authority, issue
from tests.ports import free_port

PROGRAM = [sys.executable, "-m", "apigw_cli.cli.app"]
APIGW = [*PROGRAM, "bench"]
SPECS = Path(__file__).parents[2] / "specs"


def run(*arguments: str, cwd: Path | None = None, command: str = "bench") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*PROGRAM, command, *arguments], cwd=cwd, capture_output=True, text=True, timeout=100, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


# --- what it prints


def test_the_verdict_comes_first_and_the_plan_goes_to_stderr() -> None:
    with serving(lambda asked: OK) as server:
        done = run(server.url, "--requests", "200", "--concurrency", "4")
    assert done.returncode == 0
    assert done.stderr == f"1 worker × 4 in flight = 4 connections · closed model · 200 requests · GET {server.url}\n"
    lines = done.stdout.splitlines()
    assert re.match(r"✓ 200 answers in .*/s: (server|client)-bound", lines[0])
    assert any(re.match(r"allowed +service +200 .*(µs|ms)", line) for line in lines)
    assert any(line.startswith("status  200: 200") for line in lines)
    assert any("trustworthy" in line for line in lines)


def test_both_latencies_are_shown_in_the_open_model() -> None:
    with serving(lambda asked: OK) as server:
        done = run(server.url, "--requests", "20", "--rate", "200")
    assert re.search(r"^allowed +response +20 ", done.stdout, re.MULTILINE)
    assert re.search(r"^ +service +20 ", done.stdout, re.MULTILINE)
    assert "0 not at all" in done.stdout


def test_allowed_and_refused_are_shown_apart_and_the_next_command_is_named() -> None:
    with serving(Bucket("1/s", 5)) as server:
        done = run(server.url, "--requests", "100")
    assert re.search(r"^allowed +service +[5-9] ", done.stdout, re.MULTILINE)
    assert re.search(r"^refused +service +9[1-5] ", done.stdout, re.MULTILINE)
    assert "--verify-limits" in done.stdout.splitlines()[-1]


def test_where_nothing_was_let_through_it_says_what_to_do() -> None:
    with serving(lambda asked: answer(401)) as server:
        done = run(server.url, "--requests", "20")
    assert done.returncode == 7
    assert done.stdout.startswith("✗ not trustworthy") and "only refusals were measured" in done.stdout.splitlines()[0]
    assert "  ✗ no request went well (every answer was 401)" in done.stdout
    assert "give a credential" in done.stdout.splitlines()[-1]


def test_errors_that_are_to_be_measured() -> None:
    with serving(lambda asked: answer(404)) as server:
        done = run(server.url, "--requests", "20", "--expect", "404", "--assert", "errors<1%", "--format", "json")
        other = run(server.url, "--requests", "20", "--expect", "410", "--assert", "errors<1%")
    result = json.loads(done.stdout)
    assert (done.returncode, result["requests"]["allowed"], result["plan"]["expected"]) == (0, 20, [404])
    assert sum(result["series"]["allowed"]) == 20
    assert other.returncode == 4, "a threshold that every answer breaks is broken"
    for status in ("200", "429", "600"):
        assert run("http://127.0.0.1:1/", "--expect", status).returncode == 2


def test_a_broken_limit_is_shown_with_its_counter_example_first() -> None:
    with serving(Bucket("50/s", 30)) as server:
        done = run(server.url, "--limit", "50/s burst 10", "--duration", "500ms")
    assert done.returncode == 4
    lines = done.stdout.splitlines()
    assert lines[0] == "✗ the limit does not hold, 50/s burst 10 per route"
    assert re.match(r"  admitted \d+ of [\d,]+ in \d\.\d+ s    bound 10 \+ 50/s × ", lines[1])
    assert re.match(r"  ✗ never above  \d+ let through in .* may be", lines[2])


def test_quiet_says_only_the_verdict() -> None:
    with serving(Bucket("50/s", 10)) as server:
        done = run(server.url, "--limit", "50/s burst 10", "--duration", "1200ms", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "✓ the limit holds, 50/s burst 10 per route\n"


def test_json_has_everything_and_goes_to_a_file_when_asked(tmp_path: Path) -> None:
    answers = iter([ADMITTED] * 10 + [REFUSED] * 100)
    with serving(lambda asked: next(answers)) as server:
        done = run(server.url, "--requests", "30", "--workers", "2", "--format", "json", "-o", str(tmp_path / "r.json"))
    assert (done.returncode, done.stdout) == (0, "")
    data: dict[str, Any] = json.loads((tmp_path / "r.json").read_text())
    assert data["format"] == 1
    assert data["plan"]["in_flight"] == [16, 16]
    assert data["requests"]["answered"] == 30
    assert data["statuses"] == {"200": 10, "429": 20}
    assert data["latency"]["limited"]["service"]["count"] == 20
    assert sum(count for _, count in data["latency"]["allowed"]["service"]["histogram"]) == 10
    assert sum(data["series"]["limited"]) == 20
    assert data["bytes"]["in"] == 10 * len(ADMITTED) + 20 * len(REFUSED)
    assert data["limits"] == []


def test_what_cannot_be_written_is_one_clear_message(tmp_path: Path) -> None:
    with serving(lambda asked: OK) as server:
        done = run(server.url, "--requests", "1", "--concurrency", "1", "-o", str(tmp_path / "no" / "r.json"))
    assert done.returncode == 1
    assert "cannot write" in done.stderr


def test_a_terminal_shows_how_far_it_is_and_then_only_the_result() -> None:
    with serving(Bucket("1/s", 5), after=0.01) as server:
        child = pexpect.spawn(
            APIGW[0], [*APIGW[1:], server.url, "--duration", "1500ms", "--warmup", "0s"],
            encoding="utf-8", dimensions=(24, 120), timeout=60,
        )  # fmt: skip
        child.expect(r"measuring .*/s · \d allowed · \d[\d.,k]* limited")
        child.expect(r"latency so far  p50 .*  p99 .*  max ")
        child.expect(r"429: \d.* · 200: \d")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 0
    last = child.before.rpartition("\x1b[2K")[2]  # after the last time that the line was erased
    assert re.search(r"✓.* answers in [1-9]", last)
    assert "measuring" not in last and "so far" not in last


# --- exit codes


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["127.0.0.1:9001/x"], 2, "did you mean http://127.0.0.1:9001/x ?"),
        (["http://127.0.0.1:9/", "--workers", "3", "--concurrency", "2"], 2, "--concurrency is the total"),
        (["http://127.0.0.1:9/", "--rate", "0"], 2, "rate"),
        (["http://127.0.0.1:9/", "-H", "nonsense"], 2, "is not a header"),
        (["http://127.0.0.1:9/", "-d", "@/no/such/file"], 1, "cannot read /no/such/file"),
        (["-X", "POST"], 2, "--method needs a URL"),
    ],
)
def test_what_was_typed_wrongly(arguments: list[str], code: int, words: str) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert words in done.stderr


def test_nobody_there() -> None:
    with serving(lambda asked: OK) as server:
        pass
    done = run(server.url)
    assert done.returncode == 1
    assert f"connection refused by 127.0.0.1:{server.port}" in done.stderr
    assert "apigw serve" in done.stderr


def test_nothing_answered() -> None:
    with serving(lambda asked: HANG) as server:
        done = run(server.url, "--requests", "2", "--concurrency", "2", "--timeout", "100ms")
    assert done.returncode == 1
    assert done.stdout.startswith("✗ nothing was answered")
    assert "2 no complete answer in time" in done.stdout


# --- stopping it


def test_ctrl_c_gives_what_there_is_and_leaves_nobody_behind() -> None:
    with serving(lambda asked: OK) as server:
        command = [*APIGW, server.url, "--duration", "10m", "--warmup", "0s", "--workers", "2", "--format", "json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        until(lambda: server.asked > 100)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    result = json.loads(output)
    assert result["interrupted"] is True
    assert 0 < result["requests"]["answered"] <= server.asked
    assert gone(process.pid)


def test_ctrl_c_during_the_warm_up_measured_nothing_and_says_so() -> None:
    with serving(lambda asked: OK) as server:
        command = [*APIGW, server.url, "--duration", "10m", "--warmup", "10m"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        until(lambda: server.asked > 100)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "! interrupted before anything was measured\n")


def decides_on_interrupts(pid: str) -> bool:
    """Whether this is a worker whose interpreter has begun, and so has something to do on SIGINT, or ignores it."""
    try:
        began = b"apigw_cli.bench.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except OSError:
        return False
    return began and bool((int(status["SigCgt"], 16) | int(status["SigIgn"], 16)) & 1 << signal.SIGINT - 1)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_while_workers_start_is_no_traceback() -> None:
    with serving(lambda asked: OK) as server:
        command = [*APIGW, server.url, "--duration", "10m", "--workers", "2"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: any(decides_on_interrupts(child) for child in children.read_text().split()))
        os.killpg(process.pid, signal.SIGINT)  # the first worker has not loaded what it needs yet
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert gone(process.pid)


def test_workers_do_not_outlive_a_bench_that_was_killed() -> None:
    with serving(lambda asked: OK) as server:
        command = [*APIGW, server.url, "--duration", "10m", "--workers", "2"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
        until(lambda: server.asked > 100)
        process.kill()
        process.wait(30)
        until(lambda: gone(process.pid))


# --- without a URL: a gateway of its own


@pytest.fixture
def shop(tmp_path: Path) -> tuple[Path, int]:
    """A copy of the sample whose upstream has a port that is free, and that port."""
    shutil.copytree(SPECS, tmp_path / "shop")
    port = free_port()
    for stage in (tmp_path / "shop" / "stages").glob("*.yaml"):
        stage.write_text(re.sub(r"127\.0\.0\.1:900\d", f"127.0.0.1:{port}", stage.read_text()))
    return tmp_path / "shop", port


def test_without_a_url_the_strictest_limit_of_the_configuration_is_proved(shop: tuple[Path, int]) -> None:
    folder, upstream = shop
    done = run("--verify-limits", "--workers", "2", "--duration", "2500ms", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "declared 5/s burst 5 per api_key (apigw.yaml:" in done.stderr
    result = json.loads(done.stdout)
    assert result["statuses"].keys() == {"201", "429"}
    proof = result["limits"][0]
    assert (proof["route"], proof["verdict"], proof["key"]) == ("createPet", "pass", "api_key")
    assert not listens(upstream)
    assert not listens(int(result["plan"]["url"].split(":")[2].split("/")[0]))


def test_a_route_can_be_named_and_its_variables_are_filled_in(shop: tuple[Path, int]) -> None:
    done = run("--route", "getPet", "--requests", "20", "--format", "json", "-q", cwd=shop[0])
    result = json.loads(done.stdout)
    assert done.returncode == 0
    assert re.search(r"/v1/pets/\d+$", result["plan"]["url"])
    assert result["statuses"]["200"] > 0


def test_a_gateway_that_speaks_tls(shop: tuple[Path, int]) -> None:
    """Its own certificates are trusted, whatever their names; one that wants a certificate of ours is refused."""
    folder, _ = shop
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    issue(folder, "shop", authority(folder, "ca"), "DNS:shop.example")
    config = folder / "apigw.yaml"
    tls = "certificates: [{cert: {file: shop.pem}, key: {file: shop.key}}]"
    plain = config.read_text()
    config.write_text(plain + f"\nlisten: {{tls: {{{tls}}}}}\n")
    done = run("--route", "getPet", "--requests", "20", "--format", "json", "-q", cwd=folder)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["plan"]["url"].startswith("https://")
    assert result["statuses"]["200"] > 0
    config.write_text(plain + f"\nlisten: {{tls: {{{tls}, client_ca: {{file: ca.pem}}}}}}\n")
    done = run("--route", "getPet", "--requests", "20", cwd=folder)
    assert done.returncode == 2
    assert "lets in only clients with a certificate" in done.stderr


def test_ctrl_c_stops_the_gateway_and_the_upstream_too(shop: tuple[Path, int]) -> None:
    folder, upstream = shop
    process = subprocess.Popen(
        [*APIGW, "--duration", "10m", "--format", "json"], cwd=folder, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert "starting a gateway" in process.stderr.readline()
    plan = process.stderr.readline()
    found = re.search(r"http://\S+?:(\d+)/", plan)
    assert found, plan
    assert listens(upstream)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert not listens(upstream)
    assert not listens(int(found[1]))
    assert "Traceback" not in output


def test_a_gateway_that_does_not_start_is_explained(shop: tuple[Path, int]) -> None:
    folder, _ = shop
    (folder / "keys.yaml").unlink()
    done = run("--requests", "1", "--concurrency", "1", cwd=folder)
    assert done.returncode == 1
    assert "keys.yaml" in done.stderr
