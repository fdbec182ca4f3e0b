"""A limiter that is a service of its own: what is said over HTTP, and the client's side.

    POST /v1/decide
    {"questions": [[{"name": "…", "key": "…", "algorithm": "gcra", "rate": "5/s", "burst": 5, "cost": 1}, …], …]}
    200
    {"decisions": [[{"allowed": true, "remaining": 4, "reset": 1, "retry_after": 0}, …], …]}

A question is what one request is asked by all of its layers: all are charged, or none. `name` and `key` together say
whose count it is; we send both hashed. `reset` and `retry_after` are seconds, null for never; `wait` are nanoseconds
that an admitted request has to wait for its turn (leaky). Any other status means that the service is down.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from apigw_cli.limits.algorithms import Algorithm, Delayed, FixedWindow, Leaky, SlidingWindow
from apigw_cli.limits.bucket import NEVER, Decision, Limit
from apigw_cli.limits.table import Charge

PATH = "/v1/decide"
QUESTIONS, CHARGES = 256, 16  # at most
ANSWER_MAXIMUM = 1 << 20


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one limit is asked."""

    name: str
    key: str
    rate: str
    algorithm: Literal["gcra", "token_bucket", "leaky", "fixed_window", "sliding_window"] = "gcra"
    burst: int | None = None
    delay: int | None = None
    cost: int = 1


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    allowed: bool
    remaining: int
    reset: int | None
    retry_after: int | None
    wait: int = 0


class Questions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    questions: list[list[Asked]]


class Decisions(msgspec.Struct, frozen=True):
    decisions: list[list[Told]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where the service is. `token` is the secret itself: never shown."""

    host: str
    port: int
    tls: bool
    token: str = field(default="", repr=False)


class ServiceTransport:
    """One kept connection; `remote` asks one question at a time and keeps the time."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._decoder = msgspec.json.Decoder(Decisions)
        self._wire: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        host = f"[{address.host}]" if ":" in address.host else address.host
        token = f"Authorization: Bearer {address.token}\r\n" if address.token else ""
        self._head = f"Host: {host}:{address.port}\r\n{token}Content-Type: application/json\r\n"

    async def decide(self, questions: Sequence[Sequence[Charge]]) -> list[list[Decision]]:
        body = msgspec.json.encode(Questions([[asked(charge) for charge in charges] for charges in questions]))
        answer = self._decoder.decode(await self._exchange("POST", PATH, body))
        return [[decision(told) for told in one] for one in answer.decisions]

    async def probe(self) -> None:
        await self._exchange("GET", "/health", b"")

    async def close(self) -> None:
        self._drop()

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire[1].close()
            self._wire = None

    async def _exchange(self, method: str, path: str, body: bytes) -> bytes:
        """One request on the kept connection. It is closed whenever it is not known to be clean."""
        wire, self._wire = self._wire, None
        if wire is None or wire[1].is_closing() or wire[0].at_eof():
            secure = ssl.create_default_context() if self._address.tls else None
            wire = await asyncio.open_connection(self._address.host, self._address.port, ssl=secure)
        try:
            head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1")
            wire[1].write(head + body)
            answer = await _read(wire[0])
        except BaseException:
            wire[1].close()
            raise
        self._wire = wire
        return answer


async def _read(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(fields.get("content-length", "-1"))
    if first.split(" ")[1:2] != ["200"] or not 0 <= length <= ANSWER_MAXIMUM:
        raise ValueError("not an answer of a limiter")
    return await reader.readexactly(length)


def asked(charge: Charge) -> Asked:
    """A charge in the service's words, name and key hashed."""
    limit = charge.limit
    algorithm, burst, delay = _words(limit)
    key = hashlib.blake2b(charge.key, digest_size=16).hexdigest()
    rate = str(limit.rate)  # type: ignore[attr-defined]
    return Asked(limit.identity.hex(), key, rate, algorithm, burst, delay, charge.cost)


def _words(
    limit: Algorithm,
) -> tuple[Literal["gcra", "leaky", "fixed_window", "sliding_window"], int | None, int | None]:
    if isinstance(limit, Leaky):
        return "leaky", limit.burst - 1, limit.delay
    if isinstance(limit, Limit):
        return "gcra", limit.burst, None
    assert isinstance(limit, FixedWindow | SlidingWindow)
    return "sliding_window" if limit.sliding else "fixed_window", None, None


def decision(told: Told) -> Decision:
    reset, retry_after = (NEVER if seconds is None else seconds for seconds in (told.reset, told.retry_after))
    if told.wait:
        return Delayed(told.allowed, told.remaining, reset, retry_after, told.wait)
    return Decision(told.allowed, told.remaining, reset, retry_after)


def told(decision: Decision) -> Told:
    """A decision in the service's words."""
    reset, retry_after = (None if s == NEVER else s for s in (decision.reset, decision.retry_after))
    wait = decision.wait if isinstance(decision, Delayed) else 0
    return Told(decision.allowed, decision.remaining, reset, retry_after, wait)
