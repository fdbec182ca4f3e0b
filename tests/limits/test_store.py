from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.limits import bucket
from apigw_cli.limits.algorithms import Bucket, FixedWindow
from apigw_cli.limits.bucket import NEVER, Decision, Limit
from apigw_cli.limits.memory import SharedMemory
from apigw_cli.limits.rate import parse
from apigw_cli.limits.store import FULL, MemoryStore, SharedStore
from apigw_cli.limits.table import WAYS, Charge, Table
from tests.limits.stores import KINDS, AnyStore

SECOND = 1_000_000_000
NOW = 1_000 * SECOND


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[int], AnyStore]]:
    made: list[AnyStore] = []

    def one(capacity: int) -> AnyStore:
        made.append(request.param(capacity))
        return made[-1]

    yield one
    for store in made:
        store.close()


@pytest.fixture
def store(make: Callable[[int], AnyStore]) -> AnyStore:
    return make(10_000)


def limit(rate: str = "5/s", burst: int = 3, name: str = "api:route") -> Limit:
    return Limit(name, parse(rate), burst)


def admitted(store: AnyStore, key: bytes, one: Limit, times: int, now: int = NOW) -> int:
    return sum(store.take(key, one, now).allowed for _ in range(times))


def test_each_key_and_each_limit_counts_apart(store: AnyStore) -> None:
    assert admitted(store, b"alice", limit(), 10) == 3
    assert admitted(store, b"bob", limit(), 10) == 3
    assert admitted(store, b"alice", limit(name="api:other"), 10) == 3
    assert admitted(store, b"alice", limit(), 10) == 0
    assert admitted(store, b"alice", limit(), 10, NOW + SECOND) == 3


def test_keys_of_every_kind(store: AnyStore) -> None:
    keys = [b"", b"\0", b"\0\0", b"k", b"k\0", "ключ".encode(), b"\xff\xfe", b"x" * 1_000_000, b"x" * 1_000_001]
    for key in keys:
        assert admitted(store, key, limit(), 5) == 3
    assert all(not store.take(key, limit(), NOW).allowed for key in keys)


def test_a_burst_of_zero_needs_no_room(store: AnyStore) -> None:
    decision = store.take(b"k", limit(burst=0), NOW)
    assert (decision.allowed, decision.retry_after) == (False, NEVER)
    assert store.owing(NOW) == 0


def test_a_limit_without_refill_counts_for_ever(store: AnyStore) -> None:
    frozen = limit("0/s", 2)
    assert admitted(store, b"k", frozen, 5) == 2
    assert admitted(store, b"k", frozen, 5, NOW + 10**9 * SECOND) == 0
    assert store.owing(NOW + 10**9 * SECOND) == 1


def test_an_unchanged_limit_keeps_its_state_over_a_reload(store: AnyStore) -> None:
    assert admitted(store, b"k", limit(), 2) == 2
    assert admitted(store, b"k", limit(), 9) == 1


@pytest.mark.parametrize(("rate", "burst"), [("50/s", 30), ("1/h", 3), ("5/s", 100), ("5/s", 1), ("0/s", 9)])
def test_a_changed_limit_is_no_refill(store: AnyStore, rate: str, burst: int) -> None:
    assert admitted(store, b"empty", limit(), 9) == 3
    assert admitted(store, b"half", limit("5/s", 4), 2) == 2
    changed = limit(rate, burst)
    assert admitted(store, b"empty", changed, 200) == 0
    assert admitted(store, b"half", changed, 200) == burst // 2
    # From then on the new rate holds, also while nothing was admitted.
    gained = 0 if rate == "0/s" else int(changed.rate.per_second / 5)
    assert admitted(store, b"empty", changed, 200, NOW + SECOND // 5) == min(gained or (rate == "5/s"), burst)


def test_changing_back_and_forth_gives_nothing(store: AnyStore) -> None:
    small, large, frozen = limit("1/m", 3), limit("1000/s", 3000), limit("0/s", 7)
    assert admitted(store, b"k", small, 9) == 3
    for one in (large, small, frozen, large, frozen, small, limit("1/m", 0), small, large):
        assert admitted(store, b"k", one, 5) == 0


def test_two_workers_that_still_disagree_about_the_limit(store: AnyStore) -> None:
    old, new = limit("5/s", 10), limit("10/s", 20)
    total = sum(store.take(b"k", one, NOW).allowed for _ in range(50) for one in (old, new))
    assert total <= 20


def test_keys_that_owe_are_never_given_up_and_refused_ones_are_counted(make: Callable[[int], AnyStore]) -> None:
    store = make(WAYS)
    keys = [b"key-%d" % number for number in range(WAYS)]
    assert all(store.take(key, limit("1/m", 1), NOW).allowed for key in keys)
    decision = store.take(b"one more", limit("1/m", 1), NOW)
    assert (decision.allowed, decision.retry_after, store.full) == (False, 1, 1)
    assert store.owing(NOW) == WAYS
    assert not any(store.take(key, limit("1/m", 1), NOW).allowed for key in keys)
    # One second before the first is full again nothing changes; then its slot is free.
    assert not store.take(b"one more", limit("1/m", 1), NOW + 59 * SECOND).allowed
    assert store.take(b"one more", limit("1/m", 1), NOW + 60 * SECOND).allowed
    assert store.full == 2


def test_expired_slots_are_used_again(make: Callable[[int], AnyStore]) -> None:
    store = make(WAYS)
    for round_number in range(20):
        now = NOW + round_number * 60 * SECOND
        assert all(store.take(b"%d-%d" % (round_number, n), limit("1/m", 1), now).allowed for n in range(WAYS))
    assert store.full == 0


def test_a_slot_that_changed_hands_is_found_by_neither_old_owner_nor_old_hint(make: Callable[[int], AnyStore]) -> None:
    store = make(1)
    assert admitted(store, b"old", limit(), 9) == 3
    later = NOW + 10 * SECOND
    assert all(store.take(b"%d" % n, limit(), later).allowed for n in range(WAYS))
    assert not store.take(b"old", limit(), later).allowed and store.full == 1
    assert admitted(store, b"0", limit(), 9, later) == 2


def test_how_full_a_table_gets_before_it_refuses(make: Callable[[int], AnyStore]) -> None:
    # The hash's secret is random: a bucket with room for 128 gets 77 on average, and 128 once in ten million.
    capacity = 64 * WAYS
    store = make(capacity)
    count = capacity * 6 // 10
    assert all(store.take(b"%d" % n, limit("1/h", 1), NOW).allowed for n in range(count))
    assert store.owing(NOW) == count


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_it_decides_as_the_arithmetic_does(chance: random.Random) -> None:
    limits = [limit(rate, burst, name) for rate, burst, name in (("5/s", 3, "a"), ("100/m", 7, "b"), ("0/s", 4, "c"))]
    for kind in (MemoryStore, SharedStore.create):
        store, known, now = kind(50_000), {}, NOW
        for _ in range(300):
            now += chance.choice([0, 0, 1, 10**8, 10**9, 10**10])
            key, one = b"%d" % chance.randrange(5), chance.choice(limits)
            known[key, one], expected = bucket.take(one, known.get((key, one), 0), now)
            assert store.take(key, one, now) == expected
        store.close()


# --- memory


def test_a_store_is_attached_to_only_where_there_is_one() -> None:
    memory = SharedMemory.create(3 * 4096)
    with pytest.raises(ValueError, match="no limiter table"):
        Table(memory.map, memory.words, fresh=False)
    memory.close()


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is shared on Windows")
def test_a_lone_workers_successor_goes_on_from_its_state() -> None:
    import os

    shared, one = SharedStore.create(1000), limit("1/h", 2)
    worker = MemoryStore.attach(os.dup(shared.fd))
    assert [worker.take(b"key", one, NOW).allowed for _ in range(2)] == [True, True]
    worker.close()
    successor = MemoryStore.attach(os.dup(shared.fd))
    assert not successor.take(b"key", one, NOW).allowed
    assert successor.take(b"other", one, NOW).allowed
    assert not shared.take(b"key", one, NOW).allowed
    for store in (successor, shared):
        store.close()


def test_memory_is_shared_zeroed_and_whole_pages() -> None:
    import os

    memory = SharedMemory.create(5000)
    other = SharedMemory.attach(os.dup(memory.fd))
    assert (memory.size, other.size, sum(other.words)) == (8192, 8192, 0)
    memory.words[1023] = 2**64 - 1
    assert other.words[1023] == 2**64 - 1
    assert not os.get_inheritable(memory.fd)
    other.close()
    memory.close()
    with pytest.raises(ValueError, match="closed"):
        memory.map.find(b"x")


def test_memory_is_in_use_only_where_keys_are() -> None:
    import os

    store = SharedStore.create()
    for number in range(100):
        store.take(b"%d" % number, limit(), NOW)
    assert os.fstat(store.fd).st_size > 32 * 2**20
    assert os.fstat(store.fd).st_blocks * 512 <= 101 * 4096 + 65_536
    store.close()


def test_other_memory_without_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.delattr(os, "memfd_create", raising=False)
    memory = SharedMemory.create(4096)
    memory.words[0] = 7
    assert os.pread(memory.fd, 8, 0) == (7).to_bytes(8, "little")
    assert os.fstat(memory.fd).st_nlink == 0
    memory.close()


# --- several limits at once


def test_all_layers_are_charged_or_none(store: AnyStore) -> None:
    wide, narrow = Bucket("wide", parse("1/m"), 3), Bucket("narrow", parse("1/m"), 1)
    both = [Charge(b"k", wide), Charge(b"k", narrow)]
    assert [d.allowed for d in store.take_all(both, NOW)] == [True, True]
    refused = store.take_all(both, NOW)
    assert [(d.allowed, d.remaining) for d in refused] == [(True, 2), (False, 0)]
    # The wide one still has what it had: another narrow key may have it.
    other = [Charge(b"k", wide), Charge(b"other", narrow)]
    assert [d.remaining for d in store.take_all(other, NOW)] == [1, 0]
    assert store.take_all([Charge(b"k", wide, 2)], NOW)[0].allowed is False
    assert store.take_all([Charge(b"k", wide, 0)], NOW)[0].remaining == 1


def test_a_new_key_without_room_charges_nobody(make: Callable[[int], AnyStore]) -> None:
    store = make(WAYS)
    hourly = Bucket("hourly", parse("1/h"), 1)
    assert all(store.take_all([Charge(b"%d" % n, hourly)], NOW)[0].allowed for n in range(WAYS - 1))
    known, new = Bucket("known", parse("1/h"), 5), Bucket("new", parse("1/h"), 1)
    assert store.take_all([Charge(b"k", known)], NOW)[0].remaining == 4
    assert store.take_all([Charge(b"k", known), Charge(b"x", new)], NOW) == [FULL, FULL]
    assert store.full == 1
    assert store.take_all([Charge(b"k", known, 0)], NOW)[0].remaining == 4
    # Two new keys and one slot: neither gets it.
    later = NOW + 3600 * SECOND
    assert all(store.take_all([Charge(b"%d" % n, hourly)], later)[0].allowed for n in range(WAYS - 1))
    assert store.take_all([Charge(b"a", new), Charge(b"b", known)], later) == [FULL, FULL]
    assert store.take_all([Charge(b"a", new)], later)[0].allowed


def test_both_ways_to_ask_agree(store: AnyStore) -> None:
    one = Bucket("x", parse("5/s"), 3)
    assert store.take(b"k", one, NOW) == Decision(True, 2, 1, 0)
    assert store.take_all([Charge(b"k", one)], NOW) == [Decision(True, 1, 1, 0)]
    assert store.take(b"k", one, NOW) == Decision(True, 0, 1, 0)
    changed = FixedWindow("x", parse("30/m"))
    assert not store.take_all([Charge(b"k", changed)], NOW)[0].allowed
    assert not store.take(b"k", one, NOW).allowed
