"""Both stores behind one name, for tests that hold for either."""

from __future__ import annotations

import sys

import pytest

from apigw_cli.limits.store import MemoryStore, SharedStore

AnyStore = MemoryStore | SharedStore

KINDS = [
    pytest.param(MemoryStore, id="memory"),
    pytest.param(
        SharedStore.create,
        id="shared",
        marks=pytest.mark.skipif(sys.platform == "win32", reason="no record locks on Windows"),
    ),
]
