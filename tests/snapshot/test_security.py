"""`auth` in apigw.yaml beside what specifications declare."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_cli.snapshot.schemes import ApiKeys, Authorizer, Basic, Jwt, MutualTls, Scheme
from tests.snapshot.conftest import CONFIG, SPEC, Compile
from tests.snapshot.test_compiler import errors


def spec(scheme: str) -> str:
    secured = SPEC.replace("paths:\n", "security: [{S: []}]\npaths:\n", 1)
    return f"{secured}components:\n  securitySchemes:\n    S: {scheme}\n"


BEARER, BASIC = "{type: http, scheme: Bearer}", "{type: http, scheme: basic}"
OIDC = "{type: openIdConnect, openIdConnectUrl: 'https://login.example/t/.well-known/openid-configuration'}"
MUTUAL = "{type: mutualTLS}"
COOKIE = "{type: apiKey, in: cookie, name: session}"


def scheme(build: Compile, declared: str, written: str) -> Scheme:
    return build(f"{CONFIG}auth: {{S: {written}}}\n", spec(declared)).snapshot.auth["S"]


@pytest.mark.parametrize(
    ("declared", "written", "expected"),
    [
        (BEARER, "{keys: [{file: a}, {env: B}]}", ApiKeys("S", "bearer", "", ("file:a", "env:B"))),
        (OIDC, "{jwt: {audience: [a]}}", Jwt("S", "bearer", "", "https://login.example/t", ("a",))),
        (
            COOKIE,
            "{jwt: {audience: [a], issuer: me, jwks: {file: k}, require: {use: [x], a: []}, leeway: 5s}}",
            Jwt(
                "S", "cookie", "session", "me", ("a",), "file:k", require=(("a", ()), ("use", ("x",))), leeway=5.0
            ),
        ),
        (BASIC, "{basic: {users: {file: u}}}", Basic("S", ("file:u",))),
        (
            MUTUAL,
            f"{{mutual_tls: {{subjects: [CN=a], names: ['DNS:a'], fingerprints: ['{':'.join(['AB'] * 32)}']}}}}",
            MutualTls("S", ("CN=a",), ("DNS:a",), ("ab" * 32,)),
        ),
        (MUTUAL, "{mutual_tls: {}}", MutualTls("S")),
        (
            BASIC,
            "{authorizer: {url: 'http://authz:9000/x', send: [X-A, x-a], principal: X-User, ttl: 1m}}",
            Authorizer(
                "S", "authorization", "", "http://authz:9000/x", send=("x-a",), principal="x-user", ttl=60.0
            ),
        ),
        ("{type: http, scheme: digest}", "{authorizer: {url: 'http://a'}}", Authorizer("S", "authorization", "", "http://a")),
    ],
)  # fmt: skip
def test_what_a_scheme_becomes(build: Compile, declared: str, written: str, expected: Scheme) -> None:
    assert scheme(build, declared, written) == expected


@pytest.mark.parametrize(
    ("declared", "written", "message"),
    [
        (BEARER, "{jwt: {audience: [a]}}", "jwt needs an issuer"),
        (BEARER, "{jwt: {audience: [], issuer: 'https://a'}}", "it must not be empty"),
        (BEARER, "{jwt: {issuer: 'https://a'}}", '"audience" is missing'),
        (BEARER, "{jwt: {issuer: 'http://a.example', audience: [a]}}", 'issuer "http://a.example" must be https://'),
        (BEARER, "{jwt: {issuer: me, audience: [a]}}", 'issuer "me" is not an https:// URL'),
        (BEARER, "{jwt: {issuer: me, audience: [a], jwks: 'file:///etc/passwd'}}", "is not an https:// URL"),
        (BEARER, "{jwt: {issuer: me, audience: [a], jwks: 'https://u:s3cret@a/'}}", "holds credentials"),
        (BEARER, "{jwt: {issuer: me, audience: [a], jwks: {}}}", "jwks needs exactly one of file and env"),
        (BEARER, "{jwt: {issuer: 'https://a', audience: [a], algorithms: [HS256]}}", "got 'HS256'"),
        (BEARER, "{jwt: {issuer: 'https://a', audience: [a], algorithms: [none]}}", "got 'none'"),
        (BEARER, "{jwt: {issuer: 'https://a', audience: [a], leeway: 11m}}", "leeway must be 10m or less"),
        (BEARER, "{jwt: {issuer: 'https://a', audience: [a], refresh: 2h}}", "not more than keep"),
        (BEARER, "{basic: {users: {file: u}}}", "basic cannot check it"),
        (BEARER, "{keys: []}", "keys needs at least one list"),
        (BEARER, "{keys: [{file: a, env: b}]}", "keys needs exactly one of file and env"),
        (BEARER, "{}", "expected exactly one of keys"),
        (BASIC, "{basic: {users: []}}", "users needs at least one list"),
        (BASIC, "{basic: {users: {file: u}, cache: 2h}}", "cache must be 1h or less"),
        (BASIC, "{jwt: {issuer: 'https://a', audience: [a]}}", "jwt cannot check it"),
        (MUTUAL, "{mutual_tls: {fingerprints: [abc]}}", "cannot be 'abc'"),
        (MUTUAL, "{mutual_tls: {names: ['a.example']}}", "cannot be 'a.example'"),
        (MUTUAL, "{authorizer: {url: 'http://a'}}", "authorizer cannot check it"),
        (BASIC, "{authorizer: {url: 'ftp://a'}}", "is not an http:// or https:// URL"),
        (BASIC, "{authorizer: {url: 'http://u:s3cret@a'}}", "holds credentials"),
        (BASIC, "{authorizer: {url: 'http://a?b'}}", "has a query"),
        (BASIC, "{authorizer: {url: 'http://a', send: [Connection]}}", "header Connection belongs to the connection"),
        (BASIC, "{authorizer: {url: 'http://a', allow_headers: [Host]}}", "header Host belongs to the connection"),
        (BASIC, "{authorizer: {url: 'http://a', send: ['a b']}}", "cannot be 'a b'"),
        (BASIC, "{authorizer: {url: 'http://a', timeout: 11s}}", "at most 10s"),
    ],
)
def test_what_is_refused(build: Compile, declared: str, written: str, message: str) -> None:
    ((place, found),) = errors(build, f"{CONFIG}auth: {{S: {written}}}\n", spec(declared))
    assert message in found
    assert place.startswith("apigw.yaml:")
    assert "s3cret" not in found


@pytest.mark.parametrize(
    ("declared", "hint"),
    [
        (BEARER, "S: {jwt: {issuer: "),
        (OIDC, "S: {jwt: {issuer: "),
        (BASIC, "S: {basic: {users: {file: users.yaml}}}"),
        (MUTUAL, "S: {mutual_tls: {subjects: "),
        (COOKIE, "S: {keys: {file: keys.yaml}}"),
        ("{type: http, scheme: digest}", "S: {authorizer: {url: "),
    ],
)
def test_without_configuration_the_hint_says_what_to_write(build: Compile, declared: str, hint: str) -> None:
    from apigw_cli.errors import InputError

    with pytest.raises(InputError, match="need S, which has no configuration") as caught:
        build(CONFIG, spec(declared))
    assert hint in str(caught.value.hint)


def test_where_a_scheme_is_configured_is_known(build: Compile) -> None:
    compiled: Any = build(f"{CONFIG}auth: {{S: {{basic: {{users: {{file: u}}}}}}}}\n", spec(BASIC))
    (origin,) = compiled.provenance.of("auth:S", "scheme")
    assert (str(origin.place), origin.text) == ("apigw.yaml:8:8", "S: users of file:u")


def test_every_file_of_a_scheme_is_watched(build: Compile) -> None:
    for declared, written, name in (
        (BASIC, "{basic: {users: [{file: u.yaml}, {env: U}]}}", "u.yaml"),
        (BEARER, "{jwt: {issuer: me, audience: [a], jwks: {file: jwks.json}}}", "jwks.json"),
    ):
        compiled = build(f"{CONFIG}auth: {{S: {written}}}\n", spec(declared))
        assert name in [file.name for file in compiled.files]
