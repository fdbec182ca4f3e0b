"""Runs a change of the store again and again, each time killed one system call later, and reports what was left.

    python -m tests.stages.killer FOLDER

Run as a program of its own: it forks, which a process with threads must not. Prints one JSON line for each kill.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from apigw_cli.snapshot.release import Release
from apigw_cli.stages.records import Canary, Evidence, Origin
from apigw_cli.stages.store import Change, Move, Store, entry

CALLS = ("open", "write", "fsync", "ftruncate", "replace", "unlink", "mkdir")
OLD, NEW = Release(1, {"version": 1}, {}), Release(1, {"version": 1, "apis": {}}, {})


@dataclass
class Left:
    """What a killed change left: as a reader sees it before anybody repairs, and after the next one opened it."""

    call: str
    finished: bool
    seen: dict[str, str]
    seen_lines: int
    settled: dict[str, str]
    lines: int
    broken: int | None
    leftovers: list[str]
    verified: bool


def change(release: Release) -> Change:
    """Two stages move together, as a first promotion moves them: two pointers and two lines.

    With all that a change can carry: a canary in prod, evidence, and the old release taken away by the new one.
    """
    digest = release.digest
    measured = b'{"measured": "%b"}' % digest.encode()
    attached = Evidence(hashlib.sha256(measured).hexdigest(), digest, True)
    entries = tuple(
        entry(
            action="promote",
            stage=s,
            source="x",
            before=None,
            to=digest,
            verdict="applied",
            stage_file={"variables": {"v": digest}},
            evidence=attached,
        )
        for s in ("qa", "prod")
    )
    file = {"variables": {"v": digest}}
    moves = (Move("qa", digest, file), Move("prod", digest, file, Canary(digest, file, 10, "random", "qa")))
    unwanted = (OLD.digest,) if release == NEW else ()
    made = ((release, Origin("me", "now", "0")),)
    return Change("test", entries, moves, made, evidence=(measured,), unwanted=unwanted)


def killed_at(number: int, work: Callable[[], None], torn: bool) -> tuple[str, bool]:
    """Run `work` in a child that is killed before its system call `number`; `torn`: in the middle of a write."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _arm(number, writer, torn)
        work()
        os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        call = pipe.read()
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"the child failed ({status})"
    return call, not os.WIFSIGNALED(status)


def _arm(number: int, report: int, torn: bool) -> None:
    count = 0
    really_write = os.write

    def wrap(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                if torn and name == "write":
                    really_write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                really_write(report, f"{name} {arguments[0] if name != 'write' else ''}".encode())
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call

    for name in CALLS:
        setattr(os, name, wrap(name))


def look(root: Path, call: str, finished: bool) -> Left:
    reader = Store(root)
    seen = {name: pointer.release for name, pointer in reader.state().stages.items()}
    seen_lines = len(reader.log().entries)
    store = Store(root)
    store.recover()
    state, log = store.state(), store.log()
    settled = {name: pointer.release for name, pointer in state.stages.items()}
    beside = [pointer.canary.release for pointer in state.stages.values() if pointer.canary is not None]
    assert beside == [digest for stage, digest in settled.items() if stage == "prod"]
    verified = all(store.releases.get(digest) for digest in settled.values())
    verified = verified and all(store.evidence.get(one.evidence.sha256) for one in log.entries if one.evidence)
    on_disk = json.loads(store.pointers.read_text())["stages"] if store.pointers.exists() else {}
    assert {name: pointer["release"] for name, pointer in on_disk.items()} == settled
    leftovers = [path.name for path in store.folder.glob("intent.json")]
    return Left(call, finished, seen, seen_lines, settled, len(log.entries), log.broken, leftovers, bool(verified))


def sweep(folder: Path, start: Path | None, work: Callable[[Path], Callable[[], None]]) -> None:
    """Kill `work` at every call, each time from a fresh copy of `start`."""
    for torn in (False, True):
        number, finished = 0, False
        while not finished:
            number += 1
            root = folder / f"{torn}{number}"
            if start is None:
                root.mkdir()
            else:
                shutil.copytree(start, root)
            call, finished = killed_at(number, work(root), torn)
            print(json.dumps(asdict(look(root, call, finished))))
            shutil.rmtree(root)


def interrupted(folder: Path, start: Path, at: str) -> Path:
    """A copy of `start` whose change was killed before the first call that begins with `at`."""
    number, call, finished = 0, "", False
    while not call.startswith(at) and not finished:
        number += 1
        root = folder / f"i{number}"
        shutil.copytree(start, root)
        call, finished = killed_at(number, partial(commit, root, NEW), False)
        if call.startswith(at) and (root / ".apigw" / "intent.json").exists():
            return root
        call = ""
        shutil.rmtree(root)
    raise AssertionError(f"no call {at} with an intent on disk")


def commit(root: Path, release: Release) -> None:
    Store(root).commit(change(release))


def main(folder: Path) -> None:
    print(json.dumps({"old": OLD.digest, "new": NEW.digest}))
    sweep(folder, None, lambda root: lambda: commit(root, NEW))
    start = folder / "start"
    start.mkdir()
    commit(start, OLD)
    sweep(folder, start, lambda root: lambda: commit(root, NEW))
    half = interrupted(folder, start, "ftruncate")
    sweep(folder, half, lambda root: lambda: Store(root).recover())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
