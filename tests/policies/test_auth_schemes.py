"""Schemes beside each other: alternatives, combinations, scopes, and what the answer says."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest

from apigw_cli.errors import InputError
from apigw_cli.policies.auth import policy
from apigw_cli.policies.auth.caller import Caller, Denied, Later, Need
from apigw_cli.policies.interface import ClientCertificate, Exchange, Refusal
from apigw_cli.snapshot.schemes import ApiKeys, MutualTls
from tests.policies.exchange import Exchange as Sent
from tests.policies.exchange import runtime, step_of

KEYS = f"""
alice: {{sha256: {sha256(b"demo-alice").hexdigest()}, scopes: [read, write], plan: gold}}
bob: {{sha256: {sha256(b"demo-bob").hexdigest()}, scopes: [read], expires: 2027-01-01}}
carol: {{sha256: {sha256(b"demo-carol").hexdigest()}, enabled: false}}
""".encode()
END = 1798761600.0
BEARER = ApiKeys("Bearer", "bearer", "", ("file:k",))
HEADER = ApiKeys("Header", "header", "X-Api-Key", ("file:k",))
MORE = ApiKeys("More", "header", "X-Api-Key", ("file:k", "env:MORE"))
MUTUAL = MutualTls("Mutual", ("CN=partner,O=Example",), ("URI:spiffe://shop/ok",), ("ab" * 32,))
ANY = MutualTls("Any")


def asked(sent: Sent, *alternatives: list[str], scopes: list[dict[str, list[str]]] | None = None, at: float = 0) -> str:
    """Who is let in, or the answer's status and challenges."""
    files = {"file:k": KEYS, "env:MORE": f"dave: {{sha256: {sha256(b'demo-dave').hexdigest()}}}".encode()}
    value = {"alternatives": [*alternatives], **({"scopes": scopes} if scopes else {})}
    made = runtime(BEARER, HEADER, MORE, MUTUAL, ANY, files=files, wall=lambda: at)
    return said(step_of("auth", value, made)(sent), sent)


def said(refusal: object, sent: Sent) -> str:
    if refusal is None:
        return str(sent.principal)
    assert isinstance(refusal, Refusal)
    assert sent.principal is None
    reasons = {400: "unauthorized", 401: "unauthorized", 403: "forbidden", 503: "auth_unavailable"}
    assert refusal.reason == reasons[refusal.status]
    lines = b"".join(refusal.headers).decode().removesuffix("\r\n").split("\r\n")
    return " | ".join([str(refusal.status), *(line.removeprefix("WWW-Authenticate: ") for line in lines if line)])


def bearer(*values: str, key: str | None = None) -> Sent:
    headers = [(b"authorization", value.encode()) for value in values]
    return Sent(headers=[*headers, *([(b"x-api-key", key.encode())] if key else [])])


PLAIN = 'Bearer realm="apigw"'
UNREADABLE = f'400 | {PLAIN}, error="invalid_request", error_description="the Authorization header cannot be read"'
UNKNOWN = f'401 | {PLAIN}, error="invalid_token", error_description="the key is not known, or no more valid"'
KEY = 'ApiKey realm="apigw"'


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (bearer("Bearer demo-alice"), "alice"),
        (bearer("bEARER   demo-alice "), "alice"),
        (bearer(), f"401 | {PLAIN}"),
        (bearer("Basic ZGVtbzphbGljZQ=="), f"401 | {PLAIN}"),
        (bearer("Bearer wrong"), UNKNOWN),
        (bearer("Bearer"), UNREADABLE),
        (bearer("Bearer "), UNREADABLE),
        (bearer("Bearer two words"), UNREADABLE),
        (bearer("Bearer schlüssel"), UNREADABLE),
        (bearer('Bearer a", error="none'), UNREADABLE),
        (bearer("Bearer demo-alice", "Bearer demo-alice"), UNREADABLE),
        (bearer("Bearer demo-alice", "Basic x"), UNREADABLE),
        (bearer("Basic x", "Bearer demo-alice"), UNREADABLE),
        (bearer("Bearer demo-carol"), UNKNOWN),
    ],
)
def test_a_key_as_a_bearer_token(sent: Sent, expected: str) -> None:
    assert asked(sent, ["Bearer"]) == expected


def test_the_challenges_of_all_alternatives() -> None:
    either = ["Bearer"], ["Header"]
    assert asked(bearer(), *either) == f"401 | {PLAIN} | {KEY}"
    assert asked(bearer("Bearer wrong"), *either) == f"{UNKNOWN} | {KEY}"
    assert asked(bearer("Bearer wrong", key="demo-alice"), *either) == "alice"
    assert asked(bearer("Bearer two words"), *either) == UNREADABLE


def test_a_key_has_its_time() -> None:
    assert asked(bearer(key="demo-bob"), ["Header"], at=END - 0.001) == "bob"
    assert asked(bearer(key="demo-bob"), ["Header"], at=END) == f"401 | {KEY}"
    assert asked(bearer(key="demo-bob"), ["Header"], at=END - 100) == "bob"
    assert asked(bearer(key="demo-carol"), ["Header"]) == f"401 | {KEY}"


def test_several_lists_and_the_plan_of_a_key() -> None:
    for key, who, plan in (("demo-alice", "alice", "gold"), ("demo-dave", "dave", None)):
        sent = bearer(key=key)
        assert asked(sent, ["More"]) == who
        assert sent.usage_plan == plan


def test_one_key_in_two_lists_is_an_error() -> None:
    with pytest.raises(InputError, match='"alice" has the same key as "alice"'):
        step_of("auth", {"alternatives": [["More"]]}, runtime(MORE, files={"file:k": KEYS, "env:MORE": KEYS}))


def test_scopes() -> None:
    def who(sent: Sent, *scopes: dict[str, list[str]]) -> str:
        return asked(sent, *([[*one] for one in scopes]), scopes=[*scopes])

    assert who(bearer(key="demo-bob"), {"Header": ["read"]}) == "bob"
    assert who(bearer(key="demo-bob"), {"Header": ["read", "write"]}) == "403"
    assert who(bearer(key="demo-bob"), {"Header": ["write"]}, {"Header": ["read"]}) == "bob"
    assert who(bearer(key="demo-dave"), {"Header": ["write"]}) == f"401 | {KEY}"
    lacking = f'403 | {PLAIN}, error="insufficient_scope", scope="read write"'
    assert who(bearer("Bearer demo-bob"), {"Bearer": ["write", "read"]}) == lacking
    assert who(bearer("Bearer demo-bob"), {"Header": ["x"]}, {"Bearer": ["write", "read"]}) == lacking


def shown(subject: str = "CN=other", names: tuple[tuple[str, str], ...] = (), fingerprint: str = "00" * 32) -> Sent:
    return Sent(client_certificate=ClientCertificate(subject, names, fingerprint, b""))


@pytest.mark.parametrize(
    ("sent", "scheme", "expected"),
    [
        (shown("CN=partner,O=Example"), "Mutual", "CN=partner,O=Example"),
        (shown(names=(("DNS", "x"), ("URI", "spiffe://shop/ok"))), "Mutual", "CN=other"),
        (shown("", (("URI", "spiffe://shop/ok"),)), "Mutual", f"SHA-256 {'00' * 32}"),
        (shown(fingerprint="ab" * 32), "Mutual", "CN=other"),
        (shown("CN=partner,O=Example,C=x"), "Mutual", "403"),
        (shown("cn=partner,O=Example"), "Mutual", "403"),
        (shown(names=(("DNS", "spiffe://shop/ok"),)), "Mutual", "403"),
        (shown(), "Any", "CN=other"),
        (Sent(), "Mutual", "403"),
        (Sent(), "Any", "403"),
    ],
)
def test_client_certificates(sent: Sent, scheme: str, expected: str) -> None:
    assert asked(sent, [scheme]) == expected


def test_a_certificate_beside_a_key() -> None:
    both, either = [["Mutual", "Header"]], [["Mutual"], ["Header"]]
    partner = shown("CN=partner,O=Example")
    partner.headers = [(b"x-api-key", b"demo-alice")]
    assert asked(partner, *both) == "CN=partner,O=Example"
    assert asked(shown("CN=partner,O=Example"), *both) == f"401 | {KEY}"
    assert asked(bearer(key="demo-alice"), *both) == "403"
    assert asked(Sent(), *either) == f"401 | {KEY}"
    assert asked(shown(), *either) == "403"


# --- checks that wait


def later(outcome: Caller | Denied) -> policy.Check:
    async def wait() -> Caller | Denied:
        await asyncio.sleep(0)
        return outcome

    return lambda exchange: Later(wait)


def decided(sent: Sent, *alternatives: list[policy.Check]) -> str:
    waiting = policy._step([[Need(check) for check in one] for one in alternatives])(sent)
    assert waiting is not None
    assert not isinstance(waiting, Refusal)
    return said(asyncio.run(waiting), sent)


def test_checks_that_wait_beside_others() -> None:
    slow, no = later(Caller("slow", claims={"a": 1})), later(Denied(503))

    def quick(exchange: Exchange) -> Caller:
        return Caller("quick")

    def never(exchange: Exchange) -> Denied:
        return Denied(401, KEY)

    assert decided(Sent(), [slow]) == "slow"
    assert decided(Sent(), [never], [slow]) == "slow"
    assert decided(Sent(), [slow, quick]) == "slow"
    assert decided(Sent(), [quick, slow]) == "quick"
    assert decided(Sent(), [slow, never]) == f"401 | {KEY}"
    assert decided(Sent(), [no], [never]) == "503 | Retry-After: 1"
    assert decided(Sent(), [no], [never], [quick]) == "quick"
    sent = Sent()
    assert decided(sent, [quick, slow]) == "quick"
    assert sent.claims == {"a": 1}


def test_a_check_is_made_once() -> None:
    asked_for = []

    def counted(exchange: Exchange) -> Denied:
        asked_for.append(1)
        return Denied(401, KEY)

    def quick(exchange: Exchange) -> Caller:
        return Caller("quick")

    step = policy._step([[Need(quick), Need(counted)], [Need(counted), Need(quick)], [Need(counted)]])
    assert said(step(Sent()), Sent()) == f"401 | {KEY}"
    assert asked_for == [1]
