"""What a route's cache does: its policy, ready to be gone by. Seconds and bytes."""

from __future__ import annotations

from dataclasses import dataclass

GRACE = 60.0  # seconds; RFC 9111, section 4.2.4: who is cut off from the origin may use what is stale


@dataclass(frozen=True, slots=True)
class Rules:
    """`ttl` None: what the answers themselves say (RFC 9111); else every answer is fresh for so long.

    `stale_error` None: `GRACE`, for what was fresh at all. `per_caller`: each caller has answers of their own.
    `client`: requests' directives count. `budget`: of a worker.
    """

    ttl: float | None = None
    max_object: int = 1 << 20
    heuristic: bool = True
    stale_revalidate: float = 0
    stale_error: float | None = 0
    per_caller: bool = False
    client: bool = True
    collapse: float = 5
