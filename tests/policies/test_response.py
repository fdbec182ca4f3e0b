"""`response`: what becomes of an answer, whatever it is and whatever the values are."""

from __future__ import annotations

import copy
import gzip
import json
import xml.etree.ElementTree as ElementTree
import zlib
from typing import Any

import brotli
import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.errors import InputError
from apigw_cli.policies.answer_filter import Flowing, Head, Held, Unwanted
from apigw_cli.policies.interface import Change
from apigw_cli.policies.plan import filters, steps
from apigw_cli.policies.registry import BY_NAME
from apigw_cli.policies.templates import documents
from tests.policies.exchange import Exchange, model, route, runtime

POLICY = BY_NAME["response"]
JSON = b"Content-Type: application/json"
HTML = b"Content-Type: text/html"


class Answer:
    """What the client gets."""

    def __init__(self, head: Head, body: bytes) -> None:
        self.status, self.reason, self.length, self.own, self.body = (
            *(head.status, head.reason, head.length, head.own),
            body,
        )
        self.lines = [line.rstrip() for line in head.lines]

    def all(self, name: str) -> list[bytes]:
        low = name.lower().encode() + b":"
        return [line.partition(b":")[2].strip() for line in self.lines if line.lower().startswith(low)]


def answered(
    value: Any,
    body: bytes = b"",
    *lines: bytes,
    status: int = 200,
    own: bool = False,
    said: bool = True,
    exchange: Exchange | None = None,
) -> Answer:
    """`said`: the upstream says the length."""
    (one,) = filters(route({"response": value}), runtime())
    exchange = exchange or Exchange()
    length = len(body) if said and status not in (204, 304) else None
    head = Head(status, b"Theirs", [line + b"\r\n" for line in lines], length, own)
    outcome = one(exchange, head)
    bodiless = exchange.method == b"HEAD" or status in (204, 304)
    if isinstance(outcome, Held):
        assert not bodiless
        assert len(body) <= outcome.maximum
        return Answer(*outcome.decide(body))
    if isinstance(outcome, Flowing):
        made = (b"" if bodiless else outcome.body.part(body)) + outcome.body.end()
        return Answer(outcome.head, made)
    return Answer(outcome, b"" if bodiless else body)


SECRET = {"body": {"remove": ["/secret"]}}


class TestMembers:
    def test_renamed_removed_set(self) -> None:
        value = {
            "headers": {"set": {"X-Id": "${response.body/id}", "X-Was": "${response.status} ${response.header.x-a}"}},
            "body": {
                "rename": {"/name": "/pet/name"},
                "remove": ["/secret"],
                "set": {"/by": "${auth.principal}", "/all": "${response.body/tags}", "/s": "${response.status}"},
            },
        }
        body = b'{"id":7,"name":"rex","secret":1,"tags":["a"],"n":1.10}'
        found = answered(value, body, JSON, b"X-A: b", exchange=Exchange(principal="ann"))
        assert found.body == b'{"id":7,"tags":["a"],"n":1.10,"pet":{"name":"rex"},"by":"ann","all":["a"],"s":200}'
        assert (found.status, found.length, found.all("x-id"), found.all("x-was")) == (
            *(200, len(found.body), [b"7"]),
            [b"200 b"],
        )

    @pytest.mark.parametrize(
        ("body", "lines"),
        [
            (b'{"secret":1}', (b"Content-Type: text/plain",)),
            (b'{"secret":1}', ()),
            (b'{"secret":1', (JSON,)),
            (b'{"secret":1,"secret":2}', (JSON,)),
            ('{"secret":1}'.encode("utf-16"), (JSON,)),
            (b"[" * 300 + b"]" * 300, (JSON,)),
            (gzip.compress(b'{"secret":1}', mtime=0)[:-4], (JSON, b"Content-Encoding: gzip")),
            (b'{"secret":1}', (JSON, b"Content-Encoding: rot13")),
            (gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0), (JSON, b"Content-Encoding: gzip, gzip")),
            (b'{"secret":1}', (JSON, b"Content-Range: bytes 0-11/12")),
            (b"data: secret\n\n", (b"Content-Type: text/event-stream",)),
        ],
    )
    def test_what_cannot_be_read_does_not_pass(self, body: bytes, lines: tuple[bytes, ...]) -> None:
        with pytest.raises(Unwanted) as caught:
            answered(SECRET, body, *lines)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("status", [301, 404, 500, 503])
    def test_an_error_keeps_its_status_and_loses_its_body(self, status: int) -> None:
        exchange = Exchange()
        lines = (HTML, b"Retry-After: 3", b'ETag: "1"', b"Location: /a")
        found = answered(SECRET, b"<p>secret</p>", *lines, status=status, exchange=exchange)
        assert (found.status, found.own, found.all("content-type")) == (status, True, [b"application/json"])
        assert (found.all("retry-after"), found.all("location"), found.all("etag")) == ([b"3"], [b"/a"], [])
        assert list(json.loads(found.body)) == ["message"]
        assert found.length == len(found.body)
        assert [what for what, _ in exchange.noticed] == ["unsuitable_answer"]
        broken = answered(SECRET, b'{"secret":1', JSON, status=status)
        assert (broken.status, b"secret" in broken.body) == (status, False)

    def test_an_error_of_json_is_changed_like_any_other(self) -> None:
        assert answered(SECRET, b'{"a":1,"secret":2}', JSON, status=500).body == b'{"a":1}'
        assert answered({**SECRET, "on": ["2xx"]}, b"<p>", HTML, status=500).body == b"<p>"

    def test_nothing_passes_as_nothing(self) -> None:
        for status in (200, 201, 204, 304):
            assert answered(SECRET, b"", b"X: y", status=status).lines == [b"X: y"]
        assert answered(SECRET, b"", JSON, said=False).body == b""

    @pytest.mark.parametrize(
        ("coding", "pack"),
        [
            ("gzip", gzip.compress),
            ("deflate", zlib.compress),
            ("br", brotli.compress),
            ("zstd", zstandard.compress),
        ],
    )
    def test_what_is_compressed(self, coding: str, pack: Any) -> None:
        line = b"Content-Encoding: " + coding.encode()
        found = answered(SECRET, pack(b'{"a":1,"secret":2}'), JSON, line)
        assert (found.body, found.all("content-encoding")) == (b'{"a":1}', [])
        bomb = pack(b'"' + b"x" * 5_000_000 + b'"')
        with pytest.raises(Unwanted, match="decompressed"):
            answered(SECRET, bomb, JSON, line)

    def test_one_that_is_too_large(self) -> None:
        with pytest.raises(Unwanted, match="larger than 10 bytes"):
            answered({**SECRET, "max_body": 10}, b'{"secret":1}', JSON)

    def test_a_member_that_is_something_else(self) -> None:
        with pytest.raises(Unwanted, match="something else"):
            answered({"body": {"set": {"/a/b": 1}}}, b'{"a":1}', JSON)


class TestWhole:
    def test_json_of_an_error(self) -> None:
        value = {"on": ["5xx"], "body": {"json": {"status": "${response.status}", "id": "${request.id}"}}}
        found = answered(value, b"<p>stack</p>", HTML, b"Content-Encoding: br", status=500)
        assert (found.status, json.loads(found.body)) == (500, {"status": 500, "id": "1"})
        assert (found.all("content-type"), found.all("content-encoding")) == ([b"application/json"], [])
        assert answered(value, b"<p>", HTML).body == b"<p>"

    def test_of_what_the_upstream_says(self) -> None:
        value = {"body": {"json": {"data": "${response.body}", "of": "${response.body/a:-nobody}"}}}
        assert answered(value, b'{"a":[1.0]}', JSON).body == b'{"data":{"a":[1.0]},"of":[1.0]}'
        for body, line in ((b"<p>", HTML), (b'{"a":', JSON)):
            assert answered(value, body, line).body == b'{"of":"nobody"}'

    def test_text(self) -> None:
        value = {"body": {"text": "<pet id='${response.body/id}'/>", "type": "application/xml"}}
        found = answered(value, b'{"id":"\'/>"}', JSON)
        assert (found.body, found.all("content-type")) == (b"<pet id='&#39;/&gt;'/>", [b"application/xml"])

    def test_where_there_is_none(self) -> None:
        value = {"status": {"204": 200}, "body": {"json": {"ok": True}}}
        found = answered(value, status=204)
        assert (found.status, found.reason, found.body, found.length) == (200, b"OK", b'{"ok":true}', 11)
        assert answered({"body": {"json": [1]}}, status=204).body == b""
        assert answered({"status": {"204": 200}, "headers": {"add": {"X": "y"}}}, status=204).length == 0

    def test_no_stream_of_events(self) -> None:
        with pytest.raises(Unwanted, match="stream of events"):
            answered({"body": {"json": 1}}, b"data: 1\n\n", b"Content-Type: text/event-stream", said=False)


def test_the_first_rule_that_fits_counts() -> None:
    value = [
        {"on": [404], "status": {"404": 204}},
        {"on": ["4xx", "5xx"], "body": {"json": {"error": "${response.status}"}}, "headers": {"remove": ["Server"]}},
        {"body": {"remove": ["/secret", "/all/*/secret"]}},
    ]
    body = b'{"a":1,"secret":2,"all":[{"secret":3,"b":4}]}'
    found = [answered(value, body, JSON, status=status) for status in (404, 410, 500, 200)]
    assert [(one.status, one.body) for one in found] == [
        (204, b""),
        (410, b'{"error":410}'),
        (500, b'{"error":500}'),
        (200, b'{"a":1,"all":[{"b":4}]}'),
    ]
    assert POLICY.describe(model("response", value[:2])) == (
        "answers of 404, answer 404 → 204; answers of 4xx, 5xx, answer - Server, an answer's body made here"
    )
    assert filters(route({"response": []}), runtime()) == ()


class TestStatus:
    def test_one_alone_goes_before_its_class(self) -> None:
        value = {"status": {"4xx": 400, "404": 204, "500": 503}}
        found = [answered(value, b"x", HTML, status=status) for status in (200, 404, 410, 500, 501)]
        assert [(one.status, one.reason, one.body) for one in found] == [
            (200, b"Theirs", b"x"),
            (204, b"No Content", b""),
            (400, b"Bad Request", b"x"),
            (503, b"Service Unavailable", b"x"),
            (501, b"Theirs", b"x"),
        ]
        assert (found[1].length, found[1].lines) == (None, [])

    def test_what_is_bound_to_the_request_stays(self) -> None:
        value = {"status": {"3xx": 200, "2xx": 201}}
        assert [answered(value, b"", status=status).status for status in (304, 206, 200, 301)] == [304, 206, 201, 200]


class TestValidators:
    ETAG = b'ETag: "theirs"'

    def test_a_changed_body_has_a_tag_of_its_own(self) -> None:
        lines = (JSON, self.ETAG, b"Accept-Ranges: bytes", b"Content-MD5: x", b"Repr-Digest: x", b"Last-Modified: y")
        found = answered(SECRET, b'{"secret":1}', *lines)
        (tag,) = found.all("etag")
        assert tag.startswith(b'"')
        assert tag != b'"theirs"'
        assert [found.all(name) for name in ("accept-ranges", "content-md5", "repr-digest")] == [[]] * 3
        other = answered({"body": {"remove": ["/secret"], "set": {"/a": 1}}}, b'{"secret":1}', JSON, self.ETAG)
        assert other.all("etag") != [tag]
        assert answered(SECRET, b'{"secret":1}', JSON).all("etag") == []

    @pytest.mark.parametrize("weak", [b"", b"W/"])
    def test_who_has_it_is_told_so(self, weak: bytes) -> None:
        (tag,) = answered(SECRET, b'{"secret":1}', JSON, self.ETAG).all("etag")
        asked = Exchange([(b"if-none-match", b'"a", ' + weak + tag)])
        found = answered(SECRET, b'{"secret":1}', JSON, self.ETAG, b"Cache-Control: no-cache", exchange=asked)
        assert (found.status, found.body, found.length) == (304, b"", None)
        assert (found.all("etag"), found.all("content-type")) == ([tag], [])
        assert found.all("cache-control") == [b"no-cache"]
        theirs = Exchange([(b"if-none-match", b'"theirs"')])
        assert answered(SECRET, b'{"secret":1}', JSON, self.ETAG, exchange=theirs).status == 200

    def test_head_says_what_can_be_said(self) -> None:
        head = Exchange(method=b"HEAD")
        found = answered(SECRET, b'{"secret":1}', JSON, self.ETAG, b"Vary: A", exchange=head)
        assert (found.status, found.length, found.lines) == (200, None, [JSON, b"Vary: A"])
        made = answered({"body": {"json": 1}}, b"x", HTML, exchange=head)
        assert (made.lines, made.length) == ([JSON], None)
        plain = answered({"headers": {"add": {"X": "y"}}}, b"x", self.ETAG, exchange=head)
        assert (plain.lines, plain.length) == ([self.ETAG, b"X: y"], 1)

    def test_what_is_asked_of_the_upstream(self) -> None:
        def removed(value: Any, method: bytes = b"GET") -> set[bytes]:
            exchange = Exchange(method=method)
            for step in steps(route({"response": value}), runtime()):
                assert step(exchange) is None
            return exchange.remove

        conditions = {b"if-none-match", b"if-modified-since", b"if-range", b"range"}
        assert removed(SECRET) == {b"accept-encoding"} | conditions
        assert removed(SECRET, b"PUT") == {b"accept-encoding"}
        assert removed({"body": {"json": 1}}) == conditions
        assert removed({"headers": {"set": {"X": "${response.body/a}"}}}) == {b"accept-encoding"}
        assert removed({"headers": {"set": {"X": "${response.status}"}}}) == set()


class TestOwn:
    def test_only_headers_unless_asked(self) -> None:
        value = {"status": {"401": 404}, "headers": {"set": {"X": "y"}}, "body": {"json": {"error": "no"}}}
        found = answered(value, b'{"message":"no"}', JSON, status=401, own=True)
        assert (found.status, found.body, found.all("x")) == (401, b'{"message":"no"}', [b"y"])
        asked = answered({**value, "own": True}, b'{"message":"no"}', JSON, status=401, own=True)
        assert (asked.status, asked.body, asked.own) == (404, b'{"error":"no"}', True)
        text = {"own": True, "body": {"text": "${response.body/message}", "type": "text/plain"}}
        assert answered(text, b'{"message":"no"}', JSON, status=401, own=True).body == b"no"

    @pytest.mark.parametrize("body", [b"<p>", b'{"a":', b'{"a":"' + b"x" * 50 + b'"}', b'{"a":1}'])
    def test_an_own_one_never_fails(self, body: bytes) -> None:
        value = {"own": True, "max_body": 20, "body": {"set": {"/a/b": "${auth.claim.c}"}}}
        for line in (JSON, HTML):
            found = answered(value, body, line, status=401, own=True)
            assert (found.status, found.body) == (401, body)


class TestCaches:
    @pytest.mark.parametrize(
        ("written", "vary", "control"),
        [
            ("${request.header.X-From}", [b"X-From"], []),
            ("${request.cookie.theme}", [b"Cookie"], []),
            ("${auth.principal}", [], [b"private"]),
            ("${request.path} ${response.status}", [], []),
        ],
    )
    def test_are_told_of_values_of_one_caller(self, written: str, vary: Any, control: Any) -> None:
        values: Any = ({"headers": {"set": {"X": written}}}, {"body": {"json": [written]}})
        for value in values:
            found = answered(value, b"{}", JSON)
            assert (found.all("vary"), found.all("cache-control")) == (vary, control)

    def test_what_speaks_to_shared_ones_goes(self) -> None:
        value = {"headers": {"set": {"X": "${auth.principal}"}}}
        found = answered(value, b"", b"Cache-Control: public, max-age=9", b"CDN-Cache-Control: max-age=9")
        assert (found.all("cache-control"), found.all("cdn-cache-control")) == ([b"public, max-age=9", b"private"], [])
        said = {"headers": {"set": {"X": "${auth.principal}", "Cache-Control": "max-age=1"}}}
        assert answered(said, b"").all("cache-control") == [b"max-age=1"]


def test_a_header_that_is_too_long_is_left_out() -> None:
    value = {"headers": {"set": {"X": "${response.body/a}"}}}
    assert answered(value, b'{"a":"%b"}' % (b"x" * 9000), JSON).all("x") == []


# --- edits against a model that is as simple as can be


def _walk(root: Any, steps: list[str], make: bool = False) -> Any:
    for step in steps:
        if make and step not in root:
            root[step] = {}
        root = root.get(step) if isinstance(root, dict) else None
    return root


names = st.sampled_from(["a", "b", "c"])
pointers = st.lists(names, min_size=1, max_size=2)
trees = st.recursive(st.integers(0, 3), lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=6)


@given(
    st.dictionaries(names, trees), st.lists(pointers, max_size=2), pointers, pointers, st.lists(pointers, max_size=2)
)
def test_members_as_a_naive_model_has_them(
    root: dict[str, Any], remove: list[list[str]], old: list[str], new: list[str], put: list[list[str]]
) -> None:
    written = ["/" + "/".join(one) for one in (*remove, *put, new)]
    if len(set(written)) < len(written):  # named twice: refused at load
        return
    value = {
        "remove": ["/" + "/".join(one) for one in remove],
        "set": {"/" + "/".join(one): "new" for one in put},
        "rename": {"/" + "/".join(old): "/" + "/".join(new)},
    }
    expected: Any = copy.deepcopy(root)
    parent = _walk(expected, old[:-1])
    moved = parent.pop(old[-1], None) if isinstance(parent, dict) else None
    for one in (*sorted(remove, key=len, reverse=True), new):
        parent = _walk(expected, one[:-1])
        if isinstance(parent, dict):
            parent.pop(one[-1], None)
    try:
        for one, what in ([(new, moved)] if moved is not None else []) + [(one, "new") for one in put]:
            _walk(expected, one[:-1], make=True)[one[-1]] = what
    except (TypeError, AttributeError):
        with pytest.raises(Unwanted):
            answered({"body": value}, json.dumps(root).encode(), JSON)
        return
    assert json.loads(answered({"body": value}, json.dumps(root).encode(), JSON).body) == expected


# --- values in text

values = st.text(max_size=30) | st.text("<>&'\"]]>-!?\\{}$/\r\n\t\0", max_size=20)


def _kept_in_xml(text: str) -> str:
    fine = (
        c in "\t\n\r" or " " <= c <= "~" or "\xa0" <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
        for c in text
    )
    return "".join(c if is_fine else "\ufffd" for c, is_fine in zip(text, fine, strict=True))


@given(values, values)
def test_a_value_is_text_and_nothing_else_in_xml(one: str, two: str) -> None:
    written = "<pets a=\"x${auth.principal}\" b='${auth.principal}'><p>${auth.claim.c}</p>${auth.principal}y</pets>"
    value = {"body": {"text": written, "type": "application/xml"}}
    root = ElementTree.fromstring(answered(value, exchange=Exchange(principal=one, claims={"c": two})).body)
    one, two = _kept_in_xml(one), _kept_in_xml(two)
    assert (root.tag, root.attrib) == ("pets", {"a": "x" + one, "b": one})
    assert [(child.tag, child.text or "", child.tail) for child in root] == [("p", two, one + "y")]


@given(values)
def test_a_value_is_text_and_nothing_else_in_json(one: str) -> None:
    written = '{"a": "x${auth.principal}\\n", "b": ["${auth.principal}", 1]}'
    value = {"body": {"text": written, "type": "application/vnd.pet+json"}}
    found = answered(value, exchange=Exchange(principal=one))
    assert json.loads(found.body) == {"a": f"x{one}\n", "b": [one, 1]}


@given(values)
def test_a_value_ends_no_line_of_plain_text(one: str) -> None:
    value = {"body": {"text": "who: ${auth.principal}\nend", "type": "text/plain"}}
    found = answered(value, exchange=Exchange(principal=one))
    text = found.body.decode()
    assert found.all("content-type") == [b"text/plain; charset=utf-8"]
    assert (len(text.splitlines()), text.split("\n")[1]) == (2, "end")


@given(values)
def test_a_value_is_text_and_nothing_else_in_html(one: str) -> None:
    assert not set(documents.as_markup(one)) & set("<>\"'\0\n")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<a><!-- ${request.id} --></a>", "application/xml"),
        ("<a><![CDATA[${request.id}]]></a>", "text/xml"),
        ("<${request.id}/>", "text/xml"),
        ("<a ${request.id}='1'/>", "application/soap+xml"),
        ("<?x ${request.id}?><a/>", "text/xml"),
        ("<a>&${request.id};</a>", "text/xml"),
        ("<!DOCTYPE a [<!ENTITY b '${request.id}'>]><a>&b;</a>", "text/xml"),
        ("<a>${request.id}", "text/xml"),
        ('<?xml version="1.0" encoding="latin-1"?><a/>', "text/xml"),
        ("<svg xmlns='http://www.w3.org/2000/svg'><script>${request.id}</script></svg>", "image/svg+xml"),
        ("<h:a xmlns:h='http://www.w3.org/1999/xhtml' onclick='${request.id}'/>", "text/xml"),
        ('{"a":${request.id}}', "application/json"),
        ('{"${request.id}":1}', "application/json"),
        ('{"a":"\\${request.id}"}', "application/json"),
        ("<p title=${request.id}>", "text/html"),
        ('<p a=\'="\' title=${request.id} c="">', "text/html"),
        ('<p onclick="${request.id}">', "text/html"),
        ('<a href="${request.id}">x</a>', "text/html"),
        ("<script>${request.id}</script>", "text/html"),
        ("<script/>${request.id}", "text/html"),
        ("<!-- ${request.id} -->", "text/html"),
        ('<p title="${request.id}', "text/html"),
        ("${request.id}", "text/csv"),
        ("a", "text/plain; charset=latin-1"),
    ],
)
def test_a_place_where_no_value_can_be_escaped(text: str, kind: str) -> None:
    for policy in ("request", "response"):
        with pytest.raises(InputError, match=r"text|media type|matching regex"):
            model(policy, {"body": {"text": text, "type": kind}})


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"on": []}, "names no status"),
        ({"on": [100]}, "no status"),
        ({"on": ["9xx"]}, "no status"),
        ({"status": {"304": 200}}, "stay"),
        ({"status": {"200": 206}}, "stay"),
        ({"status": {"abc": 200}}, "status|regex"),
        ({"body": {"json": {}, "text": "a"}}, "two bodies"),
        ({"body": {"type": "text/plain"}}, "there is none"),
        ({"body": {"text": "a", "remove": ["/a"]}}, "whole new body"),
        ({"body": {"json": {}}, "headers": {"add": {"Content-Type": "a/b"}}}, "Content-Type"),
        ({"body": {"set": {"/a": "${request.body}"}}}, "gone by then"),
        ({"headers": {"set": {"Date": "x"}}}, "gateway's own"),
    ],
)
def test_what_cannot_be_meant(value: Any, why: str) -> None:
    with pytest.raises(InputError, match=why):
        model("response", value)


@pytest.mark.parametrize(
    ("old", "new", "change", "text"),
    [
        (SECRET, None, Change.WEAKEN, "show the member /secret"),
        (None, SECRET, Change.STRENGTHEN, "do not show"),
        (SECRET, {**SECRET, "on": ["2xx"]}, Change.WEAKEN, "show the member /secret"),
        ({"headers": {"remove": ["Server"]}}, None, Change.WEAKEN, "show the header server"),
        (None, {"body": {"json": {}}}, Change.WEAKEN, "another body"),
        (None, {"status": {"500": 200}}, Change.WEAKEN, "other statuses"),
        ({"max_body": 9}, {"max_body": 8}, Change.STRENGTHEN, "larger answers are refused"),
    ],
)
def test_what_a_change_does_to_protection(old: Any, new: Any, change: Change, text: str) -> None:
    before, after = (None if one is None else model("response", one) for one in (old, new))
    assert POLICY.compare(before, after) is change
    found = [reason.text for reason in POLICY.reasons(before, after)]  # type: ignore[attr-defined]
    assert any(text in one for one in found) if text else found == []


def test_how_it_reads() -> None:
    value = {
        "on": ["2xx", 404],
        "status": {"404": 204},
        "headers": {"remove": ["Server"], "set": {"Authorization": "abc"}},
        "body": {"remove": ["/secret"], "set": {"/password": "abc"}},
        "own": True,
    }
    assert POLICY.describe(model("response", value)) == (
        "answers of 2xx, 404, answer 404 → 204, answer + Authorization: [secret], answer - Server, "
        "answer member + /password: [secret], answer member - /secret, the gateway's own answers too"
    )
    assert msgspec.to_builtins(model("response", value)) == value
    assert filters(route({"response": {}}), runtime()) == ()
