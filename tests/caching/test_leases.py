"""Who fetches what: all workers of a machine agree, whatever becomes of them."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.caching import leases as module
from apigw_cli.caching.leases import LEADS_ALONE, TEXT, WAYS, Lease, Leases, Outcome

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one worker on Windows: nothing is shared")


@pytest.fixture
def workers() -> list[Leases]:
    shared = Leases.create()
    return [shared.of_worker(number) for number in range(3)]


def led(leases: Leases, what: bytes = b"a") -> Lease:
    taken = leases.take(what)
    assert taken.leads
    assert taken.lease is not None
    return taken.lease


def followed(leases: Leases, what: bytes = b"a") -> Lease:
    taken = leases.take(what)
    assert (taken.leads, taken.passes) == (False, False)
    assert taken.lease is not None
    return taken.lease


def test_one_leads_and_all_others_follow_to_its_end(workers: list[Leases]) -> None:
    one, other, third = workers
    lease = led(one)
    assert not one.is_followed(lease)
    theirs = followed(other), followed(third)
    assert one.is_followed(lease)
    assert [leases.outcome(lease) for leases in (other, third)] == [None, None]
    led(other, b"something else")
    one.end(lease, Outcome.STORED)
    assert [leases.outcome(lease) for leases, lease in zip((other, third), theirs, strict=True)] == [
        (Outcome.STORED, b"")
    ] * 2
    led(third)


def test_why_it_failed_is_told_as_far_as_there_is_room(workers: list[Leases]) -> None:
    one, other, _ = workers
    for text, told in ((b"x" * TEXT, b"x" * TEXT), (b"x" * (TEXT + 1), b""), (b"short", b"short")):
        lease = led(one)
        followed(other)
        one.end(lease, Outcome.FAILED, text)
        assert other.outcome(lease) == (Outcome.FAILED, told)


def test_for_a_moment_nobody_waits_for_what_was_not_for_others(
    workers: list[Leases], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, _ = workers
    one.end(led(one), Outcome.PASSED)
    taken = other.take(b"a")
    assert (taken.leads, taken.passes, taken.lease) == (False, True, None)
    monkeypatch.setattr(module, "PASS_SECONDS", 0)
    led(other)


def test_what_a_dead_worker_was_fetching_is_anothers(workers: list[Leases]) -> None:
    one, other, third = workers
    lost, kept = led(one), led(third, b"kept")
    followed(other)
    workers[2].clear(0)
    assert other.outcome(lost) == (Outcome.LEFT, b"")
    assert other.outcome(kept) is None
    again = led(other)
    one.end(lost, Outcome.STORED)  # it was not dead after all, and has no say any more
    assert third.outcome(again) is None
    assert third.outcome(lost) == (Outcome.LEFT, b"")


def test_a_bucket_that_is_full_of_fetches_turns_nobody_away(
    workers: list[Leases], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUCKETS", 1)
    held = [led(workers[0], b"%d" % number) for number in range(WAYS)]
    assert workers[1].take(b"one more") is LEADS_ALONE
    workers[0].end(held[3], Outcome.STORED)
    led(workers[1], b"one more")
    followed(workers[1], b"0")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["take", "take", "end", "die"]), st.integers(0, 2), st.integers(0, 3))))
def test_there_is_never_more_than_one_leader(steps: list[tuple[str, int, int]]) -> None:
    shared = Leases.create()
    workers = [shared.of_worker(number) for number in range(3)]
    leaders: dict[int, tuple[int, Lease]] = {}  # by what: the worker that leads
    for what, worker, thing in steps:
        if what == "take":
            taken = workers[worker].take(b"%d" % thing)
            assert taken.leads == (thing not in leaders)
            if taken.leads and taken.lease is not None:
                leaders[thing] = worker, taken.lease
        elif what == "end" and thing in leaders and leaders[thing][0] == worker:
            workers[worker].end(leaders.pop(thing)[1], Outcome.STORED)
        elif what == "die":
            shared.clear(worker)
            leaders = {one: led for one, led in leaders.items() if led[0] != worker}
        for led_by, lease in leaders.values():
            assert workers[(led_by + 1) % 3].outcome(lease) is None
