from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Coroutine, Iterator
from hashlib import sha256
from typing import Any

import jwt
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from apigw_cli.errors import InputError
from apigw_cli.policies.auth import key_set, key_source, mint
from apigw_cli.policies.auth.jwt import REMEMBERED
from apigw_cli.policies.interface import Refusal, Runtime
from apigw_cli.snapshot.schemes import ApiKeys, Jwt
from tests.policies.exchange import Clock, Exchange, runtime, step_of
from tests.policies.issuer import AUDIENCE, KEYS, NOW, Issuer, issuer, signed

ISSUER = "https://login.example"
FIXED = Jwt("Login", "bearer", "", ISSUER, (AUDIENCE, "other"), "file:jwks.json")
PUBLIC = orjson.dumps({"keys": [entry for key in KEYS.values() for entry in mint.key_set(key)["keys"]]})
OFFLINE = Issuer(ISSUER)  # nothing serves it: it only signs


class Wall:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def made(scheme: Jwt = FIXED, data: bytes = PUBLIC, wall: Wall | None = None, clock: Clock | None = None) -> Runtime:
    return runtime(scheme, files={"file:jwks.json": data}, wall=wall or Wall(), clock=clock)


def with_token(token: str) -> Exchange:
    return Exchange(headers=[(b"authorization", b"Bearer " + token.encode())])


def said(refusal: Refusal | Coroutine[Any, Any, Refusal | None] | None, sent: Exchange) -> str:
    """Who was let in, or the status and why."""
    if refusal is None:
        return str(sent.principal)
    assert isinstance(refusal, Refusal)
    assert sent.principal is None
    assert sent.claims is None
    (line,) = refusal.headers
    return f"{refusal.status} {line.decode().strip().partition('error_description=')[2].strip(chr(34))}".strip()


def check(token: str, with_runtime: Runtime | None = None, **policy: Any) -> str:
    sent = with_token(token)
    step = step_of("auth", {"alternatives": [["Login"]], **policy}, with_runtime or made())
    return said(step(sent), sent)


@pytest.mark.parametrize("kind", mint.KINDS)
def test_a_good_token(kind: str) -> None:
    sent = with_token(OFFLINE.token(KEYS[kind], scope="read write"))
    step = step_of("auth", {"alternatives": [["Login"]], "scopes": [{"Login": ["read"]}]}, made())
    assert step(sent) is None
    assert sent.principal == "Login:alice"
    assert sent.claims is not None and sent.claims["scope"] == "read write"


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS384", "PS512"])
def test_every_algorithm_that_fits_a_key(algorithm: str) -> None:
    free = {name: value for name, value in KEYS["RS256"].items() if name not in ("alg", "use")}
    data = orjson.dumps(mint.key_set(free))
    assert check(signed(OFFLINE.claims(), free, algorithm, kid=free["kid"]), made(data=data)) == "Login:alice"
    assert check(signed(OFFLINE.claims(), free, algorithm, kid=free["kid"])) == "401 the key of the token is not known"


KEY = "401 the key of the token is not known"
LACKS = "401 the token lacks a claim"
UNREADABLE = "401 the token cannot be read"


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"exp": NOW - 29}, "Login:alice"),
        ({"exp": NOW - 30}, "401 the token has expired"),
        ({"exp": None}, LACKS),
        ({"exp": "9999999999"}, UNREADABLE),
        ({"exp": True}, UNREADABLE),
        ({"exp": -1}, UNREADABLE),
        ({"exp": 1e300}, UNREADABLE),
        ({"nbf": NOW + 30}, "Login:alice"),
        ({"nbf": NOW + 31}, "401 the token is not valid yet"),
        ({"iat": NOW + 31}, "401 the token is not valid yet"),
        ({"iat": None}, "Login:alice"),
        ({"iss": "https://evil.example"}, "401 the token is of another issuer"),
        ({"iss": ISSUER + "/"}, "401 the token is of another issuer"),
        ({"iss": None}, "401 the token is of another issuer"),
        ({"iss": [ISSUER]}, "401 the token is of another issuer"),
        ({"aud": "elsewhere"}, "401 the token is meant for another audience"),
        ({"aud": ["elsewhere", "other"]}, "Login:alice"),
        ({"aud": []}, "401 the token is meant for another audience"),
        ({"aud": None}, "401 the token is meant for another audience"),
        ({"aud": None, "client_id": "shop"}, "Login:alice"),
        ({"aud": "elsewhere", "client_id": "shop"}, "401 the token is meant for another audience"),
        ({"aud": {"shop": 1}}, "401 the token is meant for another audience"),
        ({"sub": None}, LACKS),
        ({"sub": ""}, LACKS),
        ({"sub": 7}, LACKS),
        ({"sub": "a\r\nX-Evil: 1"}, LACKS),
        ({"sub": "x" * 201}, LACKS),
        ({"sub": "ünï"}, "Login:ünï"),
    ],
)
def test_claims(claims: dict[str, Any], expected: str) -> None:
    assert check(OFFLINE.token(**claims)) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"scope": "read write"}, "Login:alice"),
        ({"scp": ["write", "read", 7]}, "Login:alice"),
        ({"scp": "read write"}, "Login:alice"),
        ({"scope": "read", "scp": ["write"]}, "Login:alice"),
        ({"scope": "read"}, "403"),
        ({"scope": "readwrite"}, "403"),
        ({"scope": {"read": 1, "write": 1}}, "403"),
        ({}, "403"),
    ],
)
def test_scopes(more: dict[str, Any], expected: str) -> None:
    assert check(OFFLINE.token(**more), scopes=[{"Login": ["read", "write"]}]) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"token_use": "access", "mail": 1, "admin": True}, "Login:alice"),
        ({"token_use": "id", "mail": 1, "admin": True}, LACKS),
        ({"token_use": ["x", "access"], "mail": "", "admin": True}, "Login:alice"),
        ({"token_use": "access", "admin": True}, LACKS),
        ({"token_use": "access", "mail": 1, "admin": "1"}, LACKS),
        ({"mail": 1, "admin": True}, LACKS),
    ],
)
def test_claims_that_are_asked_for(more: dict[str, Any], expected: str) -> None:
    wanted = (("admin", ("true",)), ("mail", ()), ("token_use", ("access",)))
    scheme = replace(FIXED, require=wanted)
    assert check(OFFLINE.token(**more), made(scheme)) == expected


def test_the_claim_that_names_the_caller() -> None:
    assert check(OFFLINE.token(email="a@b.example"), made(replace(FIXED, principal="email"))) == "Login:a@b.example"


# --- forged tokens


def part(data: Any) -> str:
    raw = data if isinstance(data, bytes) else orjson.dumps(data)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hmac_with(secret: bytes, **header: Any) -> str:
    body = f"{part({'alg': 'HS256', 'typ': 'JWT', **header})}.{part(OFFLINE.claims())}"
    return f"{body}.{part(hmac.new(secret, body.encode(), sha256).digest())}"


def pem(key: dict[str, Any]) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public: Any = jwt.PyJWK(key).key.public_key()
    data: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return data


ES, RS = KEYS["ES256"], KEYS["RS256"]
GOOD = OFFLINE.token()
HEAD, BODY, SIGNATURE = GOOD.split(".")
MINE = mint.new_key("ES256")
NOT_ACCEPTED = "401 the token is signed in a way that is not accepted"
WRONG = "401 the signature of the token does not hold"


FORGED = [
    (f"{part({'alg': 'none'})}.{BODY}.", UNREADABLE),
    (f"{part({'alg': 'none'})}.{BODY}.AA", NOT_ACCEPTED),
    (f"{part({'alg': 'None', 'kid': ES['kid']})}.{BODY}.AA", NOT_ACCEPTED),
    (f"{part({'alg': ['ES256']})}.{BODY}.AA", UNREADABLE),
    (f"{part({'kid': ES['kid']})}.{BODY}.{SIGNATURE}", UNREADABLE),
    (hmac_with(pem(RS), kid=RS["kid"]), NOT_ACCEPTED),
    (hmac_with(PUBLIC, kid=RS["kid"]), NOT_ACCEPTED),
    (hmac_with(b"", kid=""), NOT_ACCEPTED),
    (signed(OFFLINE.claims(), RS, "PS256", kid=ES["kid"]), KEY),
    (signed(OFFLINE.claims(), MINE, "ES256", kid=ES["kid"]), WRONG),
    (signed(OFFLINE.claims(), MINE, "ES256", kid=MINE["kid"]), KEY),
    (signed(OFFLINE.claims(), MINE, "ES256", kid=MINE["kid"], jwk=mint.key_set(MINE)["keys"][0]), KEY),
    (signed(OFFLINE.claims(), MINE, "ES256", kid=ES["kid"], jwk=mint.key_set(MINE)["keys"][0]), WRONG),
    (signed(OFFLINE.claims(), MINE, "ES256", jku="https://evil.example/jwks"), WRONG),
    (signed(OFFLINE.claims(), MINE, "ES256", x5u="https://evil.example/x5u", x5c=["MII"]), WRONG),
    (signed(OFFLINE.claims(), MINE, "ES256", kid="../../../../dev/null"), KEY),
    (signed(OFFLINE.claims(), MINE, "ES256", kid="file:jwks.json"), KEY),
    (signed(OFFLINE.claims(), MINE, "ES256", kid="' OR 1=1 --"), KEY),
    (f"{part({'alg': 'ES256', 'kid': ES['kid'], 'crit': ['b64'], 'b64': False})}.{BODY}.{SIGNATURE}", UNREADABLE),
    (f"{HEAD}.{part({**OFFLINE.claims(), 'sub': 'root'})}.{SIGNATURE}", WRONG),
    (f"{HEAD}.{BODY}.{part(b'0' * 64)}", WRONG),
    (f"{HEAD}.{BODY}.{part(bytes(64))}", WRONG),  # CVE-2022-21449: r = s = 0
    (f"{HEAD}.{BODY}.{SIGNATURE}=", UNREADABLE),
    (f"{HEAD}.{BODY}", UNREADABLE),
    (f"{GOOD}.{SIGNATURE}", UNREADABLE),
    (f"{HEAD}.{BODY}.{SIGNATURE}.{SIGNATURE}.{SIGNATURE}", UNREADABLE),
    (f"{HEAD}.{part(b'[1]')}.{SIGNATURE}", UNREADABLE),
    (f"{HEAD}.{part(b'[' * 5000)}.{SIGNATURE}", UNREADABLE),
    (f"{part(b'{' * 5000)}.{BODY}.{SIGNATURE}", UNREADABLE),
    (f"{part(b'NaN')}.{BODY}.{SIGNATURE}", UNREADABLE),
    (f"{part({'alg': 'ES256', 'kid': 7})}.{BODY}.{SIGNATURE}", UNREADABLE),
    ("a.b.c", UNREADABLE),
    ("A" * 16_385, UNREADABLE),
    ("A" * 1_000_000, UNREADABLE),
    (f"{'A' * 20_000}.{BODY}.{SIGNATURE}", UNREADABLE),
]


@pytest.mark.parametrize(("token", "expected"), FORGED, ids=map(str, range(len(FORGED))))
def test_forged_tokens(token: str, expected: str) -> None:
    assert check(token) == expected


@given(st.integers(0, len(GOOD) - 1), st.sampled_from("ABCXYZabcxyz0189-_."))
def test_no_letter_of_a_token_can_be_changed(at: int, letter: str) -> None:
    changed = GOOD[:at] + letter + GOOD[at + 1 :]
    assert (check(changed, SHARED) == "Login:alice") == (changed == GOOD)


SHARED = made()


def test_a_token_is_sent_once_and_in_its_place() -> None:
    sent = with_token(GOOD)
    sent.headers *= 2
    step = step_of("auth", {"alternatives": [["Login"]]}, made())
    assert said(step(sent), sent) == "400 the Authorization header cannot be read"
    for headers in ([], [(b"x-token", GOOD.encode())], [(b"authorization", GOOD.encode())]):
        sent = Exchange(headers=headers, query=b"access_token=" + GOOD.encode())
        refusal = step(sent)
        assert isinstance(refusal, Refusal)
        assert refusal.headers == (b'WWW-Authenticate: Bearer realm="apigw"\r\n',)


def test_a_token_in_a_cookie() -> None:
    scheme = replace(FIXED, location="cookie", parameter="session")
    sent = Exchange(headers=[(b"cookie", b"a=b; session=" + GOOD.encode())])
    assert step_of("auth", {"alternatives": [["Login"]]}, made(scheme))(sent) is None
    assert sent.principal == "Login:alice"


def test_algorithms_that_are_not_accepted() -> None:
    assert check(OFFLINE.token(RS), made(replace(FIXED, algorithms=("ES256",)))) == NOT_ACCEPTED
    assert check(GOOD, made(replace(FIXED, algorithms=("ES256",)))) == "Login:alice"


def test_one_subject_of_two_issuers_is_two_callers() -> None:
    other = replace(FIXED, name="Other", issuer="https://other.example")
    both = runtime(FIXED, other, files={"file:jwks.json": PUBLIC}, wall=Wall())
    step = step_of("auth", {"alternatives": [["Login"], ["Other"]]}, both)
    names = []
    for iss in (ISSUER, "https://other.example"):
        sent = with_token(OFFLINE.token(iss=iss))
        assert step(sent) is None
        names.append(sent.principal)
    assert names == ["Login:alice", "Other:alice"]


def test_a_token_beside_a_key() -> None:
    key = ApiKeys("Key", "header", "X-Api-Key", ("file:k",))
    files = {"file:jwks.json": PUBLIC, "file:k": f"bob: {{sha256: {sha256(b'k').hexdigest()}}}".encode()}
    step = step_of("auth", {"alternatives": [["Login", "Key"]]}, runtime(FIXED, key, files=files, wall=Wall()))
    sent = with_token(GOOD)
    refusal = step(sent)
    assert isinstance(refusal, Refusal)
    assert refusal.headers == (b'WWW-Authenticate: ApiKey realm="apigw"\r\n',)
    sent.headers.append((b"x-api-key", b"k"))
    assert step(sent) is None
    assert sent.principal == "Login:alice"


# --- what is remembered


def test_a_remembered_token_keeps_to_its_time() -> None:
    wall = Wall()
    with_runtime = made(wall=wall)
    token = OFFLINE.token(nbf=NOW)
    for now, expected in (
        (NOW, "Login:alice"),
        (NOW + 89, "Login:alice"),
        (NOW + 90, "401 the token has expired"),
        (NOW, "Login:alice"),  # the clock is set back
        (NOW - 31, "401 the token is not valid yet"),
        (NOW + 1e9, "401 the token has expired"),
    ):
        wall.now = now
        assert check(token, with_runtime) == expected


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert REMEMBERED == 10_000
    monkeypatch.setattr("apigw_cli.policies.auth.jwt.REMEMBERED", 3)
    with_runtime = made()
    for name in "abcdefa":
        assert check(OFFLINE.token(sub=name), with_runtime) == f"Login:{name}"
    (verifier,) = (one for one in with_runtime.services._held.values() if hasattr(one, "_known"))
    assert len(verifier._known) == 3


# --- key sets


KEY_SETS: list[tuple[bytes, str]] = [
    (b"", "it is no JSON"),
    (b"<html>", "it is no JSON"),
    (b"[]", 'no list of "keys"'),
    (b'{"keys": {}}', 'no list of "keys"'),
    (b'{"keys": []}', "no public key that can be used"),
    (orjson.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}]}), "no public key"),
    (orjson.dumps({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}), "no public key"),
    (orjson.dumps({"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}), "no public key"),
    (orjson.dumps({"keys": [{**mint.key_set(ES)["keys"][0], "use": "enc"}]}), "no public key"),
    (orjson.dumps({"keys": [{**mint.key_set(ES)["keys"][0], "key_ops": ["sign"]}]}), "no public key"),
    (orjson.dumps({"keys": [{**mint.key_set(ES)["keys"][0], "alg": "HS256"}]}), "no public key"),
    (orjson.dumps({"keys": [1, None, "x", {}, {"kty": 7, "crv": []}]}), "no public key"),
    (orjson.dumps({"keys": [{}] * 101}), "more than 100 keys"),
]


@pytest.mark.parametrize(("data", "message"), KEY_SETS, ids=map(str, range(len(KEY_SETS))))
def test_key_sets_that_cannot_be_used(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        key_set.parse(data)
    if data:
        with pytest.raises(InputError, match=message):
            check(GOOD, made(data=data))


def test_private_parts_in_a_key_set_are_not_read() -> None:
    keys = key_set.parse(orjson.dumps({"keys": [ES]}))
    (_, key) = keys.keys[0].prepared["ES256"]
    assert not hasattr(key, "private_numbers")


def test_a_token_without_kid_and_a_key_without_one() -> None:
    free = {name: value for name, value in ES.items() if name != "kid"}
    data = orjson.dumps({"keys": [*mint.key_set(MINE)["keys"], *mint.key_set(free)["keys"]]})
    for header in ({}, {"kid": "any"}):
        assert check(signed(OFFLINE.claims(), ES, "ES256", **header), made(data=data)) == "Login:alice"


# --- keys that are fetched


@pytest.fixture
def there() -> Iterator[Issuer]:
    with issuer() as one:
        yield one


class Client:
    """A step and its clocks, in one event loop."""

    def __init__(self, scheme: Jwt) -> None:
        self.clock, self.wall = Clock(), Wall()
        self.runtime = made(scheme, wall=self.wall, clock=self.clock)
        self.step = step_of("auth", {"alternatives": [["Login"]]}, self.runtime)
        self.waited = 0

    async def asks(self, token: str) -> str:
        sent = with_token(token)
        refusal: Any = self.step(sent)
        if asyncio.iscoroutine(refusal):
            self.waited += 1
            refusal = await refusal
        return said(refusal, sent)

    def later(self, seconds: float) -> None:
        self.clock.now += int(seconds * 1e9)

    async def settle(self) -> None:
        """Until no fetch runs."""
        (source,) = (one for one in self.runtime.services._held.values() if isinstance(one, key_source.PublishedKeys))
        while source._task is not None:
            await asyncio.wait((source._task,))


def of(there: Issuer, **more: Any) -> Jwt:
    return Jwt("Login", "bearer", "", there.url, (AUDIENCE,), **more)


def test_the_keys_are_found_at_the_issuer_and_fetched_once(there: Issuer) -> None:
    async def test() -> None:
        client = Client(of(there))
        answers = await asyncio.gather(*(client.asks(there.token(sub=f"u{i}")) for i in range(20)))
        assert answers == [f"Login:u{i}" for i in range(20)]
        assert await client.asks(there.token()) == "Login:alice"
        assert client.waited == 20
        assert there.asked == ["/.well-known/openid-configuration", "/keys"]

    asyncio.run(test())


def test_a_key_set_may_be_named(there: Issuer) -> None:
    async def test() -> None:
        client = Client(of(there, jwks=f"{there.url}/keys"))
        assert await client.asks(there.token()) == "Login:alice"
        assert there.asked == ["/keys"]

    asyncio.run(test())


def test_rotation(there: Issuer) -> None:
    async def test() -> None:
        client = Client(of(there))
        old, new = there.token(), there.token(MINE)
        assert await client.asks(old) == "Login:alice"
        there.publishes(MINE)
        assert await client.asks(new) == KEY  # asked too soon after the last fetch
        assert len(there.asked) == 2
        client.later(11)
        assert await client.asks(old) == "Login:alice"  # nothing says yet that it is gone
        assert await client.asks(new) == "Login:alice"
        assert await client.asks(old) == KEY  # and what was remembered of it is forgotten
        assert len(there.asked) == 4
        for n in range(50):  # keys that nobody has do not make us a load for the issuer
            assert await client.asks(there.token({**RS, "kid": f"made-up-{n}"})) == KEY
        assert len(there.asked) == 4

    asyncio.run(test())


def test_old_keys_are_fetched_again_beside(there: Issuer) -> None:
    async def test() -> None:
        client = Client(of(there, refresh=60.0, keep=600.0))
        assert await client.asks(there.token()) == "Login:alice"
        client.later(61)
        there.publishes(MINE)
        assert await client.asks(there.token(sub="bob")) == "Login:bob"
        assert client.waited == 1
        await client.settle()
        client.later(1)
        assert await client.asks(there.token(sub="bob")) == KEY
        assert await client.asks(there.token(MINE)) == "Login:alice"

    asyncio.run(test())


def test_an_issuer_that_is_away(there: Issuer, capfd: pytest.CaptureFixture[str]) -> None:
    async def test() -> None:
        client = Client(of(there, refresh=60.0, keep=600.0))
        good = there.answers["/keys"]
        token = there.token()
        assert await client.asks(token) == "Login:alice"
        there.answers["/keys"] = (503, {}, b"")
        for _ in range(9):
            client.later(61)
            assert await client.asks(token) == "Login:alice"
            await client.settle()
        assert client.waited == 1
        client.later(61)  # more than `keep`
        assert await client.asks(token) == "503"
        asked = len(there.asked)
        for _ in range(20):
            assert await client.asks(token) == "503"
        assert len(there.asked) == asked  # a pause after each failure
        there.answers["/keys"] = good
        client.later(61)
        assert await client.asks(token) == "Login:alice"

    asyncio.run(test())
    assert capfd.readouterr().err.count("cannot be fetched") == 1


CONFIGURATION = "/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/keys", (404, {}, b"")),
        ("/keys", (302, {"Location": "http://127.0.0.1:1/"}, b"")),
        ("/keys", (200, {}, b"<html>")),
        ("/keys", (200, {}, b'{"keys": []}')),
        ("/keys", (200, {}, b" " * 300_000)),
        ("/keys", (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b")),
        (CONFIGURATION, (200, {}, b"[]")),
        (CONFIGURATION, (200, {}, b'{"issuer": "https://evil.example", "jwks_uri": "https://evil.example/k"}')),
        (CONFIGURATION, (200, {}, b"\xff" * 10)),
    ],
)
def test_what_an_issuer_must_not_answer(there: Issuer, path: str, answer: tuple[int, dict[str, str], bytes]) -> None:
    async def test() -> None:
        there.answers[path] = answer
        assert await Client(of(there)).asks(there.token()) == "503"

    asyncio.run(test())


@pytest.mark.parametrize(
    "url", ["http://keys.example/k", "file:///etc/passwd", 7, "https://u:p@keys.example/", "http://[::1", "//x"]
)
def test_keys_are_fetched_over_https_only(there: Issuer, url: Any) -> None:
    async def test() -> None:
        there.document(CONFIGURATION, {"issuer": there.url, "jwks_uri": url})
        assert await Client(of(there)).asks(there.token()) == "503"

    asyncio.run(test())


def test_an_issuer_that_never_answers(there: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_source, "SECONDS", 0.1)

    async def test() -> None:
        there.answers["/keys"] = None
        assert await Client(of(there)).asks(there.token()) == "503"

    asyncio.run(test())


def test_an_issuer_that_is_not_there() -> None:
    async def test() -> None:
        away = Issuer("http://127.0.0.1:1")
        assert await Client(of(away)).asks(away.token()) == "503"

    asyncio.run(test())


def test_keys_outlive_a_reload(there: Issuer) -> None:
    async def test() -> None:
        client = Client(of(there))
        assert await client.asks(there.token()) == "Login:alice"
        again = Client(of(there))
        successor = client.runtime.services.successor()
        again.step = step_of(
            "auth",
            {"alternatives": [["Login"]]},
            Runtime(again.runtime.snapshot, client.clock, again.runtime.store, services=successor, wall=client.wall),
        )
        assert set(successor._held) == set(client.runtime.services._held)
        successor.committed()
        assert await again.asks(there.token()) == "Login:alice"
        assert len(there.asked) == 2

    asyncio.run(test())


def test_a_reload_fails_nobody_who_waits_for_keys(there: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_source, "SECONDS", 1.0)

    async def test() -> None:
        there.answers["/keys"] = None
        client = Client(of(there))
        asking = asyncio.create_task(client.asks(there.token()))
        while "/keys" not in there.asked and not asking.done():
            await asyncio.sleep(0.01)
        client.runtime.services.close()
        assert await asking == "503"

    asyncio.run(test())
