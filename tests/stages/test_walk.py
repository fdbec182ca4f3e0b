"""docs/stages.md says what really happens: its walk-through is run, from a blocked weakening to a canary and back."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.stages.walk import DOCUMENT, Step, steps, walked

pytestmark = pytest.mark.skipif(os.name == "nt", reason="several workers, and sed")

# What differs from run to run, and what every addition to the sample would change.
_VARYING = (
    (r"\b[0-9a-f]{7}\b", "RELEASE"),
    (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]+Z", "TIME"),
    (r"\w+@[\w.-]+", "WHO"),
    (r"\(http://127\.0\.0\.1:[0-9]+\)", "(ADMIN)"),
    (r"just now|[0-9]+ min ago", "AGE"),
    (r":[0-9]+:[0-9]+", ":PLACE"),
    (r"[0-9]+ (safe changes?|routes|more)", r"N \1"),
    (r" +", " "),
)


def plain(step: Step) -> list[str]:
    """What is the same in every run: the figures of a load are not."""
    text = step.out
    if step.command.startswith(("apigw bench", "apigw canary")):
        return []
    for pattern, word in _VARYING:
        text = re.sub(pattern, word, text)
    lines = [line.rstrip() for line in text.splitlines()]
    # Releases of one second have no order.
    return sorted(lines) if step.command.startswith("apigw releases") else lines


def test_the_walk_through(tmp_path: Path) -> None:
    said = steps(DOCUMENT.read_text())
    assert {"diff", "deploy", "promote", "canary", "rollback", "history", "verify"} <= {
        step.command.split()[1] for step in said if step.command.startswith("apigw")
    }
    assert 4 in {step.code for step in said}
    for shown, real in zip(said, walked(tmp_path, said), strict=True):
        assert (real.code, plain(real)) == (shown.code, plain(shown)), real.command
