"""JSON Web Tokens: signed by the issuer's keys, for this audience, within their time (RFC 7519, 8725).

Nothing in a token's header chooses how it is trusted: `alg` must be one of the asymmetric algorithms that are
accepted and fit the key; `kid` only picks among the issuer's keys; `jwk`, `jku`, `x5c` and `x5u` are not looked at;
`crit` is refused. A token that was verified is remembered by its SHA-256 until it expires or the keys change.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec
import orjson

from apigw_cli.errors import InputError
from apigw_cli.policies.auth import key_set
from apigw_cli.policies.auth.caller import BEARER, Caller, Check, Denied, Later, Outcome, bearer_error
from apigw_cli.policies.auth.credential import finder
from apigw_cli.policies.auth.key_set import ALGORITHMS, KeySet
from apigw_cli.policies.auth.key_source import FixedKeys, KeySource, PublishedKeys
from apigw_cli.policies.interface import Exchange, Runtime
from apigw_cli.snapshot.schemes import Jwt

LONGEST = 16 * 1024  # bytes of a token
REMEMBERED = 10_000  # verified tokens

_FORM = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")

_invalid = partial(bearer_error, "invalid_token")
MISSING = Denied(401, BEARER)
UNREADABLE = bearer_error("invalid_request", "the Authorization header cannot be read", 400)
MALFORMED = _invalid("the token cannot be read")
ALGORITHM = _invalid("the token is signed in a way that is not accepted")
UNKNOWN_KEY = _invalid("the key of the token is not known")
SIGNATURE = _invalid("the signature of the token does not hold")
EXPIRED = _invalid("the token has expired")
EARLY = _invalid("the token is not valid yet")
ISSUER = _invalid("the token is of another issuer")
AUDIENCE = _invalid("the token is meant for another audience")
CLAIMS = _invalid("the token lacks a claim")
UNAVAILABLE = Denied(503, None, "Service Unavailable: tokens cannot be checked now")


class _Header(msgspec.Struct):
    """The members that are looked at (RFC 7515, section 4.1)."""

    alg: str
    kid: str | None = None
    crit: Any = None


class _Refused(Exception):
    def __init__(self, denied: Denied) -> None:
        self.denied = denied


def compile(scheme: Jwt, runtime: Runtime) -> Check:  # noqa: A001
    """Raises InputError for a key set that cannot be used."""
    find = finder(scheme.location, scheme.parameter, scheme.name)
    data = runtime.secret(scheme.jwks) if scheme.references() else None
    source = _published(scheme, runtime) if data is None else _fixed(scheme, data, runtime)
    # Both are taken over by the next Snapshot, where nothing that they depend on has changed.
    verify = runtime.services.get(("jwt", scheme, data), lambda: Verifier(scheme, source, runtime.wall)).check

    def check(exchange: Exchange) -> Outcome:
        token = find(exchange)
        if not token:
            return MISSING if token is None else UNREADABLE
        return verify(token)

    return check


def _published(scheme: Jwt, runtime: Runtime) -> KeySource:
    settings = (scheme.issuer, scheme.jwks, scheme.refresh, scheme.keep)
    return runtime.services.get(("jwks", *settings), lambda: PublishedKeys(*settings, runtime.clock))


def _fixed(scheme: Jwt, data: bytes, runtime: Runtime) -> KeySource:
    try:
        return FixedKeys(key_set.parse(data))
    except ValueError as error:
        label = runtime.label(scheme.jwks)
        hint = "a JSON Web Key Set, as apigw token keys writes it"
        raise InputError(f"{label} is no key set that can be used: {error}", hint=hint) from None


class Verifier:
    """Checks the tokens of one scheme. `wall`: seconds since 1970."""

    def __init__(self, scheme: Jwt, source: KeySource, wall: Callable[[], float]) -> None:
        self._scheme = scheme
        self._source = source
        self._wall = wall
        self._algorithms = frozenset(scheme.algorithms or ALGORITHMS)
        self._audiences = frozenset(scheme.audiences)
        self._known: dict[bytes, tuple[float, float, Caller]] = {}  # from, until, who
        self._known_by: KeySet | None = None

    def close(self) -> None:
        self._known = {}

    def check(self, token: bytes) -> Outcome:
        if len(token) > LONGEST:
            return MALFORMED
        keys = self._source.current()
        if keys is None:
            return Later(partial(self._fetch_and_check, token))
        outcome = self._check_by(token, keys)
        if outcome is UNKNOWN_KEY and self._source.may_fetch():
            return Later(partial(self._fetch_and_check, token))
        return outcome

    async def _fetch_and_check(self, token: bytes) -> Caller | Denied:
        keys = await self._source.fetch()
        return self._check_by(token, keys) if keys is not None else UNAVAILABLE

    def _check_by(self, token: bytes, keys: KeySet) -> Caller | Denied:
        if keys is not self._known_by:
            self._known, self._known_by = {}, keys
        now = self._wall()
        digest = sha256(token).digest()
        known = self._known.get(digest)
        if known is not None and known[0] <= now < known[1]:
            return known[2]
        try:
            claims = self._verified(token, keys)
            begin, end = self._times(claims, now)
            caller = self._caller(claims)
        except _Refused as refused:
            return refused.denied
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[digest] = (begin, end, caller)
        return caller

    def _verified(self, token: bytes, keys: KeySet) -> dict[str, Any]:
        parts = _FORM.fullmatch(token)
        if parts is None:
            # An unsigned token has an empty third part: it is no token that is read.
            raise _Refused(MALFORMED)
        try:
            header = msgspec.json.decode(_decoded(parts[1]), type=_Header)
            signature = _decoded(parts[3])
            claims = orjson.loads(_decoded(parts[2]))
        except (ValueError, msgspec.MsgspecError):
            raise _Refused(MALFORMED) from None
        if not isinstance(claims, dict) or header.crit is not None:
            raise _Refused(MALFORMED)
        if header.alg not in self._algorithms:
            raise _Refused(ALGORITHM)
        candidates = keys.candidates(header.kid, header.alg)
        if not candidates:
            raise _Refused(UNKNOWN_KEY)
        message = token[: parts.end(2)]
        if not any(key.verify(header.alg, message, signature) for key in candidates):
            raise _Refused(SIGNATURE)
        return claims

    def _times(self, claims: Mapping[str, Any], now: float) -> tuple[float, float]:
        """From when until when it holds, in seconds since 1970."""
        leeway = self._scheme.leeway
        end = _time(claims, "exp")
        if end is None:
            raise _Refused(CLAIMS)
        begin = max(_time(claims, "nbf") or 0.0, _time(claims, "iat") or 0.0)
        if now >= end + leeway:
            raise _Refused(EXPIRED)
        if now < begin - leeway:
            raise _Refused(EARLY)
        return begin - leeway, end + leeway

    def _caller(self, claims: dict[str, Any]) -> Caller:
        scheme = self._scheme
        if claims.get("iss") != scheme.issuer:
            raise _Refused(ISSUER)
        # RFC 9068 wants `aud`; access tokens of some issuers have `client_id` in its place.
        if not self._audiences & set(_texts(claims["aud"] if "aud" in claims else claims.get("client_id"))):
            raise _Refused(AUDIENCE)
        for claim, values in scheme.require:
            if claim not in claims or (values and not set(values) & set(_texts(claims[claim]))):
                raise _Refused(CLAIMS)
        name = claims.get(scheme.principal)
        if not isinstance(name, str) or not 0 < len(name) <= 200 or not name.isprintable():
            raise _Refused(CLAIMS)
        # With the scheme: two issuers may call two people alike.
        return Caller(f"{scheme.name}:{name}", _scopes(claims), claims)


def _decoded(part: bytes) -> bytes:
    """Base64url without padding (RFC 7515, section 2). Raises ValueError for what no encoder writes."""
    data = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part:
        raise ValueError("not canonical")
    return data


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e12:
        raise _Refused(MALFORMED)
    return float(value)


def _texts(value: Any) -> list[str]:
    """A claim's values as text."""
    listed = value if isinstance(value, list) else [value]
    return [one if isinstance(one, str) else orjson.dumps(one).decode() for one in listed if one is not None]


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """RFC 8693, section 4.2 (`scope`), and what Azure and Okta call `scp`."""
    found: set[str] = set()
    for name in ("scope", "scp"):
        value = claims.get(name)
        listed = value.split(" ") if isinstance(value, str) else value if isinstance(value, list) else []
        found.update(one for one in listed if isinstance(one, str) and one)
    return frozenset(found)
