"""Where the keys of an issuer come from: a file that was read at load, or what the issuer publishes.

    none ──fetched──▶ fresh ──`refresh` over──▶ old ──`keep` over──▶ gone
                        ▲─────────fetched─────────┘◀──────fetched─────┘

| state | a token |
|---|---|
| none, gone | waits for a fetch; where that fails the answer is 503 |
| fresh | is checked at once |
| old | is checked at once, while one fetch runs beside |

A token whose key is not known has the keys fetched again, for a key may be new (rotation): at most once in
`AGAIN` seconds, however many tokens ask. One fetch runs at a time and everybody waits for that one; after one that
failed the next begins after a growing pause. It is bounded in time and size, follows no redirection, and goes to
https:// only, but for this machine.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from apigw_cli.policies.auth import key_set
from apigw_cli.policies.auth.key_set import KeySet
from apigw_cli.snapshot.key_url import is_loopback, problem_of

AGAIN = 10 * 10**9  # nanoseconds between two fetches for keys that are not known
FIRST_PAUSE, LONGEST_PAUSE = 10**9, 60 * 10**9  # after a fetch that failed
SECONDS = 5.0  # for one fetch, discovery included
LARGEST = 256 * 1024  # bytes of a document
WELL_KNOWN = "/.well-known/openid-configuration"


class KeySource(Protocol):
    def current(self) -> KeySet | None:
        """The keys, where there are any that may be used now."""

    def may_fetch(self) -> bool:
        """Whether fetching them again may find a key that is not known."""

    async def fetch(self) -> KeySet | None:
        """The keys as they are published now; None where they cannot be had."""


class FixedKeys:
    """Keys out of a file."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def current(self) -> KeySet:
        return self._keys

    def may_fetch(self) -> bool:
        return False

    async def fetch(self) -> KeySet:
        return self._keys


class PublishedKeys:
    """Keys out of the network. `url` is that of the key set; '' has it looked up at the issuer (OpenID discovery)."""

    def __init__(self, issuer: str, url: str, refresh: float, keep: float, clock: Callable[[], int]) -> None:
        import ssl

        import httpx  # here, in the thread that loads: importing takes long

        self._httpx = httpx
        self._verify = ssl.create_default_context()
        self._issuer = issuer
        self._url = url
        self._refresh = int(refresh * 1e9)
        self._keep = int(keep * 1e9)
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched = 0  # when it last worked
        self._asked = -AGAIN  # when it last began
        self._not_before = 0
        self._pause = FIRST_PAUSE
        self._task: asyncio.Task[None] | None = None
        self._waiting = 0  # requests
        self._said = ""

    def current(self) -> KeySet | None:
        if self._keys is None:
            return None
        age = self._clock() - self._fetched
        if age >= self._refresh:
            self._begin()
        return self._keys if age < self._keep else None

    def may_fetch(self) -> bool:
        return self._task is not None or self._clock() - self._asked >= AGAIN

    async def fetch(self) -> KeySet | None:
        task = self._begin()
        if task is not None:
            self._waiting += 1
            try:
                await asyncio.wait((task,))  # neither cancels it nor fails with it
            finally:
                self._waiting -= 1
        return self.current()

    def _begin(self) -> asyncio.Task[None] | None:
        """The fetch that runs, or a new one where one may begin."""
        now = self._clock()
        if self._task is None and now >= self._not_before:
            self._asked = now
            self._task = asyncio.get_running_loop().create_task(self._run())
        return self._task

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                data = await self._read()
            if self._keys is None or data != self._keys.data:
                self._keys = key_set.parse(data)
            self._fetched = self._clock()
            self._pause = FIRST_PAUSE
            self._say("")
        except (self._httpx.HTTPError, self._httpx.InvalidURL, ValueError, OSError) as error:
            # TimeoutError is an OSError.
            self._not_before = self._clock() + self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            self._say(str(error) or type(error).__name__)
        finally:
            self._task = None

    async def _read(self) -> bytes:
        async with self._httpx.AsyncClient(
            verify=self._verify, timeout=SECONDS, trust_env=not is_loopback(self._url or self._issuer)
        ) as client:
            url = self._url or await self._discover(client)
            return await self._get(client, url)

    async def _discover(self, client: Any) -> str:
        """Where the issuer says that its keys are (OpenID Connect Discovery 1.0, section 4)."""
        data = await self._get(client, self._issuer.rstrip("/") + WELL_KNOWN)
        try:
            told = orjson.loads(data)
        except ValueError:
            raise ValueError("the issuer's configuration is no JSON") from None
        if not isinstance(told, dict) or told.get("issuer") != self._issuer:
            raise ValueError("the issuer's configuration names another issuer")
        url = told.get("jwks_uri")
        if not isinstance(url, str) or problem_of(url):
            raise ValueError("the issuer's configuration has no jwks_uri that is https://")
        return url

    async def _get(self, client: Any, url: str) -> bytes:
        # No content coding: what is small on the wire must not become large here.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with client.stream("GET", url, headers=headers) as answer:
            if answer.status_code != 200 or answer.headers.get("content-encoding", "identity") != "identity":
                raise ValueError(f"{url} answers {answer.status_code}")
            parts, size = [], 0
            async for part in answer.aiter_raw():
                parts.append(part)
                size += len(part)
                if size > LARGEST:
                    raise ValueError(f"{url} sends more than {LARGEST} bytes")
        return b"".join(parts)

    def _say(self, why: str) -> None:
        """Once for each reason: an operator has to know, and nobody else."""
        if why and why != self._said:
            print(f"apigw: the keys of {self._issuer} cannot be fetched: {why}", file=sys.stderr, flush=True)
        self._said = why

    def close(self) -> None:
        if self._task is not None and not self._waiting:
            self._task.cancel()  # where somebody waits it ends by itself, soon enough
