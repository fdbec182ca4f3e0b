from __future__ import annotations

from typing import Any

import msgspec
import pytest

from apigw_cli.errors import InputError
from apigw_cli.policies.interface import Change, Refusal, Rewrite
from apigw_cli.policies.plan import steps
from apigw_cli.policies.request_headers import POLICY
from tests.policies.exchange import Exchange, model, route, runtime


def applied(value: dict[str, Any]) -> tuple[bytes, set[bytes]]:
    exchange = Exchange()
    for step in steps(route({"request_headers": value}), runtime()):
        assert step(exchange) is None
    return b"".join(exchange.extra), exchange.remove


def test_set_replaces_add_adds_remove_removes() -> None:
    lines, gone = applied({"set": {"X-Gateway": "apigw"}, "add": {"Via": "1.1 apigw"}, "remove": ["Cookie"]})
    assert lines == b"X-Gateway: apigw\r\nVia: 1.1 apigw\r\n"
    assert gone == {b"x-gateway", b"x_gateway", b"cookie"}


def test_one_of_them_alone() -> None:
    assert applied({"add": {"X-A": ""}}) == (b"X-A: \r\n", set())
    assert applied({"remove": ["X-A"]}) == (b"", {b"x-a", b"x_a"})


def test_it_has_all_that_headers_of_request_have() -> None:
    exchange = Exchange([(b"x-old", b"1"), (b"x-a", b"me")], principal="ann", rewrite=Rewrite(path="/v2", told=b"X: y"))
    value = {"rename": {"X-Old": "X-New"}, "set": {"X-User": "${auth.principal}", "X-B": "${request.header.X-A}"}}
    policies = {"request_headers": value, "cache": {}}
    for step in steps(route(policies), runtime()):
        assert step(exchange) is None
    assert b"".join(exchange.extra) == b"X-New: 1\r\nX-User: ann\r\nX-B: me\r\n"
    assert {b"x-old", b"x-new", b"x_new", b"x-user"} <= exchange.remove
    assert exchange.rewrite == Rewrite(path="/v2", told=b"X: yX-New: 1\r\nX-User: ann\r\nX-B: me\r\n")
    too_long = Exchange([(b"x-a", b"x" * 9000)])
    (step,) = steps(route({"request_headers": value}), runtime())
    assert isinstance(step(too_long), Refusal)


def test_nothing_to_do_is_no_step() -> None:
    assert steps(route({"request_headers": {}}), runtime()) == ()


NAMES = ["", "a b", "a:", "a\r\n", "a\n", "naïve", "X-\0", "(x)", "x" * 101, ":path"]
OURS = ["Host", "content-length", "Transfer-Encoding", "Connection", "TE", "Upgrade", "Keep-Alive", "Expect", "Trailer"]
VALUES = ["a\r\nX-Injected: 1", "a\nb", "a\r", "a\n", "\0", " a", "a ", "ключ", "x" * 5000, "\x7f", "\t"]


@pytest.mark.parametrize("name", NAMES + OURS)
@pytest.mark.parametrize("where", ["set", "add", "remove"])
def test_names_that_are_refused(where: str, name: str) -> None:
    with pytest.raises(InputError, match="policy request_headers"):
        model("request_headers", {where: [name] if where == "remove" else {name: "x"}})


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("where", ["set", "add"])
def test_values_that_are_refused(where: str, value: str) -> None:
    with pytest.raises(InputError, match="policy request_headers"):
        model("request_headers", {where: {"X-A": value}})


@pytest.mark.parametrize(
    "value",
    [
        {"set": {"X-A": "1", "x-a": "2"}},
        {"add": {"X-A": "1", "x-a": "2"}},
        {"set": {"X-A": "1"}, "remove": ["x-a"]},
        {"remove": ["x-a", "X-A"]},
        {"sets": {}},
    ],
)
def test_contradictions_are_refused(value: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="policy request_headers"):
        model("request_headers", value)


def test_values_that_are_fine() -> None:
    value = {"X-A": 'W/"a, b"; q=0.5 (c)\ttab', "x_b.c~d": "x" * 4096, "X-C": "a"}
    assert model("request_headers", {"set": value}).set == value


def test_what_clients_cannot_send_an_upstream_may_rely_on() -> None:
    removes, sets = (model("request_headers", one) for one in ({"remove": ["X-A"]}, {"set": {"x-a": "b"}}))
    assert [POLICY.compare(None, value) for value in (removes, sets)] == [Change.STRENGTHEN] * 2
    assert [POLICY.compare(value, None) for value in (removes, sets)] == [Change.WEAKEN] * 2
    assert POLICY.compare(removes, sets) is Change.WEAKEN  # another word to the upstream
    added = model("request_headers", {"add": {"X-B": "c"}})
    assert {POLICY.compare(None, added), POLICY.compare(added, None)} == {Change.NEUTRAL}


def test_credentials_are_not_shown() -> None:
    value = model("request_headers", {"set": {"Authorization": "Bearer abc", "X-A": "Bearer abc"}})
    assert POLICY.describe(value) == "+ Authorization: [secret], + X-A: Bearer abc"


def test_how_it_is_described() -> None:
    value = model("request_headers", {"set": {"X-A": "1"}, "add": {"X-B": "2"}, "remove": ["X-C"]})
    assert POLICY.describe(value) == "+ X-A: 1, + X-B: 2, - X-C"


def test_the_schema_has_words_for_every_field() -> None:
    (schema,) = msgspec.json.schema(POLICY.model)["$defs"].values()
    assert all(field["description"] for field in schema["properties"].values())
