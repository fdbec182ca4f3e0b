"""Limits in Redis, over machines: one script, one round trip, the server's time, keys that expire.

Keys are `{apigw:STAGE}:LIMIT:KEY`, both hashed: nothing of a caller stands in Redis, and a key of any length is short.
What stands in braces keeps all keys of one script in one slot of a cluster (Redis cluster specification, hash tags).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from apigw_cli.errors import InputError
from apigw_cli.limits.algorithms import Algorithm, FixedWindow, SlidingWindow
from apigw_cli.limits.bucket import Decision, Limit
from apigw_cli.limits.kinds import FROZEN
from apigw_cli.limits.table import Charge

EXACT = 1 << 53  # Lua's numbers are doubles


@dataclass(frozen=True, slots=True)
class Address:
    """Where Redis is. `password` and `ca` (PEM) are the secrets themselves: never shown."""

    host: str
    port: int
    database: int = 0
    tls: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    ca: str = field(default="", repr=False)


def check(limit: Algorithm) -> None:
    """Raises ValueError for a limit that Redis cannot count exactly."""
    if isinstance(limit, Limit):
        if limit.capacity >= EXACT:
            raise ValueError("in Redis a bucket must refill within 104 days")
    elif isinstance(limit, SlidingWindow) and limit.burst * limit.length // 1000 >= EXACT:
        raise ValueError(f"in Redis a sliding window of that length holds at most {EXACT * 1000 // limit.length:,}")


class RedisTransport:
    """One connection; redis-py makes it, and makes it anew."""

    def __init__(self, address: Address, prefix: str, timeout: float, offset: Callable[[], int]) -> None:
        """`offset`: nanoseconds that a test moved the time by. Raises InputError where redis-py is not installed."""
        self._prefix = f"{{{prefix}}}:".encode()
        self._offset = offset
        self._client = _client(address, timeout)
        self._script = script()
        self._sha = hashlib.sha1(self._script).hexdigest()  # what Redis calls it

    async def decide(self, questions: Sequence[Sequence[Charge]]) -> list[list[Decision]]:
        answers = await self._run(questions)
        if any(_is_unknown_script(answer) for answer in answers):  # Redis was restarted, or its scripts flushed
            await self._client.script_load(self._script)
            missed = [n for n, answer in enumerate(answers) if _is_unknown_script(answer)]
            for number, answer in zip(missed, await self._run([questions[n] for n in missed]), strict=True):
                answers[number] = answer
        return [_decisions(charges, answer) for charges, answer in zip(questions, answers, strict=True)]

    async def _run(self, questions: Sequence[Sequence[Charge]]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        offset = self._offset() // 1000
        for charges in questions:
            keys = [self._key(charge) for charge in charges]
            words = [word for charge in charges for word in (*wire(charge.limit), charge.cost)]
            pipeline.evalsha(self._sha, len(keys), *keys, offset, *words)
        return list(await pipeline.execute(raise_on_error=False))

    def _key(self, charge: Charge) -> bytes:
        digest = hashlib.blake2b(charge.key, digest_size=16).hexdigest()
        return self._prefix + f"{charge.limit.identity.hex()}:{digest}".encode()

    async def probe(self) -> None:
        await self._client.script_load(self._script)

    async def close(self) -> None:
        await self._client.aclose()


@cache
def script() -> bytes:
    return resources.files("apigw_cli.limits").joinpath("redis_store.lua").read_bytes()


def _client(address: Address, timeout: float) -> Any:
    try:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise InputError("limits in Redis need the extra `redis`", hint="pip install 'apigw-toolkit[redis]'") from None
    secure: dict[str, Any] = {"ssl": True, "ssl_ca_data": address.ca or None} if address.tls else {}
    return Redis(
        host=address.host,
        port=address.port,
        db=address.database,
        username=address.username or None,
        password=address.password or None,
        socket_timeout=max(timeout, 1.0),  # `remote` keeps the time
        socket_connect_timeout=max(timeout, 1.0),
        retry=Retry(NoBackoff(), 0),  # `remote` decides when to try again
        max_connections=2,
        **secure,
    )


def wire(limit: Algorithm) -> tuple[str, int, int]:
    """Kind, a and b as the script takes them."""
    if isinstance(limit, Limit):
        return "z" if limit.origin else "b", limit.interval, limit.capacity
    assert isinstance(limit, FixedWindow | SlidingWindow)
    return "s" if limit.sliding else "f", limit.length // 1_000_000_000, limit.burst


def _decisions(charges: Sequence[Charge], answer: Any) -> list[Decision]:
    """The script's words for each limit. Raises where the answer is none."""
    if isinstance(answer, Exception):
        raise answer
    admitted, *states = answer
    asked = [_ask(charge, state, charge.cost) for charge, state in zip(charges, states, strict=True)]
    if all(decision.allowed for decision in asked) != bool(admitted):
        raise ValueError("the script and the arithmetic disagree")
    if admitted:
        return asked
    return [
        _ask(charge, state, 0) if decision.allowed else decision
        for charge, state, decision in zip(charges, states, asked, strict=True)
    ]


def _ask(charge: Charge, state: Sequence[Any], cost: int) -> Decision:
    """What the limit's own arithmetic says of a state that is told relative to now."""
    limit, words = charge.limit, [int(word) for word in state]
    if isinstance(limit, Limit):
        now = limit.capacity  # any time: debts are relative to it
        (debt,) = words
        return limit.ask((FROZEN if limit.origin else now) + debt, now, cost)[1]
    assert isinstance(limit, FixedWindow | SlidingWindow)
    end = 2 * limit.length
    now = end - words[0] * 1000
    if limit.sliding:
        _, before, count = words
        code = before * (limit.burst + 1) + count
        return limit.ask(end + limit.length + code if code else 0, now, cost)[1]
    _, count = words
    return limit.ask(end + count if count else 0, now, cost)[1]


def _is_unknown_script(answer: Any) -> bool:
    return isinstance(answer, Exception) and type(answer).__name__ == "NoScriptError"
