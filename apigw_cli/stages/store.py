"""`.apigw/`: releases, the stages' pointers and the audit log, changed together or not at all.

Pointer and audit line are two files. A change is decided when `intent.json` is renamed into place: it holds both.
Whatever happens afterwards, whoever opens the store next completes it, and a reader that may not write reads it as
if it were complete. Before that rename nothing has happened. So a kill at any instant leaves the old state or the
new one.

    lock → generation check → releases and evidence (content-addressed, harmless alone) → intent
         → stages.json → audit.jsonl → intent removed → releases that nobody needs → unlock
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from apigw_cli import __version__
from apigw_cli.errors import ApigwError, EnvironmentFailure, InputError, Place, StaleError
from apigw_cli.snapshot.release import Release
from apigw_cli.stages import audit, durable, lock, people
from apigw_cli.stages.records import FORMAT, Canary, Entry, Intent, Origin, Pointer, State
from apigw_cli.stages.releases import EvidenceFiles, Releases, label

_IGNORED = """\
# What only this machine needs; the rest of this folder belongs into version control.
/lock
/intent.json
*.tmp
"""


@dataclass(frozen=True, slots=True)
class Move:
    """A stage is to run `release` (its digest) with `stage_file`, and `canary` beside it (None: no more)."""

    stage: str
    release: str
    stage_file: dict[str, Any]
    canary: Canary | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What one transaction does. `expected` are the generations that the plan was made for, by stage (0: none).

    `evidence`: files to keep, named by their SHA-256. `unwanted`: releases (digests) to take away; `at`: the generation
    of the whole state that this was decided at.
    """

    doing: str
    entries: tuple[Entry, ...]
    moves: tuple[Move, ...] = ()
    releases: tuple[tuple[Release, Origin], ...] = ()
    expected: dict[str, int] = field(default_factory=dict)
    evidence: tuple[bytes, ...] = ()
    unwanted: tuple[str, ...] = ()
    at: int | None = None


class Store:
    """The store beside an apigw.yaml, in `root`. Opening it creates nothing."""

    def __init__(self, root: Path) -> None:
        self.folder = root / ".apigw"
        self.releases = Releases(self.folder / "releases")
        self.evidence = EvidenceFiles(self.folder / "evidence")
        self.pointers = self.folder / "stages.json"
        self._audit = self.folder / "audit.jsonl"
        self._intent = self.folder / "intent.json"
        self._lock = self.folder / "lock"

    # --- reading

    def state(self) -> State:
        """What every stage points at, a decided change included."""
        return self._settled()[0]

    def pointer(self, stage: str) -> Pointer | None:
        return self.state().stages.get(stage)

    def log(self, *, torn: bool = False) -> audit.Log:
        """The audit log, a decided change included; with `torn` up to a line that cannot be read."""
        intent = self._settled()[1]
        offset, lines = (intent.offset, intent.lines) if intent else (None, "")
        return audit.read(self._audit, label(self._audit), offset, lines, torn)

    def _settled(self) -> tuple[State, Intent | None]:
        """The state with a decided change made; and that change, where its audit lines may be missing yet."""
        for _ in range(20):
            intent = self._read_intent()
            state = self._read_state()
            if intent is None:
                return state, None
            if intent == self._read_intent():  # else a writer finished it while we looked
                return self._completed(state, intent), intent
        raise StaleError("the stages are being changed all the time", hint="try again")

    def _completed(self, state: State, intent: Intent) -> State:
        """The state after `intent`. Raises InputError where the files were changed by something else since."""
        if not audit.continues(self._audit, intent.offset, intent.previous, intent.lines):
            raise self._misfit()
        if intent.state is None or state.generation == intent.state.generation:
            return state
        if state.generation != intent.base:
            raise self._misfit()
        return intent.state

    def _read_state(self) -> State:
        try:
            data = self.pointers.read_bytes()
        except FileNotFoundError:
            return State()
        except OSError as error:
            raise InputError(f"cannot read {label(self.pointers)}: {error.strerror}") from None
        try:
            state = msgspec.json.decode(data, type=State)
        except msgspec.MsgspecError as error:
            raise InputError(
                f"not the pointers of stages: {error}",
                place=Place(label(self.pointers)),
                hint="restore the file from version control",
            ) from None
        if state.format != FORMAT:
            raise InputError(
                f"format {state.format} is not one that this version of apigw knows",
                place=Place(label(self.pointers)),
                hint="use the version that wrote it, or a newer one",
            )
        return state

    def _read_intent(self) -> Intent | None:
        try:
            return msgspec.json.decode(self._intent.read_bytes(), type=Intent)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError):
            raise self._misfit() from None

    def _misfit(self) -> InputError:
        return InputError(
            "an interrupted change does not fit stages.json any more",
            place=Place(label(self._intent)),
            hint="if stages.json and audit.jsonl are as you want them, remove intent.json",
        )

    # --- writing

    def recover(self) -> None:
        """Complete a change that was interrupted, if there is one and nobody is at it."""
        if self._intent.is_file():
            try:
                with lock.hold(self._lock, "recovering"):
                    self._recover()
            except ApigwError:
                return  # somebody is at it, or we may not write: `state` reads the change as complete

    def commit(self, change: Change) -> State:
        """Apply a change, all of it or nothing.

        Raises StaleError when somebody else holds the lock, or moved a stage that the plan was made for.
        """
        durable.make_folder(self.folder / "run")
        with lock.hold(self._lock, change.doing):
            self._tell_git()
            durable.sweep(self.folder)
            durable.sweep(self.releases.folder)
            durable.sweep(self.evidence.folder)
            self._recover()
            state = self._read_state()
            self._check(state, change)
            for release, origin in change.releases:
                self.releases.put(release, origin)
            for data in change.evidence:
                self.evidence.put(data)
            intent = self._decide(state, change)
            self._finish(intent)
            for digest in change.unwanted:  # one that a kill leaves is found by the next gc
                self.releases.remove(digest)
            return intent.state or state

    def _tell_git(self) -> None:
        """Say in the folders what is not for version control to keep."""
        for path, text in ((self.folder / ".gitignore", _IGNORED), (self.folder / "run" / ".gitignore", "*\n")):
            if not path.is_file():
                durable.replace(path, text.encode())

    def _check(self, state: State, change: Change) -> None:
        if change.at is not None and change.at != state.generation:
            raise StaleError("a stage was moved meanwhile; nothing was changed", hint="run the command again")
        for stage, generation in change.expected.items():
            pointer = state.stages.get(stage)
            if (pointer.generation if pointer else 0) != generation:
                who = f" by {pointer.who}, {people.age(pointer.time)}" if pointer else ""
                raise StaleError(
                    f'stage "{stage}" was moved{who} since the plan was made; nothing was changed',
                    hint="run the command again: it plans afresh",
                )

    def _decide(self, state: State, change: Change) -> Intent:
        previous, offset = audit.last(self._audit)
        generation = state.generation + 1
        after = None
        entries = list(change.entries)
        if change.moves:
            pointers = {move.stage: _pointer(move, state.stages.get(move.stage), generation) for move in change.moves}
            after = State(FORMAT, generation, {**state.stages, **pointers})
            entries = [msgspec.structs.replace(entry, generation=generation) for entry in entries]
        intent = Intent(state.generation, after, offset, previous, audit.chain(entries, previous))
        durable.replace(self._intent, msgspec.json.encode(intent))
        return intent

    def _recover(self) -> None:
        intent = self._read_intent()
        if intent is None:
            return
        self._completed(self._read_state(), intent)  # raises for one that does not fit
        self._finish(intent)

    def _finish(self, intent: Intent) -> None:
        """Bring both files to what the intent says; safe to do again from any point on."""
        try:
            if intent.state is not None and self._read_state().generation != intent.state.generation:
                durable.replace(self.pointers, intent.state.encode())
            durable.append(self._audit, intent.lines.encode(), at=intent.offset)
            durable.remove(self._intent)
        except EnvironmentFailure as error:
            hint = "the change is decided: the next apigw command that changes a stage completes it"
            raise EnvironmentFailure(error.message, hint=hint) from None


def _pointer(move: Move, before: Pointer | None, generation: int) -> Pointer:
    """What a stage points at after a move; a canary that has no number yet gets this generation's."""
    time, who = people.now(), people.who()
    if before is not None and (before.release, before.stage_file) == (move.release, move.stage_file):
        time, who = before.time, before.who
    canary = move.canary
    if canary is not None and not canary.began:
        canary = msgspec.structs.replace(canary, began=generation)
    return Pointer(move.release, move.stage_file, generation, time, who, canary)


def entry(**fields: Any) -> Entry:
    """An audit entry of this moment, by whoever runs this process; the store puts it into the chain."""
    return Entry(time=people.now(), who=people.who(), previous="", tool=__version__, **fields)


def moves(entries: Sequence[Entry], stage: str) -> list[Entry]:
    """What a stage has run, oldest first: refused attempts left out."""
    return [found for found in entries if found.stage == stage and found.moves]
