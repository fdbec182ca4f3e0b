"""Requests that differ: every value arrives as it was meant, whatever it is, and the length is right."""

from __future__ import annotations

import csv
import json
import re
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.bench import template
from apigw_cli.bench.request import Request, parse_header, parse_url, read_body
from apigw_cli.bench.rows import Rows
from apigw_cli.bench.values import Values
from apigw_cli.errors import ApigwError, Exit
from tests.bench.running import measured
from tests.bench.server import OK, Asked, serving


def made(rows: Rows | None = None, *, number: int = 0, workers: int = 1, count: int = 1, **parts: Any) -> list[bytes]:
    """The bytes of `count` requests of one worker."""
    url = parse_url(parts.get("url", "http://h/"))
    headers = tuple(parse_header(text) for text in parts.get("headers", ()))
    message = Request("POST", url, headers, read_body(parts.get("body", ""))).message()
    template.check([message], rows)
    make = Values(number, workers, rows.of_worker(number, workers) if rows else None).maker([message])
    return [make() for _ in range(count)]


@given(st.text(), st.text())
def test_any_cell_arrives_in_a_json_body_and_in_the_url(first: str, second: str) -> None:
    cells = [text.encode("utf-8", "replace").decode() for text in (first, second)]
    rows = Rows("d.csv", ["a", "b(%d)"], [cells], [2])
    body = '{"a": "{{csv.a}}", "100%": "{{ csv.b(%d) }}!", "n": {{seq}}}'
    head, _, sent = made(rows, url="http://h/x/{{csv.a}}?b={{csv.b(%d)}}&c=50%25", body=body)[0].partition(b"\r\n\r\n")
    assert json.loads(sent) == {"a": cells[0], "100%": cells[1] + "!", "n": 1}
    length = re.search(rb"Content-Length: (\d+)", head)
    assert length and int(length[1]) == len(sent)
    assert b"Content-Type: application/json" in head
    path, _, query = head.split(b" ")[1].decode().partition("?")
    assert urllib.parse.unquote(path) == f"/x/{cells[0]}"
    assert urllib.parse.parse_qs(query, keep_blank_values=True, separator="&") == {"b": [cells[1]], "c": ["50%"]}


def test_a_text_body_has_its_values_as_they_are() -> None:
    rows = Rows("d.csv", ["a"], [['say "hä"'], ["x"]], [2, 3])
    sent = [one.partition(b"\r\n\r\n")[2].decode() for one in made(rows, body="a={{csv.a}} 5%", count=3)]
    assert sent == ['a=say "hä" 5%', "a=x 5%", 'a=say "hä" 5%']


def test_numbers_are_each_sent_once_over_all_workers_and_rows_are_divided() -> None:
    rows = Rows("d.csv", ["a"], [[str(number)] for number in range(5)], [])
    seen = [one.split(b" ")[1] for number in range(3)
            for one in made(rows, number=number, workers=3, count=4, url="http://h/{{seq}}/{{csv.a}}")]  # fmt: skip
    pairs = [tuple(map(int, one.split(b"/")[1:])) for one in seen]
    assert sorted(number for number, _ in pairs) == list(range(1, 13))
    assert {row for number, row in pairs if number % 3 == 1} == {0, 3}


def test_a_name_has_one_value_within_a_request_and_another_in_the_next() -> None:
    sent = made(url="http://h/{{uuid}}", headers=["Idempotency-Key: {{uuid}}"], body='{"id": "{{uuid}}"}', count=300)
    found = [
        set(re.findall(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one)) for one in sent
    ]
    assert all(len(one) == 1 for one in found)
    assert len(set.union(*found)) == 300


def test_what_the_server_gets_is_what_was_meant(tmp_path: Path) -> None:
    with (tmp_path / "users.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("name", "note"), ("ann", 'a "b"\nc'), ("bob", "ü,;")])
    (tmp_path / "body.json").write_text('{"name": "{{csv.name}}", "note": "{{csv.note}}", "n": {{seq}}}')
    asked: list[Asked] = []

    def remember(one: Asked) -> bytes:
        asked.append(one)
        return OK

    with serving(remember) as server:
        result = measured(
            server.url + "u/{{csv.name}}", requests=40, concurrency=4, workers=2, csv=tmp_path / "users.csv",
            data=f"@{tmp_path / 'body.json'}", headers=("X-Who: {{csv.name}}",),
        )  # fmt: skip
    assert (result.statuses, result.errors) == ({"200": 40}, {})
    notes = {"ann": 'a "b"\nc', "bob": "ü,;"}
    for one in asked:
        sent = json.loads(one.body)
        assert one.path == f"/u/{sent['name']}" and one.headers["x-who"] == sent["name"]
        assert sent["note"] == notes[sent["name"]]
    assert sorted(json.loads(one.body)["n"] for one in asked) == list(range(1, 41))
    assert result.traffic.out > 40 * 100


@pytest.mark.parametrize(
    ("options", "content", "words"),
    [
        ({"data": "{{sequence}}"}, None, "{{sequence}} stands for nothing"),
        ({"data": "{{csv.a}}"}, None, "needs a CSV file"),
        ({"data": "{{csv.b}}"}, "a\n1\n", "has no column 'b'"),
        ({"data": "x"}, "a\n1\n", "no request takes anything of it"),
        ({"data": "{{csv.a}}"}, "a,b\n1,2\n3\n", "1 cells, but there are 2 columns"),
        ({"data": "{{csv.a}}"}, "a,b\n", "there is no row in it"),
        ({"data": "{{csv.a}}"}, 'a\n"1\n', "this is not CSV"),
        ({"data": "{{csv.a}}"}, b"a\n\xff\n", "this is not UTF-8"),
        ({"headers": ("X: {{csv.a}}",)}, 'a\n1\n"2\n3"\n', "cannot stand in a header"),
        ({"headers": ("X: {{csv.a}}",)}, "a\n雪\n", "cannot stand in a header"),
        ({"data": "{{seq}}", "verify_limits": True}, None, "a limit is proved with one request"),
    ],
)
def test_what_cannot_be_filled_in(
    options: dict[str, Any], content: str | bytes | None, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "d.csv"
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        options = options | {"csv": file}
    with pytest.raises(ApigwError) as raised:
        measured("http://127.0.0.1:9/", **options)
    assert words in str(raised.value)
    assert raised.value.exit_code in (Exit.USAGE, Exit.FAILED)


def test_the_place_of_a_cell_that_a_header_cannot_hold_is_told(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text('a,b\n"x\ny",1\n2,"3\n4"\n')
    with pytest.raises(ApigwError) as raised:
        measured("http://127.0.0.1:9/", headers=("X: {{csv.b}}",), csv=tmp_path / "d.csv")
    assert str(raised.value.place) == f"{tmp_path / 'd.csv'}:4:1"


def test_a_host_is_no_place_for_a_value() -> None:
    with pytest.raises(ApigwError, match="the host is the same for all requests"):
        parse_url("http://{{seq}}.example/")
