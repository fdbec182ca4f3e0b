"""Answers to requests that change something: what was stored for what they name is used no more.

The answer to a POST may be kept for those who GET the same URI, where it says that it is that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from apigw_cli.caching import fields, freshness, storing, tags
from apigw_cli.caching.entry import Entry
from apigw_cli.caching.freshness import Said
from apigw_cli.caching.storing import Asked, Came
from apigw_cli.gateway import cache_keys
from apigw_cli.gateway.filtering import taker

if TYPE_CHECKING:
    from apigw_cli.gateway.caching import CachedRoute
    from apigw_cli.gateway.handlers import Handler
    from apigw_cli.gateway.request import Header, Request
    from apigw_cli.policies.answer_filter import Head

# RFC 9110, section 9.2.1, and those that are defined as safe elsewhere.
SAFE = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"QUERY", b"PROPFIND", b"REPORT", b"SEARCH"))


class Invalidating:
    """Passes on the answer to an unsafe method, and what was stored for what it names is used no more.

    RFC 9111, section 4.4: after an answer that is no error, the request's own URI, and those in Location and
    Content-Location where they are of the same origin. RFC 9875, section 3: the groups in Cache-Group-Invalidation.
    """

    __slots__ = ("_taker", "end", "flush", "interim", "part", "request")

    interim: Callable[[bytes], None]
    part: Callable[[bytes], None]
    end: Callable[[list[Header] | None, bool], None]
    flush: Callable[[], None]

    def __init__(self, request: Request) -> None:
        self.request = request
        inner = self._taker = taker(request)
        self.interim, self.part, self.end, self.flush = inner.interim, inner.part, inner.end, inner.flush

    def head(self, head: Head) -> None:
        if 200 <= head.status < 400:
            request = self.request
            purge = request.connection.site.cache.purges.purge
            purge(cache_keys.mark(request.authority, request.path))
            found = fields.of_lines(head.lines)
            for mark in cache_keys.named(request, found):
                purge(mark)
            host = cache_keys.host(request.authority)
            for name in list(tags.strings(fields.joined(found, b"cache-group-invalidation")))[: tags.MAXIMUM]:
                purge(tags.group(host, name))
        self._taker.head(head)

    @property
    def refused(self) -> bool:
        """See `Filtering`."""
        return self._taker.refused


class Posted:
    """As `Invalidating`, and keeps the answer for GET where it is the URI's own and says how long it is fresh.

    RFC 9110, section 9.3.3: a Content-Location that is the request's URI, and explicit freshness. What was changed by
    another while this one was asked for is not kept.
    """

    __slots__ = ("_asked", "_entry", "_held", "_inner", "_key", "_parts", "_route", "flush", "interim")

    interim: Callable[[bytes], None]
    flush: Callable[[], None]

    def __init__(self, route: CachedRoute, request: Request) -> None:
        self._route = route
        self._key = route.key(request)
        self._asked = route.asked(request)
        self._inner = inner = Invalidating(request)
        self.interim, self.flush = inner.interim, inner.flush
        self._entry: Entry | None = None
        self._parts: list[bytes] = []
        self._held = 0
        request.at_end(self._forget)

    def head(self, head: Head) -> None:
        self._forget()
        is_current = self._route.store.purges.spares_since(self._asked.since, self._asked.mark)
        self._inner.head(head)
        found = fields.of_lines(head.lines)
        if head.status == 200 and is_current and cache_keys.names_itself(self._inner.request, found):
            # Asked for anew, as it were: our own invalidation is not about it.
            self._entry = self._made(head, replace(self._asked, since=time.monotonic_ns()))

    def _made(self, head: Head, asked: Asked) -> Entry | None:
        found, route = fields.of_lines(head.lines), self._route
        if storing.storable(asked, head.status, found, route.rules) or (head.length or 0) > route.rules.max_object:
            return None
        stated = freshness.explicit(Said(found), found, fields.date(found.get(b"date", [b""])[0]) or int(route.wall()))
        if not stated:
            return None
        return storing.entry(asked, Came(head.status, head.reason, head.lines, route.wall(), route.now()), route.rules)

    def part(self, data: bytes) -> None:
        self._inner.part(data)
        if self._entry is None:
            return
        if self._held + len(data) > self._route.rules.max_object or not self._route.store.hold(len(data)):
            self._forget()
            return
        self._held += len(data)
        self._parts.append(data)

    def end(self, trailers: list[Header] | None, sound: bool) -> None:
        entry, body = self._entry, b"".join(self._parts)
        self._inner.end(trailers, sound)
        self._forget()
        if entry is not None and sound and not self._inner.refused:
            entry.body = body
            self._route.put(self._key, entry)

    def _forget(self) -> None:
        self._entry = None
        self._parts = []
        self._route.store.release(self._held)
        self._held = 0


class InvalidatingRoute:
    """The handler of a route without a cache, beside ones with: what it changes is invalidated there."""

    def __init__(self, inner: Handler) -> None:
        self._inner = inner

    def start(self, request: Request) -> None:
        if not request.websocket and request.method not in SAFE:
            request.taker = Invalidating(request)
        self._inner.start(request)

    def ended(self, request: Request) -> None:
        self._inner.ended(request)
