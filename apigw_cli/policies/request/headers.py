"""Edits of header lines, cookies among them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from apigw_cli.policies.interface import Exchange, Refusal, Step
from apigw_cli.policies.request.change import Change, Edit, Unsuitable, made
from apigw_cli.policies.request.model import Cookies, Headers
from apigw_cli.policies.templates import writing
from apigw_cli.policies.templates.writing import Text

_DASHES = 6  # of a name whose every spelling with underscores is kept out


def spellings(names: Iterable[str]) -> frozenset[bytes]:
    """Names in lower case, with `_` for `-` too: servers of the CGI family take them for the same field."""
    found: set[bytes] = set()
    for name in names:
        parts = name.lower().encode("ascii").split(b"-")
        signs = (b"-", b"_") if len(parts) - 1 <= _DASHES else (b"-",)
        for chosen in product(signs, repeat=len(parts) - 1):
            found.add(b"".join(part + sign for part, sign in zip(parts, (*chosen, b""), strict=True)))
    return frozenset(found)


def gone(edits: Headers) -> frozenset[bytes]:
    """What of the client's lines does not go on under its name."""
    kept_out = spellings((*edits.set, *edits.remove, *edits.rename.values()))
    return kept_out | {name.lower().encode("ascii") for name in edits.rename}


def step(edits: Headers, path: str, is_cached: bool) -> Step | None:
    """Of headers alone, without a body. Raises InputError as `of_headers`."""
    if edits == Headers():
        return None
    edit = of_headers(edits, path)
    fixed = _fixed(_texts(edits, path))
    if not edits.rename and fixed is not None:
        return _fixed_step(gone(edits), fixed)

    def of_values(exchange: Exchange) -> Refusal | None:
        try:
            change = Change(exchange, None, is_cached)
            edit(change)
        except Unsuitable as error:
            return error.refusal()
        change.keep()
        return None

    return of_values


def _fixed_step(removed: frozenset[bytes], lines: bytes) -> Step:
    def of_fixed(exchange: Exchange) -> None:
        if removed:
            exchange.remove.update(removed)
        if lines:
            exchange.extra.append(lines)

    return of_fixed


def _texts(edits: Headers, path: str) -> list[tuple[bytes, Text]]:
    return [
        (name.encode("ascii"), writing.text(written, path, writing.as_header))
        for name, written in (*edits.set.items(), *edits.add.items())
    ]


def _fixed(texts: list[tuple[bytes, Text]]) -> bytes | None:
    """The lines, where all of them are always the same."""
    if any(one.constant is None for _, one in texts):
        return None
    return b"".join(b"%b: %b\r\n" % (name, _line(one.constant or "")) for name, one in texts)


def of_headers(edits: Headers, path: str) -> Edit:
    """Raises InputError for values that requests of this path do not have."""
    removed = gone(edits)
    renamed = {old.lower().encode("ascii"): new.encode("ascii") for old, new in edits.rename.items()}
    texts = _texts(edits, path)
    fixed = _fixed([(name, one) for name, one in texts if one.constant is not None])
    open_ones = [(name, one) for name, one in texts if one.constant is None]

    def edit(change: Change) -> None:
        exchange = change.exchange
        exchange.remove.update(removed)
        if fixed:
            exchange.extra.append(fixed)
        if renamed:
            lines = [b"%b: %b\r\n" % (renamed[key], value) for key, value in exchange.headers if key in renamed]
            exchange.extra += lines
            if change.told is not None:
                change.told += lines
        for name, one in open_ones:
            _add(change, name, one)

    return edit


def _add(change: Change, name: bytes, text: Text) -> None:
    value = made(text, change)
    if value is None:
        return
    line = b"%b: %b\r\n" % (name, _line(value))
    change.exchange.extra.append(line)
    if text.keyed and change.told is not None:
        change.told.append(line)


def _line(value: str) -> bytes:
    return value.strip().encode("ascii")


def of_cookies(edits: Cookies, path: str) -> Edit:
    """Raises InputError for values that requests of this path do not have."""
    removed = {name.encode("ascii") for name in (*edits.set, *edits.remove)}
    texts = [
        (name.encode("ascii"), writing.text(written, path, writing.as_cookie, writing.as_cookie))
        for name, written in edits.set.items()
    ]

    def edit(change: Change) -> None:
        exchange = change.exchange
        kept = [pair for pair in _pairs(exchange.headers) if pair.partition(b"=")[0].strip() not in removed]
        for name, text in texts:
            value = made(text, change)
            if value is not None:
                kept.append(b"%b=%b" % (name, value.encode("ascii")))
        exchange.remove.add(b"cookie")
        if kept:
            line = b"Cookie: %b\r\n" % b"; ".join(kept)
            exchange.extra.append(line)
            if change.told is not None:
                change.told.append(line)

    return edit


def _pairs(headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    """The client's cookies, as they came."""
    values = (value for key, value in headers if key == b"cookie")
    return [stripped for value in values for pair in value.split(b";") if (stripped := pair.strip())]
