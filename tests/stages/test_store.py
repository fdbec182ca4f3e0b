"""The store: immutable releases, the lock, the audit chain, and what happens to files that were tampered with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from apigw_cli.errors import EnvironmentFailure, InputError, StaleError, UsageError
from apigw_cli.snapshot.release import Release
from apigw_cli.stages import lock
from apigw_cli.stages.records import Entry, Origin
from apigw_cli.stages.store import Change, Move, Store, entry

ORIGIN = Origin("me", "2026-01-31T14:03:22Z", "0")


def release(number: int) -> Release:
    return Release(1, {"version": 1, "number": number}, {})


def move(stage: str, made: Release, **rest: object) -> Change:
    line = entry(
        action="deploy",
        stage=stage,
        source="working files",
        before=None,
        to=made.digest,
        verdict="applied",
        stage_file={},
    )
    return Change(f"deploy {stage}", (line,), (Move(stage, made.digest, {}),), ((made, ORIGIN),), **rest)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


class TestReleases:
    def test_are_named_by_their_content(self, store: Store) -> None:
        made = release(1)
        store.commit(move("qa", made))
        assert store.releases.get(made.digest) == made
        assert (store.folder / "releases" / f"{made.digest}.json").read_bytes() == made.encode()

    def test_stay_as_they_are(self, store: Store) -> None:
        store.commit(move("qa", release(1)))
        paths = sorted((store.folder / "releases").iterdir())
        before = {path: (path.stat().st_ino, path.read_bytes()) for path in paths}
        store.commit(move("prod", release(1)))
        assert {path: (path.stat().st_ino, path.read_bytes()) for path in paths} == before

    def test_a_changed_one_is_refused_by_name(self, store: Store) -> None:
        made = release(1)
        store.commit(move("qa", made))
        path = store.folder / "releases" / f"{made.digest}.json"
        path.write_bytes(path.read_bytes().replace(b'"number":1', b'"number":2'))
        with pytest.raises(InputError, match=f"{path.name}.*was changed"):
            store.releases.get(made.digest)

    def test_a_missing_one_is_named(self, store: Store) -> None:
        with pytest.raises(InputError, match="is missing: .*" + "a" * 64):
            store.releases.get("a" * 64)

    def test_prefixes(self, store: Store) -> None:
        made = release(1)
        store.commit(move("qa", made))
        assert store.releases.find(made.digest[:6].upper()) == made.digest
        for wrong in ("abc", "zzzz", made.digest[:3] + "x"):
            with pytest.raises(UsageError):
                store.releases.find(wrong)

    def test_an_ambiguous_prefix_lists_what_it_could_be(self, store: Store) -> None:
        (store.folder / "releases").mkdir(parents=True)
        for last in "12":
            (store.folder / "releases" / f"{'ab' * 31}a{last}.json").touch()
        with pytest.raises(UsageError, match="several"):
            store.releases.find("abab")


class TestVersionControl:
    def test_what_is_only_for_this_machine_is_ignored(self, store: Store) -> None:
        store.commit(move("qa", release(1)))
        assert (store.folder / "run" / ".gitignore").read_text() == "*\n"
        ignored = (store.folder / ".gitignore").read_text().splitlines()
        assert {"/lock", "/intent.json", "*.tmp"} <= set(ignored)
        kept = {path.name for path in store.folder.iterdir() if f"/{path.name}" not in ignored}
        assert kept == {".gitignore", "releases", "run", "stages.json", "audit.jsonl"}

    def test_opening_and_reading_create_nothing(self, store: Store, tmp_path: Path) -> None:
        store.recover()
        assert (store.state().stages, store.log().entries) == ({}, ())
        assert list(tmp_path.iterdir()) == []


class TestLock:
    def test_a_second_writer_is_told_who_holds_it(self, store: Store, tmp_path: Path) -> None:
        store.commit(move("qa", release(1)))
        before = store.pointers.read_bytes()
        with (
            lock.hold(store.folder / "lock", "promote qa prod"),
            pytest.raises(StaleError, match=rf"process {os.getpid()}, since .*Z: promote qa prod"),
        ):
            Store(tmp_path).commit(move("qa", release(2)))
        assert store.pointers.read_bytes() == before
        store.commit(move("qa", release(2)))

    def test_a_disk_that_is_full_says_so(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        store.commit(move("qa", release(1)))
        before = store.pointers.read_bytes()

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            with pytest.raises(EnvironmentFailure, match=r"cannot lock .*: No space left"):
                store.commit(move("qa", release(2)))
        assert store.pointers.read_bytes() == before
        store.commit(move("qa", release(2)))

    def test_it_goes_with_its_holder(self, store: Store) -> None:
        store.folder.mkdir()
        path = store.folder / "lock"
        code = (
            "import pathlib, sys; from apigw_cli.stages import lock\n"
            "with lock.hold(pathlib.Path(sys.argv[1]), 'test'): print('held', flush=True); sys.stdin.read()"
        )
        holder = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with holder:
            assert holder.stdout is not None and holder.stdout.readline() == "held\n"
            with pytest.raises(StaleError, match=f"process {holder.pid}"), lock.hold(path, "again"):
                pass
            holder.kill()
        with lock.hold(path, "again"):
            assert "again" in path.read_text()
        assert path.read_text() == ""


class TestGenerations:
    def test_a_plan_for_an_older_one_is_stale(self, store: Store) -> None:
        store.commit(move("qa", release(1), expected={"qa": 0}))
        with pytest.raises(StaleError, match='"qa" was moved by'):
            store.commit(move("qa", release(2), expected={"qa": 0}))
        assert store.pointer("qa") == store.state().stages["qa"]
        assert store.state().generation == 1
        store.commit(move("qa", release(2), expected={"qa": 1, "prod": 0}))

    def test_a_refused_attempt_is_logged_and_moves_nothing(self, store: Store) -> None:
        store.commit(move("qa", release(1)))
        before = store.pointers.read_bytes()
        line = entry(action="promote", stage="qa", source="x", before=None, to="f" * 64, verdict="blocked")
        store.commit(Change("promote", (line,)))
        assert store.pointers.read_bytes() == before
        assert [found.verdict for found in store.log().entries] == ["applied", "blocked"]


def rewrite(path: Path, change: object) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)  # type: ignore[operator]
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))


class TestAudit:
    @pytest.fixture
    def filled(self, store: Store) -> Path:
        for number in range(4):
            store.commit(move("qa", release(number)))
        return store.folder / "audit.jsonl"

    def test_the_chain_holds(self, store: Store, filled: Path) -> None:
        log = store.log()
        assert (len(log.entries), log.broken) == (4, None)
        assert log.entries[0].previous == "0" * 64

    def test_an_edited_line_is_found(self, store: Store, filled: Path) -> None:
        rewrite(filled, lambda lines: lines[1].update(who="somebody else"))
        assert store.log().broken == 3

    def test_a_line_taken_out_is_found(self, store: Store, filled: Path) -> None:
        rewrite(filled, lambda lines: lines.pop(1))
        assert store.log().broken == 2

    def test_lines_in_another_order_are_found(self, store: Store, filled: Path) -> None:
        rewrite(filled, lambda lines: lines.reverse())
        assert store.log().broken == 1

    def test_the_log_goes_on_after_a_break(self, store: Store, filled: Path) -> None:
        rewrite(filled, lambda lines: lines[1].update(who="somebody else"))
        store.commit(move("qa", release(9)))
        log = store.log()
        assert (len(log.entries), log.broken) == (5, 3)

    def test_a_line_that_is_none_is_named(self, store: Store, filled: Path) -> None:
        with filled.open("a") as stream:
            stream.write("<<<<<<< HEAD\n")
        with pytest.raises(InputError, match=r"audit\.jsonl:5:1"):
            store.log()

    def test_any_text_may_be_a_reason(self, store: Store) -> None:
        text = "one\ntwo\u2028three \u0085 \x1e ✓"
        line = entry(action="promote", stage="qa", source="x", before=None, to="f", verdict="blocked", reason=text)
        store.commit(Change("promote", (line,)))
        store.commit(Change("promote", (line,)))
        log = store.log()
        assert ([found.reason for found in log.entries], log.broken) == ([text, text], None)


class TestInterrupted:
    """What an interrupted change means when the files went on without it (test_kill.py has the kills)."""

    def leave_intent(self, store: Store) -> Path:
        store.commit(move("qa", release(1)))
        intent = store.folder / "intent.json"
        seen: list[bytes] = []
        from apigw_cli.stages import durable

        original = durable.remove
        try:
            durable.remove = lambda path: seen.append(path.read_bytes())  # type: ignore[assignment]
            store.commit(move("qa", release(2)))
        finally:
            durable.remove = original
        intent.write_bytes(seen[0])
        return intent

    def test_a_finished_one_is_only_tidied_up(self, store: Store, tmp_path: Path) -> None:
        intent = self.leave_intent(store)
        before = store.pointers.read_bytes(), (store.folder / "audit.jsonl").read_bytes()
        Store(tmp_path).recover()
        assert not intent.exists()
        assert (store.pointers.read_bytes(), (store.folder / "audit.jsonl").read_bytes()) == before

    def test_one_that_does_not_fit_any_more_is_not_applied(self, store: Store, tmp_path: Path) -> None:
        intent = self.leave_intent(store)
        kept = intent.read_bytes()
        intent.unlink()
        store.commit(move("qa", release(3)))
        intent.write_bytes(kept)
        with pytest.raises(InputError, match="does not fit stages"):
            Store(tmp_path).state()
        with pytest.raises(InputError, match="does not fit stages"):
            Store(tmp_path).commit(move("qa", release(4)))


class TestBadFiles:
    @pytest.mark.parametrize("text", ["", "{", "[]", '{"stages": {"qa": 1}}', "<<<<<<< HEAD"])
    def test_pointers_that_are_none(self, store: Store, text: str) -> None:
        store.folder.mkdir()
        store.pointers.write_text(text)
        with pytest.raises(InputError, match=r"stages\.json.*not the pointers of stages"):
            store.state()

    def test_a_format_of_the_future(self, store: Store) -> None:
        store.folder.mkdir()
        store.pointers.write_text('{"format": 9, "generation": 1, "stages": {}}')
        with pytest.raises(InputError, match="format 9"):
            store.state()

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
    def test_a_folder_that_may_not_be_written(self, store: Store, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        try:
            with pytest.raises(EnvironmentFailure, match="cannot write"):
                store.commit(move("qa", release(1)))
        finally:
            tmp_path.chmod(0o700)

    def test_a_full_disk_changes_nothing(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        store.commit(move("qa", release(1)))
        before = store.state()
        real = os.write

        def full(descriptor: int, data: bytes) -> int:
            if b'"number":2' in bytes(data):
                raise OSError(28, "No space left on device")
            return real(descriptor, data)

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(EnvironmentFailure, match="No space left"):
            store.commit(move("qa", release(2)))
        monkeypatch.undo()
        assert store.state() == before
        assert not list(store.folder.rglob("*.tmp"))


def test_an_entry_says_who_and_when() -> None:
    line = entry(action="deploy", stage="qa", source="x", before=None, to="f", verdict="applied")
    assert isinstance(line, Entry)
    assert "@" in line.who and line.time.endswith("Z")
