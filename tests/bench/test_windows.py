"""Windows, and layers of several limits: no right limiter is ever accused, wrong ones are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.bench import windows
from apigw_cli.bench.admission import SECOND, Event, scarcest_window, tightest_window, widest_step
from apigw_cli.bench.limit import FIXED, SLIDING, parse, parse_all, slot_of
from apigw_cli.bench.owed import apart, owed
from apigw_cli.errors import UsageError
from apigw_cli.limits import rate as rates
from apigw_cli.limits.algorithms import Algorithm, Bucket, FixedWindow, Leaky, SlidingWindow

MS = 1_000_000
START = 1_000 * SECOND
TEXTS = ["5/s burst 5", "20/s burst 1", "10/s leaky burst 4", "6/s fixed_window", "9/s sliding_window", "90/m burst 8"]


def made(text: str) -> Algorithm:
    declared = parse(text)
    rate = rates.parse(text.partition(" ")[0])
    if declared.is_window:
        return FixedWindow("x", rate) if declared.algorithm == FIXED else SlidingWindow("x", rate)
    return Leaky("x", rate, declared.burst - 1, None) if "leaky" in text else Bucket("x", rate, declared.burst)


def together(limits: Sequence[Algorithm]) -> Callable[[int], bool]:
    """Layers: all are asked, then all are charged, or none."""
    tats = [0] * len(limits)

    def decide(now: int) -> bool:
        asked = [limit.ask(tat, now, 1) for limit, tat in zip(limits, tats, strict=True)]
        if all(decision.allowed for _, decision in asked):
            tats[:] = [tat for tat, _ in asked]
            return True
        return False

    return decide


def observed(
    decide: Callable[[int], bool], tries: list[tuple[int, int, int]], offset: int = 0
) -> tuple[list[Event], list[Event]]:
    now = START + offset
    admitted, refused = [], []
    for pause, before, after in tries:
        now += pause
        event = (now - before - START + SECOND, now + after - START + SECOND)
        (admitted if decide(now) else refused).append(event)
    return admitted, refused


def slots_of(refused: list[Event], slot: int) -> list[int]:
    return sorted({r // slot for s, r in refused if s >= r // slot * slot})


steps = st.sampled_from([0, MS, 4 * MS, 9 * MS, 60 * MS])
delays = st.sampled_from([0, 10_000, MS, 25 * MS])
attempts = st.lists(st.tuples(steps, delays, delays), min_size=5, max_size=60)
offsets = st.integers(0, SECOND)


@settings(max_examples=150, deadline=None)
@given(attempts, offsets, st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3, unique=True))
def test_right_layers_are_never_accused(tries: list[tuple[int, int, int]], offset: int, texts: list[str]) -> None:
    layers = parse_all(" and ".join(f"{text} clock=0ms" for text in texts))
    admitted, refused = observed(together([made(text) for text in texts]), tries * 8, offset)
    slot = slot_of(layers)
    refusals = slots_of(refused, slot)
    for layer in layers:
        if layer.algorithm == FIXED:
            alone = refusals if len(layers) == 1 else []
            window = windows.fullest(admitted, alone, slot, layer.burst, layer.length, 0)
        else:
            window = tightest_window(admitted, layer.rate.per_second, layer.most_at_once)
        assert window is None or window.count <= window.bound, layer
    step = widest_step(refusals, apart(layers, slot))
    floor = scarcest_window(admitted, refusals, slot, owed(layers, slot * (step + 1) // 2), step)
    for window in (floor.window, floor.longest):
        assert window is None or window.count >= float(window.bound) - 1e-6
    if len(layers) == 1 and layers[0].algorithm == FIXED:
        least = windows.emptiest(admitted, refusals, slot, layers[0].burst, layers[0].length, step)
        assert least is None or least.count >= least.bound


def steady(decide: Callable[[int], bool], seconds: float, every: int = 2 * MS) -> tuple[list[Event], list[int]]:
    tries = [(every, 300_000, 300_000)] * int(seconds * SECOND / every)
    admitted, refused = observed(decide, tries, 123 * MS)
    return admitted, slots_of(refused, 10 * MS)


@pytest.mark.parametrize("real", ["21/s fixed_window", "40/s fixed_window", "20/s burst 20"])
def test_a_fixed_window_that_lets_more_through_is_caught(real: str) -> None:
    admitted, refusals = steady(together([made(real)]), 2.5)
    window = windows.fullest(admitted, refusals, 10 * MS, 20, SECOND, 0)
    assert window is not None
    assert (window.count > window.bound) == (real != "20/s burst 20")


@pytest.mark.parametrize(("real", "owing"), [("10/s fixed_window", True), ("20/s fixed_window", False)])
def test_a_fixed_window_that_lets_less_through_is_caught(real: str, owing: bool) -> None:
    admitted, refusals = steady(together([made(real)]), 3)
    window = windows.emptiest(admitted, refusals, 10 * MS, 20, SECOND, 10)
    assert window is not None
    assert (window.count < window.bound) == owing


def test_a_fixed_window_is_no_sliding_one_at_its_boundary() -> None:
    admitted, _ = steady(together([made("20/s fixed_window")]), 2.5)
    late = [event for event in admitted if event[0] > 1.8 * SECOND]  # nothing was asked for before
    declared = parse("20/s sliding_window")
    window = tightest_window(admitted, declared.rate.per_second, declared.most_at_once)
    assert window is not None
    assert late
    assert window.count > window.bound


def test_layers_owe_what_the_slowest_gives_and_no_less() -> None:
    layers = parse_all("50/s burst 10 and 600/m burst 20")
    assert [layer.policy for layer in layers] == ["600/m burst 20", "50/s burst 10"]
    for slow, owing in (("600/m burst 20", False), ("300/m burst 20", True)):
        admitted, refusals = steady(together([made("50/s burst 10"), made(slow)]), 4)
        floor = scarcest_window(admitted, refusals, 10 * MS, owed(layers, 10 * MS)).window
        assert floor is not None
        assert (floor.count < float(floor.bound)) == owing, slow


def test_a_key_behind_the_last_layer_holds_for_all() -> None:
    first, second = parse_all("100/m fixed_window and 10/s burst 10 key=header:X-Tenant clock=0ms")
    assert (first.policy, first.key, first.grain) == ("100/m fixed_window", "header:X-Tenant", 0)
    assert (second.policy, second.key) == ("10/s burst 10", "header:X-Tenant")


@pytest.mark.parametrize(
    ("text", "policy", "at_once"),
    [
        ("20/s leaky burst 4", "20/s leaky burst 4", 5),
        ("20/s leaky burst 4 delay 2 per ip", "20/s leaky burst 4", 5),
        ("20/s gcra", "20/s burst 20", 20),
        ("100/m sliding_window", "100/m sliding_window", 100),
    ],
)
def test_every_algorithm_can_be_declared(text: str, policy: str, at_once: int) -> None:
    found = parse(text)
    assert (found.policy, found.burst) == (policy, at_once)


@pytest.mark.parametrize("text", ["5/s fixed_window burst 5", "2.5/s sliding_window", "5/s burst 5 delay 2", "5/s and"])
def test_what_does_not_go_together_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="--limit"):
        parse_all(text)


def test_a_sliding_window_is_as_long_as_its_unit() -> None:
    declared = parse("100/m sliding_window")
    assert (declared.algorithm, declared.length, declared.rest) == (SLIDING, 60 * SECOND, 120 * SECOND)
