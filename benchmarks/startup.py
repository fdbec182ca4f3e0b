"""How long apigw takes to answer: help, linting a large specification, and a mock gateway that listens.

    python benchmarks/startup.py [SPECIFICATION …]          medians of 5 runs; needs only apigw

CPU is user and system time of the process and all that it started and waited for; listening is wall time from the
start of the command until a request is answered.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

APIGW = [sys.executable, "-m", "apigw_cli.cli.app"]


def cpu_and_wall(*arguments: str) -> tuple[float, float]:
    """Seconds of CPU and of wall time of one command."""
    before, began = os.times(), time.perf_counter()
    subprocess.run([*APIGW, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu, time.perf_counter() - began


def until_it_answers(spec: Path) -> float:
    """Seconds from the start of `apigw serve --mock` until an answer of its own comes back."""
    began = time.perf_counter()
    command = [*APIGW, "serve", "--spec", str(spec), "--port", "0", "--admin-port", "0", "--access-log", "off"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        assert process.stderr is not None
        url = next(
            found[1] for line in process.stderr if (found := re.match(r"\s+api\s+http\s+(http://\S+?:\d+)", line))
        )
        try:
            urllib.request.urlopen(f"{url}/no-such-path", timeout=5).close()
        except urllib.error.HTTPError as answer:
            answer.close()
        return time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("specifications", nargs="*", type=Path)
    cli.add_argument("--runs", type=int, default=5)
    args = cli.parse_args()
    cpu_and_wall("--help")  # warm-up
    runs = [cpu_and_wall("--help") for _ in range(args.runs)]
    print(f"{'apigw --help':34} {statistics.median(cpu for cpu, _ in runs):6.2f} s CPU")
    for spec in args.specifications:
        runs = [cpu_and_wall("lint", "--no-cache", "-q", str(spec)) for _ in range(args.runs)]
        print(f"{'lint ' + spec.name:34} {statistics.median(cpu for cpu, _ in runs):6.2f} s CPU", end="")
        print(f" {statistics.median(wall for _, wall in runs):6.2f} s wall")
        listening = statistics.median(until_it_answers(spec) for _ in range(args.runs))
        print(f"{'serve --mock ' + spec.name:34} {'':12} {listening:6.2f} s until it answers")


if __name__ == "__main__":
    main()
