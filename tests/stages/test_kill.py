"""SIGKILL at every system call of a change: what is left is the old state or the new one, never a third."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills and forks as POSIX has them")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def kills(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("kills")
    done = subprocess.run(
        [sys.executable, "-m", "tests.stages.killer", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    first, *rest = (json.loads(line) for line in done.stdout.splitlines())
    return first, rest


def states(digests: dict[str, str]) -> list[tuple[dict[str, str], int]]:
    """The states that may be: nothing, the old release with its two lines, the new one with two more or only two."""
    old, new = ({"qa": digest, "prod": digest} for digest in (digests["old"], digests["new"]))
    return [({}, 0), (old, 2), (new, 2), (new, 4)]


def test_never_a_third_state(kills: tuple[dict[str, str], list[dict[str, Any]]]) -> None:
    digests, left = kills
    for kill in left:
        assert (kill["settled"], kill["lines"]) in states(digests), kill
        assert kill["leftovers"] == [] and kill["broken"] is None and kill["verified"], kill


def test_a_reader_sees_it_before_anybody_repairs(kills: tuple[dict[str, str], list[dict[str, Any]]]) -> None:
    for kill in kills[1]:
        assert (kill["seen"], kill["seen_lines"]) == (kill["settled"], kill["lines"]), kill


def test_every_step_was_hit_and_both_outcomes_seen(kills: tuple[dict[str, str], list[dict[str, Any]]]) -> None:
    digests, left = kills
    calls = {kill["call"].split(" ")[0] for kill in left if not kill["finished"]}
    assert calls >= {"open", "write", "fsync", "replace", "ftruncate", "unlink"}
    outcomes = {(tuple(sorted(kill["settled"].values())), kill["lines"]) for kill in left if not kill["finished"]}
    old, new = (digests["old"],) * 2, (digests["new"],) * 2
    assert outcomes == {((), 0), (old, 2), (new, 2), (new, 4)}
    assert len(left) > 100
    assert sum(kill["finished"] for kill in left) == 6
