"""JSON that every reader takes for the same (RFC 8259, sections 4, 6, 8 and 9; I-JSON, RFC 7493).

Refused, because two readers would not agree on what it says: a name that an object has twice, numbers beyond what a
double holds, text that is not UTF-8, lone surrogates. And what is nested deeper than `DEPTH`, for the stacks of others.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

DEPTH = 100
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


class NotJson(ValueError):
    """Says what is wrong, without repeating any of the text."""


def loads(data: bytes) -> Any:
    """The value. Raises NotJson."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise NotJson(_told(error)) from None
    if type(value) is dict or type(value) is list:
        if data.count(b"{") + data.count(b"[") > DEPTH:
            _check_depth(value)
        if _has_repeated_names(data, value):
            raise NotJson("an object has two members of the same name")
    return value


def _told(error: orjson.JSONDecodeError) -> str:
    place = f"line {error.lineno}, column {error.colno}"
    if error.doc == "":
        return "there is nothing in it"
    return f"{error.msg.partition(':')[0]} ({place})"


def _has_repeated_names(data: bytes, value: Any) -> bool:
    """Whether some member is in the text and not in the value, where the last of a name wins.

    A colon stands after each name and maybe in texts. Written again, the value has as many as it had in `data`, less
    those of the members that were lost; only an escape (`\\u003a`) could hide one.
    """
    if b"\\" not in data:
        return data.count(b":") != orjson.dumps(value).count(b":")
    return _STRING.sub(b"", data).count(b":") != _STRING.sub(b"", orjson.dumps(value)).count(b":")


def _check_depth(value: Any) -> None:
    """Raises NotJson where lists and objects are nested too deeply."""
    level = [value]
    for _ in range(DEPTH):
        inner: list[Any] = []
        for node in level:
            parts = node.values() if type(node) is dict else node
            inner += [one for one in parts if type(one) is dict or type(one) is list]
        if not inner:
            return
        level = inner
    raise NotJson(f"it is nested deeper than {DEPTH} levels")
