"""Which coding a client likes best, of those that there are (RFC 9110, section 12.5.3)."""

from __future__ import annotations

import re

_WEIGHT = rb"[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)"
_MEMBER = re.compile(rb"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:" + _WEIGHT + rb")?[ \t]*")
_LONGEST = 1024  # bytes that are looked at: nobody has that many codings


def choose(accepted: bytes | None, codings: tuple[bytes, ...]) -> bytes | None:
    """The coding with the highest weight, of those alike the first of `codings`; None: as it is.

    Members that are no coding with a weight say nothing. A client that likes `identity` better gets that.
    """
    if not accepted or len(accepted) > _LONGEST:
        return None
    weights = _weights(accepted)
    every = weights.get(b"*", 0.0)
    best, found = max(weights.get(b"identity", 0.0), 0.0), None
    for coding in codings:
        weight = weights.get(coding, every)
        if weight > best or (weight == best and weight > 0 and found is None):
            best, found = weight, coding
    return found


def _weights(accepted: bytes) -> dict[bytes, float]:
    found: dict[bytes, float] = {}
    for member in accepted.split(b","):
        match = _MEMBER.fullmatch(member)
        if match is not None:
            name = match[1].lower()
            found.setdefault(b"gzip" if name == b"x-gzip" else name, float(match[2]) if match[2] else 1.0)
    return found
