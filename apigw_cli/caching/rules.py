"""What a route's cache does: its policy, ready to be gone by. Seconds and bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """`ttl` None: what the answers themselves say (RFC 9111); else every answer is fresh for so long.

    `per_caller`: each caller has answers of their own. `client`: requests' directives count. `budget`: of a worker.
    """

    ttl: float | None = None
    max_object: int = 1 << 20
    heuristic: bool = True
    stale_revalidate: float = 0
    stale_error: float = 0
    per_caller: bool = False
    client: bool = True
    collapse: float = 5
