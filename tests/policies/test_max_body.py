"""`max_body`: how it is judged and said; what it does is seen on the wire (tests/gateway)."""

from __future__ import annotations

import pytest

from apigw_cli.policies.interface import Change
from apigw_cli.policies.registry import BY_NAME

POLICY = BY_NAME["max_body"]


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (None, 5, Change.STRENGTHEN),
        (5, None, Change.WEAKEN),
        (5, 6, Change.WEAKEN),
        (6, 5, Change.STRENGTHEN),
        (5, 5, Change.NEUTRAL),
    ],
)
def test_compare(old: int | None, new: int | None, change: Change) -> None:
    assert POLICY.compare(old, new) is change


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (1500, "1500 bytes"), (65536, "64 KiB"), (1 << 30, "1 GiB")]
)
def test_words(size: int, text: str) -> None:
    assert POLICY.describe(size) == f"bodies to {text}"
