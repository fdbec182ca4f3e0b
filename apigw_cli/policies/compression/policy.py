"""What the user may write of `compress`, and its filter."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from apigw_cli.config.values import BYTES
from apigw_cli.errors import InputError
from apigw_cli.policies.answer_filter import AnswerFilter, Flowing, Head, has_body, name_of, value, vary
from apigw_cli.policies.compression.codings import PREFERRED, installed, maker
from apigw_cli.policies.compression.negotiation import choose
from apigw_cli.policies.interface import Change, Exchange, Runtime
from apigw_cli.snapshot.model import Route

TYPES = (
    "text/*",
    "application/json",
    "application/*+json",
    "application/javascript",
    "application/xml",
    "application/*+xml",
    "application/wasm",
    "application/x-ndjson",
    "image/svg+xml",
)
_TYPE = r"^[a-z0-9!#$&^_.+-]+/(\*|\*\+[a-z0-9.-]+|[a-z0-9!#$&^_.+-]+)$"


class Compress(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Answers are sent compressed to clients that take it."""

    codings: Annotated[
        list[Literal["zstd", "br", "gzip"]] | None,
        Meta(description="Codings, the preferred one first. Default: zstd, br, gzip, as far as they are installed."),
    ] = None
    min_size: Annotated[
        int, Meta(description="Bytes; smaller answers are sent as they are.", ge=0, le=1 << 30, extra=BYTES)
    ] = 1024
    types: Annotated[
        list[Annotated[str, Meta(pattern=_TYPE)]] | None,
        Meta(description="Media types: text/html, text/*, application/*+json. Default: text, JSON, XML, scripts, SVG."),
    ] = None

    def __post_init__(self) -> None:
        if self.codings is not None and (not self.codings or len(set(self.codings)) < len(self.codings)):
            raise ValueError("codings names each coding once, and at least one")


def _available(value: Compress) -> tuple[str, ...]:
    """Raises InputError for a coding that is asked for by name and is not there."""
    missing = [one for one in value.codings or () if not installed(one)]
    if missing:
        raise InputError(
            f"compress: the coding {missing[0]} is not installed here", hint="pip install 'apigw-toolkit[compression]'"
        )
    return tuple(value.codings) if value.codings is not None else tuple(filter(installed, PREFERRED))


def fitting(types: tuple[str, ...]) -> Callable[[bytes], bool]:
    """Whether a Content-Type is among them. Types repeat themselves, so the last ones are remembered."""

    @lru_cache(256)
    def fits(content_type: bytes) -> bool:
        kind = content_type.partition(b";")[0].strip().lower().decode("latin-1")
        return any(_matches(kind, one) for one in types)

    return fits


def _matches(kind: str, one: str) -> bool:
    before, star, after = one.partition("*")
    return kind.startswith(before) and kind.endswith(after) and len(kind) > len(before + after) if star else kind == one


def _filter(setting: Compress) -> AnswerFilter:
    makers = {coding.encode(): maker(coding) for coding in _available(setting)}
    codings = tuple(makers)
    fits = fitting(tuple(setting.types if setting.types is not None else TYPES))
    minimum = setting.min_size
    chosen = lru_cache(256)(lambda accepted: choose(accepted, codings))

    def compress(exchange: Exchange, head: Head) -> Head | Flowing:
        if head.status == 304:
            return _not_modified(exchange, head)
        if not _may_be_coded(head, minimum) or not fits(head.first(b"content-type") or b""):
            return head
        coding = chosen(exchange.header(b"accept-encoding"))
        lines = vary(head.lines, b"Accept-Encoding")
        if coding is None:
            return Head(head.status, head.reason, lines, head.length, head.own)
        lines = [_weak(line) for line in lines if name_of(line) not in (b"accept-ranges", b"content-md5", b"digest")]
        coded = Head(head.status, head.reason, [*lines, b"Content-Encoding: %b\r\n" % coding], None, head.own)
        if not has_body(exchange.method, head):
            return coded
        return Flowing(coded, makers[coding](head.length is None))

    return compress


def _may_be_coded(head: Head, minimum: int) -> bool:
    if head.status in (204, 206) or (head.length is not None and head.length < minimum):
        return False
    names = {name_of(line) for line in head.lines}
    if b"content-encoding" in names or b"content-range" in names:
        return False
    return not any(b"no-transform" in one.lower() for one in head.all(b"cache-control"))


def _weak(line: bytes) -> bytes:
    """Of a strong ETag a weak one: the coded bytes are others (RFC 9110, section 8.8.3.3)."""
    return b"ETag: W/%b\r\n" % value(line) if name_of(line) == b"etag" and value(line)[:1] == b'"' else line


def _not_modified(exchange: Exchange, head: Head) -> Head:
    """What the client has was coded, if its ETag is the weak one: a 304 says what the 200 would have."""
    tag = head.first(b"etag")
    asked = exchange.header(b"if-none-match") or b""
    lines = vary(head.lines, b"Accept-Encoding")
    if tag is not None and tag[:1] == b'"' and b"W/" + tag in asked:
        lines = [_weak(line) for line in lines]
    return Head(head.status, head.reason, lines, head.length, head.own)


class _Policy:
    name = "compress"
    order = 84
    answer_order = 60
    model: type[Struct] = Compress
    derived = False
    refuses = False
    neutral: ClassVar = {
        "codings": "the coding changes nothing of what an answer says",
        "min_size": "the coding changes nothing of what an answer says",
        "types": "the coding changes nothing of what an answer says",
    }

    def compile(self, value: Compress, route: Route, runtime: Runtime) -> None:
        """No step: it is about answers."""

    def filter(self, value: Compress, route: Route, runtime: Runtime) -> AnswerFilter:
        return _filter(value)

    def compare(self, old: Compress | None, new: Compress | None) -> Change:
        return Change.NEUTRAL

    def describe(self, value: Compress) -> str:
        words = [f"answers in {', '.join(value.codings) if value.codings else 'the coding that clients like'}"]
        words += [f"from {value.min_size} bytes"] if value.min_size != 1024 else []
        words += [f"of {', '.join(value.types)}"] if value.types is not None else []
        return ", ".join(words)


POLICY = _Policy()
