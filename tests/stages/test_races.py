"""Several people promote at once, in processes of their own: one wins, the others are told to plan again (exit 5)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.stages.conftest import Apigw, Shop

ROOT = Path(__file__).parents[2]


@contextmanager
def racer(shop: Shop) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.stages.racer"],
        cwd=shop.root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_of_several_with_the_same_plan_one_wins(shop: Shop) -> None:
    with ExitStack() as stack:
        racers = [stack.enter_context(racer(shop)) for _ in range(3)]
        assert [hear(process) for process in racers] == ["planned"] * 3
        for process in racers:
            say(process, "go")
        codes = sorted(process.wait(30) for process in racers)
    assert codes == [0, 5, 5]
    assert [line["action"] for line in shop.audit] == ["deploy", "promote"]


def test_while_one_holds_the_lock_another_is_told_who(shop: Shop, apigw: Apigw) -> None:
    with racer(shop) as holder:
        assert hear(holder) == "planned"
        say(holder, "hold")
        assert hear(holder) == "holding"
        refused = apigw("promote", "qa", "prod", "--yes")
        assert refused.code == 5
        assert f"process {holder.pid}" in refused.err and "promote qa prod" in refused.err
        assert shop.pointers == {}
        say(holder, "go")
        assert holder.wait(30) == 0
    assert apigw("promote", "qa", "prod", "--yes").code == 0
    assert [line["action"] for line in shop.audit] == ["deploy", "promote"]


def test_the_lock_goes_with_a_killed_holder(shop: Shop, apigw: Apigw) -> None:
    with racer(shop) as holder:
        assert hear(holder) == "planned"
        say(holder, "hold")
        assert hear(holder) == "holding"
        holder.kill()
        holder.wait(30)
    assert apigw("promote", "qa", "prod", "--yes").code == 0
    assert [line["action"] for line in shop.audit] == ["deploy", "promote"]
