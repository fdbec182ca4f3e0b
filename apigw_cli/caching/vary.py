"""Which requests an answer with `Vary` fits (RFC 9111, section 4.1)."""

from __future__ import annotations

from collections.abc import Sequence

from apigw_cli.caching.fields import Fields, joined, members

MAXIMUM = 16  # fields that an answer may vary on; more look like an attempt to fill the store
_UNORDERED = frozenset((b"accept-encoding", b"accept-language", b"accept-charset"))
_ABSENT = b"\x00"  # no field value holds it: an empty field is not an absent one


def names(fields: Fields) -> tuple[bytes, ...] | None:
    """The request fields that an answer depends on, sorted; None where no other request fits it (`*`, or too many)."""
    found = {one.lower() for one in members(joined(fields, b"vary"))}
    return None if b"*" in found or len(found) > MAXIMUM else tuple(sorted(found))


def values(vary: Sequence[bytes], request: Fields) -> tuple[bytes, ...]:
    """What a request says in those fields, in one form for all that means the same."""
    return tuple(normal(name, joined(spelled(request), name)) for name in vary)


def spelled(request: Fields) -> Fields:
    """The fields with `X_Lang` among those of `X-Lang`: servers of the CGI family (WSGI, PHP) read them as one."""
    if not any(b"_" in name for name in request):
        return request
    found: Fields = {}
    for name, said in request.items():
        found.setdefault(name.replace(b"_", b"-"), []).extend(said)
    return found


def normal(name: bytes, value: bytes | None) -> bytes:
    """Members without the space around them; where case and order mean nothing, in lower case and sorted.

    RFC 9110, sections 12.5.3 and 12.5.4: codings and languages are compared without regard to case, and weights, not
    order, say what is preferred.
    """
    if value is None:
        return _ABSENT
    if name in _UNORDERED:
        return b",".join(sorted(b"".join(one.lower().split()) for one in members(value)))
    return b",".join(_split(value))


def _split(value: bytes) -> list[bytes]:
    """A comma between quotes is no separator."""
    if b'"' in value:
        return [value.strip()]
    return [part.strip() for part in value.split(b",")]
