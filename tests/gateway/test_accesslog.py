"""The log's writing: whole lines, and never waiting for a reader that stands still."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.errors import UsageError
from apigw_cli.gateway import accesslog
from apigw_cli.gateway.accesslog import AccessLog, client_fields, pieces
from apigw_cli.gateway.options import share


def request(path: str = "/pets") -> Any:
    return SimpleNamespace(
        id=b"id-1",
        connection=SimpleNamespace(log_fields=client_fields("127.0.0.1")),
        method=b"GET",
        path=path,
        query=b"a=1&b=2",
        status=200,
        plan=None,
        trace=None,
        principal='a "quoted" name',
        handler=None,
        bytes_in=1,
        bytes_out=2,
        reason="",
        detail="",
        noticed=None,
        cache="",
        asked=b"",
    )


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"") + b"\n"), max_size=40), st.integers(1, 100))
def test_pieces_are_whole_lines_and_nothing_is_lost(lines: list[bytes], size: int) -> None:
    found = pieces(b"".join(lines), size)
    assert b"".join(found) == b"".join(lines)
    assert all(piece.endswith(b"\n") for piece in found)
    assert all(len(piece) <= size or piece.count(b"\n") == 1 for piece in found)


def test_a_reader_that_stands_still_stops_nobody(monkeypatch: Any) -> None:
    monkeypatch.setattr(accesslog, "_PENDING_MAXIMUM", 100_000)
    read, write = os.pipe()
    log = AccessLog(write)
    for _ in range(2_000):
        log.add(request("/" + "x" * 200), 1_000_000)
    log.flush()
    assert log.dropped > 0
    kept = 2_000 - log.dropped
    os.set_blocking(read, False)
    data = b""
    while data.count(b"\n") < kept:
        try:
            data += os.read(read, 65536)
        except BlockingIOError:
            log.flush()
    assert data.count(b"\n") == kept
    assert all(line.startswith(b'{"time":"') and line.endswith(b"}") for line in data.splitlines())
    os.close(read)
    log.add(request(), 1)
    log.close()  # a reader that has gone is no error
    os.close(write)


def test_a_share_of_what_went_well_and_all_that_did_not(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = AccessLog(descriptor, 0.25)
    bad, cut = request("/bad"), request("/cut")
    bad.status, cut.reason = 429, "client_gone"
    for _ in range(2_000):
        for one in (request("/good"), bad, cut):
            log.add(one, 1)
    log.close()
    os.close(descriptor)
    text = (tmp_path / "log").read_text()
    assert text.count("/bad") == text.count("/cut") == 2_000
    assert 300 < text.count("/good") < 700  # 500 expected, standard deviation 19


@pytest.mark.parametrize("text", ["10", "-1%", "101%", "x%", "%", "nan%", ""])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no share"):
        share(text)


def test_a_share_in_percent() -> None:
    assert [share(text) for text in ("100%", "0.5%", "0%")] == [1, 0.005, 0]


def test_names_of_a_query_but_no_values(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = AccessLog(descriptor)
    one = request('/a"b\\c')
    one.query = b"token=secret&plain&x=%22"
    log.add(one, 1_234_567)
    log.close()
    os.close(descriptor)
    import json

    (line,) = (json.loads(text) for text in (tmp_path / "log").read_text().splitlines())
    assert line["query"] == ["token", "plain", "x"]
    assert line["path"] == '/a"b\\c'
    assert line["principal"] == 'a "quoted" name'
    assert line["duration_ms"] == 1.234
