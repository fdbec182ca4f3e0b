"""An answer that is held until it is whole: however it comes in pieces, all of it is changed or nothing is sent."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.gateway.filtering import Filtering
from apigw_cli.policies.answer_filter import Head, Unfit
from apigw_cli.policies.plan import filters
from tests.policies.exchange import Exchange, route, runtime

MAXIMUM = 60


class Asked(Exchange):
    """A request of a connection that writes down what it is told to write."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        transport = SimpleNamespace(write=self.written.append)
        self.connection = SimpleNamespace(transport=transport, persistence=lambda request: b"")
        self.status = self.bytes_out = 0
        self.http10 = self.head_sent = False


@given(
    st.text('ab"\\é{}', max_size=MAXIMUM),
    st.lists(st.integers(0, MAXIMUM), max_size=5),
    st.booleans(),
    st.booleans(),
)
def test_however_it_comes(text: str, cuts: list[int], says_length: bool, breaks_off: bool) -> None:
    body = json.dumps({"a": text, "secret": text}, ensure_ascii=False).encode()
    request: Any = Asked()
    value = {"body": {"remove": ["/secret"]}, "max_body": MAXIMUM}
    taker = Filtering(request, filters(route({"response": value}), runtime()))
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[start:end] for start, end in itertools.pairwise(places)]
    head = Head(200, b"OK", [b"Content-Type: application/json\r\n"], len(body) if says_length else None)

    def pass_on() -> None:
        taker.head(head)
        for piece in pieces:
            taker.part(piece)
            taker.flush()
        assert request.written == []
        if not breaks_off:
            taker.end(None, True)

    if len(body) > MAXIMUM:
        with pytest.raises(Unfit):
            pass_on()
        assert request.written == []
        return
    pass_on()
    changed = json.dumps({"a": text}, ensure_ascii=False, separators=(",", ":")).encode()
    sent = b"".join(request.written)
    if breaks_off:
        assert sent == b""
    else:
        assert sent.endswith(b"\r\n\r\n" + changed)
        assert b"Content-Length: %d\r\n" % len(changed) in sent
