"""The rules of `apigw:gateway` and of the targets: each finds what it is for, and not what is fine."""

from __future__ import annotations

import json
import re
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from apigw_cli.cli.app import run
from apigw_cli.errors import Exit
from apigw_cli.lint.registry import BY_ID
from apigw_cli.lint.targets.common import is_schema
from apigw_cli.lint.targets.registry import RULES, TARGETS
from tests.lint.support import findings, paths

Captured = pytest.CaptureFixture[str]
SAMPLE = Path(__file__).parents[2] / "specs"
V2: dict[str, Any] = {"swagger": "2.0"}
V3: dict[str, Any] = {"openapi": "3.0.3"}
V31: dict[str, Any] = {"openapi": "3.1.0"}


def at(*names: str, method: str = "get", **operation: Any) -> dict[str, Any]:
    return {"paths": {name: {method: operation} for name in names}}


def scheme(**data: Any) -> dict[str, Any]:
    return {"components": {"securitySchemes": {"s": data}}}


def schema(**data: Any) -> dict[str, Any]:
    return {"components": {"schemas": {"A": data}}}


SCHEME = ["components.securitySchemes.s"]
BODY = at("/a", requestBody={"content": {}})
PARAMETER = {"name": "n", "in": "query", "schema": {}, "style": "form", "x-a": 1, "example": 1}
CASES: list[tuple[str, Any, list[str]]] = [
    ("gateway-greedy-paths", V3 | at("/a/{x+}", "/a/b", "/{y}"), ["paths./a/{x+}"]),
    ("gateway-overlapping-paths", V3 | at("/{a}/x", "/y/{b}"), ["paths./y/{b}.get"]),
    ("gateway-overlapping-paths", V3 | at("/{a}/x/{c}", "/y/{b}/z", "/y/x/z"), ["paths./y/{b}/z.get"]),
    ("gateway-overlapping-paths", V3 | at("/a/{x}", "/a/b", "/{c}/{d}", "/{e}/{f+}", "/a/b{g}"), []),
    ("gateway-overlapping-paths", V3 | {"paths": {"/{a}/x": {"get": {}}, "/y/{b}": {"put": {}}}}, []),
    ("response-codes-quoted", "openapi: 3.0.0\npaths: {/a: {get: {responses: {200: {}, '404': {}, default: {}}}}}",
     ["paths./a.get.responses.200"]),
    ("aws-rest-openapi-version", V31, ["openapi"]),
    ("aws-rest-openapi-version", V2, []),
    ("aws-rest-file-size", V3 | {"x": "a" * 6_000_001}, [""]),
    ("aws-rest-whole-segments", V3 | at("/a/{b}/{c+}", "/a/b-{c}"), ["paths./a/b-{c}"]),
    ("aws-rest-path-characters", V3 | at("/a-b_c.d,e:f/{ü}", "/a/ü"), ["paths./a/ü"]),
    ("aws-rest-methods", V3 | at("/a", method="trace"), ["paths./a.trace"]),
    ("aws-rest-methods", V3 | at("/a", method="head"), []),
    ("aws-rest-resources", V3 | at(*(f"/a/{n}" for n in range(299))), ["paths"]),
    ("aws-rest-resources", V3 | at(*(f"/a/{n}" for n in range(298))), []),
    ("aws-rest-external-references", V3 | {"x": [{"$ref": "a.yaml#/b"}, {"$ref": "#/c"}]}, ["x.0.$ref"]),
    ("aws-rest-root-security", V3 | {"security": [{"s": []}]} | at("/a"), ["security"]),
    ("aws-rest-root-security", V3 | {"security": [{"s": []}]} | at("/a", security=[{"s": []}]), []),
    ("aws-rest-security-type", V3 | scheme(type="http", scheme="bearer"), SCHEME),
    ("aws-rest-security-type", V3 | scheme(type="http", **{"x-amazon-apigateway-authorizer": {}}), []),
    ("aws-rest-model-names", V3 | {"components": {"schemas": {"A1": {}, "A-b": {}}}}, ["components.schemas.A-b"]),
    ("aws-rest-parameter-attributes", V3 | at("/a", parameters=[PARAMETER]), ["paths./a.get.parameters.0.style"]),
    ("aws-rest-schema-keywords",
     V3 | schema(properties={"default": {"oneOf": []}, "b": {"items": {"readOnly": True}}}, default=1)
     | at("/a", responses={"default": {"content": {"a": {"example": 1, "schema": {"example": 1}}}}}),
     ["components.schemas.A.default", "components.schemas.A.properties.b.items.readOnly",
      "components.schemas.A.properties.default.oneOf",
      "paths./a.get.responses.default.content.a.schema.example"]),
    ("aws-rest-item-counts", V3 | schema(maxItems=3), ["components.schemas.A.maxItems"]),
    ("aws-rest-number-formats", V3 | schema(properties={"format": {"format": "int64"}, "d": {"format": "date"}}),
     ["components.schemas.A.properties.format.format"]),
    ("aws-rest-response-references", V2 | at("/a", responses={"500": {"$ref": "#/responses/E"}, "200": {}}),
     ["paths./a.get.responses.500.$ref"]),
    ("aws-http-openapi-version", V2, ["swagger"]),
    ("aws-http-file-size", V3 | {"x": "a" * 6_000_001}, [""]),
    ("aws-http-whole-segments", V3 | at("/a/b-{c}"), ["paths./a/b-{c}"]),
    ("aws-http-methods", V3 | at("/a", method="trace"), ["paths./a.trace"]),
    ("aws-http-routes", V3 | at(*(f"/{n}" for n in range(301))), ["paths"]),
    ("aws-http-external-references", V3 | {"x": {"$ref": "a.yaml"}}, ["x.$ref"]),
    ("aws-http-security-type", V3 | scheme(type="apiKey"), SCHEME),
    ("aws-http-validation", V3 | BODY, ["paths"]),
    ("aws-http-validation", V3 | at("/a"), []),
    ("kong-openapi-version", V2, ["swagger"]),
    ("kong-security-type", V3 | scheme(type="oauth2"), SCHEME),
    ("kong-security-type", V3 | scheme(type="openIdConnect"), []),
    ("kong-security-alternatives", V3 | at("/a", security=[{"s": []}, {}]), ["paths./a.get.security"]),
    ("kong-servers", V3 | {"servers": [{"url": f"https://{u}"} for u in ("a/v1", "b:8080/v1/", "a/v2")]},
     ["servers.2.url"]),
    ("kong-greedy-paths", V3 | at("/a/{b+}"), ["paths./a/{b+}"]),
    ("nginx-security-type", V3 | scheme(type="http", scheme="bearer"), SCHEME),
    ("nginx-security-type", V3 | scheme(type="http", scheme="Basic"), []),
    ("nginx-methods", V3 | at("/a", method="trace"), ["paths./a.trace"]),
    ("nginx-validation", V3 | BODY, ["paths"]),
    ("envoy-whole-segments", V3 | at("/a{b}", "/{a}.json", "/{a}.json/b", "/{a}/{b}"),
     ["paths./a{b}", "paths./{a}.json/b"]),
    ("envoy-variables", V3 | at("/{a-b}", "/{abcdefghijklmnopq}", "/{a}/{a}", "/{a}/{b}/{c}/{d}/{e}/{f}", "/{a_1}"),
     ["paths./{a-b}", "paths./{a}/{a}", "paths./{a}/{b}/{c}/{d}/{e}/{f}", "paths./{abcdefghijklmnopq}"]),
    ("envoy-path-characters", V3 | at("/a=b", "/a:b@c"), ["paths./a=b"]),
    ("envoy-security-type", V3 | scheme(type="http", scheme="digest"), SCHEME),
    ("envoy-validation", V3 | BODY, ["paths"]),
    ("google-whole-segments", V3 | at("/a{b}"), ["paths./a{b}"]),
    ("google-external-references", V3 | {"x": {"$ref": "a.yaml"}}, ["x.$ref"]),
    ("google-key-alternatives", V3 | scheme(type="apiKey") | {"security": [{"s": []}, {"o": []}]}, ["security"]),
    ("google-key-alternatives", V3 | scheme(type="oauth2") | {"security": [{"s": []}, {"o": []}]}, []),
    ("google-host-port", V2 | {"host": "a.example:8080"}, ["host"]),
    ("google-validation", V3 | BODY, ["paths"]),
    ("azure-openapi-version", {"openapi": "3.2.0"}, ["openapi"]),
    ("azure-openapi-version", V31, []),
    ("azure-parameter-names", V3 | at("/a/{n}", parameters=[
        {"name": "n", "in": "path", "required": True}, {"name": "N", "in": "query", "required": True},
        {"name": "n", "in": "header", "required": True}, {"name": "n", "in": "query"}]),
     ["paths./a/{n}.get.parameters.1"]),
    ("azure-request-bodies", V3 | at("/a", requestBody={}), ["paths./a.get.requestBody"]),
    ("azure-servers", V3 | {"servers": [{"url": "https://a"}, {"url": "https://b"}]}, ["servers"]),
    ("azure-servers", V3 | {"servers": [{"url": "https://a"}]}, []),
    ("tyk-openapi-version", V3, []),
    ("tyk-external-references", V3 | {"x": {"$ref": "a.yaml"}}, ["x.$ref"]),
    ("tyk-security-type", V3 | scheme(type="mutualTLS"), SCHEME),
    ("tyk-security-alternatives", V3 | {"security": [{"a": []}, {"b": []}]}, ["security"]),
    ("tyk-security-alternatives", V3 | {"security": [{"a": [], "b": []}]}, []),
    ("tyk-validation", V3 | at("/a", requestBody={"content": {"a/b": {}}}), ["paths./a.get.requestBody"]),
    ("traefik-validation", V3 | BODY, ["paths"]),
    ("azure-file-size", V3 | {"x": "a" * 4_000_001}, [""]),
    ("azure-external-references", V3 | {"x": {"$ref": "a.yaml"}}, ["x.$ref"]),
    ("azure-request-bodies", V3 | at("/a", method="post", requestBody={}), []),
    ("azure-recursive-schemas", V3 | {"components": {"schemas": {
        "A": {"items": {"$ref": "#/components/schemas/B"}}, "B": {"not": {"$ref": "#/components/schemas/A"}},
        "C": {"$ref": "#/components/schemas/A"}, "D": {}}}},
     ["components.schemas.A", "components.schemas.B"]),
    ("azure-recursive-schemas", V2 | {"definitions": {"A": {"items": {"$ref": "#/definitions/A"}}}}, ["definitions.A"]),
    ("azure-security", V3 | scheme(type="apiKey"), SCHEME),
    ("tyk-openapi-version", V2, ["swagger"]),
    ("tyk-security-type", V3 | scheme(type="openIdConnect"), []),
    ("tyk-validation", V3 | at("/a", requestBody={"content": {}}), []),
    ("traefik-security-type", V3 | scheme(type="http", scheme="bearer"), SCHEME),
    ("traefik-security-type", V3 | scheme(type="http", scheme="Digest"), []),
    ("traefik-shadowed-paths", V3 | at("/a/b", "/a/{c}", "/a/{c}/d", "/x/b/d"), ["paths./a/b.get"]),
    ("traefik-shadowed-paths", V3 | {"paths": {"/a/b": {"get": {}}, "/a/{c}": {"put": {}}}}, []),
]  # fmt: skip
TESTED = {rule for rule, _, expected in CASES if expected}


@pytest.mark.parametrize(("rule", "data", "expected"), CASES)
def test_rule(rule: str, data: Any, expected: list[str]) -> None:
    assert sorted(paths(data, rule)) == sorted(expected)


def test_overlapping_paths_name_the_request_that_both_match() -> None:
    (finding,) = findings(V3 | at("/{a}/x", "/y/{b}"), "gateway-overlapping-paths")
    assert finding.message == "GET /y/{b} and /{a}/x both match /y/x"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("components/schemas/A", True), ("components/schemas", False), ("definitions/A", True),
        ("components/schemas/A/properties/default", True), ("components/schemas/A/properties", False),
        ("paths/x/get/responses/default", False), ("a/schema", True), ("a/schema/allOf/0/items", True),
        ("a/schema/example/items", False), ("a/schema/default", False), ("", False),
    ],
)  # fmt: skip
def test_where_schemas_are(path: str, expected: bool) -> None:
    assert is_schema(path.split("/")) is expected


# --- with a configuration


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(SAMPLE, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(capsys: Captured, *arguments: str) -> list[tuple[str, int, str, str]]:
    capsys.readouterr()
    run(["lint", "--format", "json", "-q", *arguments])
    listed = json.loads(capsys.readouterr().out)
    return [(f["source"], f["range"]["start"]["line"] + 1, f["code"], f["message"]) for f in listed]


def test_bodies_without_a_bound(shop: Path, capsys: Captured) -> None:
    (shop / "r.yaml").write_text("extends: [[apigw:gateway, recommended]]\n")
    for ruleset in ("r.yaml", "apigw:gateway"):
        ((file, _, code, message),) = found(capsys, "--ruleset", ruleset)
        assert (file, code) == ("apigw.yaml", "gateway-body-unbounded") and "taken by createPet" in message
    assert found(capsys) == []  # apigw:recommended leaves it out
    with (shop / "apigw.yaml").open("a") as stream:
        stream.write("\nlisten: {max_body: 1000}\n")
    assert found(capsys, "--ruleset", "r.yaml") == []


def test_an_api_whose_security_is_off(shop: Path, capsys: Captured) -> None:
    text = (shop / "apigw.yaml").read_text()
    (shop / "apigw.yaml").write_text(
        text.replace("    kind: http", "    security: 'off'").replace("key: api_key", "key: ip")
    )
    _, (_, line, code, message) = found(capsys, "--ruleset", "apigw:gateway")
    assert (line, code) == (8, "gateway-security-off") and message.startswith("anyone may call listPets")


def test_a_client_certificate_that_nobody_can_show(shop: Path, capsys: Captured) -> None:
    config = shop / "schemes" / "apigw.yaml"
    ((_, line, code, message),) = found(capsys, "-c", str(config), "--ruleset", "apigw:gateway")
    assert (line, code) == (30, "gateway-no-client-certificates")
    assert message.startswith("nobody can call readByCertificate:")
    with config.open("a") as stream:
        pair = "{cert: {file: a.pem}, key: {file: a.key}}"
        stream.write(f"listen: {{tls: {{certificates: [{pair}], client_ca: {{file: ca.pem}}}}}}\n")
    assert found(capsys, "-c", str(config), "--ruleset", "apigw:gateway") == []


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ("not_found: 404.html", "not_found: 405.html", "site has no file 405.html"),
        ("folder: site", "folder: sites", "there is no folder sites"),
    ],
)
def test_a_sites_files_that_are_not_there(
    shop: Path, capsys: Captured, written: str, instead: str, message: str
) -> None:
    text = (shop / "apigw.yaml").read_text()
    (shop / "apigw.yaml").write_text(text.replace(written, instead))
    line = text[: text.index(written)].count("\n") + 1
    said = [one for one in found(capsys, "--ruleset", "apigw:gateway") if one[2] == "gateway-site-files"]
    assert [one[1:] for one in said] == [(line, "gateway-site-files", message)]


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("$http_x_tenant", "${request.header.X-Tenant}"),
        ("a $arg_page of ${request.ip}", "${request.query.page}"),
        ("https://$host$request_uri", "${request.host}"),
        ("$context.identity.sourceIp", "${request.ip}"),
        ("$context.authorizer.claims.sub", "${auth.claim.sub}"),
        ("$request.header.x-tenant", "${request.header.X-Tenant}"),
        ("method.request.querystring.page", "${request.query.page}"),
        ("$stageVariables.name", "${name}"),
        ("$input.path('$.pet.name')", "${request.body/pet/name}"),
        ("$(headers.x-tenant)", "${request.header.X-Tenant}"),
        ("$(query_params['page'])", "${request.query.page}"),
        ("$(uri_captures.id)", "${request.path.id}"),
        ("%REQ(X-Tenant)%", "${request.header.X-Tenant}"),
        ("{{ headers.x-tenant }}", "${request.header.X-Tenant}"),
        ("{{ anything }}", "${request.…}"),
        ("${request.header.X-Tenant}", ""),
        ("${request.header.http_x}, US$ 5, 100%, {plain}, $$", ""),
        ("$${request.header.X}", ""),
    ],
)
def test_values_as_other_gateways_write_them(shop: Path, capsys: Captured, written: str, hint: str) -> None:
    path = shop / "apigw.yaml"
    text = path.read_text()
    edit = f"        request: {{headers: {{set: {{X-A: {json.dumps(written)}}}}}}}\n"
    at = text.index("\n", text.index("      createPet:")) + 1
    path.write_text(text[:at] + edit + text[at:])
    line = text[:at].count("\n") + 1
    said = [one for one in found(capsys, "--ruleset", "apigw:gateway") if one[2] == "gateway-foreign-template"]
    assert [one[1] for one in said] == ([line] if hint else [])
    assert all(f"write {hint}" in one[3] for one in said)


def test_a_scheme_that_the_gateway_has_no_configuration_for(shop: Path, capsys: Captured) -> None:
    text = (shop / "apigw.yaml").read_text()
    (shop / "apigw.yaml").write_text(text.replace("  ApiKeyAuth:  ", "  OtherAuth:  "))
    assert any(code == "configuration" and "ApiKeyAuth" in message for _, _, code, message in found(capsys))


def test_upstreams_are_asked_only_when_told_to(shop: Path, capsys: Captured) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        for stage in (shop / "stages").iterdir():
            port = listening.getsockname()[1] if stage.stem != "prod" else 1
            stage.write_text(re.sub(r"(?<=pets_url: )\S+?(?=[,} \n])", f"http://127.0.0.1:{port}", stage.read_text()))
        assert found(capsys) == []
        ((file, _, code, message),) = found(capsys, "--check-upstreams")
    assert (file, code) == ("apigw.yaml", "gateway-upstream-unreachable")
    assert message.startswith("stage prod: http://127.0.0.1:1 cannot be reached: ")


def test_targets_look_at_the_stage_too(shop: Path, capsys: Captured) -> None:
    text = (shop / "apigw.yaml").read_text().replace("total: 30s", "total: 60s")
    (shop / "apigw.yaml").write_text(text + "\nlisten: {max_body: 20000000}\n")
    codes = {code for file, _, code, _ in found(capsys, "--target", "aws-rest") if file == "apigw.yaml"}
    assert codes == {"aws-rest-timeout", "aws-rest-payload"}
    codes = {code for file, _, code, _ in found(capsys, "--target", "aws-http") if file == "apigw.yaml"}
    assert codes == {"aws-http-timeout", "aws-http-payload"}


def test_a_target_that_is_none(shop: Path, capsys: Captured) -> None:
    assert run(["lint", "--target", "aws"]) == Exit.USAGE
    assert 'there is no target "aws"' in (error := capsys.readouterr().err) and "aws-rest" in error


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_of_a_target_explains_itself(rule: Any, capsys: Captured) -> None:
    assert run(["lint", "--explain", rule.id]) == Exit.OK
    out = capsys.readouterr().out
    assert f"with --target {rule.family.removeprefix('target:')}" in out and "fix" in out
    assert rule in TARGETS[rule.family.removeprefix("target:")] and BY_ID[rule.id] is rule


def test_every_rule_is_tested() -> None:
    gateway = {"aws-rest-timeout", "aws-rest-payload", "aws-http-timeout", "aws-http-payload"}
    assert {rule.id for rule in RULES} - gateway <= TESTED
