"""Promotes as soon as its input says so: `python -m tests.stages.racer`, in a project's folder.

Prints "planned" when the plan is made, then waits for a line; with "hold" it stops again while it has the lock.
"""

from __future__ import annotations

import sys
from pathlib import Path

from apigw_cli.errors import ApigwError
from apigw_cli.stages import durable, planning, promotion
from apigw_cli.stages.planning import PromoteOptions


def main() -> int:
    plan = planning.plan(PromoteOptions("qa", "prod"))
    print("planned", flush=True)
    if sys.stdin.readline() == "hold\n":
        _hold()
    try:
        promotion.apply(plan)
    except ApigwError as error:
        print(error.message, flush=True)
        return error.exit_code
    return 0


def _hold() -> None:
    really = durable.replace

    def replace(path: Path, data: bytes) -> None:
        if path.name == "intent.json":
            print("holding", flush=True)
            sys.stdin.readline()
        really(path, data)

    durable.replace = replace


if __name__ == "__main__":
    sys.exit(main())
