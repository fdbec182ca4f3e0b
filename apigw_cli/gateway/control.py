"""What supervisor and workers say to each other, over a socket pair that only they hold.

A message is a length (4 bytes, big endian) and a MessagePack map whose `type` tells them apart. A reload has two
phases, so that either all workers serve the new Snapshot or none does:

    supervisor                worker
    Prepare(generation) ──▶   builds the table beside the one that it serves
                        ◀──   Prepared, or Refused with the reason
    Commit(generation)  ──▶   swaps one reference; the first time it starts to listen
                        ◀──   Committed
    Drain               ──▶   answers what is in flight, closes the socket, ends

Where the socket closes, the other side is gone: a worker then drains by itself.
"""

from __future__ import annotations

import asyncio
import struct

import msgspec

from apigw_cli.errors import InputError, Place

_LENGTH = struct.Struct("!I")
Cells = tuple[int, int]


class CanaryOrder(msgspec.Struct, frozen=True):
    """A second Snapshot for a share of the requests. `sides`: where stable and canary are counted, 0 for nowhere.

    `releases`: the digests of stable and canary.
    """

    snapshot: bytes
    percent: float
    by: str
    began: int
    releases: tuple[str, str]
    sides: tuple[int, int]
    cells: list[Cells]
    targets: dict[str, list[int]]


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """`snapshot`: its canonical bytes. `secrets`: bytes by reference. `cells`: each route's place in the metrics.

    `targets`: for each upstream the places of its targets' state, in their order; -1 for none. `root`: the folder
    that names of files are relative to.
    """

    generation: int
    snapshot: bytes
    secrets: dict[str, bytes]
    labels: dict[str, str]
    cells: list[Cells]
    targets: dict[str, list[int]] = {}
    canary: CanaryOrder | None = None
    root: str = "."


class Commit(msgspec.Struct, frozen=True, tag=True):
    generation: int


class Drain(msgspec.Struct, frozen=True, tag=True):
    """Seconds that requests in flight get."""

    seconds: float


class Prepared(msgspec.Struct, frozen=True, tag=True):
    generation: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Why a worker cannot serve a Snapshot; `place` is file, line and column."""

    generation: int
    message: str
    place: tuple[str, int, int] | None = None
    hint: str | None = None

    @classmethod
    def of(cls, generation: int, error: InputError) -> Refused:
        place = (error.place.file, error.place.line, error.place.column) if error.place else None
        return cls(generation, error.message, place, error.hint)

    def error(self) -> InputError:
        return InputError(self.message, place=Place(*self.place) if self.place else None, hint=self.hint)


class Committed(msgspec.Struct, frozen=True, tag=True):
    generation: int


Order = Prepare | Commit | Drain
Reply = Prepared | Refused | Committed

_ORDERS = msgspec.msgpack.Decoder(Order)
_REPLIES = msgspec.msgpack.Decoder(Reply)
_encode = msgspec.msgpack.Encoder().encode


def send(writer: asyncio.StreamWriter, message: Order | Reply) -> None:
    data = _encode(message)
    writer.write(_LENGTH.pack(len(data)))
    writer.write(data)


async def receive_order(reader: asyncio.StreamReader) -> Order | None:
    """The supervisor's next order; None when it is gone."""
    data = await _receive(reader)
    return None if data is None else _ORDERS.decode(data)


async def receive_reply(reader: asyncio.StreamReader) -> Reply | None:
    """The worker's next reply; None when it is gone."""
    data = await _receive(reader)
    return None if data is None else _REPLIES.decode(data)


async def _receive(reader: asyncio.StreamReader) -> bytes | None:
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
