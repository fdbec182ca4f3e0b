"""Fields that tell this cache, and no browser, what to do: CDN-Cache-Control and Surrogate-Control.

CDN-Cache-Control (RFC 9213) is a structured dictionary (RFC 9651, section 3.2): one that does not parse is ignored
as a whole. Surrogate-Control (W3C Edge Architecture, 2001) may name the cache that it is for, behind a semicolon. Who
finds one goes by it alone: Cache-Control and Expires are then for the others.
"""

from __future__ import annotations

import re
from functools import lru_cache

from apigw_cli.caching.fields import Directives, Fields, joined

DEVICE = b"apigw"
CAPABILITY = b'Surrogate-Capability: apigw="Surrogate/1.0"\r\n'

_KEY = rb"[a-z*][a-z0-9_\-.*]*"
_TOKEN = rb"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*"
_TEXT = rb'"(?:[ !#-\[\]-~]|\\["\\])*"'
_BARE = rb"-?\d{1,15}(?:\.\d{1,3})?|" + _TEXT + rb"|" + _TOKEN + rb"|:[A-Za-z0-9+/=]*:|\?[01]"
_PARAMETERS = rb"(?:; *" + _KEY + rb"(?:=(?:" + _BARE + rb"))?)*"
_MEMBER = re.compile(rb"(" + _KEY + rb")(?:=(" + _BARE + rb"))?" + _PARAMETERS)
_COMMA = re.compile(rb"[ \t]*,[ \t]*")
_NUMBER = re.compile(rb"\d{1,15}")
_SURROGATE = re.compile(rb'([A-Za-z0-9_-]+)(?:=("[^"]*"|[^;, ]*))?(?:;([A-Za-z0-9_.-]+))?')


def of(fields: Fields) -> Directives | None:
    """The directives for this cache; None where nobody speaks to it."""
    value = joined(fields, b"cdn-cache-control")
    found = dictionary(value) if value else None
    if found:
        return found
    value = joined(fields, b"surrogate-control")
    return surrogate(value) if value else None


@lru_cache(maxsize=256)
def dictionary(value: bytes) -> Directives | None:
    """A structured dictionary of directives; None for one that does not parse. The last of a name counts.

    RFC 9213, section 2.1: a member whose value has the wrong type is as if it were not there.
    """
    found: dict[bytes, bytes | None] = {}
    at, value = 0, value.strip(b" ")
    while True:
        match = _MEMBER.match(value, at)
        if match is None:
            return None
        name, text = match[1], match[2]
        found.pop(name, None)
        if _fits(name, text):
            found[name] = None if text in (None, b"?1") else text.strip(b'"')
        if match.end() == len(value):
            return found
        comma = _COMMA.match(value, match.end())
        if comma is None or comma.end() == len(value):
            return None
        at = comma.end()


_TIMES = frozenset((b"max-age", b"s-maxage", b"stale-while-revalidate", b"stale-if-error"))


def _fits(name: bytes, text: bytes | None) -> bool:
    if name in _TIMES:
        return text is not None and _NUMBER.fullmatch(text) is not None
    return text is None or text == b"?1" or text[:1] == b'"'


@lru_cache(maxsize=256)
def surrogate(value: bytes) -> Directives | None:
    """The directives of a Surrogate-Control that are for every cache or for this one; None where there are none."""
    general: dict[bytes, bytes | None] = {}
    own: dict[bytes, bytes | None] = {}
    for part in value.split(b","):
        match = _SURROGATE.fullmatch(part.strip())
        if match is None:
            continue
        name, text, target = match[1].lower(), match[2], match[3]
        if target is None or target.lower() == DEVICE:
            _read(general if target is None else own, name, text)
    found = {**general, **own}
    return found if any(name in found for name in (b"max-age", b"no-store", b"no-store-remote")) else None


def _read(found: dict[bytes, bytes | None], name: bytes, text: bytes | None) -> None:
    """`max-age=600+300`: fresh for 600 s, then 300 s more while it is fetched anew."""
    if name == b"no-store-remote":
        found[b"no-store"] = None
    elif name == b"max-age" and text is not None and b"+" in text:
        fresh, _, more = text.partition(b"+")
        found[b"max-age"], found[b"stale-while-revalidate"] = fresh, more
    else:
        found[name] = text
