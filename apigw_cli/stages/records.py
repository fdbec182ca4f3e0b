"""What stands in the files under `.apigw/`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FORMAT = 1
FIRST = "0" * 64  # what the first line of the audit log names as the line before it


class Pointer(msgspec.Struct, frozen=True):
    """What a stage runs: a release and the stage file's content, recorded together.

    `generation` is that of the change which set it; a plan made against an older one is stale.
    """

    release: str
    stage_file: dict[str, Any]
    generation: int
    time: str
    who: str


class State(msgspec.Struct, frozen=True):
    """`stages.json`: what each stage points at. `generation` counts changes."""

    format: int = FORMAT
    generation: int = 0
    stages: dict[str, Pointer] = {}

    def encode(self) -> bytes:
        """Indented and ordered, for it is committed and reviewed."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=2) + b"\n"


class Accepted(msgspec.Struct, frozen=True):
    """A finding that would have stopped a promotion, and why a person let it pass."""

    fingerprint: str
    id: str
    operation: str
    message: str
    reason: str


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of `audit.jsonl`. `previous` is the SHA-256 of the line before it.

    `to` and `stage_file` are what the stage runs afterwards; a blocked attempt changed nothing, and `to` is what
    was wanted. `source` says where the release came from: another stage, "working files" or "history".
    """

    time: str
    who: str
    action: Literal["deploy", "promote", "rollback"]
    stage: str
    source: str
    before: str | None
    to: str
    verdict: Literal["applied", "blocked"]
    previous: str
    generation: int = 0
    stage_file: dict[str, Any] | None = None
    blocked_by: tuple[str, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    forced: bool = False
    reason: str = ""
    tool: str = ""


class Git(msgspec.Struct, frozen=True):
    """The commit that the files came from; `dirty` where they differ from it."""

    commit: str
    dirty: bool


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """`releases/<digest>.origin.json`: who made the release, when, from what.

    `places` says where values stood, by route and item: `{"shop:listPets policies.rate_limit": "apigw.yaml:14:7"}`.
    """

    who: str
    time: str
    tool: str
    git: Git | None = None
    places: dict[str, str] = {}


class Intent(msgspec.Struct, frozen=True):
    """`intent.json`: a change that is decided but not yet in both files. Whoever finds it completes it.

    `lines` go to the audit log at byte `offset`, after the line whose hash is `previous`; `state`, where there is
    one, replaces `stages.json`, which is of generation `base`.
    """

    base: int
    state: State | None
    offset: int
    previous: str
    lines: str
