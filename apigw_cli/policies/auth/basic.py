"""HTTP Basic (RFC 7617): name and password against argon2 hashes.

A hash takes long on purpose, so it is computed in threads beside the event loop, `THREADS` at a time. No more than
`WAITING` checks wait for their turn, `EACH` of them for one address (of IPv6: one /64). So a flood of wrong passwords
meets 503 and cannot keep out others, nor those whose password was checked a moment ago. That is remembered by a keyed
digest, never by the password, for as long as `cache` says; a wrong password for at most `WRONG` seconds. A name that
nobody has costs as much as one that somebody has.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b

from apigw_cli.errors import InputError
from apigw_cli.policies import limit_keys
from apigw_cli.policies.auth import user_list
from apigw_cli.policies.auth.caller import REALM, Caller, Check, Denied, Later, Outcome
from apigw_cli.policies.auth.credential import of_authorization
from apigw_cli.policies.auth.user_list import User
from apigw_cli.policies.interface import Exchange, Runtime
from apigw_cli.snapshot.schemes import Basic

THREADS = 2
WAITING, EACH = 64, 4
NOWHERE = b"i"  # the key of a client without an address
WRONG = 10.0
REMEMBERED = 10_000
LONGEST = 1024  # bytes of name and password

_CHALLENGE = f'Basic realm="{REALM}", charset="UTF-8"'
_FORM = re.compile(rb"[A-Za-z0-9+/]+={0,2}")  # base64, as RFC 7617 has it
DENIED = Denied(401, _CHALLENGE)
BUSY = Denied(503, None, "Service Unavailable: too many passwords are being checked")

Pair = tuple[str, bytes]


def compile(scheme: Basic, runtime: Runtime) -> Check:  # noqa: A001
    """Raises InputError for a list of users that cannot be used."""
    data = tuple(runtime.secret(reference) for reference in scheme.users)
    client_of = limit_keys.address(limit_keys.IPV6_PREFIX)
    passwords = runtime.services.get(("basic", scheme, data), lambda: _passwords(scheme, data, runtime))

    def check(exchange: Exchange) -> Outcome:
        pair = _presented(exchange)
        return passwords.check(pair, client_of(exchange)) if pair is not None else DENIED

    return check


def _presented(exchange: Exchange) -> Pair | None:
    text = of_authorization(exchange, b"basic", _FORM)
    if not text or len(text) > LONGEST * 2:
        return None
    try:
        name, colon, password = base64.b64decode(text, validate=True).partition(b":")
        decoded = name.decode("utf-8")
    except ValueError:
        return None
    known = colon and user_list.is_name(decoded) and len(name) + len(password) <= LONGEST
    return (decoded, password) if known else None


def _passwords(scheme: Basic, data: tuple[bytes, ...], runtime: Runtime) -> Passwords:
    users: dict[str, User] = {}
    for reference, content in zip(scheme.users, data, strict=True):
        for name, user in user_list.load(content, runtime.label(reference)).items():
            if name in users:
                message = f'{runtime.label(reference)}: there is a "{name}" in another list of {scheme.name} already'
                raise InputError(message, hint="keep one of them")
            users[name] = user
    return Passwords(users, scheme.cache, runtime.clock, runtime.wall)


class Passwords:
    """The users of one scheme, and what is known of credentials that were presented. `clock`: nanoseconds."""

    def __init__(
        self, users: dict[str, User], cache: float, clock: Callable[[], int], wall: Callable[[], float]
    ) -> None:
        import argon2

        self._hasher = argon2.PasswordHasher()
        self._wrong = (argon2.exceptions.VerifyMismatchError, argon2.exceptions.VerificationError)
        some = next((user.hash for user in users.values()), None)
        found = argon2.extract_parameters(some) if some else None
        like = argon2.PasswordHasher.from_parameters(found) if found else argon2.PasswordHasher()
        self._nobody = like.hash(os.urandom(16))  # what a name that nobody has is checked against
        self._callers = {
            name: Caller(name, one.holder.scopes, None, one.holder.plan, expires=one.holder.expires)
            for name, one in users.items()
        }
        self._users = users
        self._cache = int(cache * 1e9)
        self._clock = clock
        self._wall = wall
        self._secret = os.urandom(32)
        self._known: dict[bytes, tuple[int, bool]] = {}  # until when, and whether it holds
        self._running: dict[bytes, asyncio.Future[bool]] = {}
        self._each: dict[bytes, int] = {}
        self._pool = ThreadPoolExecutor(THREADS, "apigw-passwords")

    def check(self, pair: Pair, client: bytes) -> Outcome:
        digest = blake2b(b"%b:%b" % (pair[0].encode(), pair[1]), key=self._secret, digest_size=32).digest()
        known = self._known.get(digest)
        if known is not None and self._clock() < known[0]:
            return self._outcome(pair[0], known[1])
        return Later(partial(self._verify, pair, digest, client))

    def _outcome(self, name: str, holds: bool) -> Caller | Denied:
        caller = self._callers.get(name)
        if caller is None or not holds or (caller.expires is not None and self._wall() >= caller.expires):
            return DENIED
        return caller

    async def _verify(self, pair: Pair, digest: bytes, client: bytes) -> Caller | Denied:
        running = self._running.get(digest)  # the same credentials are checked once
        if running is None:
            each = EACH if client != NOWHERE else WAITING  # clients of a Unix socket cannot be told apart
            if len(self._running) >= WAITING or self._each.get(client, 0) >= each:
                return BUSY
            running = self._begin(pair, digest, client)
        await asyncio.wait((running,))  # goes on for the others when this request is gone
        if running.cancelled():
            return BUSY
        return self._outcome(pair[0], running.result())

    def _begin(self, pair: Pair, digest: bytes, client: bytes) -> asyncio.Future[bool]:
        user = self._users.get(pair[0])
        stored = user.hash if user is not None else self._nobody
        try:
            running = asyncio.get_running_loop().run_in_executor(self._pool, self._holds, stored, pair[1])
        except RuntimeError:  # closed: another Snapshot is served now
            running = asyncio.get_running_loop().create_future()
            running.cancel()
            return running
        self._running[digest] = running
        self._each[client] = self._each.get(client, 0) + 1
        running.add_done_callback(partial(self._done, digest, client, user is not None))
        return running

    def _holds(self, stored: str, password: bytes) -> bool:
        """In a thread."""
        try:
            return self._hasher.verify(stored, password)
        except self._wrong:
            return False

    def _done(self, digest: bytes, client: bytes, exists: bool, running: asyncio.Future[bool]) -> None:
        del self._running[digest]
        self._each[client] -= 1
        if not self._each[client]:
            del self._each[client]
        if running.cancelled() or running.exception() is not None:
            return
        holds = exists and running.result()
        while len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        good_for = self._cache if holds else min(self._cache, int(WRONG * 1e9))
        self._known.pop(digest, None)
        self._known[digest] = (self._clock() + good_for, holds)

    def close(self) -> None:
        self._pool.shutdown(wait=False)  # what waits for its turn is answered
