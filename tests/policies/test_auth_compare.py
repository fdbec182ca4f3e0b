"""What a change of a scheme's settings does: whatever may let in somebody new weakens."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import fields, replace

from apigw_cli.policies.auth.compare import differences
from apigw_cli.snapshot.schemes import ApiKeys, Authorizer, Basic, Jwt, MutualTls, Scheme

KEYS = ApiKeys("S", "header", "X-Api-Key", ("file:a", "file:b"))
JWT = Jwt(
    "S", "bearer", "", "https://a", ("shop", "more"), require=(("use", ("access",)),), algorithms=("ES256", "RS256")
)
BASIC = Basic("S", ("file:a", "file:b"))
MUTUAL = MutualTls("S", ("CN=a", "CN=b"), ("DNS:a",), ("aa" * 32,))
ASKS = Authorizer("S", "bearer", "", "http://a", ("x-a",), ("x-b",), ("x-c",), 60.0)


@pytest.mark.parametrize(
    ("scheme", "change", "expected"),
    [
        (KEYS, {"keys": ("file:a",)}, "strengthen"),
        (KEYS, {"keys": ("file:b", "file:a")}, "neutral"),
        (KEYS, {"keys": ("file:a", "file:c")}, "weaken"),
        (KEYS, {"keys": ("file:a", "file:b", "file:c")}, "weaken"),
        (KEYS, {"parameter": "X-Other"}, "neutral"),
        (KEYS, {"location": "query"}, "weaken"),
        (JWT, {"issuer": "https://b"}, "weaken"),
        (JWT, {"audiences": ("shop",)}, "strengthen"),
        (JWT, {"audiences": ("shop", "more", "all")}, "weaken"),
        (JWT, {"jwks": "file:jwks.json"}, "weaken"),
        (JWT, {"algorithms": ("ES256",)}, "strengthen"),
        (JWT, {"algorithms": ()}, "weaken"),
        (JWT, {"require": (("use", ("access",)), ("mail", ()))}, "strengthen"),
        (JWT, {"require": ()}, "weaken"),
        (JWT, {"require": (("use", ("access", "id")),)}, "weaken"),
        (JWT, {"principal": "email"}, "weaken"),
        (JWT, {"leeway": 60.0}, "weaken"),
        (JWT, {"leeway": 1.0}, "strengthen"),
        (JWT, {"keep": 7200.0}, "weaken"),
        (JWT, {"refresh": 60.0}, "strengthen"),
        (BASIC, {"users": ("file:a",)}, "strengthen"),
        (BASIC, {"users": ("file:a", "file:b", "file:c")}, "weaken"),
        (BASIC, {"cache": 600.0}, "weaken"),
        (BASIC, {"cache": 0.0}, "strengthen"),
        (MUTUAL, {"subjects": ("CN=a",)}, "strengthen"),
        (MUTUAL, {"subjects": ("CN=a", "CN=b", "CN=c")}, "weaken"),
        (MUTUAL, {"names": ()}, "strengthen"),
        (MUTUAL, {"fingerprints": ("bb" * 32,)}, "weaken"),
        (ASKS, {"url": "http://b"}, "weaken"),
        (ASKS, {"on_failure": "allow"}, "weaken"),
        (replace(ASKS, on_failure="allow"), {"on_failure": "deny"}, "strengthen"),
        (ASKS, {"ttl": 0.0}, "strengthen"),
        (ASKS, {"ttl": 61.0}, "weaken"),
        (ASKS, {"timeout": 2.0}, "neutral"),
        (ASKS, {"send": ()}, "weaken"),
        (ASKS, {"allow_headers": ("x-b", "x-d")}, "weaken"),
        (ASKS, {"deny_headers": ()}, "neutral"),
        (ASKS, {"principal": "x-user"}, "weaken"),
        (ASKS, {"scopes": "x-scopes"}, "weaken"),
    ],
)
def test_one_setting(scheme: Scheme, change: dict[str, Any], expected: str) -> None:
    (name,) = change
    (found,) = differences(scheme, replace(scheme, **change))
    assert (found.old, found.new) == (getattr(scheme, name), change[name])
    assert found.change == expected


def test_another_kind_is_the_only_difference() -> None:
    (found,) = differences(KEYS, JWT)
    assert (found.path, found.old, found.new, found.change) == ("type", "api_key", "jwt", "weaken")


@pytest.mark.parametrize("scheme", [KEYS, JWT, BASIC, MUTUAL, ASKS])
def test_no_setting_goes_unseen(scheme: Scheme) -> None:
    assert list(differences(scheme, scheme)) == []
    for field in fields(type(scheme)):
        old = getattr(scheme, field.name)
        new: Any = ("other",) if isinstance(old, tuple) else old + 1.0 if isinstance(old, float) else f"{old}x"
        new = {"require": (("other", ()),), "on_failure": "allow"}.get(field.name, new)
        (found,) = differences(scheme, replace(scheme, **{field.name: new}))
        assert (found.old, found.new, bool(found.why)) == (old, new, True)
