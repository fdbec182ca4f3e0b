"""How long a specification takes to load with `validate` on, and what memory that takes, step by step (Linux).

python benchmarks/validation_load.py SPECIFICATION

CPU seconds, and by how much the process's resident memory grows.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from apigw_cli.config.project import load
from apigw_cli.limits.store import NoStore
from apigw_cli.policies.interface import Runtime
from apigw_cli.policies.plan import filters, steps
from apigw_cli.policies.registry import POLICIES
from apigw_cli.policies.validation.operation import find
from apigw_cli.snapshot.compiler import compile_project
from apigw_cli.snapshot.model import Snapshot

CONFIG = """\
version: 1
apis:
  one: {{spec: {spec}, mock: true, security: "off", defaults: {{validate: {{request: enforce, response: {level}}}}}}}
"""


def resident() -> float:
    """MiB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measured(what: str, work: Callable[[], object]) -> object:
    """What the work makes, which has to live on to be counted."""
    before, begun = resident(), time.process_time()
    made = work()
    print(f"{what:20} {time.process_time() - begun:6.2f} s  +{resident() - before:4.0f} MiB")
    return made


def snapshot(spec: Path, level: str) -> Snapshot:
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "apigw.yaml"
        written.write_text(CONFIG.format(spec=spec, level=level))
        return compile_project(load(written), None, POLICIES).snapshot


def main() -> None:
    spec = Path(sys.argv[1]).resolve()
    compiled = {level: snapshot(spec, level) for level in ("report", "enforce")}
    routes = compiled["report"].routes
    runtime = Runtime(compiled["report"], time.monotonic_ns, NoStore())
    print(f"{len(routes)} routes")
    kept = [measured("documents", lambda: find(routes[0], runtime))]
    kept.append(measured("requests", lambda: [steps(one, runtime) for one in routes]))
    for level, one in compiled.items():
        made = measured(f"answers, {level}", lambda one=one: [filters(route, runtime) for route in one.routes])  # type: ignore[misc]
        kept.append(made)


if __name__ == "__main__":
    main()
