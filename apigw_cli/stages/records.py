"""What stands in the files under `.apigw/`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FORMAT = 1
FIRST = "0" * 64  # what the first line of the audit log names as the line before it


class Canary(msgspec.Struct, frozen=True):
    """A release that gets `percent` of a stage's requests beside the one that the stage runs, with its stage file.

    `by` says what decides: `random`, or what keeps a caller on one side: `ip`, `header:NAME`, `cookie:NAME`.
    `began` is the generation that it began with, and names it; `source` the stage that the release came from.
    """

    release: str
    stage_file: dict[str, Any]
    percent: float
    by: str
    source: str
    began: int = 0


class Pointer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a stage runs: a release and the stage file's content, recorded together; and the canary beside it.

    `generation` is that of the change which set it; a plan made against an older one is stale. `time` and `who` are
    those of the release's move.
    """

    release: str
    stage_file: dict[str, Any]
    generation: int
    time: str
    who: str
    canary: Canary | None = None


class State(msgspec.Struct, frozen=True):
    """`stages.json`: what each stage points at. `generation` counts changes."""

    format: int = FORMAT
    generation: int = 0
    stages: dict[str, Pointer] = {}

    def encode(self) -> bytes:
        """Indented and ordered, for it is committed and reviewed."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=2) + b"\n"


class Accepted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finding that would have stopped a promotion, and why a person let it pass.

    `expires` is the last day (UTC) that it may pass; `place` where that is written, '' for the command line.
    """

    fingerprint: str
    id: str
    operation: str
    message: str
    reason: str
    expires: str = ""
    place: str = ""


class Linted(msgspec.Struct, frozen=True):
    """What lint found in the files of a release."""

    errors: int
    warnings: int


class Evidence(msgspec.Struct, frozen=True):
    """A result of `apigw bench` that was attached: the SHA-256 of its file, and the Snapshot that was measured."""

    sha256: str
    snapshot: str
    holds: bool


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of `audit.jsonl`. `previous` is the SHA-256 of the line before it.

    `to` and `stage_file` are what the stage runs afterwards; a blocked attempt changed nothing, and `to` is what
    was wanted. `source` says where the release came from: another stage, "working files", "history" or "canary".
    `canary` is the percentage that `to` gets from now on beside what the stage runs (0: none any more). `evidence`
    was attached to `to`; `removed` are releases that a `gc` took away.
    """

    time: str
    who: str
    action: Literal["deploy", "promote", "rollback", "canary", "evidence", "gc"]
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
    lint: Linted | None = None
    canary: float | None = None
    evidence: Evidence | None = None
    removed: tuple[str, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether the stage ran another release or stage file from here on."""
        return self.verdict == "applied" and self.action in ("deploy", "promote", "rollback")


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
