"""What a person does who has never seen it: init, lint, serve, and a limit edited while a bench runs.

The commands are those of the README; only the ports are other ones, so that the test can run beside anything.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from apigw_cli.tour import Ports, prepare
from tests.gateway.program import PATIENCE, wait_until
from tests.ports import free_port

APIGW = [sys.executable, "-m", "apigw_cli.cli.app"]


def apigw(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*APIGW, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )


def wait_for(url: str, wanted: str = "") -> str:
    """The text of a page, once it has what is wanted."""
    said: str = wait_until(lambda: page(url, wanted), f"{wanted!r} at {url}")
    return said


def page(url: str, wanted: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
    except OSError:
        return None
    return text if re.search(wanted, text, re.MULTILINE) else None


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    done = apigw(tmp_path, "init", "shop")
    assert done.returncode == 0, done.stderr
    return tmp_path / "shop"


@pytest.fixture
def gateway(shop: Path) -> Iterator[Ports]:
    ports = Ports(free_port(), free_port(), free_port())
    prepare(shop, ports)
    command = ["serve", "--workers", "2", "--upstream", "--port", str(ports.gateway), "--admin-port", str(ports.admin)]
    with (shop / "serve.err").open("w") as err, (shop / "access.log").open("w") as out:
        process = subprocess.Popen([*APIGW, *command], cwd=shop, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{ports.admin}/ready")
        yield ports
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert "Traceback" not in (shop / "serve.err").read_text()


def admitted(gateway: Ports) -> int:
    metrics = wait_for(f"http://127.0.0.1:{gateway.admin}/metrics")
    found = re.findall(r'^apigw_requests_total\{.*"getPet".*"2xx".*\} (\d+)', metrics, re.MULTILINE)
    return sum(map(int, found))


def test_a_limit_is_edited_while_a_bench_runs(shop: Path, gateway: Ports) -> None:
    assert apigw(shop, "lint").returncode == 0
    config = shop / "apigw.yaml"
    url = f"http://127.0.0.1:{gateway.gateway}/v1/pets/7"
    options = ["-H", "X-Api-Key: demo-alice", "--duration", "100s", "--warmup", "0s", "--concurrency", "8"]
    bench = subprocess.Popen(
        [*APIGW, "bench", url, *options, "--format", "json"],
        cwd=shop,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: admitted(gateway) > 20 + 50 * 3, "three seconds of the old limit")
    config.write_text(config.read_text().replace("rate: 50/s, burst: 20", "rate: 200/s, burst: 20"))
    wait_for(f"http://127.0.0.1:{gateway.admin}/routes", r"200/s")
    seen = admitted(gateway)
    wait_until(lambda: admitted(gateway) > seen + 20 + 200 * 2.5, "some of the new limit")
    assert bench.poll() is None, "the bench runs on"
    os.killpg(bench.pid, signal.SIGINT)
    output, errors = bench.communicate(timeout=60)
    assert bench.returncode == 130, errors
    result = json.loads(output)

    assert set(result["statuses"]) <= {"200", "429"}
    assert result["errors"] == {}
    assert result["series"]["interval"] == 1
    allowed = result["series"]["allowed"]
    edited = next(second for second, count in enumerate(allowed) if count > 20 + 50)
    before, after = allowed[1 : edited - 1], allowed[edited + 1 :]
    assert before and after, allowed
    # One second's count is read by a clock that is not the limiter's: a tenth is allowed for that, no more.
    assert max(before) <= 55, allowed
    assert 70 < max(after) <= 220, allowed
    log = (shop / "access.log").read_text().rpartition("\n")[0].splitlines()
    statuses = {json.loads(line)["status"] for line in log if "/v1/pets/7" in line}
    assert statuses - {499} == {200, 429}, "499: what was on its way when the bench was interrupted"


def test_the_gateway_uses_no_more_than_its_folder(shop: Path) -> None:
    assert {path.name for path in shop.iterdir()} >= {"apigw.yaml", "petstore.yaml", "keys.yaml", "stages"}
    again = apigw(shop.parent, "init", "shop")
    assert again.returncode == 1
    assert "apigw.yaml" in again.stderr
    assert os.listdir(shop.parent) == ["shop"]  # noqa: PTH208
