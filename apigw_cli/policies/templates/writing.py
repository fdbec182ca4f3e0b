"""Templates as text for one place: what a value may not be there is encoded, so that no value ends its place.

header   printable ASCII goes as it is, every other character as `%XX` of its UTF-8: no line can end
path     everything but unreserved characters as `%XX`: a value is (part of) one segment; paths go as they are
query    the same: a value is (part of) one parameter
cookie   as header, and `;` `,` `"` `\\` and spaces too (RFC 6265, section 4.1.1)
json     by structure, nothing is escaped by hand: `tree`
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from apigw_cli.config import template
from apigw_cli.config.template import Part, Value
from apigw_cli.policies.templates.reading import Encoded, Reader, Subject, reader

Encode = Callable[[str], str]
Make = Callable[[Subject], str | None]  # None: a value that is not there has no default

_OUTSIDE_HEADER = re.compile(r"[^ -~]")
_OUTSIDE_COOKIE = re.compile(r'[^!-~]|[",;\\]')
_JSON = msgspec.json.Encoder(decimal_format="number")


def as_header(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return _OUTSIDE_HEADER.sub(_escaped, text)


def as_cookie(text: str) -> str:
    return _OUTSIDE_COOKIE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return quote(match[0], safe="", errors="replace")


def as_query(text: str) -> str:
    return quote(text, safe="", errors="replace")


def as_path(text: str) -> str:
    return text if isinstance(text, Encoded) else quote(text, safe="", errors="replace")


@dataclass(frozen=True, slots=True)
class Text:
    """A template for one place. `constant` None: it has values."""

    constant: str | None
    make: Make
    keyed: bool = False  # a value in it is of the request itself: who asks for something else gets something else


# What upstreams are told of every request without its being part of what is asked for.
_INCIDENTAL = frozenset(("request.id", "request.ip"))


def text(written: str, path: str, encode: Encode, literal: Encode = str) -> Text:
    """The template `written`, for requests of the route with this path template. Raises InputError.

    `encode` is for values, `literal` for what stands around them.
    """
    return of_parts(
        [literal(part) if isinstance(part, str) else part for part in template.parts(written)], path, encode
    )


def of_parts(found: Sequence[Part], path: str, encode: Encode) -> Text:
    """The same of a template's parts, whose texts stay as they are."""
    if not any(isinstance(part, Value) for part in found):
        constant = "".join(map(str, found))
        return Text(constant, lambda subject: constant)
    pieces = [part if isinstance(part, str) else piece(part, path, encode) for part in found]
    keyed = any(isinstance(part, Value) and part.name not in _INCIDENTAL for part in found)
    if len(pieces) == 1 and not isinstance(pieces[0], str):
        return Text(None, pieces[0], keyed)
    return Text(None, _joined(pieces), keyed)


def _joined(pieces: list[str | Make]) -> Make:
    def make(subject: Subject) -> str | None:
        out: list[str] = []
        for piece in pieces:
            one = piece if isinstance(piece, str) else piece(subject)
            if one is None:
                return None
            out.append(one)
        return "".join(out)

    return make


def piece(value: Value, path: str, encode: Encode) -> Make:
    """One value, encoded; where it is not there its default."""
    read = reader(value.name, path)
    default = None if value.default is None else encode(value.default)

    def make(subject: Subject) -> str | None:
        found = read(subject)
        if found is None or found == "":
            return default if default is not None else found
        return encode(found if isinstance(found, str) else as_text(found))

    return make


def as_text(value: Any) -> str:
    """A JSON value that is no text, as text: its JSON."""
    try:
        return _JSON.encode(value).decode("utf-8")
    except UnicodeEncodeError:  # a token's claims may have half a surrogate pair
        return json.dumps(value)


def dumps(value: Any) -> bytes:
    """A JSON value as a body; numbers as they came."""
    return _JSON.encode(value)


_LOADER = msgspec.json.Decoder(float_hook=Decimal)


def loads(data: bytes) -> Any:
    """A body that is JSON, every digit of its numbers kept (`strict_json` has looked at it). Raises ValueError."""
    try:
        return _LOADER.decode(data)
    except ArithmeticError:
        raise ValueError("a number has an exponent beyond all bounds") from None


# --- JSON, by structure

Tree = Callable[[Subject], Any]


def tree(data: Any, path: str) -> Tree:
    """Data whose texts are templates, for requests of a route: made anew for each.

    A text that is one value and nothing else becomes that value, of its own kind. What has no value is left out.
    """
    if isinstance(data, dict):
        members = {key: tree(value, path) for key, value in data.items()}
        return lambda subject: {
            key: value for key, make in members.items() if (value := make(subject)) is not None or data[key] is None
        }
    if isinstance(data, list):
        items = [tree(value, path) for value in data]
        return lambda subject: [value for make in items if (value := make(subject)) is not None]
    if not isinstance(data, str):
        return lambda subject: data
    found = template.parts(data)
    if len(found) == 1 and isinstance(found[0], Value):
        return _whole(reader(found[0].name, path), found[0].default)
    return text(data, path, str).make


def _whole(read: Reader, default: str | None) -> Tree:
    def make(subject: Subject) -> Any:
        value = read(subject)
        if default is not None and (value is None or value == ""):
            return default
        return str(value) if isinstance(value, Encoded) else value

    return make


def names(data: Any) -> set[str]:
    """The names of all values in a template, or in all texts of a tree."""
    if isinstance(data, dict):
        return set().union(*map(names, data.values())) if data else set()
    if isinstance(data, list):
        return set().union(*map(names, data)) if data else set()
    return {value.name for value in template.values(data)} if isinstance(data, str) else set()
