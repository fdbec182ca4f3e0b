"""Conditions and ranges of RFC 9110, sections 13 and 14."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.integrations.preconditions import Representation, Unsatisfiable, Verdict, date, evaluate, part

SEND, SAME, FAILED = Verdict.SEND, Verdict.NOT_MODIFIED, Verdict.FAILED
WHEN = b"Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE, AFTER = b"Sun, 06 Nov 1994 08:49:36 GMT", b"Sun, 06 Nov 1994 08:49:38 GMT"
IT = Representation(b'"a,b"', 784111777, 100)


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, SEND),
        ({b"if-none-match": b'"a,b"'}, SAME),
        ({b"if-none-match": b'"x", W/"a,b" , "y"'}, SAME),
        ({b"if-none-match": b"*"}, SAME),
        ({b"if-none-match": b'"x"'}, SEND),
        ({b"if-none-match": b"a,b"}, SEND),
        ({b"if-none-match": b'"x"', b"if-modified-since": AFTER}, SEND),  # the date does not count beside a tag
        ({b"if-modified-since": WHEN}, SAME),
        ({b"if-modified-since": AFTER}, SAME),
        ({b"if-modified-since": BEFORE}, SEND),
        ({b"if-modified-since": b"Sunday, 06-Nov-94 08:49:37 GMT"}, SAME),
        ({b"if-modified-since": b"Sun Nov  6 08:49:37 1994"}, SAME),
        ({b"if-modified-since": b"yesterday"}, SEND),
        ({b"if-match": b'"a,b"'}, SEND),
        ({b"if-match": b"*"}, SEND),
        ({b"if-match": b'W/"a,b"'}, FAILED),
        ({b"if-match": b'"x"'}, FAILED),
        ({b"if-match": b'"a,b"', b"if-none-match": b'"a,b"'}, SAME),
        ({b"if-unmodified-since": BEFORE}, FAILED),
        ({b"if-unmodified-since": WHEN}, SEND),
        ({b"if-unmodified-since": b"?"}, SEND),
        ({b"if-match": b'"a,b"', b"if-unmodified-since": BEFORE}, SEND),
    ],
)
def test_conditions(fields: dict[bytes, bytes], verdict: Verdict) -> None:
    assert evaluate(fields, IT) is verdict


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"bytes=0-0", (0, 0)),
        (b"bytes=10-19", (10, 19)),
        (b"bytes=90-", (90, 99)),
        (b"bytes=90-1000", (90, 99)),
        (b"bytes=-1", (99, 99)),
        (b"bytes=-1000", (0, 99)),
        (b"Bytes= 5-6", (5, 6)),
        (b"bytes=6-5", None),
        (b"bytes=0-1,5-6", None),
        (b"lines=0-1", None),
        (b"bytes=-", None),
        (b"bytes=x-5", None),
        (b"bytes=100-", "unsatisfiable"),
        (b"bytes=-0", "unsatisfiable"),
    ],
)
def test_ranges(value: bytes, expected: tuple[int, int] | str | None) -> None:
    if expected == "unsatisfiable":
        with pytest.raises(Unsatisfiable):
            part({b"range": value}, IT)
    else:
        assert part({b"range": value}, IT) == expected


@pytest.mark.parametrize(
    ("value", "counts"), [(b'"a,b"', True), (b'W/"a,b"', False), (b'"x"', False), (WHEN, True), (AFTER, False)]
)
def test_a_range_of_another_representation_is_the_whole(value: bytes, counts: bool) -> None:
    assert (part({b"range": b"bytes=0-0", b"if-range": value}, IT) is not None) is counts


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40), st.integers(0, 50))
def test_whatever_a_client_sends(tags: bytes, when: bytes, wanted: bytes, length: int) -> None:
    it = Representation(b'"x"', 0, length)
    evaluate({b"if-none-match": tags, b"if-modified-since": when, b"if-match": tags, b"if-range": when}, it)
    try:
        found = part({b"range": b"bytes=" + wanted}, it)
    except Unsatisfiable:
        return
    assert found is None or 0 <= found[0] <= found[1] < length


def test_dates_that_are_none() -> None:
    assert [date(text) for text in (b"", b"\xff", b"Sun, 99 Nov 1994 08:49:37 GMT")] == [None, None, None]
