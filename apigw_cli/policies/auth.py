"""`auth`: who calls, and whether the specification's `security` lets them.

The compiler derives the value from `security`; nobody writes it. It holds alternatives, each a list of schemes that
must all be satisfied: `[["ApiKeyAuth"], ["KeyA", "KeyB"]]`. An empty alternative lets anyone through, named where a
key is known.

A presented key is looked up by its SHA-256. Neither the lookup nor its time tells anything about a stored key: what
is compared is a hash that the caller cannot steer towards another. A credential that is sent twice is refused, for
the upstream may read the other one. The key is never logged. It is forwarded like any other header; an upstream
that should not see it needs `request_headers: {remove: [X-Api-Key]}`.

APIGW_EPHEMERAL_KEY_SHA256 (hex) adds one key, whose holder is called "ephemeral": `apigw bench` makes a random key
for the gateway that it starts for a measurement. This gives nothing away: who sets the environment of the gateway's
process runs that process, and could hand it another key list as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Annotated
from urllib.parse import unquote_to_bytes

from msgspec import Meta, Struct

from apigw_cli.errors import InputError
from apigw_cli.policies import keys
from apigw_cli.policies.interface import Change, Exchange, Refusal, Runtime, Step
from apigw_cli.snapshot.model import AuthScheme, Route

EPHEMERAL = "APIGW_EPHEMERAL_KEY_SHA256"

_UNAUTHORIZED = Refusal(401, "Unauthorized", (b'WWW-Authenticate: ApiKey realm="apigw"\r\n',), "unauthorized")

Check = Callable[[Exchange], str | None]  # who calls, or None


class Auth(Struct, frozen=True, forbid_unknown_fields=True):
    """Who may call: one of the alternatives must hold, with all of its schemes."""

    alternatives: Annotated[
        list[list[str]],
        Meta(min_length=1, description="Names of security schemes; an empty alternative lets anyone through."),
    ]


class _Policy:
    name = "auth"
    order = 30
    model: type[Struct] = Auth
    derived = True

    def compile(self, value: Auth, route: Route, runtime: Runtime) -> Step:
        """Raises InputError for a scheme without configuration and for a key list that cannot be used."""
        identity = (self.name, tuple(map(tuple, value.alternatives)))
        if identity not in runtime.memo:
            # An empty alternative comes last: a key that is known still gives the caller its name.
            ordered = sorted(value.alternatives, key=len, reverse=True)
            alternatives = [[_check(name, runtime) for name in schemes] for schemes in ordered]
            runtime.memo[identity] = _step(alternatives)
        step: Step = runtime.memo[identity]
        return step

    def compare(self, old: Auth | None, new: Auth | None) -> Change:
        """Stricter where whoever satisfies the new requirements would have satisfied the old ones."""
        before, after = _requirements(old), _requirements(new)
        stricter = all(any(one <= other for one in before) for other in after)
        looser = all(any(other <= one for other in after) for one in before)
        if stricter:
            return Change.NEUTRAL if looser else Change.STRENGTHEN
        return Change.WEAKEN

    def describe(self, value: Auth) -> str:
        return " or ".join(" and ".join(schemes) or "anyone" for schemes in value.alternatives)


def _requirements(value: Auth | None) -> list[frozenset[str]]:
    return [frozenset(schemes) for schemes in value.alternatives] if value else [frozenset()]


def _step(alternatives: list[list[Check]]) -> Step:
    if len(alternatives) == 1 and len(alternatives[0]) == 1:
        return _single(alternatives[0][0])

    def step(exchange: Exchange) -> Refusal | None:
        for checks in alternatives:
            callers = [check(exchange) for check in checks]
            if None not in callers:
                exchange.principal = callers[0] if callers else None
                return None
        return _UNAUTHORIZED

    return step


def _single(check: Check) -> Step:
    def step(exchange: Exchange) -> Refusal | None:
        caller = check(exchange)
        if caller is None:
            return _UNAUTHORIZED
        exchange.principal = caller
        return None

    return step


def _check(name: str, runtime: Runtime) -> Check:
    scheme = runtime.snapshot.auth.get(name)
    if scheme is None:
        raise InputError(
            f'security scheme "{name}" has no configuration',
            hint=f"add to apigw.yaml: auth: {{{name}: {{keys: {{file: keys.yaml}}}}}}",
        )
    if scheme.type != "api_key" or scheme.location not in _FINDERS:
        raise InputError(f'security scheme "{name}" ({scheme.type} in {scheme.location}) is not one that is checked')
    holders = _holders(scheme, runtime)
    find = _FINDERS[scheme.location](scheme.parameter)

    def check(exchange: Exchange) -> str | None:
        presented = find(exchange)
        return holders.get(sha256(presented).digest()) if presented else None

    return check


def _holders(scheme: AuthScheme, runtime: Runtime) -> Mapping[bytes, str]:
    identity = ("keys", scheme.keys)
    if identity not in runtime.memo:
        found = keys.load(runtime.secret(scheme.keys), runtime.label(scheme.keys))
        runtime.memo[identity] = found | _ephemeral()
    holders: Mapping[bytes, str] = runtime.memo[identity]
    return holders


def _ephemeral() -> dict[bytes, str]:
    text = os.environ.get(EPHEMERAL, "")
    if not text:
        return {}
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", text):
        raise InputError(f"{EPHEMERAL} in the environment is not a SHA-256", hint="64 hexadecimal digits, or unset it")
    return {bytes.fromhex(text): "ephemeral"}


# --- where a scheme's key stands in a request: None where it is missing or there are several


def _in_header(name: str) -> Callable[[Exchange], bytes | None]:
    wanted = name.lower().encode("utf-8")

    def find(exchange: Exchange) -> bytes | None:
        found = None
        for header, value in exchange.headers:
            if header == wanted:
                if found is not None:
                    return None
                found = value
        return found

    return find


def _in_query(name: str) -> Callable[[Exchange], bytes | None]:
    wanted = name.encode("utf-8")

    def find(exchange: Exchange) -> bytes | None:
        pairs = (pair.partition(b"=") for pair in exchange.query.split(b"&"))
        return _only(_form_decoded(value) for key, _, value in pairs if _form_decoded(key) == wanted)

    return find


def _in_cookie(name: str) -> Callable[[Exchange], bytes | None]:
    wanted = name.encode("utf-8")

    def find(exchange: Exchange) -> bytes | None:
        headers = (value for header, value in exchange.headers if header == b"cookie")
        pairs = (pair.strip(b" \t").partition(b"=") for value in headers for pair in value.split(b";"))
        return _only(value for key, _, value in pairs if key == wanted)

    return find


def _form_decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" ")) if b"%" in text or b"+" in text else text


def _only(values: Iterator[bytes]) -> bytes | None:
    found = next(values, None)
    return found if next(values, None) is None else None


_FINDERS: dict[str, Callable[[str], Callable[[Exchange], bytes | None]]] = {
    "header": _in_header,
    "query": _in_query,
    "cookie": _in_cookie,
}

POLICY = _Policy()
