"""An honest origin of many moods behind routes with many policies, and who judges what comes out of them.

The origin notes each exchange and names it in `X-Seq`; a 304 renews that name, so an answer tells which exchange last
vouched for it. What is in a body follows from the exchange alone (`Exchange.plain`), also whose it is.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import zlib
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from tests.gateway.caching import MovedClock

SECRET = "S3CRET"
SITES = ("https://a.test", "https://b.test", "https://evil.test")
BORN = 1_500_000_000  # Last-Modified of version 0
EDITS = {
    "headers": {"add": {"X-Added": "1"}, "remove": ["X-Hidden"]},
    "body": {"remove": ["/secret"], "rename": {"/n": "/m"}, "set": {"/list/-": "gw"}},
}
TOLD = {"headers": {"set": {"X-Tier": "${request.header.x-plan:-none}"}}}
CORS = {"origins": list(SITES[:2]), "credentials": True}
TTL = {"mode": "ttl", "ttl": "20s", "key_parameters": ["query:q"]}
LIMIT = 2000

# What stands in front of the origin, by the first segment of the path.
STACKS: dict[str, dict[str, Any]] = {
    "bare": {"cache": {}},
    "edited": {"cache": {}, "response": EDITS, "cors": CORS},
    "coded": {"cache": {}, "compress": {"min_size": 20, "codings": ["gzip"]}, "response_limit": {"max_body": LIMIT}},
    "told": {"cache": {}, "request": TOLD, "response": {"headers": EDITS["headers"]}, "security_headers": {}},
    "checked": {"cache": {}, "validate": {"response": "enforce"}, "cors": CORS},
    "own": {"cache": {"per_caller": True}, "response": EDITS, "compress": {"min_size": 20, "codings": ["gzip"]}},
    "ttl": {"cache": TTL, "response": EDITS, "security_headers": {}},
    "ttlown": {"cache": {**TTL, "per_caller": True}, "compress": {"min_size": 20, "codings": ["gzip"]}},
    "all": {
        "cache": {"stale_while_revalidate": "15s", "max_object": 1500},
        "request": TOLD,
        "response": EDITS,
        "validate": {"response": "enforce"},
        "response_limit": {"max_body": LIMIT},
        "compress": {"min_size": 20, "codings": ["gzip"]},
        "cors": CORS,
        "security_headers": {},
    },
    "none": {"response": EDITS, "cors": CORS},
}


@dataclass(frozen=True)
class Mood:
    """How the origin answers. `says`: Cache-Control; `varies`: what it answers by, and says so."""

    says: str = "max-age=30"
    varies: str = ""  # "", accept-language, accept-encoding, cookie, *
    tag: str = "strong"  # strong, weak, none
    modified: bool = False
    cookie: bool = False
    frame: str = "length"  # length, chunked, close, broken
    fault: str = ""  # "", 500, 404, text, lost, huge, bad, unranged
    group: bool = False


@dataclass(frozen=True)
class Ask:
    """A client's request."""

    stack: str = "bare"
    path: str = "a"
    query: str = ""
    method: str = "GET"
    fields: tuple[tuple[str, str], ...] = ()
    tag: str = ""  # If-None-Match: one that was seen here; `other`: seen elsewhere
    dated: bool = False
    range: str = ""
    if_range: bool = False


@dataclass(frozen=True)
class Step:
    """The origin's mood, time that goes by, what is purged, the version that the origin goes on to, and requests."""

    asks: tuple[Ask, ...]
    mood: Mood = Mood()
    seconds: float = 0
    purge: str = ""  # "", url, all
    changes: bool = False


@dataclass
class Exchange:
    """A request as it came to the origin, and what it made of it."""

    seq: int
    at: float  # by the clock that is moved
    method: str
    stack: str
    path: str
    query: str
    fields: dict[str, str]
    mood: Mood
    version: int
    status: int = 0
    data: bytes = b""  # the representation as it was, or would have been, sent whole
    lines: list[tuple[str, str]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.fields.get("x-request-id", "")

    @property
    def who(self) -> str:
        """Whose answer it is; '' for one that is everybody's."""
        said = self.mood.says
        auth = self.fields.get("authorization", "")
        cookie = self.fields.get("cookie", "")
        if "public" in said or "s-maxage" in said or "must-revalidate" in said:
            return cookie if self.mood.varies == "cookie" else ""
        if self.mood.varies == "cookie" or "private" in said or "no-store" in said or self.mood.cookie:
            return auth + cookie
        if not said and not self.stack.startswith("ttl"):
            return auth + cookie
        return auth

    @property
    def is_dated(self) -> bool:
        return self.mood.modified and self.mood.fault not in ("huge", "bad")

    @property
    def coding(self) -> str:
        takes = "gzip" in self.fields.get("accept-encoding", "")
        return "gzip" if takes and self.mood.varies == "accept-encoding" else ""

    @property
    def plain(self) -> dict[str, Any]:
        """What its body says."""
        lang = self.fields.get("accept-language", "") if self.mood.varies == "accept-language" else ""
        query = dict(one.partition("=")[::2] for one in self.query.split("&") if one)
        told = self.fields.get("x-tier", "") if self.stack in ("told", "all") else ""
        of = [self.path, query.get("q", ""), self.version, lang, self.who, told]
        if not self.stack.startswith("ttl"):
            of.append(query.get("z", ""))
        one: dict[str, Any] = {"of": of, "secret": SECRET, "n": 1, "list": [], "pad": "x" * 300}
        if self.mood.fault == "huge":
            one["pad"] = "x" * (LIMIT + 500)
        if self.mood.fault == "bad":
            one["n"] = "bad"
        return one

    def whole(self) -> bytes:
        data = json.dumps(self.plain, separators=(",", ":")).encode()
        return zipped(data) if self.coding else data

    def tag(self) -> str | None:
        name = f"{zlib.crc32(json.dumps(self.plain).encode()):x}"
        kinds = {"strong": f'"{name}{self.coding}"', "weak": f'W/"{name}"', "none": None}
        return kinds[self.mood.tag]


@lru_cache
def zipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


class Origin:
    """Answers by its mood, and remembers it all."""

    def __init__(self, clock: MovedClock) -> None:
        self.clock = clock
        self.seen: list[Exchange] = []
        self.mood = Mood()
        self.versions: dict[str, int] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.strip().split("\r\n")
                fields = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
                await reader.readexactly(int(fields.get("content-length", 0)))
                method, target, _ = first.split(" ")
                data, stays = self._answer(method, target, fields)
                writer.write(data)
                await writer.drain()
                if not stays:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, method: str, target: str, fields: dict[str, str]) -> tuple[bytes, bool]:
        path, _, query = target.partition("?")
        if method not in ("GET", "HEAD") and self.mood.fault in ("", "huge", "bad", "unranged"):
            self.versions[path] = self.versions.get(path, 0) + 1
        stack = path.split("/")[1]
        one = Exchange(
            len(self.seen),
            self.clock.seconds,
            method,
            stack,
            path,
            query,
            fields,
            self.mood,
            self.versions.get(path, 0),
        )
        self.seen.append(one)
        if self.mood.fault == "lost":
            return b"", False
        self._make(one)
        return self._framed(one)

    def _make(self, one: Exchange) -> None:
        mood, lines = one.mood, one.lines
        one.status, one.data = 200, one.whole()
        tag, modified = one.tag(), formatdate(BORN + 1000 * one.version, usegmt=True)
        lines += [("X-Seq", str(one.seq)), ("X-Hidden", SECRET), ("Content-Type", "application/json")]
        lines += [("Access-Control-Allow-Origin", one.fields.get("origin", "*"))]
        for name, value in (
            ("Cache-Control", mood.says),
            ("Vary", mood.varies),
            ("ETag", tag or ""),
            ("Last-Modified", modified if one.is_dated else ""),
            ("Set-Cookie", f"sid={SECRET}" if mood.cookie else ""),
            ("Cache-Groups", '"g"' if mood.group else ""),
            ("Content-Encoding", one.coding),
        ):
            lines += [(name, value)] if value else []
        if mood.fault in ("500", "404", "text"):
            one.status = 404 if mood.fault == "404" else 500
            if mood.fault == "text":
                one.data = SECRET.encode()
                one.lines = [(n, "text/plain" if n == "Content-Type" else v) for n, v in lines]
            one.lines = [(n, v) for n, v in one.lines if n not in ("ETag", "Last-Modified")]
            if mood.fault == "text":
                one.lines = [(n, v) for n, v in one.lines if n != "Content-Encoding"]
        elif one.method not in ("GET", "HEAD"):
            lines += [("Content-Location", f"{one.path}?{one.query}" if one.query else one.path)]
            lines += [("Cache-Group-Invalidation", '"g"')] if mood.group else []
        else:
            self._conditions(one, tag, modified)

    def _conditions(self, one: Exchange, tag: str | None, modified: str) -> None:
        asked, since = one.fields.get("if-none-match"), one.fields.get("if-modified-since")
        if asked is not None:
            matches = tag is not None and tag.removeprefix("W/") in [
                t.strip().removeprefix("W/") for t in asked.split(",")
            ]
        else:
            matches = since == modified and one.is_dated
        if matches:
            one.status = 304
            gone = ("Content-Type", "Content-Encoding")
            one.lines = [(n, v) for n, v in one.lines if n not in gone]
            return
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", one.fields.get("range", ""))
        if wanted is None or one.mood.fault == "unranged" or one.method != "GET":
            return
        if "if-range" in one.fields and (one.fields["if-range"] != tag or tag.startswith("W/")):
            return
        first, last = int(wanted[1]), min(int(wanted[2] or 1 << 30), len(one.data) - 1)
        if first <= last:
            one.status = 206
            one.lines.append(("Content-Range", f"bytes {first}-{last}/{len(one.data)}"))

    def _framed(self, one: Exchange) -> tuple[bytes, bool]:
        body, frame = one.data, one.mood.frame
        content = dict(one.lines).get("Content-Range")
        if one.status == 206 and content is not None:
            first, last = content.split("/")[0].removeprefix("bytes ").split("-")
            body = body[int(first) : int(last) + 1]
        lines = list(one.lines)
        if one.status == 304 or (one.method == "HEAD" and frame != "length"):
            return _head(one, lines), True
        if frame == "chunked":
            half = len(body) // 2
            parts = [body[:half], body[half:]] if half else [body]
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part)
            trailers = f"0\r\nX-Hidden: {SECRET}\r\nX-Trailer: t\r\n\r\n".encode()
            return _head(one, [*lines, ("Transfer-Encoding", "chunked")]) + chunks + trailers, True
        if frame == "close":
            return _head(one, [*lines, ("Connection", "close")]) + body, False
        data = _head(one, [*lines, ("Content-Length", str(len(body)))])
        if one.method == "HEAD":
            return data, True
        return (data + body[: len(body) // 2], False) if frame == "broken" else (data + body, True)


def _head(one: Exchange, lines: list[tuple[str, str]]) -> bytes:
    return (f"HTTP/1.1 {one.status} X\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines) + "\r\n").encode("latin-1")


@dataclass
class Got:
    """What came to a client: all bytes, and what they say."""

    raw: bytes
    status: int = 0
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = True

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def first(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    @property
    def plain(self) -> bytes:
        """Its body, decoded."""
        coding = self.first("content-encoding")
        assert coding in ("", "gzip"), coding
        return gzip.decompress(self.body) if coding else self.body


def parsed(raw: bytes, method: str) -> Got:
    head, end, rest = raw.partition(b"\r\n\r\n")
    if not end:
        return Got(raw, whole=False)
    first, *lines = head.decode("latin-1").split("\r\n")
    got = Got(raw, int(first.split(" ")[1]))
    got.fields = [(n.lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines)]
    if method == "HEAD" or got.status in (204, 304):
        assert not rest, f"a body where none may be: {rest!r}"
        return got
    if got.first("transfer-encoding") == "chunked":
        assert not got.all("content-length")
        got.whole = _dechunk(got, rest)
    else:
        got.body = rest
        got.whole = bool(got.all("content-length")) and len(rest) == int(got.first("content-length"))
    return got


def _dechunk(got: Got, data: bytes) -> bool:
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return data.endswith(b"\r\n")
        got.body += data[:length]
        data = data[length + 2 :]
    return False


def edited(plain: dict[str, Any]) -> dict[str, Any]:
    """As `EDITS` make it: once."""
    new = {name: value for name, value in plain.items() if name not in ("secret", "n")}
    return {**new, "m": plain["n"], "list": [*plain["list"], "gw"]}


class Judge:
    """Knows what the origin said, what was made void since, and what each answer may be."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.void: dict[str, int] = {}  # by path: exchanges before this one are of no use any more
        self.void_group = self.void_all = 0
        self.tagged: dict[tuple[str, str], bytes] = {}  # strong tags, by URL and tag: bytes
        self.held: dict[tuple[str, str], Any] = {}  # by URL and validator: what a client has, decoded

    # --- what a client may have kept

    def tags(self, url: str) -> list[str]:
        return [tag for where, tag in self.held if where == url and tag.startswith('"')]

    def dates(self, url: str) -> list[str]:
        return [date for where, date in self.held if where == url and not date.startswith('"')]

    # --- the invariants

    def check(self, ask: Ask, sent: dict[str, str], got: Got, began: dict[str, int]) -> None:
        """`began`: what was void when the request was sent."""
        policies = STACKS[ask.stack]
        self._check_headers(ask, sent, got, policies)
        self._check_secrets(got, policies)
        if not got.status:
            return
        if got.status == 304:
            self._check_not_modified(ask, sent, got, began)
            return
        seq = got.all("x-seq")
        if not seq:  # the gateway's own
            assert got.status in (502, 503, 504), got.raw
            return
        assert len(seq) == 1, seq
        one = self.origin.seen[int(seq[0])]
        self._check_shared(ask, sent, got, one, began)
        if ask.method != "HEAD" and got.whole:
            self._check_body(ask, got, one, policies)

    def _check_headers(self, ask: Ask, sent: dict[str, str], got: Got, policies: dict[str, Any]) -> None:
        for name in ("content-length", "etag", "content-type", "age", "date", "x-request-id", "content-encoding"):
            assert len(got.all(name)) <= 1, (name, got.raw)
        if "cors" in policies and got.status:
            said, site = got.all("access-control-allow-origin"), sent.get("Origin")
            assert said == ([site] if site in SITES[:2] else []), (said, site)
            assert "origin" in ",".join(got.all("vary")).lower() or "*" in got.all("vary")
        if "security_headers" in policies and got.status:
            assert got.all("x-content-type-options") == ["nosniff"]
        if "headers" in policies.get("response", {}) and got.status:
            refused = got.status == 502 and "validate" in policies  # which comes after it
            assert got.all("x-added") == ["1"] or (refused and not got.all("x-added")), got.raw

    def _check_secrets(self, got: Got, policies: dict[str, Any]) -> None:
        response = policies.get("response", {})
        if "headers" in response:
            assert b"x-hidden" not in got.raw.lower()
        if "body" in response and got.status:
            body = got.plain if got.whole else got.body
            assert SECRET.encode() not in body, got.raw

    def _check_shared(self, ask: Ask, sent: dict[str, str], got: Got, one: Exchange, began: dict[str, int]) -> None:
        path = f"/{ask.stack}/{ask.path}"
        assert one.path == path, (one, path)
        if one.id == got.first("x-request-id"):
            return  # made for this very request
        why = self.unfit(ask, sent, one, began)
        assert not why, f"{why}: {one} for {ask}, who got {got.raw!r}"
        self._check_age(sent, got, one)

    def unfit(self, ask: Ask, sent: dict[str, str], one: Exchange, began: dict[str, int]) -> str:
        """Why an answer that was made for another must not be given to this one; '' if it may."""
        mood, policies = one.mood, STACKS[ask.stack]
        cache = policies.get("cache")
        if cache is None or ask.method not in ("GET", "HEAD"):
            return "there is no cache"
        if one.method not in ("GET", "HEAD", "POST"):
            return "of another method"
        is_ttl, says = cache.get("mode") == "ttl", mood.says
        if "no-store" in says or "private" in says:
            return "withheld"
        if mood.varies == "*":
            return "varies by all"
        if mood.cookie and "public" not in says and "s-maxage" not in says:
            return "a cookie"
        known = one.fields.get("authorization", "")
        all_may = not is_ttl and any(word in says for word in ("public", "s-maxage", "must-revalidate"))
        if known and not all_may and not (cache.get("per_caller") and known == sent.get("Authorization")):
            return "for who is known"
        if cache.get("per_caller") and (
            known != sent.get("Authorization", "") or one.fields.get("cookie", "") != sent.get("Cookie", "")
        ):
            return "of another caller"
        reads = changes_body(policies) or "validate" in policies  # then nothing compressed is asked for
        told = {} if reads and mood.varies == "accept-encoding" else sent
        if mood.varies and one.fields.get(mood.varies, "") != told.get(mood.varies.title(), ""):
            return "of another variant"
        if "request" in policies and one.fields.get("x-tier") != sent.get("X-Plan", "none"):
            return "told something else"
        wanted = dict(part.partition("=")[::2] for part in ask.query.split("&") if part)
        asked = dict(part.partition("=")[::2] for part in one.query.split("&") if part)
        if (wanted.get("q") != asked.get("q")) if is_ttl else (wanted != asked):
            return "of another query"
        if not is_ttl and "no-store" in sent.get("Cache-Control", ""):
            return "no-store was asked for"
        if one.seq < max(began.get(one.path, 0), began["*"], began["g"] if mood.group else 0):
            return "void"
        return ""

    def _check_age(self, sent: dict[str, str], got: Got, one: Exchange) -> None:
        passed = self.origin.clock.seconds - one.at
        if got.all("age"):
            assert passed - 1 <= int(got.first("age")) <= passed + 30, (got.first("age"), passed)
        cache, says, asked = STACKS[one.stack]["cache"], one.mood.says, sent.get("Cache-Control", "")
        if cache.get("mode") == "ttl":
            assert passed <= 20, (passed, one)
            return
        life = _seconds(says, "s-maxage", _seconds(says, "max-age", 1 << 30 if not says else 0))
        strict = any(word in says for word in ("must-revalidate", "s-maxage", "no-cache"))
        behind = max(_seconds(says, "stale-while-revalidate", 0), 15 if one.stack == "all" else 0)
        errors = max(_seconds(says, "stale-if-error", 0), 60 if life else 0, _seconds(asked, "stale-if-error", 0))
        stale = 0 if strict else behind
        if "stale-if-error" in got.first("cache-status"):
            assert not strict, got.raw
            stale = errors
        elif "max-stale" in asked and not strict:
            stale = 1 << 30
        assert passed <= life + stale, f"{passed} s old: {one}, {got.raw!r}"
        if "stale-if-error" not in got.first("cache-status"):
            followed = "collapsed" in got.first("cache-status")  # it came after this was asked: its age is 0
            assert "no-cache" not in says or followed, (one, got.raw)
            assert asked != "no-cache" and (asked != "max-age=0" or followed), (one, got.raw)

    def _check_body(self, ask: Ask, got: Got, one: Exchange, policies: dict[str, Any]) -> None:
        url = f"/{ask.stack}/{ask.path}?{ask.query}"
        tag, modified = got.first("etag"), got.first("last-modified")
        if got.status == 206:
            first, last, length = map(int, re.findall(r"\d+", got.first("content-range")))
            assert got.body == one.data[first : last + 1] and length == len(one.data), (one, got.raw)
            assert not changes_body(policies), got.raw
            return
        if got.status == 416:
            return
        if got.status >= 400:
            assert one.status == got.status or (ask.stack in ("checked", "all") and got.status == 502), got.raw
            return
        assert got.status == 200, got.raw
        if tag.startswith('"'):
            assert self.tagged.setdefault((url, tag), got.body) == got.body, f"two bodies of {tag}"
        expected = one.plain
        if one.mood.fault == "bad":
            assert "validate" not in policies, got.raw
        if one.mood.fault == "huge" and not one.coding:
            assert "response_limit" not in policies, got.raw
        found = json.loads(got.plain)
        assert found == (edited(expected) if changes_body(policies) else expected), (one, got.raw)
        for one_of in (tag, modified):
            if one_of:
                self.held[url, one_of.removeprefix("W/")] = found

    def _check_not_modified(self, ask: Ask, sent: dict[str, str], got: Got, began: dict[str, int]) -> None:
        """Some answer that may be given here is what the client has."""
        url, asked = f"/{ask.stack}/{ask.path}?{ask.query}", sent.get("If-None-Match")
        assert asked or "If-Modified-Since" in sent, got.raw
        named = [one.strip().removeprefix("W/") for one in asked.split(",")] if asked else [sent["If-Modified-Since"]]
        tag = got.first("etag").removeprefix("W/")
        assert not asked or not tag or tag in named, got.raw
        has = [self.held[url, one] for one in named if (url, one) in self.held]
        edits = changes_body(STACKS[ask.stack])
        for one in self.origin.seen:
            if one.path != f"/{ask.stack}/{ask.path}" or one.status not in (200, 206, 304):
                continue
            mine = one.id == got.first("x-request-id")
            if (mine or not self.unfit(ask, sent, one, began)) and (edited(one.plain) if edits else one.plain) in has:
                return
        raise AssertionError(f"304 to {ask} with {sent}, who has {has}: {got.raw!r}")


def changes_body(policies: dict[str, Any]) -> bool:
    return "body" in policies.get("response", {})


def _seconds(text: str, name: str, otherwise: int) -> int:
    found = re.search(rf"(?:^|[ ,]){name}=(\d+)", text)
    return int(found[1]) if found else otherwise
