"""API keys: a key in a header, the query, a cookie or `Authorization: Bearer`, looked up in lists of SHA-256.

A presented key is looked up by its SHA-256. Neither the lookup nor its time tells anything about a stored key: what
is compared is a hash that the caller cannot steer towards another. The key is never logged. It is forwarded like
any other header; an upstream that should not see it needs `request_headers: {remove: [X-Api-Key]}`.

Where a connection repeats its header lines, the lookup is not repeated (`interface.Kept`): it is 0.7 of the 8.7 µs that
this program's code takes for a small request with all policies, and twice that with cold caches. No key is kept for it
that the connection does not hold anyhow, and a key list that was loaded anew is asked anew.

APIGW_EPHEMERAL_KEY_SHA256 (hex, several joined by commas) adds keys, whose holders are called "ephemeral",
"ephemeral-2" and so on: `apigw bench` makes random keys for the gateway that it starts for a measurement. This gives
nothing away: who sets the environment of the gateway's process runs that process, and could hand it another key list
as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from hashlib import sha256

from apigw_cli.errors import InputError
from apigw_cli.policies.auth import key_list
from apigw_cli.policies.auth.caller import API_KEY, BEARER, Caller, Check, Denied, bearer_error
from apigw_cli.policies.auth.credential import finder
from apigw_cli.policies.interface import Exchange, Runtime
from apigw_cli.snapshot.schemes import ApiKeys

EPHEMERAL = "APIGW_EPHEMERAL_KEY_SHA256"


def compile(scheme: ApiKeys, runtime: Runtime) -> Check:  # noqa: A001
    """Raises InputError for a key list that cannot be used."""
    find = finder(scheme.location, scheme.parameter, scheme.name)
    by_digest, wall = _callers(scheme, runtime), runtime.wall
    bearer = scheme.location == "bearer"
    missing = Denied(challenge=BEARER if bearer else API_KEY)
    unknown = bearer_error("invalid_token", "the key is not known, or no more valid") if bearer else missing
    unreadable = bearer_error("invalid_request", "the Authorization header cannot be read", 400) if bearer else missing

    by_lines = scheme.location != "query"  # else the header lines do not say who calls

    def check(exchange: Exchange) -> Caller | Denied:
        kept = exchange.kept if by_lines else None
        if kept is not None and kept.by is check:
            caller: Caller | None = kept.found
        else:
            presented = find(exchange)
            if not presented:
                return missing if presented is None else unreadable
            caller = by_digest.get(sha256(presented).digest())
            if kept is not None:
                kept.by, kept.found = check, caller
        if caller is None or (caller.expires is not None and wall() >= caller.expires):
            return unknown
        return caller

    return check


def _callers(scheme: ApiKeys, runtime: Runtime) -> Mapping[bytes, Caller]:
    """By the digest of their key."""
    identity = ("keys", scheme.keys)
    if identity not in runtime.memo:
        found = _ephemeral()
        for reference in scheme.keys:
            for digest, holder in key_list.load(runtime.secret(reference), runtime.label(reference)).items():
                if digest in found:
                    message = f'{runtime.label(reference)}: "{holder.name}" has the same key as "{found[digest].name}"'
                    raise InputError(message, hint="give each its own key")
                found[digest] = Caller(holder.name, holder.scopes, None, holder.plan, expires=holder.expires)
        runtime.memo[identity] = found
    callers: Mapping[bytes, Caller] = runtime.memo[identity]
    return callers


def _ephemeral() -> dict[bytes, Caller]:
    text = os.environ.get(EPHEMERAL, "")
    if not text:
        return {}
    digests = text.split(",")
    if not all(re.fullmatch(r"[0-9A-Fa-f]{64}", digest) for digest in digests):
        raise InputError(f"{EPHEMERAL} in the environment is not a SHA-256", hint="64 hexadecimal digits, or unset it")
    names = ("ephemeral", *(f"ephemeral-{number}" for number in range(2, len(digests) + 1)))
    return {bytes.fromhex(digest): Caller(name) for digest, name in zip(digests, names, strict=True)}
