"""What the store holds: `apigw releases` lists it, `apigw verify` checks it, `apigw gc` takes away what nobody needs.

Needed is what a stage points at, a canary, and the last N releases that each stage ran: what a rollback may go to.
The audit log and evidence are kept whole; a removed release stays in the log, and a `gc` says there what it removed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from apigw_cli.config import project as projects
from apigw_cli.errors import InputError, UsageError
from apigw_cli.stages.records import Entry, Origin, State
from apigw_cli.stages.releases import label, short
from apigw_cli.stages.store import Change, Store, entry, moves

KEEP = 10  # releases of each stage that gc leaves


@dataclass(frozen=True, slots=True)
class CatalogueOptions:
    """`keep`: how many releases of each stage's history gc leaves."""

    config: Path | None = None
    keep: int = KEEP


def _store(config: Path | None) -> Store:
    """The store beside the apigw.yaml, which is not read: it may be broken."""
    store = Store(projects.find(config).parent)
    store.recover()
    return store


# --- releases


@dataclass(frozen=True, slots=True)
class Kept:
    """A release on disk: `stages` run it, `canaries` are those in which it gets a share; bytes."""

    digest: str
    origin: Origin | None
    stages: tuple[str, ...]
    canaries: tuple[str, ...]
    size: int


def releases(options: CatalogueOptions) -> tuple[Kept, ...]:
    """Every release, the newest first."""
    store = _store(options.config)
    state = store.state()
    found = [_kept(store, state, digest) for digest in store.releases.all()]
    return tuple(sorted(found, key=lambda one: (one.origin.time if one.origin else "", one.digest), reverse=True))


def _kept(store: Store, state: State, digest: str) -> Kept:
    stages = [name for name, pointer in state.stages.items() if pointer.release == digest]
    canaries = [name for name, p in state.stages.items() if p.canary is not None and p.canary.release == digest]
    origin, size = store.releases.origin(digest), store.releases.size(digest)
    return Kept(digest, origin, tuple(sorted(stages)), tuple(sorted(canaries)), size)


def as_json(found: Sequence[Kept]) -> dict[str, Any]:
    """As `apigw releases --format json` prints it (docs/stages.md)."""
    return {"version": 1, "releases": [_plain(one) for one in found]}


def _plain(one: Kept) -> dict[str, Any]:
    origin = one.origin
    return {
        "release": one.digest,
        "time": origin.time if origin else None,
        "who": origin.who if origin else None,
        "git": msgspec.to_builtins(origin.git) if origin and origin.git else None,
        "stages": list(one.stages),
        "canaries": list(one.canaries),
        "bytes": one.size,
    }


# --- verify


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the store that is not as it was written; `place` is a file, or a line of it."""

    place: str
    message: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what is wrong with it."""

    problems: tuple[Problem, ...]
    releases: int
    stages: int
    lines: int
    evidence: int


def verify(options: CatalogueOptions) -> Verified:
    """Check digests, pointers and the chain. Raises InputError where a file cannot be read at all."""
    store = _store(options.config)
    state, log = store.state(), store.log(torn=True)
    entries = log.entries
    problems: list[Problem] = []
    audit = label(store.folder / "audit.jsonl")
    if log.broken is not None:
        problems.append(Problem(f"{audit}:{log.broken}", "does not follow from the line before it"))
    stored = store.releases.all()
    problems += _unreadable(stored, store.releases.get, store.releases.folder)
    problems += _missing(store, state, set(stored))
    if log.unreadable is None:
        problems += [*_moved(store, state, entries), *_unlisted(audit, entries, set(stored))]
    else:  # what the lines behind it said is not known
        problems.append(Problem(f"{audit}:{len(entries) + 1}", log.unreadable.message))
    kept = {one.evidence.sha256: None for one in entries if one.evidence is not None}
    problems += _unreadable(tuple(kept), store.evidence.get, store.evidence.folder)
    return Verified(tuple(problems), len(stored), len(state.stages), len(entries), len(kept))


def _unreadable(digests: Sequence[str], read: Any, folder: Path) -> Iterator[Problem]:
    for digest in digests:
        try:
            read(digest)
        except InputError as error:
            yield Problem(label(folder / f"{digest}.json"), error.message)


def _missing(store: Store, state: State, stored: set[str]) -> Iterator[Problem]:
    """A stage points at releases that are there."""
    for stage, pointer in sorted(state.stages.items()):
        for digest in (pointer.release, *([pointer.canary.release] if pointer.canary else [])):
            if digest not in stored:
                yield Problem(label(store.pointers), f"{stage} points at {short(digest)}, which is missing")


def _moved(store: Store, state: State, entries: Sequence[Entry]) -> Iterator[Problem]:
    """A stage points at the release that the log says it was moved to last."""
    place = label(store.pointers)
    for stage, pointer in sorted(state.stages.items()):
        last = next(iter(reversed(moves(entries, stage))), None)
        if last is None:
            yield Problem(place, f"{stage} points at {short(pointer.release)}, and the log says nothing of it")
        elif (last.to, _digest(last.stage_file)) != (pointer.release, _digest(pointer.stage_file)):
            what = "another stage file" if last.to == pointer.release else short(last.to)
            yield Problem(place, f"{stage} points at {short(pointer.release)}, but the log moved it to {what} last")


def _unlisted(audit: str, entries: Sequence[Entry], stored: set[str]) -> Iterator[Problem]:
    """What the log says was run is there, or was removed on purpose."""
    removed = {digest for one in entries for digest in one.removed}
    wanted = {one.to: number for number, one in enumerate(entries, 1) if one.moves}
    for digest, number in wanted.items():
        if digest not in stored and digest not in removed:
            yield Problem(f"{audit}:{number}", f"release {short(digest)} is missing")


def _digest(data: dict[str, Any] | None) -> str:
    return hashlib.sha256(msgspec.json.encode(data or {}, order="deterministic")).hexdigest()


def verified_as_json(found: Verified) -> dict[str, Any]:
    """As `apigw verify --format json` prints it (docs/stages.md)."""
    counts = {name: getattr(found, name) for name in ("releases", "stages", "lines", "evidence")}
    problems = [{"place": one.place, "message": one.message} for one in found.problems]
    return {"version": 1, "holds": not problems, **counts, "problems": problems}


# --- gc


@dataclass(frozen=True, slots=True)
class Sweep:
    """What gc would do: `unwanted` are releases. Made from the store as it was at `generation`."""

    store: Store
    unwanted: tuple[Kept, ...]
    left: int
    generation: int

    @property
    def size(self) -> int:
        return sum(one.size for one in self.unwanted)


def sweep(options: CatalogueOptions) -> Sweep:
    """Find what nobody needs. Raises UsageError for a log that is broken: what stages ran would not be known."""
    store = _store(options.config)
    state, log = store.state(), store.log()
    if log.broken is not None:
        raise UsageError(
            f"the audit log is broken at line {log.broken}, so what stages ran is not known; nothing was removed",
            hint="apigw verify; restore the file from version control",
        )
    needed = {digest for stage in _stages(state, log.entries) for digest in _needed(state, log.entries, stage, options)}
    found = [_kept(store, state, digest) for digest in store.releases.all()]
    unwanted = tuple(one for one in found if one.digest not in needed)
    return Sweep(store, unwanted, len(found) - len(unwanted), state.generation)


def _stages(state: State, entries: Sequence[Entry]) -> set[str]:
    return set(state.stages) | {one.stage for one in entries if one.moves}


def _needed(state: State, entries: Sequence[Entry], stage: str, options: CatalogueOptions) -> Iterator[str]:
    pointer = state.stages.get(stage)
    if pointer is not None:
        yield pointer.release
        if pointer.canary is not None:
            yield pointer.canary.release
    ran = dict.fromkeys(one.to for one in reversed(moves(entries, stage)))
    yield from list(ran)[: options.keep]


def collect(found: Sweep) -> None:
    """Remove it. Raises StaleError where a stage moved since, or somebody else is at it."""
    digests = tuple(one.digest for one in found.unwanted)
    done = entry(action="gc", stage="", source="", before=None, to="", verdict="applied", removed=digests)
    found.store.commit(Change("gc", (done,), unwanted=digests, at=found.generation))


def swept_as_json(found: Sweep, *, removed: bool) -> dict[str, Any]:
    """As `apigw gc --format json` prints it (docs/stages.md)."""
    outcome = "identical" if not found.unwanted else "applied" if removed else "planned"
    return {
        "version": 1,
        "action": "gc",
        "outcome": outcome,
        "releases": [_plain(one) for one in found.unwanted],
        "bytes": found.size,
        "left": found.left,
    }
