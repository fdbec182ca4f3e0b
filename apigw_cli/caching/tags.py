"""Tags by which stored answers are purged together: `Surrogate-Key: a b` and `Cache-Tag: a, b`."""

from __future__ import annotations

from hashlib import blake2b

from apigw_cli.caching.fields import Fields

MAXIMUM = 64  # of one answer; one with more could not be found by all of them
LONGEST = 256  # bytes of a tag


def mark(kind: bytes, value: bytes) -> int:
    """A hash that is the same in every worker."""
    return int.from_bytes(blake2b(value, digest_size=8, person=kind).digest(), "little")


def of(found: Fields) -> tuple[int, ...] | None:
    """The tags of an answer, hashed; None for more, or longer ones, than there may be."""
    if b"surrogate-key" not in found and b"cache-tag" not in found:
        return ()
    words = {one for value in found.get(b"surrogate-key", ()) for one in value.split()}
    words |= {one.strip() for value in found.get(b"cache-tag", ()) for one in value.split(b",") if one.strip()}
    if len(words) > MAXIMUM or any(len(word) > LONGEST for word in words):
        return None
    return tuple(mark(b"tag", word) for word in sorted(words))
