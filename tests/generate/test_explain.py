"""Why a request is treated as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apigw_cli.errors import InputError, UsageError
from apigw_cli.generate.explain import Explanation, Options, explain
from apigw_cli.generate.run import load
from apigw_cli.snapshot.compiler import Compiled
from tests.generate.conftest import SPECS, Build

ALICE = ("X-Api-Key: demo-alice",)


@pytest.fixture(scope="module")
def sample() -> Compiled:
    return load(SPECS, None)


def ask(compiled: Compiled, method: str, target: str, **more: Any) -> Explanation:
    return explain(Options(method, target, **more), compiled)


def lines(found: Explanation) -> list[tuple[str, str, str]]:
    """Policy, value and the line that holds."""
    return [
        (s.policy, s.text, f"{Path(s.source.place.file).name}:{s.source.place.line}") for s in found.steps if s.source
    ]


def test_the_steps_of_a_route_in_order_with_what_they_went_over(sample: Compiled) -> None:
    found = ask(sample, "post", "/v1/pets")
    assert (found.outcome, found.status, found.route and found.route.id) == ("match", None, "petstore:createPet")
    assert lines(found) == [
        ("auth", "ApiKeyAuth, header X-Api-Key", "petstore.yaml:12"),
        ("rate_limit", "5/s burst 5 per api_key", "apigw.yaml:16"),
        ("validate", "requests validated", "apigw.yaml:13"),
        ("request_headers", "+ X-Gateway: apigw", "apigw.yaml:17"),
    ]
    (over,) = found.steps[1].over
    assert (over.note, over.text, over.place.line) == ("API default", "50/s burst 20 per api_key", 12)
    assert found.upstream is not None
    assert found.upstream.targets == ("http://127.0.0.1:9001",)
    assert found.declared is not None
    assert found.declared.line == 41
    assert found.integration is not None
    assert found.integration.text == "upstream pets"


def test_a_stages_override_is_where_the_value_came_from() -> None:
    found = ask(load(SPECS, "prod"), "GET", "/v1/pets")
    assert lines(found)[1] == ("rate_limit", "100/s burst 40 per api_key", "prod.yaml:4")


@pytest.mark.parametrize(
    ("target", "host", "parameters"),
    [
        ("/v1/pets/7?limit=2#x", None, {"petId": "7"}),
        ("http://LOCALHOST:8080/v1/pets/a%2Fb", None, {"petId": "a/b"}),
        ("http://elsewhere.test/v1/pets/7", "localhost:80", {"petId": "7"}),
        ("/v1/./pets/x/../%37", None, {"petId": "7"}),
    ],
)
def test_paths_urls_and_hosts(sample: Compiled, target: str, host: str | None, parameters: dict[str, str]) -> None:
    found = ask(sample, "GET", target, host=host)
    assert found.route is not None
    assert (found.route.operation, found.parameters) == ("getPet", parameters)


def test_the_host_header_counts(sample: Compiled) -> None:
    assert ask(sample, "GET", "/v1/pets", headers=("Host: elsewhere.test",)).outcome == "not_found"
    assert ask(sample, "GET", "/v1/pets", headers=("Host: localhost:99",)).outcome == "match"


@pytest.mark.parametrize(
    ("headers", "holds", "text"),
    [
        (ALICE, True, 'key "alice"'),
        (("x-api-key:  demo-bob ",), True, 'key "bob"'),
        (("X-Api-Key: wrong",), False, "unknown key: 401"),
        (("X-Api-Key: \udcff",), False, "unknown key: 401"),
        (("X-Other: a",), False, "no key: 401"),
        (ALICE + ALICE, False, "unknown key: 401"),
    ],
)
def test_whose_key_it_is(sample: Compiled, headers: tuple[str, ...], holds: bool, text: str) -> None:
    found = ask(sample, "GET", "/v1/pets", headers=headers)
    verdict = found.steps[0].verdict
    assert verdict is not None
    assert (verdict.holds, verdict.text) == (holds, text)
    assert found.status == (None if holds else 401)


def test_without_headers_no_key_list_is_read(build: Build, tmp_path: Path) -> None:
    compiled = build(KEYS_IN_ENVIRONMENT, shop=SHOP)
    assert ask(compiled, "GET", "/v1/closed").steps[0].verdict is None
    with pytest.raises(InputError, match="no APIGW_TEST_KEYS"):
        ask(compiled, "GET", "/v1/closed?key=x")


KEYS_IN_ENVIRONMENT = """\
version: 1
defaults: {rate_limit: {rate: 1/s}}
apis:
  shop: {spec: shop.yaml, upstream: up, base_path: /v1, strip_base_path: true, routes: {open: {rate_limit: 'off'}}}
upstreams: {up: {targets: ["http://127.0.0.1:1"]}}
auth: {Key: {keys: {env: APIGW_TEST_KEYS}}}
"""
SHOP = """\
openapi: 3.1.0
info: {title: Shop, version: "1"}
paths:
  /closed: {get: {operationId: closed, security: [{Key: []}], responses: {}}}
  /open: {get: {operationId: open, security: [{Key: []}, {}], responses: {}}}
components: {securitySchemes: {Key: {type: apiKey, in: query, name: key}}}
"""


def test_a_key_in_the_query_and_who_needs_none(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"  # of "key"
    monkeypatch.setenv("APIGW_TEST_KEYS", f"carol: {{sha256: {digest}}}")
    compiled = build(KEYS_IN_ENVIRONMENT, shop=SHOP)
    for target, text in (
        ("/v1/closed?key=key", 'key "carol"'),
        ("/v1/closed?key=k", "unknown key: 401"),
        ("/v1/closed?other=k", "no key: 401"),
        ("/v1/open?key=key", 'key "carol"'),
        ("/v1/open?other=k", "anyone may call"),
    ):
        verdict = ask(compiled, "GET", target).steps[0].verdict
        assert verdict is not None
        assert verdict.text == text


def test_what_is_switched_off_is_shown_with_what_it_went_over(build: Build) -> None:
    found = ask(build(KEYS_IN_ENVIRONMENT, shop=SHOP), "GET", "/v1/open")
    off = found.steps[-1]
    assert (off.policy, off.text, off.on) == ("rate_limit", "off", False)
    assert [source.text for source in off.over] == ["1/s burst 1 per ip"]
    assert found.forwarded_path == "/open"


AUTH = "auth: {Key: {keys: {env: APIGW_TEST_KEYS}}}"
UNUSED = "cache: {}, request: {path: /x}, request_headers: {set: {A: b}}"


def test_what_a_site_has_no_use_for_is_said(tmp_path: Path) -> None:
    (tmp_path / "apigw.yaml").write_text(
        f"version: 1\ndefaults: {{{UNUSED}}}\napis: {{}}\nsites: {{www: {{folder: web, defaults: {{max_body: 9}}}}}}\n"
    )
    found = ask(load(tmp_path, None), "GET", "/a.html")
    told = {step.policy: (step.on, "no effect" in step.text) for step in found.steps}
    assert told.pop("max_body") == (True, False)
    assert set(told) == {"cache", "request", "request_headers"} and set(told.values()) == {(False, True)}
    assert found.answers == ()


@pytest.mark.parametrize("policy", ["cache: {}", "request: {path: /x}", "request_headers: {set: {A: b}}"])
def test_what_is_written_for_a_route_that_has_no_use_for_it_is_refused(build: Build, policy: str) -> None:
    name = policy.partition(":")[0]
    api = "apis: {shop: {spec: shop.yaml, mock: true, routes: {open: {redirect: {to: /new}, %s}}}}"
    with pytest.raises(InputError, match=f"{name} has no effect here: the redirect is the answer") as caught:
        build(f"version: 1\n{api % policy}\n{AUTH}", shop=SHOP)
    assert caught.value.place is not None and caught.value.place.line == 2
    with pytest.raises(InputError, match=f"{name} has no effect here: a site's files are at hand"):
        build(f"version: 1\napis: {{}}\nsites: {{www: {{folder: web, defaults: {{{policy}}}}}}}\n")
    inherited = api.replace("routes:", "defaults: {%s}, routes:") % (policy, "max_body: 9")
    compiled = build(f"version: 1\n{inherited}\n{AUTH}", shop=SHOP)
    step = next(one for one in ask(compiled, "GET", "/open").steps if one.policy == name)
    assert not step.on and "no effect, the redirect is the answer" in step.text


def test_a_wrong_method_names_what_is_there(sample: Compiled) -> None:
    found = ask(sample, "PUT", "/v1/pets/7")
    assert (found.outcome, found.status, found.allow) == ("method_not_allowed", 405, ("DELETE", "GET", "HEAD"))
    assert [route.operation for route in found.nearest] == ["getPet", "deletePet"]


def test_an_unknown_path_names_the_nearest_routes(sample: Compiled) -> None:
    found = ask(sample, "DELETE", "/v1/pet/7")
    assert (found.outcome, found.status) == ("not_found", 404)
    assert [route.operation for route in found.nearest][:2] == ["deletePet", "getPet"]
    found = ask(sample, "GET", "/v1/pets/7/x", host="localhost")
    assert "getPet" in [route.operation for route in found.nearest], "no folder of files that takes any path"
    assert ask(sample, "GET", "/zzzzzzzzzzzzzzzzzz").nearest == ()


def test_an_unknown_host_names_those_there_are(sample: Compiled) -> None:
    found = ask(sample, "GET", "/v1/pets/7", host="elsewhere.test")
    assert found.hosts == ("api.petshop.localhost", "localhost", "127.0.0.1", "www.petshop.localhost")
    assert [route.operation for route in found.nearest] == ["getPet"]


def test_a_path_that_the_gateway_would_refuse(sample: Compiled) -> None:
    assert ask(sample, "GET", "/v1/pets/%zz").outcome == "bad_request"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options("GET", "v1/pets"), "neither a path nor a URL"),
        (Options("GET", "/v1", headers=("nonsense",)), "is not a header"),
        (Options("GET", "/v1", host="a b"), "is not a host"),
        (Options("GET", "/v1", host="\udcff"), "is not a host"),
        (Options("GET", "http://[::1/v1"), "is not a URL"),
        (Options("GET", ""), "neither a path nor a URL"),
    ],
)
def test_what_is_no_request(sample: Compiled, options: Options, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        explain(options, sample)


def test_a_mistyped_header_does_not_show_its_value(sample: Compiled) -> None:
    with pytest.raises(UsageError) as caught:
        ask(sample, "GET", "/v1", headers=("X-Api-Key demo-alice",))
    assert "alice" not in str(caught.value)
