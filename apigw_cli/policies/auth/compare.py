"""What a change of a security scheme's settings does to the protection of the routes that need it.

Whatever may let in somebody whom the old settings would not counts as weakening.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apigw_cli.policies import judging
from apigw_cli.policies.interface import Change
from apigw_cli.policies.judging import Difference, Setting, Table, ambiguous, fewer, less, neutral, restriction, seconds
from apigw_cli.snapshot.schemes import ApiKeys, Authorizer, Basic, Jwt, MutualTls, Scheme

_SEEN = {"cookie": 1, "query": 2}  # where a credential is seen by more than the one it is for


def differences(old: Scheme, new: Scheme) -> Iterator[Difference]:
    """Every setting that differs, with its path below `auth.NAME`; the kind alone where that does."""
    if type(old) is not type(new):
        was, now = (str(type(scheme).__struct_config__.tag) for scheme in (old, new))
        why = "callers prove who they are in another way: others may get in"
        yield Difference("type", was, now, (was, now), Change.WEAKEN, why)
        return
    for found in judging.differences(TABLES, old, new):
        yield _in_context(found, old, new)


def _in_context(found: Difference, old: Scheme, new: Scheme) -> Difference:
    """What one setting means only beside the others."""
    if isinstance(new, Authorizer) and found.path == "authorizer.timeout" and new.on_failure == "allow":
        return found._replace(change=Change.WEAKEN, why="an authorizer that answers later lets everybody in")
    if isinstance(old, MutualTls) and isinstance(new, MutualTls):
        change = restriction(_entries(old), _entries(new))
        why = _CERTIFICATES.stricter if change is Change.STRENGTHEN else _CERTIFICATES.weaker
        return found._replace(change=change, why=why)
    return found


def _entries(scheme: MutualTls) -> list[tuple[str, str]]:
    """Whoever fits one of these gets in; where there is none, everybody with a certificate does."""
    kinds = {"subject": scheme.subjects, "name": scheme.names, "fingerprint": scheme.fingerprints}
    return [(kind, entry) for kind, entries in kinds.items() for entry in entries]


def _location(old: str, new: str) -> Change:
    was, now = (_SEEN.get(location, 0) for location in (old, new))
    return Change.NEUTRAL if was == now else Change.WEAKEN if now > was else Change.STRENGTHEN


def _claims(old: tuple[Any, ...], new: tuple[Any, ...]) -> Change:
    """Stricter where every claim that was asked for still is, with no value more."""
    before, after = dict(old), dict(new)

    def covers(weak: dict[str, Any], strict: dict[str, Any]) -> bool:
        return all(
            name in strict and (not values or (bool(strict[name]) and set(strict[name]) <= set(values)))
            for name, values in weak.items()
        )

    stricter, looser = covers(before, after), covers(after, before)
    return Change.NEUTRAL if stricter and looser else Change.STRENGTHEN if stricter else Change.WEAKEN


def _shown_claims(claims: tuple[Any, ...]) -> str:
    return ", ".join(f"{name}: {' or '.join(values) or 'any'}" for name, values in claims) or "none"


_CERTIFICATES = Setting("", restriction, "other certificates are let in", "fewer certificates are let in")
_NAME = Setting("name", ambiguous, "another scheme")
_STANDS = {
    "location": Setting(
        "in", _location, "who sees a URL, a log or a cookie sees the credential", "fewer see the credential"
    ),
    "parameter": Setting("name", neutral, "the credential is sent under another name: the same callers have one"),
}
_SAME_NAME = "who is behind a name is decided otherwise: limits and logs count other callers together"

TABLES: dict[type, Table] = {
    ApiKeys: {
        "name": _NAME,
        **_STANDS,
        "keys": Setting("keys", fewer, "whoever has a key of the other list gets in", "fewer keys open it"),
    },
    Jwt: {
        "name": _NAME,
        **_STANDS,
        "issuer": Setting("jwt.issuer", ambiguous, "tokens of somebody else are believed"),
        "audiences": Setting(
            "jwt.audience", fewer, "tokens that were made for somebody else open it", "fewer tokens open it"
        ),
        "jwks": Setting("jwt.jwks", ambiguous, "whoever holds the other keys can sign tokens"),
        "algorithms": Setting("jwt.algorithms", restriction, "tokens may be signed in more ways", "fewer ways to sign"),
        "require": Setting(
            "jwt.require", _claims, "tokens without these claims are let in", "tokens need more claims", _shown_claims
        ),
        "principal": Setting("jwt.principal", ambiguous, _SAME_NAME),
        "leeway": Setting(
            "jwt.leeway", less, "a token is good for longer after it expired", "tokens end sooner", seconds
        ),
        "refresh": Setting(
            "jwt.refresh", less, "a key that the issuer took back is good for longer", "taken back sooner", seconds
        ),
        "keep": Setting(
            "jwt.keep", less, "a key that the issuer took back is good for longer", "taken back sooner", seconds
        ),
    },
    Basic: {
        "name": _NAME,
        "users": Setting("basic.users", fewer, "whoever is on the other list gets in", "fewer users get in"),
        "cache": Setting(
            "basic.cache",
            less,
            "a password that was changed is good for longer",
            "a changed password ends sooner",
            seconds,
        ),
    },
    MutualTls: {
        "name": _NAME,
        "subjects": Setting("mutual_tls.subjects", restriction, _CERTIFICATES.weaker),
        "names": Setting("mutual_tls.names", restriction, _CERTIFICATES.weaker),
        "fingerprints": Setting("mutual_tls.fingerprints", restriction, _CERTIFICATES.weaker),
    },
    Authorizer: {
        "name": _NAME,
        **_STANDS,
        "url": Setting("authorizer.url", ambiguous, "another server decides who gets in"),
        "send": Setting("authorizer.send", ambiguous, "the authorizer decides by other headers"),
        "allow_headers": Setting(
            "authorizer.allow_headers", ambiguous, "upstreams are told other things of the caller"
        ),
        "deny_headers": Setting(
            "authorizer.deny_headers", neutral, "who is refused gets other headers, and is refused all the same"
        ),
        "ttl": Setting(
            "authorizer.ttl", less, "a caller who was refused since gets in for longer", "asked more often", seconds
        ),
        "timeout": Setting(
            "authorizer.timeout", neutral, "an authorizer that fails refuses, sooner or later", show=seconds
        ),
        "principal": Setting("authorizer.principal", ambiguous, _SAME_NAME),
        "scopes": Setting("authorizer.scopes", ambiguous, "scopes are read from another header"),
        "on_failure": Setting(
            "authorizer.on_failure",
            judging.ordered("deny", "allow"),
            "everybody gets in while the authorizer fails",
            "nobody gets in while the authorizer fails",
        ),
    },
}
