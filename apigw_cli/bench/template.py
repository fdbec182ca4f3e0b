"""Requests that differ: `{{seq}}`, `{{uuid}}` and `{{csv.COLUMN}}` in the URL, in headers and in the body.

    typed ─mark─▶ text with marks of letters and digits ─▶ parsed, quoted and encoded as any other ─message─▶ Message

Marks pass unchanged through everything that is done with a request, so only the finished bytes are looked at: where a
mark stands there says how a value is to be written. In a body that is JSON, values are written as the inside of a JSON
string: a number stays one, a quotation mark ends nothing.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Iterable

import orjson

from apigw_cli.bench.call import Message
from apigw_cli.bench.rows import Rows
from apigw_cli.errors import InputError, UsageError

_PLACE = re.compile(r"\{\{\s*([A-Za-z_][^{}]*?)\s*\}\}")
_MARK = re.compile(rb"zqx([0-9a-f]+)xqz")
_LENGTH = re.compile(rb"(?i)(\r\nContent-Length: )[0-9]+(?=\r\n)")
_PLAIN = ("seq", "uuid")
_BREAKS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

WRITERS: dict[str, Callable[[str], bytes]] = {
    "url": lambda cell: urllib.parse.quote(cell, safe="").encode(),
    "header": lambda cell: cell.encode("latin-1"),
    "body": str.encode,
    "json": lambda cell: orjson.dumps(cell)[1:-1],
}


def mark(text: str) -> str:
    """`text` with a mark for each `{{…}}` in it. Raises UsageError for one that stands for nothing."""

    def marked(match: re.Match[str]) -> str:
        name = match[1]
        if name not in _PLAIN and not name.startswith("csv."):
            raise UsageError(f"{match[0]} stands for nothing", hint="known: {{seq}}, {{uuid}}, {{csv.COLUMN}}")
        return f"zqx{name.encode().hex()}xqz"

    return _PLACE.sub(marked, text)


def is_marked(text: str) -> bool:
    """Whether there is a mark in it."""
    return _MARK.search(text.encode("utf-8", "replace")) is not None


def is_json(body: bytes) -> bool:
    """Whether a body is JSON, whatever its values will be: numbers, or parts of strings."""
    try:
        orjson.loads(_MARK.sub(b"0", body))
    except orjson.JSONDecodeError:
        return False
    return True


def message(head: bytes, body: bytes) -> Message:
    """The message of an encoded request, whose marks become places for values."""
    if not _MARK.search(head) and not _MARK.search(body):
        return Message(head, body)
    values: dict[str, None] = {}
    end = head.index(b"\r\n")
    line, fields = head[:end], head[end:]
    if _MARK.search(body):
        fields = _LENGTH.sub(rb"\1zqx" + b"length".hex().encode() + b"xqz", fields)
    pattern = _pattern(line, "url", values) + _pattern(fields, "header", values)
    return Message(pattern, _pattern(body, "json" if is_json(body) else "body", values), list(values))


def _pattern(text: bytes, kind: str, values: dict[str, None]) -> bytes:
    def place(match: re.Match[bytes]) -> bytes:
        name = bytes.fromhex(match[1].decode()).decode()
        if name == "length":
            return b"%(length)d"
        name = f"{kind}:{name.removeprefix('csv.')}" if name.startswith("csv.") else name
        values[name] = None
        # Keys are numbers: in a name a parenthesis would end the key.
        return b"%%(%d)b" % list(values).index(name)

    return _MARK.sub(place, text.replace(b"%", b"%%"))


def check(messages: Iterable[Message], rows: Rows | None) -> None:
    """Raise UsageError or InputError where the CSV file lacks a column, or has a cell that a header cannot hold."""
    for name in (name for message in messages for name in message.values if ":" in name):
        kind, _, column = name.partition(":")
        if rows is None:
            raise UsageError(f"{{{{csv.{column}}}}} needs a CSV file", hint="--csv FILE")
        if column not in rows.columns:
            known = ", ".join(rows.columns)
            raise UsageError(f"{rows.name} has no column {column!r}", hint=f"its columns are {known}")
        for number, cell in enumerate(rows.column(column)):
            if kind == "header" and (_BREAKS.search(cell) or not _latin(cell)):
                raise InputError(f"{column}: this cannot stand in a header", place=rows.place(number))


def _latin(cell: str) -> bool:
    try:
        cell.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True
