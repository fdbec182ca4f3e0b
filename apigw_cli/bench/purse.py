"""Credentials for the operations of a scenario: an API key, and tokens (JWT) signed as `apigw token mint` does.

What an operation asks for comes from the configuration (the route's policy `auth` and the schemes that it names) or,
where there is only a specification, from its `security`. Headers that were typed (`-H`) count as credentials, too.
"""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from apigw_cli.bench.request import Header
from apigw_cli.errors import InputError
from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.document import Document, Library
from apigw_cli.openapi.operations import Operation, mapping
from apigw_cli.policies.auth import mint
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Route
from apigw_cli.snapshot.schemes import ApiKeys, Jwt, Scheme

KEY_FILE = "token-key.json"
_LONGER = 3600.0  # seconds that a token holds beyond the run
_ISSUER, _AUDIENCE = "https://issuer.test", "test"  # as `apigw token mint` has them where nothing is said


@dataclass(frozen=True, slots=True)
class Need:
    """One credential: `kind` is `api_key`, `jwt`, or another that cannot be made; `location` as in
    snapshot/schemes.py."""

    name: str
    kind: str
    location: str = ""
    parameter: str = ""
    issuer: str = _ISSUER
    audience: str = _AUDIENCE
    claims: tuple[tuple[str, Any], ...] = ()
    scopes: tuple[str, ...] = ()

    @property
    def header(self) -> str:
        """The header that it stands in, in lower case; '' for none."""
        if self.location in ("bearer", "authorization") or self.kind == "basic":
            return "authorization"
        return {"header": self.parameter.lower(), "cookie": "cookie"}.get(self.location, "")


@dataclass(frozen=True, slots=True)
class Paid:
    """What goes into the request: headers, and pairs of the query."""

    headers: tuple[Header, ...] = ()
    query: tuple[tuple[str, str], ...] = ()


class Purse:
    """What there is: an API key (None: none), a private key for tokens that hold `lasting` seconds and a while more."""

    def __init__(self, api_key: str | None, private: dict[str, Any] | None, lasting: float) -> None:
        self._api_key, self._private, self._lasting = api_key, private, lasting
        self._tokens: dict[Need, str] = {}

    def pay(self, alternatives: list[list[Need]], given: set[str]) -> Paid | None:
        """Credentials for the first alternative that can be met; None where none can. `given`: headers that the
        request has already, in lower case."""
        for needs in alternatives:
            found = [self._credential(need, given) for need in needs]
            if all(one is not None for one in found):
                return _placed([(need, value) for need, value in zip(needs, found, strict=True) if value])
        return None if alternatives else Paid()

    def _credential(self, need: Need, given: set[str]) -> str | None:
        """'' where the request has it; None where there is none."""
        if need.header in given:
            return ""
        if need.kind == "api_key":
            return None if self._api_key is None or need.scopes else self._api_key
        if need.kind == "jwt" and self._private is not None:
            if need not in self._tokens:
                self._tokens[need] = mint.mint(self._private, _claims(need, self._lasting + _LONGER))
            return self._tokens[need]
        return None


def _claims(need: Need, lasting: float) -> dict[str, Any]:
    now = int(time.time())
    claims = {"iss": need.issuer, "sub": "bench", "aud": need.audience, "iat": now, "exp": now + int(lasting)}
    return claims | ({"scope": " ".join(need.scopes)} if need.scopes else {}) | dict(need.claims)


def _placed(paid: list[tuple[Need, str]]) -> Paid:
    headers: dict[str, str] = {}
    query = []
    cookies = []
    for need, value in paid:
        if need.location == "bearer":
            headers["Authorization"] = f"Bearer {value}"
        elif need.location == "authorization":
            headers["Authorization"] = value
        elif need.location == "header":
            headers[need.parameter] = value
        elif need.location == "query":
            query.append((need.parameter, value))
        else:
            cookies.append(f"{need.parameter}={urllib.parse.quote(value, safe='-._~+/=')}")
    if cookies:
        headers["Cookie"] = "; ".join(cookies)
    return Paid(tuple(headers.items()), tuple(query))


# -- what is asked for


def of_route(compiled: Compiled, route: Route) -> list[list[Need]]:
    """The alternatives of a route of the configuration; none: anyone may ask."""
    policy = route.policies.get("auth", {})
    alternatives: list[list[str]] = policy.get("alternatives", [])
    asked: list[dict[str, list[str]]] = policy.get("scopes") or [{}] * len(alternatives)
    schemes = compiled.snapshot.auth
    return [
        [_need(schemes[name], tuple(scopes.get(name, ()))) for name in names]
        for names, scopes in zip(alternatives, asked, strict=True)
    ]


def _need(scheme: Scheme, scopes: tuple[str, ...]) -> Need:
    if isinstance(scheme, ApiKeys):
        return Need(scheme.name, "api_key", scheme.location, scheme.parameter, scopes=scopes)
    if isinstance(scheme, Jwt):
        claims: list[tuple[str, Any]] = [(name, values[0] if values else "bench") for name, values in scheme.require]
        if scheme.principal not in ("sub", *(name for name, _ in claims)):
            claims.append((scheme.principal, "bench"))
        place = (scheme.location, scheme.parameter)
        return Need(scheme.name, "jwt", *place, scheme.issuer, scheme.audiences[0], tuple(claims), scopes)
    return Need(scheme.name, "basic" if scheme.place == "Authorization: Basic" else "other", scopes=scopes)


def of_operation(document: Document, library: Library, operation: Operation) -> list[list[Need]]:
    """The alternatives that a specification names; none: anyone may ask."""
    schemes = openapi.security_schemes(document, library)
    requirements, _ = openapi.security(document, operation)
    if {} in requirements:
        return []
    return [
        [_declared(name, mapping(schemes[name].data), tuple(scopes)) for name, scopes in one.items() if name in schemes]
        for one in requirements
    ]


def _declared(name: str, data: dict[str, Any], scopes: tuple[str, ...]) -> Need:
    kind = data.get("type")
    if kind == "apiKey":
        return Need(name, "api_key", str(data.get("in")), str(data.get("name")))
    if kind in ("oauth2", "openIdConnect") or (kind == "http" and str(data.get("scheme")).lower() == "bearer"):
        return Need(name, "jwt", "bearer", scopes=scopes)
    return Need(name, "basic" if kind in ("http", "basic") else "other")


# -- the key that tokens are signed with


def private_key(file: Path) -> dict[str, Any]:
    """The key of `apigw token keys`. Raises InputError where it is none."""
    try:
        found = orjson.loads(file.read_bytes())
    except OSError as error:
        hint = "make a key pair with: apigw token keys"
        raise InputError(f"cannot read {file}: {error.strerror}", hint=hint) from None
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or "d" not in found:
        raise InputError(f"{file} is no key of apigw token keys")
    return found


def configured_key(compiled: Compiled) -> dict[str, Any] | None:
    """The private half of a key that the configuration trusts, where `apigw token keys` left it beside the key set."""
    for scheme in compiled.snapshot.auth.values():
        if isinstance(scheme, Jwt) and scheme.jwks.startswith("file:"):
            listed = compiled.root / scheme.jwks.removeprefix("file:")
            for private in _beside(listed):
                return private
    return None


def _beside(listed: Path) -> Iterator[dict[str, Any]]:
    try:
        private = orjson.loads((listed.parent / KEY_FILE).read_bytes())
        known = {one.get("kid") for one in orjson.loads(listed.read_bytes())["keys"]}
        if "d" in private and private["kid"] in known:
            yield private
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return
