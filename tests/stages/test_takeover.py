"""Requests that get round a secured route: by a wildcard, a more specific path, a host, or because it went."""

from __future__ import annotations

import pytest

from apigw_cli.stages import protection
from apigw_cli.stages.diff import DiffOptions, diff
from apigw_cli.stages.finding import Finding, Level
from tests.stages.conftest import Apigw, Shop

SECURED = "  /pets/{petId}:\n    get: {operationId: getPet, responses: {}}\n"
OPEN = ", security: [], responses: {}}\n"


def found(shop: Shop, apigw: Apigw, before: str, after: str, config: tuple[str, str] | None = None) -> list[Finding]:
    """What `diff` says of routes that are taken over when these paths are replaced by those."""
    shop.edit("shop.yaml", "  /hours:\n", f"{before}  /hours:\n")
    assert apigw("promote", "qa", "prod", "--yes").code == 0
    shop.edit("shop.yaml", f"{before}  /hours:\n", f"{after}  /hours:\n")
    if config:
        shop.edit("apigw.yaml", *config)
    assert apigw("deploy", "qa").code == 0
    return [finding for finding in diff(DiffOptions("qa", "prod")).findings if finding.id == "route-takes-over"]


def test_the_secured_route_goes_and_an_open_wildcard_takes_its_requests(shop: Shop, apigw: Apigw) -> None:
    wildcard = "  /{rest+}:\n    get: {operationId: rest" + OPEN
    (finding,) = found(shop, apigw, SECURED + wildcard, wildcard)
    assert (finding.operation, finding.level) == ("rest", Level.WEAKEN)
    assert finding.message == (
        "takes requests of getPet, such as GET /v1/pets/anything: authentication ApiKeyAuth → none"
    )
    assert finding.why == "whoever getPet would have refused gets in here"
    assert [location.side for location in finding.locations] == ["base", "revision"]


def test_a_more_specific_route_without_authentication(shop: Shop, apigw: Apigw) -> None:
    specific = "  /pets/admin:\n    get: {operationId: admin" + OPEN
    (finding,) = found(shop, apigw, SECURED, SECURED + specific)
    assert (finding.operation, "GET /v1/pets/admin" in finding.message) == ("admin", True)


def test_only_where_two_variables_meet(shop: Shop, apigw: Apigw) -> None:
    before = "  /{kind}/mine:\n    get: {operationId: mine, responses: {}}\n"
    (finding,) = found(shop, apigw, before, before + "  /pets/{petId}:\n    get: {operationId: getPet" + OPEN)
    assert "takes requests of mine, such as GET /v1/pets/mine" in finding.message


def test_a_mixed_segment(shop: Shop, apigw: Apigw) -> None:
    mixed = '  "/pets/{petId}.json":\n    get: {operationId: asJson' + OPEN
    (finding,) = found(shop, apigw, SECURED, SECURED + mixed)
    assert "such as GET /v1/pets/anything.json" in finding.message


def test_head_goes_to_a_route_of_its_own(shop: Shop, apigw: Apigw) -> None:
    head = SECURED.replace("get: {operationId: getPet", "head: {operationId: headPet, security: []").replace(
        "responses: {}}\n", "responses: {}}\n    get: {operationId: getPet, responses: {}}\n"
    )
    (finding,) = found(shop, apigw, SECURED, head)
    assert "such as HEAD /v1/pets/anything" in finding.message


def test_a_route_that_protects_as_well_takes_over_in_silence(shop: Shop, apigw: Apigw) -> None:
    assert found(shop, apigw, SECURED, SECURED + "  /pets/mine:\n    get: {operationId: mine, responses: {}}\n") == []


def test_paths_that_do_not_meet(shop: Shop, apigw: Apigw) -> None:
    assert found(shop, apigw, SECURED, SECURED + "  /pets/a/b:\n    get: {operationId: deep" + OPEN) == []


def test_an_api_for_an_exact_host_takes_the_requests_of_one_for_any(shop: Shop, apigw: Apigw) -> None:
    shop.edit("apigw.yaml", "    hosts: [localhost]\n", "")
    path = '{"/v1/{rest+}": {get: {operationId: n, responses: {}}}}'
    news = f'openapi: 3.1.0\ninfo: {{title: n, version: "1"}}\npaths: {path}\n'
    (shop.root / "news.yaml").write_text(news)
    added = "  news: {spec: news.yaml, mock: true, hosts: [news.example]}\n  shop:\n"
    taken = found(shop, apigw, "", "", ("  shop:\n", added))
    assert {finding.message.partition(",")[0] for finding in taken} == {
        "takes requests of listPets",
        "takes requests of hours",  # which has a limit
    }


@pytest.mark.parametrize(("one", "other"), [("*.a.example", "b.a.example"), ("a.example", "a.example"), ("", "x")])
def test_hosts_that_overlap(one: str, other: str) -> None:
    for left, right in ((one, other), (other, one)):
        hosts = list(protection.takeover._common_hosts([left] if left else [], [right]))
        assert hosts == [other.replace("*", "anything")]


def test_hosts_that_do_not() -> None:
    assert list(protection.takeover._common_hosts(["a.example"], ["b.example", "*.c.example"])) == []
