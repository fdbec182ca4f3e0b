#!/usr/bin/env python3
"""Time `apigw lint` on any specification: wall clock, CPU and peak memory of a whole process, start-up included.

    python benchmarks/lint_speed.py openapi.yaml other.json
    python benchmarks/lint_speed.py --rounds 5 --scale 1 2 4 8 openapi.yaml

The median of the rounds is printed. With --scale, the paths of the document are copied so many times, under other
names, to show how the cost grows with the size of the file. With --cached, the file was linted before.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.openapi.document import parse


@dataclass
class Run:
    wall: float
    cpu: float
    peak_mib: float
    findings: int


def measure(file: Path, ruleset: str, cached: bool) -> Run:
    """One run of the command in a process of its own, by way of a child that reports only on it."""
    child = [sys.executable, __file__, "--child", ruleset, str(file), "--cache" if cached else "--no-cache"]
    wall, cpu, peak, findings = json.loads(subprocess.run(child, check=True, capture_output=True).stdout)
    return Run(wall, cpu, peak, findings)


def child(ruleset: str, file: str, cache: str) -> None:
    command = [sys.executable, "-m", "apigw_cli.cli.app", "lint", cache, "-q", "--format", "json"]
    command += ["--ruleset", ruleset, file]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True)
    wall = time.perf_counter() - began
    if done.returncode not in (0, 4):
        sys.exit(done.stderr.decode())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    result = (wall, used.ru_utime + used.ru_stime, used.ru_maxrss / unit, len(json.loads(done.stdout)))
    print(json.dumps(result))


def scaled(file: Path, factor: int, folder: Path) -> Path:
    """A copy of the document with its paths `factor` times."""
    data = parse(file.read_text("utf-8"), str(file))
    data["paths"] = {f"/copy{i}{path}": item for i in range(factor) for path, item in data["paths"].items()}
    copy = folder / f"{file.stem}-x{factor}.json"
    copy.write_text(json.dumps(data, indent=1), "utf-8")
    return copy


def report(file: Path, rounds: int, ruleset: str, cached: bool = False) -> None:
    if cached:
        measure(file, ruleset, cached)  # fills it
    runs = [measure(file, ruleset, cached) for _ in range(rounds)]
    middle = statistics.median
    print(
        f"{file.name:32} {file.stat().st_size / 1e6:6.1f} MB  wall {middle(r.wall for r in runs):5.2f} s  "
        f"cpu {middle(r.cpu for r in runs):5.2f} s  peak {middle(r.peak_mib for r in runs):4.0f} MiB  "
        f"{runs[0].findings:6,} findings",
        flush=True,
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("files", nargs="+", type=Path)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--ruleset", default="apigw:recommended")
    options.add_argument("--cached", action="store_true", help="take the findings from the cache")
    options.add_argument("--scale", nargs="+", type=int, default=[])
    given = options.parse_args()
    for file in given.files:
        if not given.scale:
            report(file, given.rounds, given.ruleset, given.cached)
        with tempfile.TemporaryDirectory() as folder:
            for factor in given.scale:
                report(scaled(file, factor, Path(folder)), given.rounds, given.ruleset)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:5])
    else:
        main()
