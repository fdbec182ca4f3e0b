"""However a network cuts what a client sends, the same requests come out of it: the parser's boundary, fuzzed."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.gateway import metrics
from apigw_cli.gateway.client_limits import ClientLimits
from apigw_cli.gateway.framing import Malformed
from apigw_cli.gateway.metrics import WorkerCells
from apigw_cli.gateway.reader import Reader
from apigw_cli.gateway.request import Request
from apigw_cli.gateway.site import Site
from apigw_cli.limits.inflight import InFlight
from apigw_cli.snapshot.model import Listen
from tests.gateway.test_tunnel import handshake


class Recording(Reader):
    """The reading half, with nobody who answers."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.requests: list[tuple[Request, list[bytes], list[bool]]] = []
        self.refused: list[int] = []

    def opened(self, request: Request) -> None:
        self.requests.append((request, [], [request.complete]))

    def part(self, request: Request, data: bytes) -> None:
        self.requests[-1][1].append(data)

    def ended(self, request: Request) -> None:
        self.requests[-1][2][0] = True
        if request.websocket:
            request.answered = True  # as if it had been declined

    def broken(self, malformed: Malformed) -> None:
        self.refused.append(malformed.status)

    def undecided(self, early: bytes) -> None:
        self.handshake = None
        if early:
            self.data_received(early)

    def seen(self) -> list[Any]:
        """What was understood."""
        facts: list[Any] = []
        for request, parts, complete in self.requests:
            # A section of trailers that ends in a fault is refused whole: how far it came is of no consequence.
            trailers = tuple(request.trailers or ()) if complete[0] else ()
            facts.append(
                (
                    request.method, request.url, request.path, request.query, request.host, request.authority,
                    tuple(request.headers), request.chunked, request.length, request.keep_alive, request.http10,
                    request.expects, request.websocket, frozenset(request.remove), b"".join(parts),
                    trailers, complete[0],
                )
            )  # fmt: skip
        return [*facts, *self.refused]


@pytest.fixture(scope="module")
def site() -> Any:
    loop = asyncio.new_event_loop()
    one = Site(loop, InFlight.create(1, 10), WorkerCells(metrics.create(1), 0), None)
    one.table = SimpleNamespace(limits=ClientLimits.of(Listen()))  # type: ignore[assignment]
    yield one
    loop.close()


def outcome(site: Site, pieces: list[bytes]) -> list[Any]:
    reader = Recording(site)
    for piece in pieces:
        reader.data_received(piece)
    return reader.seen()


GOOD = [
    b"GET /open/a?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /open/a HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"HEAD //open/%61/../b HTTP/1.1\r\nHost: LOCALHOST:80\r\nConnection: keep-alive, X-Own\r\nX-Own: 1\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\nGET / HTTP/1",
    b"POST /p HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2;e\r\nhe\r\n0\r\nX: 1\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello",
    handshake("/ws"),
    b"GET http://localhost/open HTTP/1.1\r\nHost: other\r\n\r\n",
    b"GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"\r\nDELETE /x HTTP/1.1\r\nHost: localhost\r\nX-Latin: \xff\r\n\r\n",
    b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /r RTSP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /r RTSP/1.0\r\nHost: localhost\r\nX: y HTTP/1.0\r\n\r\n",
]  # fmt: skip
_BYTES = st.sampled_from([b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"0", b";", b",", b"\x00", b"\xff", b"%", b"/"])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Several requests one behind the other, and up to three changes of single bytes."""
    data = b"".join(draw(st.lists(st.sampled_from(GOOD), min_size=1, max_size=4)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data) - 1))
        kind = draw(st.sampled_from(["cut", "insert", "replace", "double"]))
        if kind == "cut":
            data = data[:at] + data[at + 1 :]
        elif kind == "double":
            data = data[:at] + data[at : at + 9] + data[at:]
        else:
            data = data[:at] + draw(_BYTES) + data[at + (kind == "replace") :]
    return data


@settings(max_examples=600, deadline=None)
@given(streams(), st.lists(st.integers(1, 400), max_size=12))
def test_a_stream_cut_anywhere_is_the_same_stream(site: Site, data: bytes, cuts: list[int]) -> None:
    places = sorted({cut for cut in cuts if cut < len(data)})
    pieces = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    whole = outcome(site, [data])
    assert outcome(site, pieces) == whole
    assert outcome(site, [data[at : at + 1] for at in range(len(data))]) == whole


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(GOOD[:6]), min_size=1, max_size=300))
def test_more_than_a_slice_at_once_is_the_same_stream(site: Site, requests: list[bytes]) -> None:
    whole = outcome(site, [b"".join(requests)])
    one_by_one = Recording(site)
    for request in requests:
        one_by_one.data_received(request)
    assert whole == one_by_one.seen()
    assert len(whole) == len(requests)
