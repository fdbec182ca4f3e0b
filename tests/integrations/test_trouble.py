from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.integrations.trouble import WELL, By, Failure, failure, of_error, taken_out, text


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (WELL, None),
        (failure(Failure.STATUS, 503), None),  # a failure alone takes nobody out
        (taken_out(By.HEALTH, failure(Failure.STATUS, 404)), "health check failed: answered 404"),
        (taken_out(By.HEALTH, of_error(ConnectionRefusedError(errno.ECONNREFUSED, "x"))), "connection refused"),
        (taken_out(By.HEALTH, of_error(OSError("Multiple exceptions"))), "health check failed: not reached"),
        (taken_out(By.EJECTION, failure(Failure.LATE)), "ejected after 5 failures, the last: no answer in time"),
    ],
)
def test_why_a_target_is_out(trouble: int, said: str | None) -> None:
    found = text(trouble, 5)
    assert found == said or (said is not None and found is not None and found.endswith(said))


@given(st.sampled_from(By), st.sampled_from(Failure), st.integers(0, 2**40))
def test_whatever_it_is_fits_in_a_word_and_is_said(by: By, kind: Failure, number: int) -> None:
    trouble = taken_out(by, failure(kind, number % 600))
    assert 0 < taken_out(by, failure(kind, number)) < 2**64
    assert text(trouble, 1)
    assert failure(kind) != WELL
