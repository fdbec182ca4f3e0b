"""Stored answers as tests need them."""

from __future__ import annotations

from apigw_cli.caching import fields, storing
from apigw_cli.caching.entry import Entry
from apigw_cli.caching.memory import CacheMemory
from apigw_cli.caching.rules import Rules
from apigw_cli.caching.store import Store
from apigw_cli.caching.storing import Asked, Came

NOW = 1_900_000_000.0
DATE = b"Sun, 17 Mar 2030 17:46:40 GMT"


def entry(
    *lines: bytes, status: int = 200, body: bytes = b"0123456789", request: fields.Fields | None = None
) -> Entry | None:
    """The entry of an answer that came at once at NOW; None where it is not stored."""
    asked = Asked(request or {}, False, NOW, 1)
    ended = [line + b"\r\n" for line in (*lines, b"Date: " + DATE)]
    rules = Rules()
    if storing.storable(asked, status, fields.of_lines(ended), rules):
        return None
    made = storing.entry(asked, Came(status, b"OK", ended, NOW, NOW), rules)
    if made is not None:
        made.body = body
    return made


def fresh(body: bytes = b"0123456789", vary: bytes | None = None, part: tuple[int, int, int] | None = None) -> Entry:
    """One that is fresh for a minute; `vary`: what the request said in `Foo`, by which it varies."""
    lines = (b"Vary: Foo",) if vary is not None else ()
    made = entry(b"Cache-Control: max-age=60", b'ETag: "1"', *lines, body=body, request=asking(vary))
    assert made is not None
    made.since, made.part = 1 << 62, part
    return made


def asking(foo: bytes | None) -> fields.Fields:
    return {} if foo is None else {b"foo": [foo]}


def store(budget: int = 1 << 20) -> Store:
    return CacheMemory.alone(budget).store()


def find(store: Store, key: bytes, foo: bytes | None = None) -> Entry | None:
    return store.find(key, lambda: asking(foo))
