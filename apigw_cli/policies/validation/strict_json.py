"""JSON that every reader takes for the same (RFC 8259, sections 4, 6, 8 and 9; I-JSON, RFC 7493).

Refused, because two readers would not agree on what it says: a name that an object has twice, numbers beyond what a
double holds, text that is not UTF-8, lone surrogates. And what is nested deeper than `DEPTH`, for the stacks of others.
"""

from __future__ import annotations

import gc
import re
from array import array
from itertools import accumulate
from typing import Any

import orjson

DEPTH = 100
_LARGE = 64 * 1024  # bytes
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(sign for sign in range(256) if sign not in b"[]{}")


class NotJson(ValueError):
    """Says what is wrong, without repeating any of the text."""


def loads(data: bytes) -> Any:
    """The value. Raises NotJson."""
    value = _read(data)
    if type(value) is dict or type(value) is list:
        if data.count(b"{") + data.count(b"[") > DEPTH:
            _check_depth(data)
        if _has_repeated_names(data, value):
            raise NotJson("an object has two members of the same name")
    return value


def _read(data: bytes) -> Any:
    """Without the garbage collector looking at it all, again and again, while it grows: 320 ms of a body of 1 MiB."""
    collecting = len(data) > _LARGE and gc.isenabled()
    if collecting:
        gc.disable()
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise NotJson(_told(error)) from None
    finally:
        if collecting:
            gc.enable()


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


def _check_depth(data: bytes) -> None:
    """Raises NotJson where lists and objects are nested too deeply; `data` is JSON."""
    steps = array("b", _STRING.sub(b"", data).translate(_STEPS, _NO_BRACKETS))  # 1 in, -1 out
    if max(accumulate(steps), default=0) > DEPTH:
        raise NotJson(f"it is nested deeper than {DEPTH} levels")
