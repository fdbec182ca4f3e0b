"""What weakens the gateway, route by route, in words and with both places."""

from __future__ import annotations

import pytest

from apigw_cli.stages.diff import DiffOptions, diff
from apigw_cli.stages.finding import Axis, Finding, Level
from tests.stages.conftest import Apigw, Shop

CONFIG, SPEC = "apigw.yaml", "shop.yaml"


@pytest.fixture
def deployed(shop: Shop, apigw: Apigw) -> Shop:
    apigw("promote", "qa", "prod", "--yes")
    return shop


def changes(apigw: Apigw) -> tuple[Finding, ...]:
    """What promoting the working files to prod would change."""
    assert apigw("deploy", "qa").code == 0
    return diff(DiffOptions("qa", "prod")).findings


def judged(findings: tuple[Finding, ...]) -> set[tuple[str, Level, str]]:
    return {(finding.id, finding.level, finding.operation) for finding in findings}


CASES = [
    (
        "limit raised",
        [(CONFIG, "rate: 5/s", "rate: 50/s")],
        {("rate-limit-weakened", Level.WEAKEN, "createPet")},
    ),
    (
        "limit lowered",
        [(CONFIG, "rate: 5/s", "rate: 1/s")],
        {
            ("rate-limit-strengthened", Level.STRENGTHEN, "createPet"),
            ("rate-limit-tightened", Level.WARN, "createPet"),
        },
    ),
    (
        "limit off",
        [(CONFIG, "rate_limit: {rate: 5/s, burst: 5, key: api_key}", "rate_limit: off")],
        {("rate-limit-weakened", Level.WEAKEN, "createPet")},
    ),
    (
        "default limit raised: every route that has it",
        [(CONFIG, "burst: 20", "burst: 30")],
        {("rate-limit-weakened", Level.WEAKEN, "listPets"), ("rate-limit-weakened", Level.WEAKEN, "hours")},
    ),
    (
        "a header that clients cannot send any more, which refuses nothing",
        [(CONFIG, "    defaults:\n", "    defaults:\n      request_headers: {set: {X-A: b}}\n")],
        {("request-headers-strengthened", Level.STRENGTHEN, name) for name in ("listPets", "createPet", "hours")},
    ),
    (
        "authentication removed from one route",
        [(SPEC, "operationId: listPets", "operationId: listPets\n      security: []")],
        {("auth-weakened", Level.WEAKEN, "listPets"), ("api-security-dropped", Level.INFO, "GET /pets")},
    ),
    (
        "authentication added to one route",
        [(SPEC, "operationId: hours, security: []", "operationId: hours")],
        {("auth-strengthened", Level.STRENGTHEN, "hours"), ("api-security-added", Level.ERR, "GET /hours")},
    ),
    (
        "authentication switched off for the API",
        [(CONFIG, "    upstream: pets\n", "    upstream: pets\n    security: off\n")],
        {("auth-weakened", Level.WEAKEN, name) for name in ("listPets", "createPet")},
    ),
    (
        "another proxy trusted, another style of header believed",
        [(CONFIG, "version: 1\n", "version: 1\ntrusted_proxies: [10.0.0.0/8]\nforwarded: both\nvia: true\n")],
        {("gateway-weakened", Level.WEAKEN, "gateway"), ("gateway-changed", Level.NEUTRAL, "gateway")},
    ),
    (
        "TLS for clients",
        [(CONFIG, "version: 1\n", "version: 1\nlisten: {tls: {certificates: [{cert: {file: a}, key: {file: b}}]}}\n")],
        {("gateway-strengthened", Level.STRENGTHEN, "gateway")},
    ),
    (
        "another key list",
        [(CONFIG, "{file: keys.yaml}", "{env: KEYS}")],
        {("auth-keys-changed", Level.WEAKEN, "auth ApiKeyAuth")},
    ),
    (
        "a list of one list",
        [(CONFIG, "{file: keys.yaml}", "[{file: keys.yaml}]")],
        set(),
    ),
    (
        "tokens in place of keys",
        [(CONFIG, "{keys: {file: keys.yaml}}", "{jwt: {issuer: 'https://a.example', audience: [b]}}")],
        {("auth-scheme-changed", Level.WEAKEN, "auth ApiKeyAuth")},
    ),
    (
        "only some addresses",
        [(CONFIG, "    defaults:\n", "    defaults:\n      ip: {allow: [10.0.0.0/8]}\n")],
        {("ip-strengthened", Level.STRENGTHEN, name) for name in ("listPets", "createPet", "hours")}
        | {("ip-tightened", Level.WARN, name) for name in ("listPets", "createPet", "hours")},
    ),
    (
        "another target",
        [(CONFIG, '"${pets_url}"', '"${pets_url}", "http://10.0.0.1:80"')],
        {("upstream-host-changed", Level.WEAKEN, "upstream pets")},
    ),
    (
        "another balance",
        [(CONFIG, '["${pets_url}"]', '["${pets_url}"], balance: least_outstanding')],
        {("upstream-changed", Level.NEUTRAL, "upstream pets")},
    ),
    (
        "health checks",
        [(CONFIG, '["${pets_url}"]', '["${pets_url}"], health: {path: /health}')],
        {("upstream-changed", Level.NEUTRAL, "upstream pets")},
    ),
    (
        "weights and what is hashed",
        [(CONFIG, '["${pets_url}"]', '[{url: "${pets_url}", weight: 2}], balance: hash, hash_on: ip')],
        {("upstream-changed", Level.NEUTRAL, "upstream pets")},
    ),
    (
        "ejection and retries",
        [(CONFIG, '["${pets_url}"]', '["${pets_url}"], eject: {}, retries: {attempts: 3}')],
        {("upstream-changed", Level.NEUTRAL, "upstream pets")},
    ),
    (
        "slow start and refusal",
        [(CONFIG, '["${pets_url}"]', '["${pets_url}"], eject: {}, slow_start: 5s, when_all_out: refuse')],
        {("upstream-changed", Level.NEUTRAL, "upstream pets")},
    ),
    (
        "idle timeout",
        [(CONFIG, '["${pets_url}"]', '["${pets_url}"], timeout: {idle: 5s}')],
        {("upstream-changed", Level.NEUTRAL, "upstream pets")},
    ),
    (
        "pool",
        [(CONFIG, '["${pets_url}"]', '["${pets_url}"], pool: {connections: 5}')],
        {("upstream-strengthened", Level.STRENGTHEN, "upstream pets")},
    ),
    (
        "looking up names",
        [(CONFIG, '["${pets_url}"]', '["http://pets.test"], dns: {refresh: 5s}')],
        {
            ("upstream-host-changed", Level.WEAKEN, "upstream pets"),
            ("upstream-changed", Level.NEUTRAL, "upstream pets"),
        },
    ),
    (
        "answered by a mock",
        [(CONFIG, "      createPet:\n", "      createPet:\n        mock: true\n")],
        {("integration-changed", Level.WEAKEN, "createPet")},
    ),
    (
        "any host",
        [(CONFIG, "    hosts: [localhost]\n", "")],
        {("hosts-weakened", Level.WEAKEN, "")},
    ),
    (
        "another host name",
        [(CONFIG, "hosts: [localhost]", "hosts: [example.com]")],
        {("api-host-removed", Level.ERR, ""), ("api-host-added", Level.INFO, "")},
    ),
    (
        "another base path",
        [(SPEC, "localhost/v1", "localhost/v2")],
        {("api-base-path-changed", Level.ERR, "")},
    ),
    (
        "a new route that anyone may call",
        [(SPEC, "  /hours:", "  /news:\n    get: {operationId: news, security: [], responses: {}}\n  /hours:")],
        {("endpoint-added", Level.INFO, "GET /news"), ("route-added-open", Level.WEAKEN, "news")},
    ),
    (
        "an operation renamed: the route is the same to a client",
        [(SPEC, "operationId: hours", "operationId: openingHours")],
        {("api-operation-id-removed", Level.WARN, "GET /hours")},
    ),
    (
        "a path parameter, a description and the order of things",
        [(SPEC, "info: {title: Shop, version: \"1\"}", "info: {version: \"1\", title: Shop, description: Pets}")],
        set(),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_judgement(deployed: Shop, apigw: Apigw, edits: list[tuple[str, str, str]], expected: set[object]) -> None:
    for edit in edits:
        deployed.edit(*edit)
    assert judged(changes(apigw)) == expected


def test_words_and_places(deployed: Shop, apigw: Apigw) -> None:
    deployed.edit(CONFIG, "rate: 5/s", "rate: 50/s")
    (finding,) = changes(apigw)
    assert finding.axis is Axis.PROTECTION
    assert finding.message == "limit 5/s burst 5 per api_key → 50/s burst 5 per api_key"
    assert (finding.old["rate"], finding.new["rate"]) == ("5/s", "50/s")
    base, revision = finding.locations
    assert str(revision) == "apigw.yaml:11:21"
    assert str(base).startswith("apigw.yaml (") and (base.line, base.column) == (11, 21)


def test_the_places_of_what_went(deployed: Shop, apigw: Apigw) -> None:
    """Authentication that is gone stands nowhere: the operation does. In the release it has a name, and no line."""
    deployed.edit(SPEC, "operationId: listPets", "operationId: listPets\n      security: []")
    found = next(finding for finding in changes(apigw) if finding.id == "auth-weakened")
    base, revision = map(str, found.locations)
    assert base.startswith("shop.yaml (") and base.endswith(")#/security")
    assert revision == str(found.place) == "shop.yaml:7:5"


def test_an_override_of_the_target_decides_for_the_target(deployed: Shop, apigw: Apigw) -> None:
    deployed.edit(
        "stages/prod.yaml", "variables:", "overrides: {apis.shop.defaults.rate_limit: {rate: 9/s}}\nvariables:"
    )
    findings = changes(apigw)
    assert {(f.id, f.operation) for f in findings if f.level is Level.WEAKEN} == {
        ("rate-limit-weakened", "listPets"),
        ("rate-limit-weakened", "hours"),
    }
    place = next(f.place for f in findings if f.operation == "listPets" and f.level is Level.WEAKEN)
    assert str(place).startswith("stages/prod.yaml:1:")


def test_the_places_of_an_earlier_release_beside_an_override(deployed: Shop, apigw: Apigw) -> None:
    """prod overrides the default limit; that has nothing to do with where createPet's own limit stood."""
    deployed.edit(
        "stages/prod.yaml",
        "variables:",
        "overrides: {apis.shop.defaults.rate_limit: {rate: 1/s, burst: 1, key: api_key}}\nvariables:",
    )
    apigw("promote", "qa", "prod", "--yes")
    deployed.edit(CONFIG, "rate: 5/s", "rate: 50/s")
    (finding,) = changes(apigw)
    base, revision = finding.locations
    assert str(revision) == "apigw.yaml:11:21"
    assert base.file.startswith("apigw.yaml (") and base.line == 11


def test_a_new_api_and_one_that_went(deployed: Shop, apigw: Apigw) -> None:
    deployed.edit(
        CONFIG, "  shop:\n", "  news:\n    spec: news.yaml\n    mock: true\n    hosts: [news.localhost]\n  shop:\n"
    )
    spec = 'openapi: 3.1.0\ninfo: {title: n, version: "1"}\npaths: {/n: {get: {operationId: n, responses: {}}}}\n'
    (deployed.root / "news.yaml").write_text(spec)
    assert judged(changes(apigw)) == {("api-added", Level.INFO, ""), ("route-added-open", Level.NEUTRAL, "n")}
    apigw("promote", "qa", "prod", "--yes")
    deployed.edit(CONFIG, "  news:\n    spec: news.yaml\n    mock: true\n    hosts: [news.localhost]\n", "")
    (gone,) = changes(apigw)
    assert (gone.id, gone.level, gone.where) == ("api-removed", Level.ERR, "news")


def test_a_renamed_api_is_the_same_to_a_client(deployed: Shop, apigw: Apigw) -> None:
    deployed.edit(CONFIG, "  shop:\n", "  store:\n")
    assert changes(apigw) == ()
    deployed.edit(CONFIG, "rate: 5/s", "rate: 50/s")
    assert judged(changes(apigw)) == {("rate-limit-weakened", Level.WEAKEN, "createPet")}
