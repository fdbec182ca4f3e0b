"""Test tokens: a key pair of one's own, its public half as a key set, and tokens signed with it (`apigw token`)."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import orjson

from apigw_cli.errors import InputError

KINDS = ("ES256", "RS256", "EdDSA")


def new_key(algorithm: str) -> dict[str, Any]:
    """A new private key as a JWK, for one of KINDS."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from jwt.algorithms import get_default_algorithms

    make = {
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }[algorithm]
    how: Any = get_default_algorithms()[algorithm]
    jwk = {name: value for name, value in how.to_jwk(make(), as_dict=True).items() if name != "key_ops"}
    return {**jwk, "kid": _thumbprint(jwk), "alg": algorithm, "use": "sig"}


def key_set(private: dict[str, Any]) -> dict[str, Any]:
    """The public half, as issuers publish it."""
    return {"keys": [{name: private[name] for name in (*_PUBLIC, "kid", "alg", "use") if name in private}]}


def mint(private: dict[str, Any], claims: dict[str, Any]) -> str:
    """A token with these claims. Raises InputError for a key that is none."""
    import jwt

    try:
        key, headers = jwt.PyJWK(private).key, {"typ": "JWT", "kid": private["kid"]}
        return jwt.PyJWS().encode(orjson.dumps(claims), key, private["alg"], headers)
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError):
        raise InputError("this is no private key", hint="apigw token keys makes one") from None


def claim(text: str) -> tuple[str, Any]:
    """`NAME=VALUE`, where the value may be JSON. Raises ValueError."""
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[!-~]{1,200}", name):
        raise ValueError(text)
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value


_PUBLIC = ("kty", "crv", "n", "e", "x", "y")


def _thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638: the same key has the same name wherever it is."""
    required = {name: jwk[name] for name in sorted(_PUBLIC) if name in jwk}
    return base64.urlsafe_b64encode(hashlib.sha256(orjson.dumps(required)).digest()).rstrip(b"=").decode()
