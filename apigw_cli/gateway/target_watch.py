"""Lines about targets that go out and come back: once for a gateway, however many workers it has."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

SECONDS = 0.25  # between two looks


class TargetWatch:
    """Compares what the workers together say of each target with what they said before."""

    def __init__(self) -> None:
        self._out: dict[tuple[str, str], float] = {}  # since when

    def look(self, upstreams: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
        """What is to be said now. `upstreams`: as the admin port shows them."""
        lines = []
        seen = set()
        for name, targets in upstreams.items():
            left = sum(target["why"] is None for target in targets)
            for target in targets:
                key = (name, target["target"])
                seen.add(key)
                line = self._line(key, target["why"], f"{left} of {len(targets)}")
                if line:
                    lines.append(line)
        for key in self._out.keys() - seen:
            del self._out[key]
        return lines

    def _line(self, key: tuple[str, str], why: str | None, left: str) -> str | None:
        upstream, url = key
        if why is not None and key not in self._out:
            self._out[key] = time.monotonic()
            return f"upstream {upstream}  {url} is out: {why}   {left} targets left"
        if why is None and key in self._out:
            seconds = time.monotonic() - self._out.pop(key)
            return f"upstream {upstream}  {url} is back after {seconds:.0f} s   {left} targets in use"
        return None
