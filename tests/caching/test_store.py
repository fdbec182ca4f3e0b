"""The store that all workers share, against a dictionary; and what is left of it when a writer dies at any instant."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from apigw_cli.caching import store as stores
from apigw_cli.caching.index import Index
from apigw_cli.caching.memory import CacheMemory
from apigw_cli.caching.ring import LEAST, VARIANTS
from tests.caching.answers import asking, find, fresh, store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one worker on Windows: nothing is shared")

keys = st.integers(0, 5).map(lambda n: b"key %d" % n)
variants = st.none() | st.integers(0, 2).map(lambda n: b"%d" % n)
sizes = st.integers(0, 3000)


class Shared(RuleBasedStateMachine):
    """Two workers' views of one store. Each body is unique, so that it says which `put` it came from."""

    @initialize(budget=st.integers(LEAST, 1 << 17))
    def begin(self, budget: int) -> None:
        self.budget = budget
        self.memory = CacheMemory.create(2, budget)
        self.views = [self.memory.of_worker(number).store() for number in range(2)]
        self.model: dict[tuple[bytes, bytes | None, bool], bytes] = {}
        self.puts = 0

    @rule(worker=st.integers(0, 1), key=keys, foo=variants, size=sizes, part=st.booleans())
    def put(self, worker: int, key: bytes, foo: bytes | None, size: int, part: bool) -> None:
        self.puts += 1
        body = b"%d %b " % (self.puts, key) + b"x" * size
        put = self.views[worker].put(key, fresh(body, foo, (0, len(body) - 1, len(body) + 9) if part else None))
        if put:
            self.model[key, foo, part] = body
            if not part:
                self.model.pop((key, foo, True), None)
            found = find(self.views[1 - worker], key, foo)
            assert found is not None
            if foo is None and not part:
                assert found.body == body

    @rule(worker=st.integers(0, 1), key=keys, foo=variants)
    def look(self, worker: int, key: bytes, foo: bytes | None) -> None:
        """What is found is the last that was put there; it may have been let go, but is never another."""
        found = find(self.views[worker], key, foo)
        if found is not None:
            named = foo if found.vary else None
            assert found.body == self.model[key, named, found.part is not None]
            assert found.variant == ((named,) if found.vary else ())

    @rule(worker=st.integers(0, 1), key=keys, foo=variants)
    def drop(self, worker: int, key: bytes, foo: bytes | None) -> None:
        found = find(self.views[worker], key, foo)
        if found is not None:
            self.views[worker].drop(key, found)
            assert find(self.views[1 - worker], key, foo) is None
            self.model = {one: body for one, body in self.model.items() if one[0] != key}

    @rule(worker=st.integers(0, 1), size=sizes)
    def hold(self, worker: int, size: int) -> None:
        if self.views[worker].hold(size):
            self.views[worker].release(size)

    @invariant()
    def within_the_budget(self) -> None:
        ring = self.memory.ring
        assert ring.memory.size + ring.incoming + sum(one.remembered for one in self.views) <= self.budget
        assert ring.filled <= ring.capacity
        assert ring.entries >= 0
        assert ring.held == 0


TestShared = Shared.TestCase
TestShared.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


class Killed(BaseException):
    """The process ends here."""


class Mortal:
    """The words of a ring, whose writer is gone before its so-many-th order: nothing comes after that."""

    def __init__(self, words: memoryview, left: int) -> None:
        self._words = words
        self._left = left

    def __getitem__(self, at: Any) -> Any:
        return self._words[at]

    def __setitem__(self, at: Any, value: Any) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed
        self._words[at] = value


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(keys, sizes), max_size=60), st.integers(0, 24), st.integers(0, 3000))
def test_a_writer_that_dies_leaves_nothing_wrong(before: list[tuple[bytes, int]], moment: int, size: int) -> None:
    memory = CacheMemory.create(2, LEAST)
    one, other = (memory.of_worker(number).store() for number in range(2))
    bodies: dict[bytes, list[bytes]] = {}
    for number, (key, length) in enumerate(before):
        bodies.setdefault(key, []).append(b"%d %b " % (number, key) + b"x" * length)
        one.put(key, fresh(bodies[key][-1]))
    bodies.setdefault(b"key 0", []).append(b"last" + b"y" * size)
    one.ring.words = one.ring.index.words = Mortal(one.ring.words, moment)  # type: ignore[assignment]
    with contextlib.suppress(Killed):
        one.put(b"key 0", fresh(bodies[b"key 0"][-1]))
    for key, written in bodies.items():  # while nobody has written since
        found = find(other, key)
        assert found is None or found.body in written[-2:]
    assert other.put(b"after", fresh(b"after it"))
    for view in (other, memory.of_worker(0).store()):
        after = find(view, b"after")
        assert after is not None
        assert after.body == b"after it"
        for key, written in bodies.items():
            found = find(view, key)
            assert found is None or found.body in written[-2:]
    assert 1 <= memory.ring.entries <= len(bodies) + 2
    assert memory.ring.filled <= memory.ring.capacity


def test_processes_that_are_killed_while_they_write_spoil_nothing() -> None:
    """Two write and read, a third is killed again and again; each answer says what it has to be."""
    program = Path(__file__).with_name("churn.py")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "killed 25 times" in done.stdout


def test_what_was_used_stays_and_what_was_not_goes() -> None:
    one = store(1 << 17)
    one.put(b"hot", fresh(b"hot"))
    for number in range(200):
        one.put(b"%d" % number, fresh(b"x" * 2000))
        assert find(one, b"hot") is not None
    assert find(one, b"0") is None
    assert find(one, b"199") is not None
    assert one.ring.evictions > 100
    assert len(one) < 100


def test_a_key_has_no_more_variants_than_it_may() -> None:
    one = store()
    for number in range(VARIANTS + 10):
        one.put(b"key", fresh(b"%d" % number, b"%d" % number))
    assert len(one) == VARIANTS
    assert [find(one, b"key", b"%d" % number) is not None for number in (0, 9, 10, VARIANTS + 9)] == [
        False, False, True, True,
    ]  # fmt: skip


def test_two_keys_with_the_same_hash_never_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Index, "digest", lambda index, key: 7)
    one = store()
    assert one.put(b"a", fresh(b"of a"))
    assert find(one, b"b") is None
    assert not one.has(b"b")
    assert one.put(b"b", fresh(b"of b"))
    found = find(one, b"b")
    assert found is not None
    assert found.body == b"of b"
    assert find(one, b"a") is None


def test_what_is_too_large_to_remember_is_read_anew_each_time() -> None:
    memory = CacheMemory.create(4, 1 << 20)
    one, other = (memory.of_worker(number).store() for number in range(2))
    body = bytes(range(256)) * 500
    assert len(body) > memory.ring.remembered // 4
    assert one.put(b"large", fresh(body))
    for view in (one, other, one, other):
        found = find(view, b"large")
        assert found is not None
        assert found.body == body
    assert other.remembered < 4096


def test_no_more_comes_in_than_there_is_room_for() -> None:
    memory = CacheMemory.create(2, 1 << 20)
    one, other = (memory.of_worker(number).store() for number in range(2))
    assert one.hold(memory.ring.incoming - 10)
    assert not other.hold(11)
    assert other.hold(10)
    memory.clear(0)  # it has died
    assert other.hold(memory.ring.incoming - 10)


def test_who_is_never_given_the_turn_goes_without() -> None:
    import fcntl

    memory = CacheMemory.create(2, 1 << 20)
    one = memory.of_worker(0).store()
    holder = (
        "import fcntl, sys; fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX, 1, 0); print(flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", holder, str(memory.ring.fd)]
    with subprocess.Popen(words, stdin=-1, stdout=-1, pass_fds=[memory.ring.fd]) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        assert not one.put(b"a", fresh())
        assert find(one, b"a") is None
        process.kill()
    assert one.put(b"a", fresh())
    fcntl.lockf(memory.ring.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)  # nobody has kept it


def test_numbers_beyond_all_measure_are_not_stored() -> None:
    one = store()
    assert not one.put(b"a", fresh(part=(0, 9, 10**30)))
    assert len(one) == 0


def test_an_only_worker_locks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr(fcntl, "lockf", None)
    one = store()
    assert one.put(b"a", fresh())
    assert find(one, b"a") is not None


def test_what_is_remembered_of_another_version_is_not_used() -> None:
    memory = CacheMemory.create(2, 1 << 20)
    one, other = (memory.of_worker(number).store() for number in range(2))
    one.put(b"a", fresh(b"old"))
    assert find(other, b"a") is not None
    one.put(b"a", fresh(b"new"))
    found = find(other, b"a")
    assert found is not None
    assert found.body == b"new"
    memory.purges.purge_all()
    newer = fresh(b"newer")
    newer.since = 1 << 63
    assert one.put(b"b", newer)


def test_a_budget_that_is_too_small() -> None:
    with pytest.raises(ValueError, match="bytes"):
        CacheMemory.alone(LEAST - 1)
    assert asking(None) == {}
    assert stores.BUDGET == 64 << 20
