"""What requests are told apart by in the cache.

Everything that an upstream is told and could answer by is part of the key, or `Vary` has to name it: the method is
GET, scheme and authority are those that go upstream (also where a trusted proxy says them), the path is the one form
that is routed and forwarded. So no header line or spelling that is not in the key can choose what others get.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from apigw_cli.caching import asking, fields, tags
from apigw_cli.caching.fields import Fields
from apigw_cli.gateway.forward import forwarded
from apigw_cli.integrations.outgoing import DROP_REQUEST, spellings
from apigw_cli.routing.path import normalise

if TYPE_CHECKING:
    from apigw_cli.gateway.request import Request
    from apigw_cli.policies.cache import Chosen
    from apigw_cli.policies.interface import Rewrite

# These go on, as without a cache, and are part of the key: who sends one chooses what others get who send the same.
_OVERRIDES = frozenset(spelling for name in asking.OVERRIDES for spelling in spellings(name.encode()))
# What an upstream hears from a trusted proxy of how it was asked; the client's address is not among it.
_TOLD = re.compile(rb'(?im)^x-forwarded-(?:proto|host): [^\r\n]*|\b(?:host|proto)=(?:"[^"\r\n]*"|[^;,\s]+)')

KeyOf = Callable[["Request"], bytes]


def reader(namespace: bytes, chosen: Chosen, per_caller: bool) -> KeyOf:
    def key(request: Request) -> bytes:
        said = request.forwarded
        way = _told_by(said) if said else _told(request.connection.scheme, request.authority)
        own = _caller(request) if per_caller else b""
        if request.rewrite is not None:
            own = _rewritten(request.rewrite) + own
        if not _OVERRIDES.isdisjoint(request.fields):
            own += _overriding(request)
        path, more = request.path.encode("ascii"), chosen(request)
        # Each with its length: no part can pass for two.
        return b"%b%b%d:%b%d:%b%b" % (namespace, way, len(path), path, len(more), more, own)

    return key


@lru_cache(maxsize=1024)
def _told(scheme: bytes, authority: bytes) -> bytes:
    """What an upstream is told of how it was asked, with its length."""
    told = scheme + b"://" + authority.lower()
    return b"%d:%b" % (len(told), told)


def _rewritten(rewrite: Rewrite) -> bytes:
    """What the upstream is asked in place of what the client asked."""
    path = (rewrite.path or "").encode("ascii")
    parts = (rewrite.method or b"", path, rewrite.query or b"", rewrite.told)
    return b"".join([b"%d:%b" % (len(part), part) for part in parts])


def _overriding(request: Request) -> bytes:
    """What it says in such fields, in the order it says it."""
    return b"".join([b"!%d:%b:%b" % (len(v), name, v) for name, v in request.headers if name in _OVERRIDES])


def _told_by(forwarded: bytes) -> bytes:
    told = b"\n".join(_TOLD.findall(forwarded)).lower()
    return b"%d:%b" % (len(told), told)


def _caller(request: Request) -> bytes:
    """A hash of all that says who asks: secrets do not stand in keys."""
    certificate = request.connection.certificate
    digest = blake2b(digest_size=16)
    parts = [(request.principal or "").encode(), certificate.fingerprint.encode() if certificate is not None else b""]
    names = (*asking.IDENTIFYING, b"cookie")
    parts += sorted(name + b":" + value for name, value in request.headers if name in names)
    for part in parts:
        digest.update(b"%d:" % len(part) + part)
    return digest.digest()


def told(request: Request) -> Fields:
    """The fields that its upstream is told, by which it chooses what `Vary` is about.

    Not those that policies remove or `Connection` names; with those that policies and the gateway set.
    """
    remove = request.remove
    pairs = [pair for pair in request.headers if pair[0] not in DROP_REQUEST and pair[0] not in remove]
    for line in b"".join((request.forwarded or forwarded(request), *request.extra)).splitlines():
        name, _, value = line.partition(b":")
        pairs.append((name.lower(), value.strip()))
    return fields.of_pairs(pairs)


def is_identified(request: Request) -> bool:
    """Whether a request says who asks, so that its answer may be theirs alone."""
    return asking.is_identified(request.principal, request.connection.certificate, request.fields.keys())


@lru_cache(maxsize=1024)
def mark(authority: bytes, path: str) -> int:
    """What a URL is purged by: host, port and path. All its queries and both schemes go together."""
    return tags.mark(b"url", host(authority) + path.encode("ascii"))


def host(authority: bytes) -> bytes:
    """Without the port that goes without saying; both schemes are as one."""
    low = authority.lower()
    return low.removesuffix(b":80").removesuffix(b":443")


def of_url(url: str) -> int:
    """The mark of a URL as a person writes it. Raises ValueError for what is none."""
    parts = urlsplit(url)
    path = normalise((parts.path or "/").encode("ascii"))
    if parts.scheme not in ("http", "https") or not parts.netloc or path is None:
        raise ValueError(f"{url!r} is no URL such as http://api.example.com/pets")
    return mark(parts.netloc.rpartition("@")[2].encode("ascii"), path)


def names_itself(request: Request, found: Fields) -> bool:
    """Whether Content-Location says that the answer is what GET of the request's own URI would give."""
    values = found.get(b"content-location", ())
    query = f"?{request.query.decode('latin-1')}" if request.query else ""
    base = f"http://{request.authority.decode('latin-1')}{request.path}{query}"
    try:
        parts = urlsplit(urljoin(base, values[0].decode("ascii"))) if len(values) == 1 else None
        path = normalise((parts.path or "/").encode("ascii")) if parts is not None else None
    except (ValueError, UnicodeError):
        return False
    if parts is None or path != request.path or parts.query.encode("ascii") != request.query:
        return False
    return host(parts.netloc.encode("ascii")) == host(request.authority)


def named(request: Request, found: Fields) -> Iterator[int]:
    """The marks of what Location and Content-Location name, where that is of the request's own origin."""
    base = f"http://{request.authority.decode('latin-1')}{request.path}"
    for value in (*found.get(b"location", ()), *found.get(b"content-location", ())):
        try:
            parts = urlsplit(urljoin(base, value.decode("ascii")))
            path = normalise((parts.path or "/").encode("ascii"))
        except (ValueError, UnicodeError):
            continue
        if path is not None and host(parts.netloc.encode()) == host(request.authority):
            yield mark(request.authority, path)
