"""Workers and their supervisor: shared limits, death, draining, overload, starting and failing to start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.gateway import conftest
from tests.gateway.conftest import Start
from tests.gateway.program import PATIENCE, Gateway, wait_until
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Wire, get
from tests.ports import free_port


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    return subprocess.run(
        [sys.executable, "-m", "apigw_cli.cli.app", "serve", "--port", "0", "--admin-port", "0", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z"


def test_two_workers_say_what_they_are_and_hold_one_limit(start: Start) -> None:
    gateway = start("--workers", "2", "--concurrency", "5000")
    assert gateway.lines[0].endswith("stage default (working files)  2 workers, 5,000 in flight")
    assert f"http://localhost:{gateway.port}  13 routes" in gateway.lines[1]
    assert gateway.lines[-1] == "watching 3 files; Ctrl-C drains and stops"
    statuses: list[int] = []

    def client() -> None:
        statuses.extend(get(gateway.port, "/limited").status for _ in range(10))

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 20 + [429] * 60
    wait_until(lambda: gateway.metric("apigw_requests_total", route="readLimited") == 80, "all counted")
    assert len(gateway.workers()) == 2


def test_a_killed_worker_is_replaced_and_its_counts_are_kept(start: Start) -> None:
    gateway = start("--workers", "2")
    for number in range(20):
        assert get(gateway.port, f"/open/before{number}").status == 200
    assert gateway.counts(20, "apigw_requests_total", route="readOpen")  # a killed worker counts nothing any more
    first = gateway.workers()
    os.kill(first[0], signal.SIGKILL)
    gateway.line("was killed by SIGKILL; starting another at once")
    wait_until(lambda: len(gateway.workers()) == 2 and gateway.metric("apigw_workers") == 2, "two workers")
    assert first[0] not in gateway.workers()
    for number in range(20):
        assert get(gateway.port, f"/open/after{number}").status == 200
    wait_until(lambda: gateway.metric("apigw_requests_total", route="readOpen") == 40, "all counted")
    assert gateway.metric("apigw_worker_restarts_total") == 1


def test_counts_never_fall_while_workers_are_killed(start: Start) -> None:
    """Each look at every counter, bucket and sum is at least the one before; the client's own count is in it."""
    gateway = start("--workers", "2")
    before: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    answered = 0
    for turn in range(6):
        if turn % 4 == 1:
            assert gateway.counts(answered, "apigw_requests_total", route="readOpen")
            seen = len(gateway.lines)
            os.kill(gateway.workers()[turn // 4], signal.SIGKILL)
            gateway.line("was killed by SIGKILL", after=seen)
            wait_until(lambda: len(gateway.workers()) == 2 and gateway.metric("apigw_workers") == 2, "two workers")
        for _ in range(10):
            assert get(gateway.port, "/open/x").status == 200
            answered += 1
        now = {}
        for family in text_string_to_metric_families(gateway.admin("/metrics")[1]):
            if family.type in ("counter", "histogram"):
                now.update({(one.name, tuple(sorted(one.labels.items()))): one.value for one in family.samples})
        assert all(now[key] >= value for key, value in before.items())
        before = now
    wait_until(lambda: gateway.metric("apigw_requests_total", route="readOpen") == answered, "all counted")
    assert gateway.counts(answered, "apigw_request_duration_seconds_count", api="everything")
    assert gateway.metric("apigw_worker_restarts_total") == 2


def test_a_worker_that_dies_again_and_again_is_started_after_growing_pauses(start: Start) -> None:
    gateway = start("--workers", "2")
    (other,) = gateway.workers()[1:]
    for pause in ("at once", "in 0.1 s"):
        seen = len(gateway.lines)
        os.kill(next(pid for pid in gateway.workers() if pid != other), signal.SIGKILL)
        gateway.line(f"was killed by SIGKILL; starting another {pause}", after=seen)
        wait_until(lambda: gateway.metric("apigw_workers") == 2, "two workers")
        assert other in gateway.workers()
    assert get(gateway.port, "/open/x").status == 200


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


def test_requests_in_flight_are_answered_while_draining(start: Start, recorder: Recorder) -> None:
    gateway = start("--workers", "2")
    recorder.go_on.clear()
    with Wire(gateway.port) as busy, Wire(gateway.port) as idle:
        assert idle.send(b"GET /open/x HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status == 200
        busy.send(b"GET /open/drip HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while b"data: one" not in busy.line():
            pass
        gateway.signal(signal.SIGTERM)
        gateway.line("draining")
        assert idle.closed()
        wait_until(lambda: refuses(gateway.port), "the last worker to stop listening")
        recorder.go_on.set()
        assert b"data: two" in busy.rest_of_chunks()
        assert busy.closed()
    assert gateway.process.wait(PATIENCE) == 0


def test_a_second_interrupt_ends_at_once(start: Start, recorder: Recorder) -> None:
    gateway = start()
    workers = gateway.workers()
    with Wire(gateway.port) as wire:
        wire.send(b"GET /open/hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: recorder.received and recorder.received[-1].url == "/open/hang", "the request")
        gateway.signal(signal.SIGINT)
        gateway.line("draining")
        gateway.signal(signal.SIGINT)
        assert gateway.process.wait(PATIENCE) == 130
    assert all(gone(pid) for pid in workers)


def test_no_worker_outlives_its_supervisor(start: Start) -> None:
    gateway = start("--workers", "2")
    workers = gateway.workers()
    assert len(workers) == 2
    gateway.signal(signal.SIGKILL)
    wait_until(lambda: all(gone(pid) for pid in workers), "the workers' end")


def test_a_sampled_log_has_every_refusal(start: Start) -> None:
    gateway = start("--access-log-sample", "0%")
    assert [get(gateway.port, path).status for path in ("/open/x", "/nowhere", "/open/y", "/keyed/x")] == [
        200,
        404,
        200,
        401,
    ]
    gateway.stop()
    assert sorted(line["status"] for line in gateway.logged()) == [401, 404]


def test_the_log_on_stdout_and_off(start: Start, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        gateway = start("--access-log", "-", stdout=out.fileno())
        get(gateway.port, "/open/x")
        assert gateway.stop() == 0
    (line,) = (tmp_path / "out").read_text().splitlines()
    assert json.loads(line)["path"] == "/open/x"
    gateway = start("--access-log", "off")
    get(gateway.port, "/open/x")
    gateway.stop()
    assert len((tmp_path / "out").read_text().splitlines()) == 1


def test_a_port_in_use(tmp_path: Path) -> None:
    conftest.write(tmp_path, 1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for option in ("--port", "--admin-port"):
            done = run(tmp_path, option, port, "--workers", "2")
            assert done.returncode == 1
            assert f"port {port} on 127.0.0.1 is in use by another program" in done.stderr
            assert option in done.stderr.splitlines()[-1]
            assert "Traceback" not in done.stderr


def test_what_cannot_be_served_is_said_with_its_place(tmp_path: Path) -> None:
    conftest.write(tmp_path, 1)
    done = run(tmp_path, "--stage", "nowhere")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert 'there is no stage "nowhere"' in done.stderr
    (tmp_path / "keys.yaml").write_text("alice: {sha256: nonsense}\n")
    done = run(tmp_path)
    assert done.returncode == 1
    assert "keys.yaml:1:17" in done.stderr
    (tmp_path / "keys.yaml").unlink()
    assert "cannot read keys.yaml" in run(tmp_path).stderr
    (tmp_path / "keys.yaml").write_text(conftest.KEYS)
    done = run(tmp_path, "--access-log", str(tmp_path / "no" / "where"))
    assert (done.returncode, "cannot write the access log" in done.stderr) == (1, True)
    assert run(tmp_path, "--spec", "spec.yaml", "--stage", "x").returncode == 2
    assert run(tmp_path, "--released").returncode == 2


def test_a_bare_specification_is_mocked_and_open(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(conftest.SPEC)
    gateway = Gateway(tmp_path, "--spec", "spec.yaml").ready()
    try:
        answer = get(gateway.port, "/keyed/x")
        assert (answer.status, answer.header("X-Apigw-Operation")) == (200, "readKeyed")
        assert json.loads(get(gateway.port, "/mocked").body) == {"mock": True}
    finally:
        gateway.stop()


def test_mock_replaces_upstreams_and_keeps_policies(start: Start) -> None:
    gateway = start("--mock")
    answer = get(gateway.port, "/open/x")
    assert (answer.status, answer.header("X-Apigw-Operation")) == (200, "readOpen")
    assert get(gateway.port, "/keyed/x").status == 401
    assert get(gateway.port, "/keyed/x", "X-Api-Key: demo-alice").status == 200
    assert [get(gateway.port, "/limited").status for _ in range(21)][-1] == 429


def test_what_is_released_to_a_stage_is_served_and_followed(tmp_path: Path) -> None:
    def deploy() -> None:
        command = [sys.executable, "-m", "apigw_cli.cli.app", "deploy", "default", "--yes"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=PATIENCE)

    conftest.write(tmp_path, 1)
    deploy()
    gateway = Gateway(tmp_path, "--stage", "default", "--released").ready()
    try:
        assert "stage default (released)" in gateway.lines[0]
        (tmp_path / "spec.yaml").write_text(conftest.SPEC.replace("/mocked", "/renamed"))
        assert get(gateway.port, "/mocked").status == 200
        deploy()
        gateway.line("readMocked GET /mocked → GET /renamed")
        assert get(gateway.port, "/renamed").status == 200
    finally:
        gateway.stop()


def test_the_sample_with_its_upstream(tmp_path: Path) -> None:
    from apigw_cli.sample import copy_sample

    copy_sample(tmp_path)
    port = free_port()
    qa = tmp_path / "stages" / "qa.yaml"
    qa.write_text(qa.read_text().replace("9001", str(port)))
    gateway = Gateway(tmp_path, "--upstream", "--workers", "2").ready()
    try:
        request = b"GET /v1/pets HTTP/1.1\r\nHost: api.petshop.localhost\r\nX-Api-Key: demo-alice\r\n\r\n"
        with Wire(gateway.port) as wire:
            answer = wire.send(request).answer()
        assert answer.status == 200
        assert isinstance(json.loads(answer.body), list)
        gateway.signal(signal.SIGKILL)
        gateway.process.wait()

        def upstream_is_gone() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) != 0

        wait_until(upstream_is_gone, "the sample upstream's end")
    finally:
        gateway.stop()
