"""Declared limits: from `--limit`, from the configuration; and what the workers note for their proof."""

from __future__ import annotations

import shutil
from array import array
from pathlib import Path

import pytest

from apigw_cli.bench import declared, limit
from apigw_cli.bench.plan import Watch
from apigw_cli.bench.request import Request, parse_header, parse_url
from apigw_cli.bench.watch import Watcher, legal_seconds
from apigw_cli.config import project
from apigw_cli.errors import UsageError
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot.compiler import Compiled, compile_project

SPECS = Path(__file__).parents[2] / "specs"


@pytest.mark.parametrize(
    ("text", "policy", "key"),
    [
        ("5/s burst 5 key=header:X-Api-Key", "5/s burst 5", "header:X-Api-Key"),
        ("100/m burst=20", "100/m burst 20", "route"),
        ("2.5/s", "2.5/s burst 3", "route"),
        ("1000/h burst 10 per api_key+ip", "1000/h burst 10", "api_key+ip"),
        ("0/s burst 0", "0/s burst 0", "route"),
    ],
)
def test_limits_as_typed(text: str, policy: str, key: str) -> None:
    found = limit.parse(text)
    assert (found.policy, found.key) == (policy, key)


@pytest.mark.parametrize(
    "text", ["", "5", "5/s burst", "5/s burst -1", "5/s burst 5 key=cookie", "5/x burst 5", "5/s 5"]
)
def test_what_is_no_limit(text: str) -> None:
    with pytest.raises(UsageError, match="--limit"):
        limit.parse(text)


def test_a_limit_by_a_header_that_is_not_sent_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="X-Api-Key"):
        limit.check_key([limit.parse("5/s key=header:X-Api-Key")], [("Accept", "*/*")])
    limit.check_key([limit.parse("5/s key=header:X-Api-Key")], [("x-api-key", "k")])


@pytest.fixture
def sample(tmp_path: Path) -> Compiled:
    shutil.copytree(SPECS, tmp_path / "specs")
    return compile_project(project.load(tmp_path / "specs" / "apigw.yaml"), None, POLICIES)


def test_the_configuration_says_the_limit_and_where_it_stands(sample: Compiled) -> None:
    layers = declared.of_route(sample, declared.named(sample.snapshot.routes, "qa", "createPet"))
    (found,) = layers
    assert (found.policy, found.key, found.name) == ("5/s burst 5", "api_key", "createPet")
    file, line = found.place.rsplit(":", 1)
    assert "rate: 5/s, burst: 5" in Path(file).read_text().splitlines()[int(line) - 1]


def test_the_route_is_the_one_that_the_request_hits(sample: Compiled) -> None:
    request = Request("POST", parse_url("http://127.0.0.1:8080/v1/pets?x=1"), ())
    assert declared.route_hit(sample.snapshot.routes, "qa", request).operation == "createPet"
    aimed = Request("GET", parse_url("http://10.0.0.1:8080/v1/pets/7"), (parse_header("Host: localhost:8080"),))
    assert declared.route_hit(sample.snapshot.routes, "qa", aimed).operation == "getPet"
    with pytest.raises(UsageError, match="no route"):
        declared.route_hit(sample.snapshot.routes, "qa", Request("GET", parse_url("http://127.0.0.1/nowhere"), ()))
    with pytest.raises(UsageError, match="no route"):
        declared.route_hit(
            sample.snapshot.routes, "qa", Request("GET", parse_url("http://elsewhere.example/v1/pets"), ())
        )


def test_routes_by_name_and_the_strictest(sample: Compiled) -> None:
    assert declared.strictest(sample).operation == "createPet"
    assert declared.named(sample.snapshot.routes, "qa", "POST /v1/pets").operation == "createPet"
    with pytest.raises(UsageError, match="no route 'createPets'") as raised:
        declared.named(sample.snapshot.routes, "qa", "createPets")
    assert raised.value.hint == 'did you mean "createPet"?'


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"1", 1), (b" 120 ", 120), (b"0", None), (b"-1", None), (b"-1484742195", None), (b"1.5", None), (b"", None),
     (b"soon", None), (b"Wed, 21 Oct 2026 07:28:00 GMT", 0), (b"\xff", None)],
)  # fmt: skip
def test_retry_after_is_a_number_of_seconds_or_a_date(value: bytes, seconds: int | None) -> None:
    assert legal_seconds(value) == seconds


def test_only_slots_that_wholly_contain_a_refusal_are_noted() -> None:
    watcher = Watcher(Watch(slot=100, most_slots=10, most_events=10), zero=1000)
    watcher.answered(429, 1110, 1190, b"1")  # in slot 1
    watcher.answered(429, 1190, 1210, b"2")  # over an edge
    watcher.answered(429, 1300, 1399, None)  # in slot 3
    watcher.answered(429, 2010, 2020, b"0")  # beyond the last slot
    seen = watcher.result()
    assert seen.slots == [1, 3]
    assert (seen.refused, seen.without_retry_after, seen.bad_retry_after) == (4, 1, {"0": 1})
    assert (seen.retry_after_low, seen.retry_after_high) == (1, 2)


def test_what_was_let_through_is_kept_and_what_may_have_been_apart() -> None:
    watcher = Watcher(Watch(slot=100, most_slots=10, most_events=2), zero=1000)
    for status in (200, 302, 404, 500):
        watcher.answered(status, 1001, 1002, None)
    watcher.maybe(1003, 1004)
    seen = watcher.result()
    assert list(array("q", seen.admitted)) == [1, 2, 1, 2]
    assert list(array("q", seen.possible)) == [1, 2, 1, 2]
    assert seen.overflow
