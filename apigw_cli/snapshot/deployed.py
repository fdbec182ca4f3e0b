"""What is deployed to a stage, as it is handed to a gateway: the release compiled, and the canary beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from apigw_cli.snapshot.compiler import Compiled


@dataclass(frozen=True, slots=True)
class Beside:
    """A release that gets `percent` of the requests. `by` says what decides, `began` names the canary."""

    release: str
    compiled: Compiled
    percent: float
    by: str
    began: int


@dataclass(frozen=True, slots=True)
class Deployed:
    """`files` say what is deployed: when one changes, that may be something else. `generation` counts changes."""

    release: str
    generation: int
    compiled: Compiled
    files: tuple[Path, ...]
    canary: Beside | None = None
