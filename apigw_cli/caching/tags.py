"""Tags by which stored answers are purged together: `Surrogate-Key: a b` and `Cache-Tag: a, b`.

Groups (RFC 9875) are tags of one host, which its own answers to unsafe requests invalidate: `Cache-Groups: "a", "b"`.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from apigw_cli.caching.fields import Fields, joined

MAXIMUM = 64  # of one answer; one with more could not be found by all of them
LONGEST = 256  # bytes of a tag

_NAMES = frozenset((b"surrogate-key", b"cache-tag", b"cache-groups"))
_MEMBER = re.compile(
    rb'"((?:[ !#-\[\]-~]|\\["\\])*)"'
    rb'(?:; *[a-z*][a-z0-9_\-.*]*(?:=(?:"(?:[ !#-\[\]-~]|\\["\\])*"|[^ \t,;"]+))?)*([ \t]*,[ \t]*)?'
)


def mark(kind: bytes, value: bytes) -> int:
    """A hash that is the same in every worker."""
    return int.from_bytes(blake2b(value, digest_size=8, person=kind).digest(), "little")


def of(found: Fields, host: bytes = b"") -> tuple[int, ...] | None:
    """The tags and groups of an answer, hashed; None for more, or longer ones, than there may be."""
    if _NAMES.isdisjoint(found):
        return ()
    words = {one for value in found.get(b"surrogate-key", ()) for one in value.split()}
    words |= {one.strip() for value in found.get(b"cache-tag", ()) for one in value.split(b",") if one.strip()}
    names = strings(joined(found, b"cache-groups"))
    if len(words) + len(names) > MAXIMUM or any(len(word) > LONGEST for word in (*words, *names)):
        return None
    return (*(mark(b"tag", word) for word in sorted(words)), *(group(host, name) for name in sorted(names)))


def group(host: bytes, name: bytes) -> int:
    """The mark of a group of one host."""
    return mark(b"group", b"%d:%b%b" % (len(host), host, name))


def strings(value: bytes | None) -> frozenset[bytes]:
    """The members of a structured list of strings (RFC 9651, section 3.1); none where it is no such list."""
    found, at, value = set(), 0, (value or b"").strip(b" ")
    while at < len(value):
        match = _MEMBER.match(value, at)
        if match is None:
            return frozenset()
        found.add(re.sub(rb"\\(.)", rb"\1", match[1]))
        at = match.end()
        if bool(match[2]) == (at == len(value)):  # a comma stands between two, and nowhere else
            return frozenset()
    return frozenset(found)
