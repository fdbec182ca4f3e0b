"""The cache's pure part: properties that hold for whatever is sent, and the corners of the RFCs."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.caching import answer, conditions, fields, freshness, lookup, ranges, tags, targeted, vary
from apigw_cli.caching.entry import Entry
from apigw_cli.caching.freshness import Said
from apigw_cli.caching.lookup import Outcome
from apigw_cli.caching.purges import SLOTS, Purges
from apigw_cli.caching.rules import Rules
from apigw_cli.limits.memory import SharedMemory
from tests.caching.answers import DATE, NOW, entry


def lifetime(*lines: bytes) -> float | None:
    made = entry(b'ETag: "1"', *lines)
    return made.lifetime if made is not None else None


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"Cache-Control: max-age=10, s-maxage=20"], 20),
        ([b"Cache-Control: MAX-age=10", b"Expires: Sun, 17 Mar 2030 18:46:40 GMT"], 10),
        ([b"Expires: Sun, 17 Mar 2030 18:46:40 GMT"], 3600),
        ([b"Expires: Sunday, 17-Mar-30 18:46:40 GMT"], 3600),
        ([b"Expires: Sun Mar 17 18:46:40 2030"], 3600),
        ([b"Expires: 0"], 0),
        ([b"Expires: Sun, 17 Mar 2030 18:46:40 GMT", b"Expires: Sun, 17 Mar 2030 19:46:40 GMT"], 0),
        ([b"Cache-Control: max-age=1.5"], 0),
        ([b"Cache-Control: max-age"], 0),
        ([b"Cache-Control: max-age= 5"], 0),
        ([b'Cache-Control: max-age="5"'], 5),
        ([b"Cache-Control: max-age=5, max-age=50"], 5),
        ([b'Cache-Control: x="max-age=9, y", max-age=5'], 5),
        ([b"Cache-Control: max-age=99999999999999999999"], fields.FOREVER),
        ([b"Last-Modified: Sun, 17 Mar 2030 17:30:00 GMT"], 100),
        ([b"Last-Modified: Sun, 17 Mar 2020 17:30:00 GMT"], 86_400),
        ([b"Last-Modified: Mon, 18 Mar 2030 17:30:00 GMT"], 0),
        ([b"CDN-Cache-Control: max-age=7", b"Cache-Control: no-store"], 7),
        ([b"CDN-Cache-Control: max-age=7, &&", b"Cache-Control: max-age=3"], 3),
        ([b'CDN-Cache-Control: max-age="7"', b"Cache-Control: max-age=3"], 3),
        ([b"Surrogate-Control: max-age=7;apigw, max-age=1;other", b"Cache-Control: no-store"], 7),
        ([b"Surrogate-Control: max-age=7;other", b"Cache-Control: max-age=3"], 3),
        ([b"Cache-Control: no-store, must-understand, max-age=4"], 4),
        ([b"Cache-Control: no-store"], None),
        ([b"Cache-Control: private, max-age=4"], None),
        ([b'Cache-Control: private="x-secret", max-age=4'], 4),
        ([b"CDN-Cache-Control: no-store", b"Cache-Control: max-age=4"], None),
    ],
)
def test_how_long_an_answer_is_fresh(lines: list[bytes], expected: float | None) -> None:
    assert lifetime(*lines) == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [(b"100", 100), (b"100, 5", 100), (b"7;x=1", 7), (b"abc", 0), (b"-5", 0), (b"1.5", 0), (b"", 0)],
)
def test_age_as_rfc_9111_has_it(age: bytes, expected: int) -> None:
    assert freshness.age_of({b"age": [age]}) == expected


def test_named_fields_are_not_stored() -> None:
    made = entry(
        b'Cache-Control: max-age=9, private="x-secret", no-cache="Set-Thing"',
        b"X-Secret: 1",
        b"Set-Thing: 2",
        b"Age: 3",
    )
    assert made is not None
    assert b"secret: 1" not in made.head.lower()
    assert b"set-thing:" not in made.head.lower()
    assert b"age: 3" not in made.head.lower()
    assert not made.no_cache


@given(st.binary(max_size=200))
def test_nothing_that_is_sent_makes_the_readers_fail(data: bytes) -> None:
    fields.directives(data)
    fields.date(data)
    fields.seconds(data)
    targeted.dictionary(data)
    targeted.surrogate(data)
    vary.normal(b"accept-language", data)
    vary.normal(b"foo", data)
    conditions.not_modified({b"if-none-match": [data], b"if-modified-since": [data]}, _fresh())
    ranges.wanted({b"range": [data], b"if-range": [data]}, _fresh())
    ranges.content_range(data)
    tags.of({b"surrogate-key": [data], b"cache-tag": [data]})
    Said({b"cache-control": [data], b"cdn-cache-control": [data]})


def _fresh(age: int = 60) -> Entry:
    made = entry(b"Cache-Control: max-age=%d" % age, b'ETag: "1"')
    assert made is not None
    return made


@given(st.integers(0, 4_000_000_000))
def test_a_date_is_read_as_it_is_written(moment: int) -> None:
    from email.utils import formatdate

    assert fields.date(formatdate(moment, usegmt=True).encode()) == moment


@given(st.binary(max_size=60).filter(lambda v: b"\0" not in v), st.sampled_from([b"foo", b"accept-encoding"]))
def test_one_form_is_its_own_form(value: bytes, name: bytes) -> None:
    once = vary.normal(name, value)
    assert vary.normal(name, once) == once


@given(st.binary(min_size=1, max_size=50), st.integers(0, 60), st.integers(0, 60))
def test_a_part_is_what_a_slice_is(body: bytes, first: int, last: int) -> None:
    made = _fresh()
    made.body = body
    got = answer.of(made, {b"range": [b"bytes=%d-%d" % (first, last)]}, 0)
    assert got is not None
    if last < first:
        assert (got.status, got.body) == (200, body)
    elif first >= len(body):
        assert got.status == 416
    else:
        assert (got.status, got.body) == (206, body[first : last + 1])


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 100), st.integers(0, 100))
def test_a_hit_is_fresh_or_allowed_to_be_stale(age: int, fresh: int, min_fresh: int, max_stale: int) -> None:
    made = _fresh(fresh)
    asked = fields.directives(b"min-fresh=%d" % min_fresh if age % 2 else b"max-stale=%d" % max_stale)
    outcome = lookup.decide(made, asked, NOW + age, Rules())
    left = fresh - age
    if age % 2:
        assert (outcome is Outcome.HIT) == (left > min_fresh)
    else:
        assert (outcome is Outcome.HIT) == (left > 0 or -left <= max_stale)


# --- purges


def test_a_purge_is_seen_by_all_and_hits_what_was_asked_for_before() -> None:
    memory = SharedMemory.private(3 * SLOTS * 8)
    one, other, supervisor = (Purges(memory, row) for row in range(3))
    made = _fresh()
    made.since, made.mark, made.tags = time.monotonic_ns(), tags.mark(b"url", b"a"), (tags.mark(b"tag", b"t"),)
    assert one.spares(made)
    supervisor.purge(tags.mark(b"url", b"b"))
    assert other.spares(made)
    for purge in (lambda: one.purge(made.mark), lambda: supervisor.purge(made.tags[0]), other.purge_all):
        made.since = time.monotonic_ns()
        assert one.spares(made)
        purge()
        assert not any(purges.spares(made) for purges in (one, other, supervisor))
        made.since = time.monotonic_ns() + 1
        assert one.spares(made)


def test_purges_of_others_cost_hardly_anybody_a_fetch() -> None:
    purges = Purges.alone()
    kept = [_fresh() for _ in range(1000)]
    for number, one in enumerate(kept):
        one.since, one.mark = time.monotonic_ns(), tags.mark(b"url", b"kept %d" % number)
    for number in range(1000):
        purges.purge(tags.mark(b"url", b"changed %d" % number))
    assert sum(not purges.spares(one) for one in kept) <= 1


def test_too_many_tags_could_not_be_purged_by() -> None:
    many = {b"surrogate-key": [b" ".join(b"%d" % n for n in range(tags.MAXIMUM + 1))]}
    assert tags.of(many) is None
    assert tags.of({b"cache-tag": [b"a, b"], b"surrogate-key": [b"b c"]}) == tags.of({b"surrogate-key": [b"c b a"]})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, set()),
        (b'"a"', {b"a"}),
        (b' "a" , "b;c,d";p=1;q="x, y" ', {b"a", b"b;c,d"}),
        (b'"a\\"b"', {b'a"b'}),
        (b'"a" "b"', set()),
        (b'"a",', set()),
        (b"a", set()),
        (b'"a", 5', set()),
        (b'"\xff"', set()),
    ],
)
def test_groups_are_a_list_of_strings_or_none(value: bytes | None, expected: set[bytes]) -> None:
    assert tags.strings(value) == expected


def test_groups_are_those_of_one_host_and_bounded() -> None:
    groups = {b"cache-groups": [b'"a", "b"']}
    assert tags.of(groups, b"h") == tags.of({b"cache-groups": [b'"b"', b'"a"']}, b"h") != tags.of(groups, b"i")
    assert tags.of({b"surrogate-key": [b"a b"]}, b"h") != tags.of(groups, b"h")
    assert len(tags.of({b"cache-groups": [b", ".join(b'"%032d"' % n for n in range(32))]}, b"h") or ()) == 32
    assert tags.of({b"cache-groups": [b", ".join(b'"%d"' % n for n in range(65))]}, b"h") is None


# --- conditions


@pytest.mark.parametrize(
    ("request_fields", "expected"),
    [
        ({b"if-none-match": [b'"1"']}, True),
        ({b"if-none-match": [b'W/"1"']}, True),
        ({b"if-none-match": [b'"0", "1"']}, True),
        ({b"if-none-match": [b'"0"', b'"1"']}, True),
        ({b"if-none-match": [b"*"]}, True),
        ({b"if-none-match": [b'"2"'], b"if-modified-since": [DATE]}, False),
        ({b"if-modified-since": [DATE]}, True),
        ({b"if-modified-since": [b"Sun, 17 Mar 2030 17:46:39 GMT"]}, False),
        ({b"if-modified-since": [b"nonsense"]}, False),
        ({}, False),
    ],
)
def test_whether_a_client_has_what_is_stored(request_fields: fields.Fields, expected: bool) -> None:
    assert conditions.not_modified(request_fields, _fresh()) == expected


def test_a_later_answer_replaces_lines_but_not_those_about_the_body() -> None:
    stored = [b"A: 1\r\n", b"Content-Encoding: gzip\r\n", b"B: 1\r\n"]
    later = [b"a: 2\r\n", b"a: 3\r\n", b"Content-Encoding: br\r\n", b"C: 1\r\n"]
    assert conditions.updated(stored, later) == (
        b"Content-Encoding: gzip\r\n", b"B: 1\r\n", b"a: 2\r\n", b"a: 3\r\n", b"C: 1\r\n",
    )  # fmt: skip
