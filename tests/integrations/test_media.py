from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.integrations.media import choose, concrete, encode

JSON, XML, TEXT, PROBLEM = "application/json", "application/xml", "text/plain", "application/problem+json"


@pytest.mark.parametrize(
    ("offers", "accept", "chosen"),
    [
        ([XML, JSON], "", JSON),
        ([XML, TEXT], "", XML),
        ([XML, JSON], "*/*", JSON),
        ([XML, JSON], "application/xml", XML),
        ([XML, JSON], "APPLICATION/XML;charset=utf-8", XML),
        ([JSON, TEXT], "text/*, */*;q=0.1", TEXT),
        ([JSON, TEXT], "text/*;q=0.1, */*", JSON),
        ([JSON, XML], "application/json;q=0, */*", XML),
        ([JSON, XML], "application/json;q=0", None),
        ([JSON], "text/html", None),
        ([JSON], "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON),
        ([JSON], "application/vnd.github+json", JSON),
        ([PROBLEM], JSON, PROBLEM),
        ([JSON, PROBLEM], PROBLEM, PROBLEM),
        (["application/json; charset=utf-8"], JSON, "application/json; charset=utf-8"),
        (["*/*"], JSON, "*/*"),
        (["image/*"], "image/png", None),
        ([JSON], "nonsense", None),
        ([JSON], ",,;q=1,*/*;q=2, */*", JSON),
    ],
)
def test_what_a_client_gets(offers: list[str], accept: str, chosen: str | None) -> None:
    assert choose(offers, accept) == chosen


@pytest.mark.parametrize(
    ("offer", "kind"),
    [
        (JSON, JSON),
        ("*/*", JSON),
        ("text/*", TEXT),
        ("image/*", "application/octet-stream"),
        (" text/csv; header=present ", "text/csv; header=present"),
        ("json", "application/octet-stream"),
        ("text/plain\r\nX-Injected: 1", "application/octet-stream"),
        ("text/plain;\u2028x", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_the_content_type_is_one_line(offer: str, kind: str) -> None:
    assert concrete(offer) == kind


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_header_and_no_specification_upsets_it(accept: str, offer: str) -> None:
    assert choose([offer], accept) in (offer, None)
    assert concrete(offer).isascii() and concrete(offer).isprintable()


def test_bytes() -> None:
    assert encode(JSON, {"a": "é"}) == '{"a":"é"}'.encode()
    assert encode(JSON, "text") == b'"text"'
    assert encode(TEXT, "text") == b"text"
    assert encode(TEXT, [1]) == b"[1]"
    assert encode("application/vnd.api+json", "x") == b'"x"'
    head = b'<?xml version="1.0" encoding="UTF-8"?>'
    assert encode(XML, {"a": [1, True], "b c": None, "d": "<&>"}, "pet") == head + (
        b"<pet><a><item>1</item><item>true</item></a><item></item><d>&lt;&amp;&gt;</d></pet>"
    )
    assert encode("image/svg+xml", "<svg/>") == b"<svg/>"
