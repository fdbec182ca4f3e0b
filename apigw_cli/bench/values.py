"""What makes a worker's requests: bytes that are ready, or patterns and the values of each request.

Within one request a name has one value, wherever it stands. `seq` counts from 1 over all workers: of W workers one
takes every W-th number. `uuid` is random (RFC 9562, version 4), another one in every run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import cycle, repeat

from apigw_cli.bench.call import Message
from apigw_cli.bench.rows import Rows
from apigw_cli.bench.template import WRITERS

_AT_ONCE = 256  # random numbers of 16 bytes that are asked of the system together


class Values:
    """The counters of one worker, which all of its requests share."""

    def __init__(self, number: int, workers: int, rows: Rows | None) -> None:
        self._next, self._step = number + 1, workers
        self._rows = rows
        self._uuids = _uuids()

    def maker(self, messages: list[Message]) -> Callable[[], bytes]:
        """What gives the bytes of one request after the other; the messages take turns."""
        if len(messages) == 1 and not messages[0].values:
            return repeat(messages[0].head + messages[0].body).__next__
        if not any(message.values for message in messages):
            return cycle([message.head + message.body for message in messages]).__next__
        makers = cycle([self._maker(message) for message in messages])
        only = self._maker(messages[0])
        return only if len(messages) == 1 else lambda: next(makers)()

    def _maker(self, message: Message) -> Callable[[], bytes]:
        if not message.values:
            return repeat(message.head + message.body).__next__
        head, body = message.head, message.body
        rows = cycle(self._cells(message))
        seq = b"%d" % message.values.index("seq") if "seq" in message.values else b""
        uuid = b"%d" % message.values.index("uuid") if "uuid" in message.values else b""
        uuids = self._uuids

        def make() -> bytes:
            row = next(rows)
            if seq:
                row[seq] = b"%d" % self._next
                self._next += self._step
            if uuid:
                row[uuid] = next(uuids)
            content = body % row
            row[b"length"] = len(content)
            return head % row + content

        return make

    def _cells(self, message: Message) -> list[dict[bytes, bytes | int]]:
        """For each row of the file what a message takes of it, written as it stands there."""
        taken = [(b"%d" % number, *name.partition(":")) for number, name in enumerate(message.values) if ":" in name]
        if self._rows is None or not taken:
            return [{}]
        found: list[dict[bytes, bytes | int]] = [{} for _ in self._rows.cells]
        for key, kind, _, column in taken:
            for row, cell in zip(found, self._rows.column(column), strict=True):
                row[key] = WRITERS[kind](cell)
        return found


def _uuids() -> Iterator[bytes]:
    while True:
        many = os.urandom(16 * _AT_ONCE).hex()
        for at in range(0, 32 * _AT_ONCE, 32):
            one = many[at : at + 32]
            variant = "89ab"[int(one[16], 16) & 3]
            yield f"{one[:8]}-{one[8:12]}-4{one[13:16]}-{variant}{one[17:20]}-{one[20:]}".encode()
