"""What running gateways do: follow a promotion (`--wait`), take it back, serve a canary without losing a request."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from apigw_cli.cli import app
from tests.stages.conftest import Shop, write_shop

pytestmark = pytest.mark.skipif(os.name == "nt", reason="several workers, and signals as POSIX has them")


@dataclass
class Gateway:
    shop: Shop
    port: int
    admin: int

    def page(self, name: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{name}", timeout=5) as answer:
            return json.load(answer)

    def sides(self, number: int, **headers: str) -> Counter[str]:
        """Which side answered how many of so many requests, all of them well."""
        found: Counter[str] = Counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        for _ in range(number):
            connection.request("GET", "/v1/hours", headers={"Host": "localhost", **headers})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            found[(answer.headers["X-Apigw-Release"] or "").partition(";")[0]] += 1
        connection.close()
        return found

    def until(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not what():
            assert time.monotonic() < deadline, "it never came"
            time.sleep(0.05)

    def shows_canary(self, percent: float | None) -> bool:
        canary = self.page("/snapshot")["deployment"]["canary"]
        return (canary or {}).get("percent") == percent


def run(*words: str) -> int:
    return app.run(list(words))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of two workers that serves what is deployed to prod; limits are too high to matter."""
    shop = write_shop(tmp_path_factory.mktemp("following") / "shop")
    shop.edit("apigw.yaml", "rate: 50/s, burst: 20", "rate: 50000/s, burst: 50000")
    before = Path.cwd()
    os.chdir(shop.root)
    assert run("promote", "qa", "prod", "--yes") == 0
    try:
        with served(shop, "--mock") as one:
            yield one
    finally:
        os.chdir(before)


@contextmanager
def served(shop: Shop, *more: str) -> Iterator[Gateway]:
    """`apigw serve` of what is deployed to prod."""
    command = ["serve", "--stage", "prod", "--released", "--workers", "2", "--port", "0", *more]
    log = shop.root / f"serve{len(more)}.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "apigw_cli.cli.app", *command, "--admin-port", "0", "--access-log", "off"],
            stdin=subprocess.DEVNULL,
            stderr=file,
            stdout=file,
        )
    try:
        deadline = time.monotonic() + 30
        while "watching" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        ports = [int(port) for port in re.findall(r"http://[^ :]+:([0-9]+)", log.read_text())]
        yield Gateway(shop, *ports[:2])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert "Traceback" not in log.read_text()


@pytest.fixture
def tagged(gateway: Gateway) -> Iterator[Gateway]:
    """With another release in qa, and prod as it was afterwards."""
    config = gateway.shop.root / "apigw.yaml"
    text, stage = config.read_text(), (gateway.shop.root / "stages" / "prod.yaml").read_text()
    tag = f"createPet:\n        rate_limit: {{rate: {time.time_ns() % 100_000}/d, burst: 5, key: api_key}}"
    config.write_text(re.sub(r"createPet:\n +rate_limit: .*", tag, text))
    gateway.shop.edit("stages/prod.yaml", "gates: {lint: off}", "gates: {lint: off, weakening: allow}")
    assert run("deploy", "qa") == 0
    yield gateway
    if "canary" in gateway.shop.pointers["prod"]:
        assert run("canary", "prod", "abort") == 0
    config.write_text(text)
    (gateway.shop.root / "stages" / "prod.yaml").write_text(stage)


def test_wait_until_every_worker_serves_it(tagged: Gateway) -> None:
    assert run("promote", "qa", "prod", "--yes", "--wait") == 0
    deployment = tagged.page("/snapshot")["deployment"]
    pointer = tagged.shop.pointers["prod"]
    assert (deployment["release"], deployment["generation"]) == (pointer["release"], pointer["generation"])
    assert run("verify") == 0


def test_what_a_gateway_cannot_serve_is_taken_back(tagged: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    before = tagged.shop.pointers["prod"]
    tagged.shop.edit("apigw.yaml", "file: keys.yaml", "file: others.yaml")
    (tagged.shop.root / "others.yaml").write_text("alice: {sha256: short}\n")
    assert run("deploy", "qa") == 0
    accept = [
        finding["fingerprint"]
        for finding in findings(capsys)
        if finding["level"] in ("weaken", "ERR") and "others.yaml" in finding["message"]
    ]
    words = [word for one in accept for word in ("--accept", one)]
    reason = ["--reason", "a test"] if words else []
    assert run("promote", "qa", "prod", "--yes", "--wait", *words, *reason) == 6
    now = tagged.shop.pointers["prod"]
    assert (now["release"], now["stage_file"]) == (before["release"], before["stage_file"])
    last = tagged.shop.audit[-1]
    assert (last["action"], last["to"]) == ("rollback", before["release"])
    assert "refused it" in last["reason"] and "others.yaml" in last["reason"]
    assert "was taken back" in capsys.readouterr().err
    tagged.sides(5)
    assert run("verify") == 0


def findings(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    run("diff", "qa", "prod", "--format", "json")
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["findings"]
    return found


def test_an_upstream_that_is_down_is_taken_back(tagged: Gateway) -> None:
    before = tagged.shop.pointers["prod"]["release"]
    health = ", health: {path: /, every: 100ms, timeout: 100ms, unhealthy_after: 1}}"
    tagged.shop.edit("apigw.yaml", 'targets: ["${pets_url}"]}', 'targets: ["${pets_url}"]' + health)
    tagged.shop.edit("stages/prod.yaml", "9002", "1")
    assert run("deploy", "qa") == 0
    with served(tagged.shop):  # which asks its upstream, other than the one that mocks it
        assert run("promote", "qa", "prod", "--yes", "--wait") == 6
    assert tagged.shop.pointers["prod"]["release"] == before
    assert "every target of upstream pets is out" in tagged.shop.audit[-1]["reason"]


def test_without_a_gateway_nothing_is_changed(tagged: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    before = (tagged.shop.pointers, tagged.shop.audit)
    assert run("promote", "qa", "staging", "--yes", "--wait") == 1
    assert "no gateway runs what is deployed to staging" in capsys.readouterr().err
    assert (tagged.shop.pointers, tagged.shop.audit) == before


def test_a_canary_gets_its_share_of_single_requests(tagged: Gateway) -> None:
    assert set(tagged.sides(5)) == {""}
    assert run("promote", "qa", "prod", "--yes", "--wait", "--canary", "30%") == 0
    assert tagged.shows_canary(30)
    found = tagged.sides(600)
    assert 120 <= found["canary"] <= 240, "30 % of 600 are 180; 5 standard deviations are 56"
    assert set(tagged.sides(20, **{"X-Apigw-Release": "canary"})) == {"canary"}
    assert set(tagged.sides(20, **{"X-Apigw-Release": "stable"})) == {"stable"}
    counted = tagged.page("/canary")["sides"]
    assert counted["canary"]["classes"] == [0, found["canary"] + 20, 0, 0, 0]
    assert sum(counted["stable"]["latencies"]) == found["stable"] + 20
    with urllib.request.urlopen(f"http://127.0.0.1:{tagged.admin}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    release = tagged.shop.pointers["prod"]["canary"]["release"][:7]
    labels = f'side="canary",release="{release}"'
    assert f'apigw_canary_requests_total{{{labels},code="2xx"}} {found["canary"] + 20}' in text
    assert f"apigw_canary_duration_seconds_count{{{labels}}} {found['canary'] + 20}" in text
    assert run("canary", "prod", "promote", "--force", "--reason", "so few cannot tell") == 0
    tagged.until(lambda: set(tagged.sides(1)) == {""})
    assert tagged.page("/canary") is None


def test_a_key_keeps_a_caller_on_one_side(tagged: Gateway) -> None:
    assert run("promote", "qa", "prod", "--yes", "--wait", "--canary", "40%", "--canary-by", "header:X-Tenant") == 0
    first = {name: tagged.sides(3, **{"X-Tenant": str(name)}) for name in range(60)}
    assert all(len(found) == 1 for found in first.values())
    chosen = {name for name, found in first.items() if "canary" in found}
    assert 6 <= len(chosen) <= 45
    assert run("canary", "prod", "set", "80%") == 0
    tagged.until(lambda: tagged.shows_canary(80))
    more = {name for name in range(60) if "canary" in tagged.sides(1, **{"X-Tenant": str(name)})}
    assert chosen < more, "whom it had it keeps"


def test_no_request_is_lost_when_a_canary_comes_and_goes_and_a_release_after_it(tagged: Gateway) -> None:
    seen: Counter[str] = Counter()
    stop, failures = threading.Event(), list[BaseException]()

    def load() -> None:
        try:
            while not stop.is_set():
                seen.update(tagged.sides(20))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert run("promote", "qa", "prod", "--yes", "--wait", "--canary", "50%") == 0
        tagged.until(lambda: seen["canary"] > 50 or bool(failures))
        assert run("canary", "prod", "abort") == 0
        tagged.until(lambda: tagged.shows_canary(None))
        assert run("promote", "qa", "prod", "--yes", "--wait") == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    assert failures == []
    assert seen["canary"] > 50 and seen["stable"] > 0 and seen[""] > 0
