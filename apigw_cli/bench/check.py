"""What a proof consists of: checks with a verdict, words and the window that decides."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from apigw_cli.bench.admission import SECOND, Window

PASS, FAIL, INCONCLUSIVE, NOT_APPLICABLE = "pass", "fail", "inconclusive", "n/a"


class Example(msgspec.Struct, frozen=True):
    """A window of the run, in seconds from its beginning: `admitted` requests, where `bound` may (or must) be."""

    start_s: float
    end_s: float
    admitted: int
    bound: float

    @classmethod
    def of(cls, window: Window) -> Example:
        return cls(window.start / SECOND, window.end / SECOND, window.count, float(window.bound))


class Check(msgspec.Struct, frozen=True):
    """One check; `window` is the tightest one, or the counter-example."""

    name: str
    verdict: str
    detail: str
    window: Example | None = None


def verdict_of(checks: Iterable[Check]) -> str:
    """What the checks come to: one that fails decides, then one that is inconclusive."""
    verdicts = {check.verdict for check in checks}
    return FAIL if FAIL in verdicts else INCONCLUSIVE if INCONCLUSIVE in verdicts else PASS
