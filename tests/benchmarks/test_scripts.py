"""The benchmarks still run, and say what they are there to say. The figures themselves mean nothing here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks read /proc"),
    pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="the benchmarks pin programs to two CPUs"),
]


def run(script: str, *options: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A script's run with --json; `path` is where it finds programs, in place of the PATH."""
    command = [sys.executable, str(BENCHMARKS / script), "--json", *options]
    env = os.environ | ({"PATH": str(path)} if path else {})
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=env)


def figures(script: str, *options: str, codes: tuple[int, ...] = (0,)) -> Any:
    """What a script writes with --json."""
    done = run(script, *options)
    assert done.returncode in codes, done.stdout + done.stderr
    return json.loads(done.stdout)


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def test_race_of_gateways() -> None:
    need("nginx", "wrk", "taskset")
    found = figures("gateway_race.py", "--only", "full", "routes", "ceiling", "--rounds", "1", "--seconds", "1")
    assert list(found["rounds"]) == ["full", "routes", "ceiling"]
    for (turn,) in found["rounds"].values():
        assert turn["failed"] == 0
        assert turn["rate"] > 0 < turn["p99_ms"]
        assert 1 < turn["cpu_us"] < 10_000
    assert found["marks"] == []  # each mark is a ratio of two, of which one does not run here


def test_race_at_a_fixed_rate_without_one_that_is_not_installed(tmp_path: Path) -> None:
    programs = ("nginx", "wrk", "taskset", "h2load")
    need(*programs)
    for program in programs:
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    options = ["--only", "caddy", "limit", "--rounds", "1", "--seconds", "1", "--fixed-rate", "300"]
    done = run("gateway_race.py", *options, "--connections", "4", path=tmp_path)
    assert done.stderr == "caddy: not installed, left out\n"
    found = json.loads(done.stdout)
    assert list(found["rounds"]) == ["limit"]
    (turn,) = found["rounds"]["limit"]
    assert turn["failed"] == 0
    assert 100 < turn["rate"] < 400
    assert turn["p99_ms"] > 0


def test_parallelism() -> None:
    need("wrk", "nice")
    options = ("--rounds", "1", "--seconds", "1", "--spread", "2", "8", "--times", "3")
    found = figures("parallelism.py", *options)
    (turn,) = found["rounds"]
    assert turn["one"]["rate"] > 0 < turn["two"]["rate"]
    assert turn["one"]["busiest"] == 1
    assert 0.5 <= turn["two"]["busiest"] <= 1
    assert found["speed_up"] > 0 < found["by_cpu"]
    assert found["machine"] == turn["machine"] > 0.5
    assert {number: len(shares) for number, shares in found["spread"].items()} == {"2": 3, "8": 3}
    assert all(0.5 <= share <= 1 for shares in found["spread"].values() for share in shares)


def test_memory_idle_and_while_bodies_stream() -> None:
    """The marks hold for small bodies too, so that here even the verdict counts."""
    found = figures("streaming.py", "--mib", "24", "--stall", "0.05")
    assert len(found["idle"]) == 2
    assert all(5 < one["pss"] <= one["rss"] < 60 for one in found["idle"])
    rows = {(row["direction"], row["framing"], row["stall"] > 0) for row in found["streamed"]}
    assert len(rows) == len(found["streamed"]) == 8
    # What was resident before may have been given back: a little below nothing is no growth either.
    assert all(-16 < row["growth_mib"] < 16 and row["met"] for row in found["streamed"])


def test_soak() -> None:
    """Whether memory is flat is not to be told in seconds: that part of the verdict is left to the long run."""
    found = figures("soak.py", "--reloads", "2", "--minutes", "0.11", "--fault-every", "1", codes=(0, 4))
    assert found["exit_code"] == 0
    assert found["reloads"]["failures"] == {}
    assert found["reloads"]["requests"] > 2
    soak = found["soak"]
    assert soak["failures"] == {}
    assert {"worker", "reload", "target", "api", "revive"} <= soak["faults"].keys()
    assert {"kept 200", "fresh 200", "sockets 101", "malformed 400", "unknown 404"} <= soak["came_back"].keys()
    assert [row["process"] for row in soak["growth"]] == ["supervisor", "oldest worker"]
    assert all(row["to_mib"] > 5 and row["to_descriptors"] > 5 for row in soak["growth"])


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmarks' modules can be imported."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize(
    ("mib_a_second", "descriptors_a_second", "flat"),
    [(0, 0, True), (0.01, 0.01, True), (0.1, 0, False), (0, 0.2, False), (-1, -1, True)],
)
def test_what_the_soak_calls_growth(mib_a_second: float, descriptors_a_second: float, flat: bool) -> None:
    from soak import fitted

    noise = [0.0, 1.5, -1.5, 0.5] * 25
    samples = [
        (float(at), 150 + at * mib_a_second + noise[at], int(200 + at * descriptors_a_second + noise[at]))
        for at in range(100)
    ]
    samples[:10] = [(float(at), 10.0, 5) for at in range(10)]  # what comes while it warms up does not count
    assert fitted("worker", samples)["flat"] is flat


@pytest.mark.usefixtures("scripts")
def test_what_the_soak_calls_a_failure() -> None:
    from traffic import Load

    fault: list[int | None] = [None]
    load = Load(1, lambda kind: fault[0])
    for kind, status in (("kept", 200), ("limited", 429), ("unknown", 404), ("malformed", 400), ("sockets", 101)):
        load.came(kind, status)
    assert not load.failures
    load.came("kept", 502)
    load.came("post", 502)
    load.broke("fresh", ConnectionResetError())
    load.broke("kept", TimeoutError())
    assert load.failures.total() == 4
    fault[0] = 1
    load.came("post", 502)
    load.broke("fresh", ConnectionResetError())
    assert load.failures.total() == 4
    load.broke("fresh", ConnectionResetError())  # again by the same fault
    load.came("kept", 502)
    load.broke("kept", TimeoutError())  # to hang is no fault's
    assert load.failures.total() == 7
    fault[0] = 2
    load.broke("fresh", ConnectionResetError())
    assert load.failures.total() == 7


def test_the_data_path_is_measured() -> None:
    variants = ["bare", "all", "put_validate_both"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "data_path.py"), *variants, "--rounds", "1"],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == variants


def test_hostile_bodies() -> None:
    found = figures("hostile_bodies.py", "--rounds", "1")
    assert len(found) == 13 and all(taken > 0 for taken in found.values())
