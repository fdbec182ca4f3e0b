"""`--check-upstreams`: whether something listens where stages send requests. No other rule uses the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from apigw_cli.lint.model import ERROR, On, PlacedHit, Rule

SECONDS = 2.0  # for each target; all are asked at once, 32 at a time
_AT_ONCE = 32


def unreachable(stage: Any) -> Iterator[PlacedHit]:
    """The targets of a stage to which no TCP connection can be made."""
    snapshot = stage.compiled.snapshot
    wanted = [(name, target) for name, upstream in snapshot.upstreams.items() for target in upstream.targets]
    if not wanted:
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(_AT_ONCE, len(wanted))) as pool:
        problems = list(pool.map(lambda pair: why_not(pair[1]), wanted))
    for (name, target), problem in zip(wanted, problems, strict=True):
        if problem:
            message = f"stage {snapshot.stage}: {target} cannot be reached: {problem}"
            yield PlacedHit(stage.place("upstreams", name, "targets"), message)


def why_not(target: str) -> str | None:
    """Why no connection to a base URL can be made; None if it can."""
    import socket

    url = urlsplit(target)
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
        with socket.create_connection((url.hostname or "", port), timeout=SECONDS):
            return None
    except TimeoutError:
        return f"no answer within {SECONDS:g} s"
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)


UNREACHABLE = Rule(
    "gateway-upstream-unreachable",
    "",
    "Every target of an upstream takes connections (only with --check-upstreams).",
    "A gateway whose upstream is away answers 502 and 504.",
    "Start the upstream, or mend the address in the stage file.",
    unreachable,
    On.GATEWAY,
    ERROR,
    recommended=False,
    family="apigw:network",
)
