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
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from apigw_cli.tour import Ports, free_ports, prepare

APIGW = [sys.executable, "-m", "apigw_cli.cli.app"]
SECONDS = 9


def apigw(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*APIGW, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )


def wait_for(url: str, wanted: str = "", seconds: float = 20) -> str:
    deadline = time.monotonic() + seconds
    text = "nothing"
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                text = answer.read().decode()
                if re.search(wanted, text, re.MULTILINE):
                    return text
        except OSError as error:
            text = str(error)
        time.sleep(0.05)
    raise AssertionError(f"{url} never said {wanted!r}: {text}")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    done = apigw(tmp_path, "init", "shop")
    assert done.returncode == 0, done.stderr
    return tmp_path / "shop"


@pytest.fixture
def gateway(shop: Path) -> Iterator[Ports]:
    ports = free_ports()
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


def test_a_limit_is_edited_while_a_bench_runs(shop: Path, gateway: Ports) -> None:
    assert apigw(shop, "lint").returncode == 0
    config = shop / "apigw.yaml"
    url = f"http://127.0.0.1:{gateway.gateway}/v1/pets/7"
    bench = subprocess.Popen(
        [
            *APIGW,
            "bench",
            url,
            "-H",
            "X-Api-Key: demo-alice",
            "--duration",
            f"{SECONDS}s",
            "--warmup",
            "0s",
            "--concurrency",
            "8",
            "--format",
            "json",
        ],
        cwd=shop,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(f"http://127.0.0.1:{gateway.admin}/metrics", r'^apigw_requests_total\{.*"getPet".*\} [1-9]')
    began = time.monotonic()
    while time.monotonic() < began + SECONDS * 0.45:  # let the old limit be seen
        time.sleep(0.1)
    config.write_text(config.read_text().replace("rate: 50/s, burst: 20", "rate: 200/s, burst: 20"))
    wait_for(f"http://127.0.0.1:{gateway.admin}/routes", r"200/s", seconds=10)
    assert bench.poll() is None, "the bench must still run when the new limit is live"
    output, errors = bench.communicate(timeout=60)
    assert bench.returncode == 0, errors
    result = json.loads(output)

    assert set(result["statuses"]) <= {"200", "429"}
    assert result["errors"] == {}
    allowed = result["series"]["allowed"]
    assert result["series"]["interval"] == 1
    before, after = allowed[1:3], allowed[6:8]
    # One second's count is read by a clock that is not the limiter's: a tenth is allowed for that, no more.
    assert all(45 <= count <= 55 for count in before), allowed
    assert all(180 <= count <= 220 for count in after), allowed
    log = (shop / "access.log").read_text().splitlines()
    assert {json.loads(line)["status"] for line in log if "/v1/pets/7" in line} == {200, 429}


def test_the_gateway_uses_no_more_than_its_folder(shop: Path) -> None:
    assert {path.name for path in shop.iterdir()} >= {"apigw.yaml", "petstore.yaml", "keys.yaml", "stages"}
    again = apigw(shop.parent, "init", "shop")
    assert again.returncode == 1
    assert "apigw.yaml" in again.stderr
    assert os.listdir(shop.parent) == ["shop"]  # noqa: PTH208
