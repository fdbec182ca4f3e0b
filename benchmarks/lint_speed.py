#!/usr/bin/env python3
"""Time `apigw lint` on any specification: wall clock, CPU and peak memory of a whole process, start-up included.

    python benchmarks/lint_speed.py openapi.yaml other.json
    python benchmarks/lint_speed.py --rounds 5 --scale 1 2 4 8 openapi.yaml
    npm install --prefix PEERS @stoplight/spectral-cli @redocly/cli
    python benchmarks/lint_speed.py --ruleset spectral:oas --peers PEERS/node_modules openapi.yaml
    python benchmarks/lint_speed.py --workers 1 2 openapi.yaml other.json third.yaml

The median of the rounds is printed. With --scale, the paths of the document are copied so many times, under other
names, to show how the cost grows with the size of the file. With --cached, the file was linted before. With --peers,
Redocly and Spectral lint the same file in turn with apigw, with the rules that they recommend, and `x` is how much
more CPU they took; of a file that takes them minutes --peer-rounds 1 is enough. With --workers, all files are linted
by one command in so many processes.

One run that is not counted comes first: it leaves Python's compiled modules, as an installation has them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.openapi.document import parse

_OURS = (sys.executable, "-m", "apigw_cli.cli.app", "lint", "-q", "--format", "json")
_SPECTRAL = "extends: [[spectral:oas, recommended]]\n"
# The modules of an installation are compiled; and no peer is to spend time on its own network calls.
_SURROUNDINGS = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@dataclass
class Run:
    wall: float
    cpu: float
    peak_mib: float
    findings: int


def measure(command: Sequence[str]) -> Run:
    """One run of a command in a process of its own, by way of a child that reports only on it."""
    around = {**os.environ, **_SURROUNDINGS}
    around.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run([sys.executable, __file__, "--child", *command], env=around, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return Run(*json.loads(done.stdout))


def child(command: list[str]) -> None:
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True)
    wall = time.perf_counter() - began
    if done.returncode not in (0, 1, 4) or not done.stdout:
        sys.exit(done.stderr.decode() or f"{command[0]} printed nothing")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    print(json.dumps((wall, used.ru_utime + used.ru_stime, used.ru_maxrss / unit, _count(done.stdout))))


def _count(printed: bytes) -> int:
    """How many findings a report in JSON has: ours and Spectral's are lists, Redocly's has a list of problems."""
    start = min((at for at in (printed.find(b"["), printed.find(b"{")) if at >= 0), default=-1)
    if start < 0:
        return 0  # Spectral's "No results"
    report, _ = json.JSONDecoder().raw_decode(printed[start:].decode())
    return len(report["problems"] if isinstance(report, dict) else report)


def ours(ruleset: str, *files: Path, cached: bool = False, workers: int = 1) -> list[str]:
    cache = "--cache" if cached else "--no-cache"
    return [*_OURS, cache, "--ruleset", ruleset, "--workers", str(workers), *map(str, files)]


def peers(modules: Path, folder: Path, file: Path) -> dict[str, list[str]]:
    """The commands of the peers."""
    ruleset = folder / "spectral.yaml"
    ruleset.write_text(_SPECTRAL)
    commands = modules.absolute() / ".bin"
    return {
        "redocly": [str(commands / "redocly"), "lint", "--format", "json", "--max-problems", "100000", str(file)],
        "spectral": [str(commands / "spectral"), "lint", "-q", "-f", "json", "-r", str(ruleset), str(file)],
    }


def scaled(file: Path, factor: int, folder: Path) -> Path:
    """A copy of the document with its paths `factor` times."""
    data = parse(file.read_text("utf-8"), str(file))
    data["paths"] = {f"/copy{i}{path}": item for i in range(factor) for path, item in data["paths"].items()}
    copy = folder / f"{file.stem}-x{factor}.json"
    copy.write_text(json.dumps(data, indent=1), "utf-8")
    return copy


def show(name: str, size: int, runs: list[Run], base: float = 0.0) -> float:
    """One line, with the medians; the CPU seconds."""
    middle = statistics.median
    cpu = middle(run.cpu for run in runs)
    times = f"  x {cpu / base:6.2f}" if base else ""
    print(
        f"{name:32} {size / 1e6:6.1f} MB  wall {middle(r.wall for r in runs):6.2f} s  cpu {cpu:6.2f} s  "
        f"peak {middle(r.peak_mib for r in runs):4.0f} MiB  {runs[0].findings:6,} findings{times}",
        flush=True,
    )
    return cpu


def report(file: Path, rounds: int, ruleset: str, cached: bool = False) -> None:
    command = ours(ruleset, file, cached=cached)
    measure(command)  # and fills the cache
    show(file.name, file.stat().st_size, [measure(command) for _ in range(rounds)])


def race(file: Path, rounds: int, peer_rounds: int, ruleset: str, modules: Path) -> None:
    """apigw and its peers in turn, so that what else the machine does hits all of them."""
    size = file.stat().st_size
    mine = ours(ruleset, file)
    measure(mine)
    with tempfile.TemporaryDirectory() as folder:
        commands = peers(modules, Path(folder), file)
        runs: dict[str, list[Run]] = {name: [] for name in ("apigw", *commands)}
        for number in range(max(rounds, peer_rounds)):
            if number < rounds:
                runs["apigw"].append(measure(mine))
            for name, command in commands.items() if number < peer_rounds else ():
                runs[name].append(measure(command))
    base = show(file.name, size, runs["apigw"])
    for name in commands:
        show(f"  {name}", size, runs[name], base)


def parallel(files: list[Path], rounds: int, ruleset: str, counts: list[int]) -> None:
    """All files by one command, with so many workers, in turn."""
    runs: dict[int, list[Run]] = {count: [] for count in counts}
    for number in range(rounds + 1):
        for count in counts:
            run = measure(ours(ruleset, *files, workers=count))
            if number:
                runs[count].append(run)
    for count in counts:
        show(f"{len(files)} files, --workers {count}", sum(file.stat().st_size for file in files), runs[count])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("files", nargs="+", type=Path)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--ruleset", default="apigw:recommended")
    options.add_argument("--cached", action="store_true", help="take the findings from the cache")
    options.add_argument("--scale", nargs="+", type=int, default=[])
    options.add_argument("--workers", nargs="+", type=int, default=[])
    options.add_argument("--peers", type=Path, metavar="NODE_MODULES", help="race Redocly and Spectral")
    options.add_argument("--peer-rounds", type=int, help="how often they run; default: as often as apigw")
    given = options.parse_args()
    if given.workers:
        parallel(given.files, given.rounds, given.ruleset, given.workers)
        return
    for file in given.files:
        if given.peers:
            race(file, given.rounds, given.peer_rounds or given.rounds, given.ruleset, given.peers)
        elif not given.scale:
            report(file, given.rounds, given.ruleset, given.cached)
        with tempfile.TemporaryDirectory() as folder:
            for factor in given.scale:
                report(scaled(file, factor, Path(folder)), given.rounds, given.ruleset)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2:])
    else:
        main()
