"""Most answers are plain: whole in one read, framed by Content-Length, on a connection that lives on.

They are understood here, line by line, without the parser; whatever is not plain or not certain is left to it. Plain
is less than what the parser takes, and what is plain is understood as the parser does (tests hold both).
"""

from __future__ import annotations

import re

import msgspec

from apigw_cli.gateway import forward

# No status that has no body; no reason and no value that any reader could take for something else.
_STATUS = re.compile(rb"HTTP/1\.1 (?!204|304)([2-5][0-9][0-9]) [ -~]*")
_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)")
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,17}")
# Names that say something about framing or the connection: for the parser to weigh.
_WEIGHTY = frozenset((b"transfer-encoding", b"trailer", b"upgrade", b"proxy-connection"))
_DOUBTFUL = -1

# Upstreams repeat themselves, so lines once understood are kept: what to pass on of each, or the length it says.
_LINES_MAXIMUM = 1024
_LINE_BYTES = 128
_HEAD_BYTES = 4096
_HEAD_MAXIMUM = 32 * 1024  # a larger one is for the parser, and to be bounded there
_lines: dict[bytes, bytes | int] = {}
_statuses: dict[bytes, int] = {}


class Plain(msgspec.Struct, gc=False):
    """A plain answer's head, as it came and as it goes on: status line and header lines.

    `start` is where the body begins and `end` where it ends. An answer that begins with `head` and has this end says
    the same: upstreams that are asked the same again do, most of the time, until the date changes.
    """

    head: bytes
    status: int
    passed: bytes
    start: int
    end: int
    came_again: bool = False

    def is_worth_keeping(self) -> bool:
        """Until the next answer, that is; cookies are secrets, and no two are alike."""
        return self.start <= _HEAD_BYTES and b"\r\nset-cookie:" not in self.head.lower()


def read(data: bytes) -> Plain | None:
    """What a plain answer says; None where `data` is anything but one whole plain answer."""
    end = data.find(b"\r\n\r\n", 0, _HEAD_MAXIMUM)
    if end < 0:
        return None
    lines = data[:end].split(b"\r\n")
    first = lines.pop(0)
    status = _statuses.get(first) or _status(first)
    length = -1
    kept: list[bytes] = []
    get = _lines.get
    for line in lines:
        known = get(line)
        if known is None:
            known = _understand(line)
        if isinstance(known, bytes):
            kept.append(known)
        elif known == _DOUBTFUL or length >= 0:
            return None
        else:
            length = known
    end += 4
    if not status or length != len(data) - end:
        return None
    return Plain(data[:end], status, b"%b\r\n%b" % (first, b"".join(kept)), end, len(data))


def _status(line: bytes) -> int:
    """0 for a line that is not plain."""
    match = _STATUS.fullmatch(line)
    status = int(match[1]) if match else 0
    if status and len(line) <= _LINE_BYTES and len(_statuses) < _LINES_MAXIMUM:
        _statuses[line] = status
    return status


def _understand(line: bytes) -> bytes | int:
    """The line to pass on (empty: none), the length that it says, or `_DOUBTFUL`."""
    match = _LINE.fullmatch(line)
    if match is None:
        return _DOUBTFUL
    low, value = match[1].lower(), match[2]
    known: bytes | int
    if low in _WEIGHTY or (low == b"connection" and value.lower() != b"keep-alive"):
        return _DOUBTFUL
    if low == b"content-length":
        known = int(value) if _LENGTH.fullmatch(value) else _DOUBTFUL
    else:
        known = b"" if low in forward.DROP_RESPONSE else b"%b: %b\r\n" % (match[1], value)
    if len(line) <= _LINE_BYTES and low != b"set-cookie":  # cookies are secrets, and no two are alike
        if len(_lines) >= _LINES_MAXIMUM:
            _lines.clear()
        _lines[line] = known
    return known
