from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import pytest

from apigw_cli.errors import InputError
from apigw_cli.policies.auth import EPHEMERAL, POLICY
from apigw_cli.policies.interface import Runtime
from apigw_cli.snapshot.schemes import ApiKeys
from tests.policies.exchange import Exchange, model, runtime, step_of


def digest(key: bytes) -> str:
    return sha256(key).hexdigest()


KEYS = f"alice: {{sha256: {digest(b'demo-alice')}}}\nbob: {{sha256: {digest(b'demo-bob').upper()}}}\n".encode()
OTHER = f"carol: {{sha256: {digest(b'demo-carol')}}}\n".encode()

HEADER = ApiKeys("Header", "header", "X-Api-Key", ("file:keys.yaml",))
QUERY = ApiKeys("Query", "query", "api key", ("file:keys.yaml",))
COOKIE = ApiKeys("Cookie", "cookie", "session", ("file:other.yaml",))


@pytest.fixture(autouse=True)
def no_ephemeral_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(EPHEMERAL, raising=False)


@pytest.fixture
def with_keys() -> Runtime:
    return runtime(HEADER, QUERY, COOKIE, files={"file:keys.yaml": KEYS, "file:other.yaml": OTHER})


def caller(with_runtime: Runtime, alternatives: list[list[str]], exchange: Exchange) -> str | None:
    """Who was let through; "401" for nobody."""
    refusal = step_of("auth", {"alternatives": alternatives}, with_runtime)(exchange)
    if refusal is None:
        return exchange.principal
    assert (refusal.status, refusal.message, refusal.reason) == (401, "Unauthorized", "unauthorized")
    assert refusal.headers == (b'WWW-Authenticate: ApiKey realm="apigw"\r\n',)
    assert exchange.principal is None
    return "401"


def sent(*values: bytes, name: bytes = b"x-api-key") -> Exchange:
    return Exchange(headers=[(b"accept", b"*/*"), *((name, value) for value in values)])


@pytest.mark.parametrize(
    ("values", "who"),
    [
        ([b"demo-alice"], "alice"),
        ([b"demo-bob"], "bob"),
        ([b"demo-carol"], "401"),
        ([], "401"),
        ([b""], "401"),
        ([b"demo-alice "], "401"),
        ([b"DEMO-ALICE"], "401"),
        ([b"demo-alice", b"demo-alice"], "401"),
        ([b"demo-alice", b"wrong"], "401"),
        ([b"wrong", b"demo-alice"], "401"),
        ([bytes.fromhex(digest(b"demo-alice"))], "401"),
        ([digest(b"demo-alice").encode()], "401"),
        ([b"x" * 1_000_000], "401"),
        (["ключ".encode(), b"\xff\x00"], "401"),
        ([b"\xff\xfe\x00\r\n"], "401"),
    ],
)
def test_a_key_in_a_header(with_keys: Runtime, values: list[bytes], who: str) -> None:
    assert caller(with_keys, [["Header"]], sent(*values)) == who


@pytest.mark.parametrize(
    ("query", "who"),
    [
        (b"api%20key=demo-alice", "alice"),
        (b"api+key=demo-alice", "alice"),
        (b"a=b&api%20key=%64emo-alice&c", "alice"),
        (b"api%20key=demo-alice&api+key=demo-alice", "401"),
        (b"api%20key=wrong", "401"),
        (b"api%20key=", "401"),
        (b"api%20key", "401"),
        (b"x=demo-alice", "401"),
        (b"", "401"),
        (b"%zz&&==&api%20key=%ff", "401"),
    ],
)
def test_a_key_in_the_query(with_keys: Runtime, query: bytes, who: str) -> None:
    assert caller(with_keys, [["Query"]], Exchange(query=query)) == who


@pytest.mark.parametrize(
    ("cookies", "who"),
    [
        ([b"session=demo-carol"], "carol"),
        ([b"a=b; session=demo-carol; c"], "carol"),
        ([b"a=b", b"session=demo-carol"], "carol"),
        ([b"session=demo-carol; session=x"], "401"),
        ([b"Session=demo-carol"], "401"),
        ([b"session=demo-alice"], "401"),
        ([b";;=;session"], "401"),
        ([], "401"),
    ],
)
def test_a_key_in_a_cookie(with_keys: Runtime, cookies: list[bytes], who: str) -> None:
    assert caller(with_keys, [["Cookie"]], sent(*cookies, name=b"cookie")) == who


def test_alternatives_and_combinations(with_keys: Runtime) -> None:
    alice, carol = (b"x-api-key", b"demo-alice"), (b"cookie", b"session=demo-carol")
    both, either = [["Header", "Cookie"]], [["Header"], ["Cookie"]]
    assert caller(with_keys, both, Exchange(headers=[alice, carol])) == "alice"
    assert caller(with_keys, both, Exchange(headers=[alice])) == "401"
    assert caller(with_keys, both, Exchange(headers=[carol])) == "401"
    assert caller(with_keys, either, Exchange(headers=[carol])) == "carol"
    assert caller(with_keys, either, Exchange(headers=[])) == "401"


def test_what_is_optional_still_names_a_caller_that_is_known(with_keys: Runtime) -> None:
    assert caller(with_keys, [[], ["Header"]], sent(b"demo-alice")) == "alice"
    assert caller(with_keys, [[], ["Header"]], sent(b"wrong")) is None
    assert caller(with_keys, [["Header"], []], sent()) is None


def test_an_empty_key_list_lets_nobody_in() -> None:
    assert caller(runtime(HEADER, files={"file:keys.yaml": b""}), [["Header"]], sent(b"")) == "401"


def test_the_ephemeral_key(with_keys: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EPHEMERAL, digest(b"for one bench"))
    assert caller(with_keys, [["Header"]], sent(b"for one bench")) == "ephemeral"
    assert caller(with_keys, [["Header"]], sent(b"demo-alice")) == "alice"
    assert caller(with_keys, [["Header"]], sent(digest(b"for one bench").encode())) == "401"


@pytest.mark.parametrize("text", ["x", "a" * 63, "a" * 65, "g" * 64, "a" * 64 + "\n"])
def test_an_ephemeral_key_that_is_none(with_keys: Runtime, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(EPHEMERAL, text)
    with pytest.raises(InputError, match=EPHEMERAL):
        caller(with_keys, [["Header"]], sent())


def test_a_key_list_is_read_once_for_all_routes() -> None:
    read = []

    def secret(reference: str) -> bytes:
        read.append(reference)
        return KEYS

    base = runtime(HEADER, QUERY)
    shared = Runtime(base.snapshot, base.clock, base.store, secret)
    for operation in ("a", "b"):
        step_of("auth", {"alternatives": [["Header"], ["Query"]]}, shared, operation)
    step_of("auth", {"alternatives": [["Query"]]}, shared)
    assert read == ["file:keys.yaml"]


def test_a_scheme_that_cannot_be_checked_refuses_to_load(with_keys: Runtime) -> None:
    with pytest.raises(InputError, match='"Nope" has no configuration'):
        step_of("auth", {"alternatives": [["Nope"]]}, with_keys)
    odd = runtime(ApiKeys("Odd", "body", "x", ("file:keys.yaml",)), files={"file:keys.yaml": KEYS})
    with pytest.raises(InputError, match="not one that is checked"):
        step_of("auth", {"alternatives": [["Odd"]]}, odd)


@pytest.mark.parametrize("value", [{}, {"alternatives": []}, {"alternatives": [{}]}, {"alternatives": "any"}])
def test_no_alternative_at_all_is_no_way_in(value: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="policy auth"):
        model("auth", value)


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        (None, None, "neutral"),
        (None, [["A"]], "strengthen"),
        ([["A"]], None, "weaken"),
        (None, [[]], "neutral"),
        ([["A"]], [["A"]], "neutral"),
        ([["A"], ["B"]], [["B"], ["A"]], "neutral"),
        ([["A", "B"]], [["B", "A"]], "neutral"),
        ([["A"]], [["A"], []], "weaken"),
        ([["A"], []], [["A"]], "strengthen"),
        ([["A"]], [["A", "B"]], "strengthen"),
        ([["A", "B"]], [["A"]], "weaken"),
        ([["A"]], [["A"], ["B"]], "weaken"),
        ([["A"], ["B"]], [["A"]], "strengthen"),
        ([["A"]], [["B"]], "weaken"),
        ([["A"]], [["A"], ["A", "B"]], "neutral"),
    ],
)
def test_what_a_change_does(old: list[list[str]] | None, new: list[list[str]] | None, verdict: str) -> None:
    before, after = (model("auth", {"alternatives": one}) if one is not None else None for one in (old, new))
    assert POLICY.compare(before, after) == verdict


def test_how_it_is_described() -> None:
    value = model("auth", {"alternatives": [["A", "B"], ["C"], []]})
    assert POLICY.describe(value) == "A and B or C or anyone"


@dataclass
class Place:
    """What a connection keeps beside the header lines that it repeats."""

    by: object = None
    found: Any = None


def test_a_lookup_is_kept_with_the_header_lines(with_keys: Runtime) -> None:
    step = step_of("auth", {"alternatives": [["Header"]]}, with_keys)
    place = Place()
    for _ in range(3):
        exchange = sent(b"demo-alice")
        exchange.kept = place
        assert step(exchange) is None
        assert exchange.principal == "alice"
    assert place.found.name == "alice"
    # The place belongs to these lines, so whatever stands in others is not looked at.
    other = sent(b"demo-nobody")
    other.kept = place
    assert step(other) is None


def test_what_another_key_list_or_scheme_found_is_not_used(with_keys: Runtime) -> None:
    place = Place()
    first = sent(b"demo-alice")
    first.kept = place
    assert step_of("auth", {"alternatives": [["Header"]]}, with_keys)(first) is None
    revoked = runtime(HEADER, QUERY, COOKIE, files={"file:keys.yaml": b"{}", "file:other.yaml": OTHER})
    again = sent(b"demo-alice")
    again.kept = place
    assert step_of("auth", {"alternatives": [["Header"]]}, revoked)(again) is not None
    back = sent(b"demo-alice")
    back.kept = place
    assert caller(with_keys, [["Cookie"]], back) == "401"
    assert caller(with_keys, [["Header"]], back) == "alice"


def test_a_refused_key_stays_refused_and_an_expired_one_becomes_so() -> None:
    now = [1_000.0]
    keys = f"eve: {{sha256: {digest(b'demo-eve')}, expires: 1970-01-01T01:00:00Z}}\n".encode()
    with_runtime = replace(runtime(HEADER, files={"file:keys.yaml": keys}), wall=lambda: now[0])
    step = step_of("auth", {"alternatives": [["Header"]]}, with_runtime)

    def status(place: Place, key: bytes) -> int:
        exchange = sent(key)
        exchange.kept = place
        refusal = step(exchange)
        return 200 if refusal is None else refusal.status

    good, bad = Place(), Place()
    assert [status(good, b"demo-eve"), status(bad, b"demo-no"), status(bad, b"demo-no")] == [200, 401, 401]
    now[0] = 3_600.0
    assert [status(good, b"demo-eve"), status(Place(), b"demo-eve")] == [401, 401]


def test_a_key_in_the_query_is_looked_up_each_time(with_keys: Runtime) -> None:
    place = Place()
    for query, who in ((b"api%20key=demo-alice", "alice"), (b"api%20key=demo-bob", "bob"), (b"", "401")):
        exchange = Exchange(query=query, kept=place)
        assert caller(with_keys, [["Query"]], exchange) == who
    assert place.by is None
