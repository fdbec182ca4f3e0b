"""A JSON Web Key Set (RFC 7517) as the public keys that verify tokens.

Only asymmetric keys count, each for the algorithms that its type allows: what a token says of its algorithm can
never turn a public key into a shared secret. Private parts that stand in a set by mistake are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
MOST_KEYS = 100
SHORTEST_RSA = 2048  # bits: RFC 7518, section 3.3
LONGEST_RSA = 8192  # a longer one would make every token a load

_CURVES = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",), "Ed25519": ("EdDSA",), "Ed448": ("EdDSA",)}
_PUBLIC = ("kty", "n", "e", "crv", "x", "y")


class Key(NamedTuple):
    """One public key. `verify(message, signature)` says whether it holds, by algorithm."""

    kid: str | None
    prepared: dict[str, tuple[Any, Any]]  # algorithm → (PyJWT's algorithm, the key)

    def verify(self, algorithm: str, message: bytes, signature: bytes) -> bool:
        how, key = self.prepared[algorithm]
        return bool(how.verify(message, key, signature))


class KeySet:
    """The keys of a set that can be used. `data` is what it was read from."""

    def __init__(self, keys: tuple[Key, ...], data: bytes) -> None:
        self.keys = keys
        self.data = data

    def candidates(self, kid: str | None, algorithm: str) -> list[Key]:
        """The keys that a token with this header may have been signed with."""
        return [key for key in self.keys if algorithm in key.prepared and (kid is None or key.kid in (kid, None))][:8]


def parse(data: bytes) -> KeySet:
    """Raises ValueError where it is no key set, or holds no key that can be used."""
    try:
        content = orjson.loads(data)
    except ValueError:
        raise ValueError("it is no JSON") from None
    listed = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise ValueError('it has no list of "keys"')
    if len(listed) > MOST_KEYS:
        raise ValueError(f"it holds more than {MOST_KEYS} keys")
    keys = tuple(_usable(listed))
    if not keys:
        raise ValueError("it holds no public key that can be used (RSA from 2,048 bits, EC, Ed25519, Ed448)")
    return KeySet(keys, data)


def _usable(listed: list[Any]) -> Iterator[Key]:
    from jwt.algorithms import get_default_algorithms

    known = get_default_algorithms()
    for entry in listed:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        operations = entry.get("key_ops", ["verify"])
        if not isinstance(operations, list) or "verify" not in operations:
            continue
        names = _algorithms(entry)
        key = _key(known[names[0]], entry) if names else None
        if key is not None:
            kid = entry.get("kid")
            yield Key(kid if isinstance(kid, str) else None, {name: (known[name], key) for name in names})


def _algorithms(entry: dict[str, Any]) -> list[str]:
    """Those that the key's type allows and its `alg`, where it has one."""
    kind, curve = entry.get("kty"), entry.get("crv")
    fitting: tuple[str, ...] = ()
    if kind == "RSA":
        fitting = ALGORITHMS[:6]
    elif kind in ("EC", "OKP") and isinstance(curve, str):
        fitting = _CURVES.get(curve, ())
    wanted = entry.get("alg")
    return [name for name in fitting if wanted is None or wanted == name]


def _key(algorithm: Any, entry: dict[str, Any]) -> Any | None:
    """The public key; None for one that is not well formed or has an unusual length."""
    import jwt

    public = {name: entry[name] for name in _PUBLIC if isinstance(entry.get(name), str)}
    try:
        key = algorithm.from_jwk(public)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError):
        return None
    bits = getattr(key, "key_size", SHORTEST_RSA)
    return key if entry["kty"] != "RSA" or SHORTEST_RSA <= bits <= LONGEST_RSA else None
