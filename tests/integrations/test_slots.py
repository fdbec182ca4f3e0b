from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import settings as with_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from apigw_cli.integrations.slots import Slots, share


class Model(RuleBasedStateMachine):
    """Slots beside the plainest thing that could be right: holders, and a line of those who wait."""

    def __init__(self) -> None:
        super().__init__()
        self.slots: Slots[int] = Slots(2, 3)
        self.holders: list[int] = []
        self.line: deque[int] = deque()
        self.next = 0

    @rule()
    def arrive(self) -> None:
        self.next += 1
        if self.slots.take():
            assert len(self.holders) < (self.slots.limit or 0)
            assert not self.line
            self.holders.append(self.next)
        elif self.slots.wait(self.next):
            self.line.append(self.next)
        else:
            assert len(self.line) >= self.slots.length

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self.holders.remove(data.draw(st.sampled_from(self.holders)))
        served = self.slots.release()
        may = self.line and len(self.holders) < (self.slots.limit or 0)
        assert served == (self.line.popleft() if may else None)
        if served is not None:
            self.holders.append(served)

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def hand_over(self, data: st.DataObject) -> None:
        holder = data.draw(st.sampled_from(self.holders))
        over = len(self.holders) > (self.slots.limit or 0)
        served = self.slots.hand_over()
        assert served == (self.line.popleft() if self.line and not over else None)
        if served is not None:
            self.holders[self.holders.index(holder)] = served

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        left = data.draw(st.sampled_from(list(self.line)))
        self.line.remove(left)
        self.slots.forget(left)

    @rule(limit=st.integers(1, 5), length=st.integers(0, 5))
    def resize(self, limit: int, length: int) -> None:
        for served in self.slots.resize(limit, length):
            assert served == self.line.popleft()
            self.holders.append(served)

    @invariant()
    def nobody_waits_beside_a_free_slot(self) -> None:
        assert self.slots.taken == len(self.holders)
        assert list(self.slots.waiting) == list(self.line)
        assert not self.line or self.slots.taken >= (self.slots.limit or 0)
        assert self.slots.over == (len(self.holders) > (self.slots.limit or 0))


TestModel = Model.TestCase
TestModel.settings = with_settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_without_a_limit_there_is_always_a_slot() -> None:
    slots: Slots[int] = Slots()
    assert all(slots.take() for _ in range(1000))
    assert not slots.over


@given(st.integers(0, 10_000), st.integers(1, 64))
def test_the_parts_of_a_total_add_up_and_differ_by_one_at_most(total: int, workers: int) -> None:
    parts = [share(total, index, workers) for index in range(workers)]
    assert sum(parts) == total
    assert max(parts) - min(parts) <= 1
