"""Statuses of answers: which are meant, and which become which."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus

PATTERN = r"^([2-5][0-9]{2}|[2-5]xx)$"
# Which body they have, or that they have none, comes of the request: no other status can say the same.
_BOUND = (206, 304)


def check(on: Sequence[int | str] | None, mapped: Mapping[str, int]) -> None:
    """Raises ValueError."""
    if on is not None and not on:
        raise ValueError("on names no status: leave it out for all")
    for name in on or ():
        if not re.fullmatch(PATTERN.strip("^$"), str(name)):
            raise ValueError(f"{name} is no status of an answer: 200 to 599, or 2xx, 3xx, 4xx, 5xx")
    for old, new in mapped.items():
        if not re.fullmatch(PATTERN.strip("^$"), old):
            raise ValueError(f"{old} is no status of an answer: 200 to 599, or 2xx, 3xx, 4xx, 5xx")
        if old in map(str, _BOUND) or new in _BOUND:
            raise ValueError(f"{old}: {new}: 206 and 304 come of what the client asked, and stay")


def _of(name: int | str) -> range:
    text = str(name)
    return (
        range(int(text[0]) * 100, int(text[0]) * 100 + 100) if text.endswith("xx") else range(int(text), int(text) + 1)
    )


def among(on: Sequence[int | str] | None) -> frozenset[int]:
    """The statuses that are meant."""
    return frozenset(range(200, 600)) if on is None else frozenset(one for name in on for one in _of(name))


def mapping(mapped: Mapping[str, int]) -> dict[int, int]:
    """Each status that becomes another one."""
    classes_first = sorted(mapped.items(), key=lambda pair: not pair[0].endswith("xx"))
    return {one: new for old, new in classes_first for one in _of(old) if one not in _BOUND}


def phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""
