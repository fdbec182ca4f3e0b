from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.integrations.health import Health


def test_so_many_in_a_row_change_it() -> None:
    health = Health(healthy_after=2, unhealthy_after=3)
    assert [health.record(passed) for passed in (False, False, True, False, False, False)] == [False] * 5 + [True]
    assert not health.up
    assert [health.record(passed) for passed in (True, False, True, True)] == [False, False, False, True]
    assert health.up


@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.booleans(), max_size=40))
def test_it_is_what_the_last_run_long_enough_said(back: int, out: int, results: list[bool]) -> None:
    health, expected = Health(back, out), True
    for end in range(1, len(results) + 1):
        before, changed = health.up, health.record(results[end - 1])
        if end >= out and not any(results[end - out : end]):
            expected = False
        if end >= back and all(results[end - back : end]):
            expected = True
        assert health.up is expected
        assert changed is (health.up is not before)
