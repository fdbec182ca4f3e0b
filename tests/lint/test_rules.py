"""Each rule on documents that keep to it and documents that do not: the exact set of places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apigw_cli.lint.engine import Collector, lint_document
from apigw_cli.lint.registry import BY_ID, RULES
from apigw_cli.lint.ruleset import Ruleset
from apigw_cli.openapi.document import Library
from tests.lint import test_gateway as gateway_cases
from tests.lint.support import findings, paths

V2: dict[str, Any] = {"swagger": "2.0"}
V3: dict[str, Any] = {"openapi": "3.0.3"}
V31: dict[str, Any] = {"openapi": "3.1.0"}
V32: dict[str, Any] = {"openapi": "3.2.0"}


def get(**operation: Any) -> dict[str, Any]:
    return {"paths": {"/a": {"get": operation}}}


def schemas(**named: Any) -> dict[str, Any]:
    return {"components": {"schemas": named}}


PET = {"in": "path", "name": "pet", "required": True}

CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    # operations
    ("operation-operationId", V3 | get(), ["paths./a.get"]),
    ("operation-operationId", V3 | get(operationId=""), ["paths./a.get.operationId"]),
    ("operation-operationId", V3 | get(operationId="a"), []),
    ("operation-operationId", V32 | {"paths": {"/a": {"query": {}, "additionalOperations": {"COPY": {}}}}},
     ["paths./a.query", "paths./a.additionalOperations.COPY"]),
    ("operation-operationId-unique", V3 | {"paths": {"/a": {"get": {"operationId": "x"}, "put": {"operationId": "x"}},
                                                     "/b": {"get": {"operationId": "x"}, "x-y": {"operationId": "x"}}}},
     ["paths./a.put.operationId", "paths./b.get.operationId"]),
    ("operation-operationId-valid-in-url", V3 | get(operationId="a-b.c~d:e[0]@!$&'()*+,;="), []),
    ("operation-operationId-valid-in-url", V3 | get(operationId="a b"), ["paths./a.get.operationId"]),
    ("operation-operationId-valid-in-url", V3 | get(operationId="é"), ["paths./a.get.operationId"]),
    ("operation-description", V3 | get(summary="x"), ["paths./a.get"]),
    ("operation-description", V3 | get(description=""), ["paths./a.get.description"]),
    ("operation-description", V3 | get(description="x"), []),
    ("operation-tags", V3 | get(), ["paths./a.get"]),
    ("operation-tags", V3 | get(tags=[]), ["paths./a.get.tags"]),
    ("operation-tags", V3 | get(tags=["x"]), []),
    ("operation-singular-tag", V3 | get(tags=["x", "y"]), ["paths./a.get.tags"]),
    ("operation-tag-defined", V3 | get(tags=["x", "y"]) | {"tags": [{"name": "x"}]}, ["paths./a.get.tags.1"]),
    ("operation-tag-defined", V3 | get(tags=["x"]), ["paths./a.get.tags.0"]),
    ("operation-success-response", V3 | get(responses={"default": {}}), ["paths./a.get.responses"]),
    ("operation-success-response", V3 | get(responses={"3XX": {}}), []),
    ("operation-success-response", V2 | get(responses={"2XX": {}}), ["paths./a.get.responses"]),
    ("operation-success-response", V3 | get(responses={"302": {}}), []),
    ("operation-success-response", V3 | get(), []),
    # parameters and paths
    ("operation-parameters", V3 | get(parameters=[{"in": "query", "name": "x"}, {"in": "header", "name": "x"}]), []),
    ("operation-parameters", V2 | get(parameters=[{"in": "body", "name": "x"}, {"in": "formData", "name": "y"}]),
     ["paths./a.get.parameters"]),
    ("operation-parameters", V2 | get(parameters=[{"in": "body", "name": "x"}, {"in": "body", "name": "y"}]),
     ["paths./a.get.parameters.1"]),
    ("path-params", V3 | {"paths": {"/{pet}": {"parameters": [PET], "get": {}}}}, []),
    ("path-params", V3 | {"paths": {"/{pet}": {"get": {"parameters": [PET]}, "put": {}}}}, ["paths./{pet}.put"]),
    ("path-params", V3 | {"paths": {"/a": {"get": {"parameters": [PET]}}}}, ["paths./a.get.parameters.0"]),
    ("path-params", V3 | {"paths": {"/{pet}": {"get": {"parameters": [PET | {"required": False}]}}}},
     ["paths./{pet}.get.parameters.0"]),
    ("path-params", V3 | {"paths": {"/{x}": {}, "/{y}": {}}}, ["paths./{y}"]),
    ("path-params", V32 | {"paths": {"/{pet}": {"query": {}, "additionalOperations": {"COPY": {}}}}},
     ["paths./{pet}.query", "paths./{pet}.additionalOperations.COPY"]),
    ("oas2-parameter-description", V2 | get(parameters=[{"in": "query", "name": "x"}, {"$ref": "#/x"}]),
     ["paths./a.get.parameters.0"]),
    ("oas3-parameter-description", V3 | {"components": {"parameters": {"A": {"in": "query", "description": ""}}}},
     ["components.parameters.A.description"]),
    ("path-keys-no-trailing-slash", V3 | {"paths": {"/": {}, "/a/": {}, "/b": {}}}, ["paths./a/"]),
    ("path-not-include-query", V3 | {"paths": {"/a?b=c": {}}}, ["paths./a?b=c"]),
    ("path-declarations-must-exist", V3 | {"paths": {"/a/{}": {}, "/b/{c}": {}}}, ["paths./a/{}"]),
    # schemas
    ("typed-enum", V3 | schemas(A={"type": "string", "enum": ["a", 1, None]}),
     ["components.schemas.A.enum.1", "components.schemas.A.enum.2"]),
    ("typed-enum", V3 | schemas(A={"type": "string", "nullable": True, "enum": ["a", None]}), []),
    ("typed-enum", V31 | schemas(A={"type": ["integer", "null"], "enum": [1, 2.0, 2.5, True, None]}),
     ["components.schemas.A.enum.2", "components.schemas.A.enum.3"]),
    ("typed-enum", V31 | schemas(A={"type": "string", "enum": "a"}, B={"enum": [1]}, C={"type": "array", "enum": {}}),
     []),
    ("duplicated-entry-in-enum", V3 | schemas(A={"enum": [1, True, 1.0]}), ["components.schemas.A.enum"]),
    ("duplicated-entry-in-enum", V3 | schemas(A={"enum": [1, True, "1", [1], {"a": 1}]}), []),
    ("array-items", V3 | schemas(A={"type": "array"}, B={"type": "array", "items": {}}), ["components.schemas.A"]),
    ("array-items", V31 | schemas(A={"type": ["array", "null"]}), ["components.schemas.A"]),
    ("array-items", V3 | schemas(A={"type": ["array", "null"]}), []),
    ("no-$ref-siblings", V3 | schemas(A={"$ref": "#/x", "description": "y"}), ["components.schemas.A.description"]),
    ("no-$ref-siblings", V31 | schemas(A={"$ref": "#/x", "description": "y"}), []),
    ("no-$ref-siblings", V3 | schemas(A={"properties": {"$ref": {"type": "string"}, "b": {}}}), []),
    ("no-eval-in-markdown", V3 | {"info": {"title": "eval(x)", "description": "evaluate"}}, ["info.title"]),
    ("no-script-tags-in-markdown", V3 | get(description="<script>"), ["paths./a.get.description"]),
    # the root
    ("info-contact", V3, [""]),
    ("info-contact", V3 | {"info": {"contact": {}}}, []),
    ("info-description", V3 | {"info": {"description": ""}}, ["info.description"]),
    ("info-license", V3 | {"info": {}}, ["info"]),
    ("license-url", V3 | {"info": {"license": {"name": "x"}}}, ["info.license"]),
    ("contact-properties", V3 | {"info": {"contact": {"name": "x", "url": ""}}}, ["info.contact", "info.contact.url"]),
    ("openapi-tags", V3 | {"tags": []}, ["tags"]),
    ("openapi-tags-uniqueness", V3 | {"tags": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}, ["tags.2.name"]),
    ("openapi-tags-alphabetical", V3 | {"tags": [{"name": "b"}, {"name": "a"}]}, ["tags"]),
    ("openapi-tags-alphabetical", V3 | {"tags": [{"name": "a"}, {"name": "B"}, {"name": "c"}]}, []),
    ("tag-description", V3 | {"tags": [{"name": "a"}, {"name": "b", "description": "x"}]}, ["tags.0"]),
    ("oas3-api-servers", V3, [""]),
    ("oas3-api-servers", V3 | {"servers": ["x"]}, ["servers"]),
    ("oas3-api-servers", V2, []),
    ("oas3-server-trailing-slash", V3 | {"servers": [{"url": "/"}, {"url": "/v1/"}, 5]}, ["servers.1.url"]),
    ("oas3-server-not-example.com", V3 | {"servers": [{"url": "https://example.com"}]}, ["servers.0.url"]),
    ("oas2-api-host", V2, [""]),
    ("oas2-api-host", V2 | {"host": "h.example"}, []),
    ("oas2-host-trailing-slash", V2 | {"host": "h.example/"}, ["host"]),
    ("oas2-host-not-example", V2 | {"host": "example.com"}, ["host"]),
    ("oas2-api-schemes", V2, [""]),
    ("oas2-api-schemes", V2 | {"schemes": [1]}, ["schemes"]),
    # security
    ("oas3-operation-security-defined", V3 | get(security=[{"k": []}]), ["paths./a.get.security.0.k"]),
    ("oas3-operation-security-defined", V3 | {"security": [{"k": []}]}, ["security.0.k"]),
    ("oas3-operation-security-defined",
     V31 | {"components": {"securitySchemes": {"k": {"type": "http"}, "o": {"type": "openIdConnect"},
                                               "a": {"type": "oauth2", "flows": {"implicit": {"scopes": {"r": ""}}}}}}}
     | get(security=[{"k": ["role"], "o": ["any"], "a": ["r", "w"]}]), ["paths./a.get.security.0.a.1"]),
    ("oas3-operation-security-defined",
     V3 | {"components": {"securitySchemes": {"k": {"$ref": "#/x"}}}, "x": {"type": "http"}}
     | get(security=[{"k": []}]), []),
    ("oas2-operation-security-defined",
     V2 | {"securityDefinitions": {"o": {"type": "oauth2", "scopes": {"r": ""}}}} | get(security=[{"o": ["r", "w"]}]),
     ["paths./a.get.security.0.o.1"]),
    ("gateway-unsecured-beside-secured",
     V3 | {"paths": {"/a": {"get": {"security": [{"k": []}]}, "put": {}, "post": {"security": []}}}}, ["paths./a.put"]),
    ("gateway-unsecured-beside-secured", V3 | {"paths": {"/a": {"get": {}, "put": {}}}}, []),
    ("gateway-unsecured-beside-secured", V3 | {"security": [{"k": []}]} | get(), []),
    # servers
    ("oas3-server-variables", V3 | {"servers": [{"url": "https://{a}.x/{b}", "variables": {"a": {"default": "1"},
                                                                                       "c": {"default": "2"}}}]},
     ["servers.0.variables", "servers.0.variables.c"]),
    ("oas3-server-variables",
     V3 | {"servers": [{"url": "https://{a}", "variables": {"a": {"enum": ["x"], "default": "y"}}}]},
     ["servers.0.variables.a.default"]),
    ("oas3-server-variables", V3 | get(servers=[{"url": "https://{a}", "variables": {"a": {"enum": ["x", "{"]}}}]),
     ["paths./a.get.servers.0.variables.a"]),
    ("oas3-server-variables", V3 | {"servers": [{"url": "https://x:{p}/", "variables": {"p": {"default": "port"}}}]},
     ["servers.0.variables"]),
    ("oas3-server-variables", V3 | {"servers": [{"variables": {}}, {"url": "/v1"}]}, ["servers.0"]),
    # examples
    ("oas3-valid-schema-example", V3 | schemas(A={"type": "string", "example": 1, "default": "a"}, B={"example": 1}),
     ["components.schemas.A.example"]),
    ("oas3-valid-schema-example", V3 | schemas(A={"type": "string", "nullable": True, "example": None}), []),
    ("oas3-valid-schema-example",
     V3 | schemas(A={"properties": {"b": {"$ref": "#/components/schemas/A"}}, "example": {"b": {"b": 1}}},
                  B={"type": "object", "properties": {"a": {"$ref": "#/components/schemas/B"}}, "example": {"a": 1}}),
     ["components.schemas.B.example.a"]),
    ("oas3-valid-media-example",
     V3 | {"components": {"examples": {"E": {"value": {"id": 1}}},
                          "responses": {"R": {"content": {"j": {
                              "schema": {"required": ["id", "x"],
                                         "properties": {"id": {"type": "string"}, "x": {"writeOnly": True}}},
                              "examples": {"e": {"$ref": "#/components/examples/E"}, "f": {"value": {"id": "1"}},
                                           "g": {"externalValue": "u"}, "h": {}}}}}}}},
     ["components.examples.E.value.id", "components.responses.R.content.j.examples.h"]),
    ("oas3-valid-media-example", V31 | get(parameters=[{"schema": {"exclusiveMinimum": 1}, "example": 1}]),
     ["paths./a.get.parameters.0.example"]),
    ("oas3-examples-value-or-externalValue",
     V3 | {"components": {"examples": {"A": {"value": 1}, "B": {"value": 1, "externalValue": "u"}, "C": {}}}},
     ["components.examples.B", "components.examples.C"]),
    ("oas2-valid-schema-example", V2 | {"definitions": {"A": {"type": "integer", "x-example": "1", "required": True}}},
     ["definitions.A.x-example"]),
    ("oas2-valid-media-example",
     V2 | get(responses={"200": {"schema": {"type": "string", "x-nullable": True}, "examples": {"j": 1, "k": None}}}),
     ["paths./a.get.responses.200.examples.j"]),
    # versions
    ("oas2-anyOf", V2 | {"definitions": {"A": {"anyOf": []}}}, ["definitions.A.anyOf"]),
    ("oas2-oneOf", V2 | {"definitions": {"A": {"oneOf": []}}}, ["definitions.A.oneOf"]),
    ("oas2-discriminator", V2 | {"definitions": {"A": {"discriminator": "k", "required": ["k"]},
                                                 "B": {"discriminator": "k", "properties": {"k": {}}}}},
     ["definitions.A", "definitions.B"]),
    ("oas2-operation-formData-consume-check",
     V2 | get(parameters=[{"$ref": "#/parameters/F"}], consumes=["a/b"]) | {"parameters": {"F": {"in": "formData"}}},
     ["paths./a.get"]),
    ("oas3-callbacks-in-callbacks", V3 | get(callbacks={"c": {"u": {"post": {"callbacks": {}}}}}),
     ["paths./a.get.callbacks.c.u.post.callbacks"]),
    ("oas3_1-servers-in-webhook", V31 | {"webhooks": {"w": {"post": {"servers": []}}, "servers": {}}},
     ["webhooks.servers", "webhooks.w.post.servers"]),
    ("oas3_1-callbacks-in-webhook", V31 | {"webhooks": {"w": {"post": {"callbacks": {}}}}},
     ["webhooks.w.post.callbacks"]),
    ("oas3_2-no-deprecated-xml-attribute",
     V32 | schemas(A={"xml": {"attribute": True}}, B={"xml": {"attribute": False}}),
     ["components.schemas.A.xml"]),
    # components
    ("oas3-unused-component", V3 | schemas(A={}, B={}) | {"x-any": {"$ref": "#/components/schemas/A"}},
     ["components.schemas.B"]),
    ("oas3-unused-component", V3 | schemas(A={}) | get(schema={"$ref": "#/components/schemas/A/properties/x"}), []),
    ("oas3-unused-component", V3 | schemas(A={"discriminator": {"mapping": {"b": "B", "c": "#/components/schemas/C"}}},
                                           B={}, C={}, D={}), ["components.schemas.A", "components.schemas.D"]),
    ("oas3-unused-component", V3 | {"components": {"parameters": {"P": {}}, "securitySchemes": {"k": {}}}},
     ["components.parameters.P"]),
    ("oas2-unused-definition", V2 | {"definitions": {"A": {"$ref": "#/definitions/B"}, "B": {}}}, ["definitions.A"]),
    # routes
    ("gateway-ambiguous-paths", V3 | {"paths": {"/a/{x}": {"get": {}, "put": {}}, "/a/{y}": {"get": {}, "post": {}}}},
     ["paths./a/{y}.get"]),
    ("gateway-ambiguous-paths", V3 | {"paths": {"/a/{x}": {"get": {}}, "/a/b": {"get": {}}, "/a/{x+}": {"get": {}}}},
     []),
    ("gateway-ambiguous-paths", V3 | {"paths": {"/{a}...{b}": {"get": {}}, "/{c}...{d}": {"get": {}}}},
     ["paths./{c}...{d}.get"]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "data", "expected"), CASES)
def test_rule(rule: str, data: dict[str, Any], expected: list[str]) -> None:
    assert sorted(paths(data, rule)) == sorted(expected)


def test_every_rule_of_documents_has_a_case_that_it_finds() -> None:
    tested = {rule for rule, _, expected in CASES if expected}
    elsewhere = set(gateway_cases.TESTED)
    silent = {rule.id for rule in RULES if rule.on.name not in ("ENGINE", "GATEWAY")} - elsewhere
    assert silent == tested


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_is_documented(rule: Any) -> None:
    assert rule.summary.endswith((".", ")")) and rule.why and rule.fix
    assert BY_ID[rule.id] is rule


def test_examples_of_any_depth_end() -> None:
    value: Any = 1
    for _ in range(235):
        value = {"a": value}
    one = {"type": "object", "properties": {"a": {"allOf": [{"anyOf": [{"$ref": "#/components/schemas/A"}]}]}}}
    assert paths(V3 | schemas(A=one | {"example": value}), "oas3-valid-schema-example") == []
    found = paths(V3 | schemas(A=one | {"example": {"a": 1}}), "oas3-valid-schema-example")
    assert set(found) == {"components.schemas.A.example.a"}  # what is wrong, and that no branch fits


def test_messages_say_what_is_meant() -> None:
    data = V3 | {"paths": {"/{a}/{a}": {"get": {"parameters": [PET, PET]}}, "/{b}/{c}": {}}}
    assert [finding.message for finding in findings(data, "path-params")] == [
        'Path "/{a}/{a}" must not use parameter "{a}" multiple times.',
        'Operation must define parameter "{a}" as expected by path "/{a}/{a}".',
        'Parameter "pet" must be used in path "/{a}/{a}".',
        'Path parameter "pet" must not be defined multiple times.',
        'Paths "/{a}/{a}" and "/{b}/{c}" must not be equivalent.',
    ]


def test_ambiguous_paths_name_both_places() -> None:
    (finding,) = findings(
        "openapi: 3.0.0\npaths:\n  /a/{x}:\n    get: {}\n  /a/{y}:\n    get: {}\n", "gateway-ambiguous-paths"
    )
    assert str(finding.start) == "main.yaml:6:5"
    assert [(str(place), note) for place, note in finding.related] == [("main.yaml:4:5", "GET /a/{x}")]
    assert finding.message == "GET /a/{y} is the same route as GET /a/{x}: see also main.yaml:4:5"


def test_what_a_reference_leads_to_is_visited_once_and_reported_where_it_stands() -> None:
    other = {"Pet": {"type": "array"}, "Unused": {"type": "array"}, "Deep": {"x": {"$ref": "#/Pet"}}}
    data = V3 | {
        "paths": {
            "/a": {"get": {"schema": {"$ref": "other.yaml#/Pet"}}, "put": {"schema": {"$ref": "other.yaml#/Deep"}}},
            "/b": {"$ref": "other.yaml#/Item"},
        }
    }
    other["Item"] = {"get": {"operationId": ""}}
    found = findings(data, "array-items", "operation-operationId", other__yaml=other)
    assert [(finding.file, finding.code, finding.path) for finding in found] == [
        ("main.yaml", "operation-operationId", ("paths", "/a", "get")),
        ("main.yaml", "operation-operationId", ("paths", "/a", "put")),
        ("other.yaml", "array-items", ("Pet",)),
        ("other.yaml", "operation-operationId", ("Item", "get", "operationId")),
    ]


def test_the_documentation_lists_every_rule_with_its_severity() -> None:
    text = (Path(__file__).parents[2] / "docs" / "lint.md").read_text("utf-8")
    for each in RULES:
        off = "" if each.recommended else ", off"
        assert f"| `{each.id}` | {each.severity.word}{off} | {each.summary}" in text


SHARED_PARAMETERS = """openapi: 3.0.3
info: {title: t, version: "1"}
paths:
  /b/{id}:
    get:
      parameters: [{$ref: "#/components/parameters/P"}, {$ref: "#/components/parameters/P"}, {$ref: "p.yaml#/R"}]
components: {parameters: {P: {name: p, in: query, schema: {}}}}
"""


@pytest.mark.parametrize(
    ("corrected", "wanted"),
    [
        (True, {("operation-parameters", "main.yaml", "paths./b/{id}.get.parameters.1")}),
        (False, {("operation-parameters", "main.yaml", "components.parameters.P")}),
    ],
)
def test_a_parameters_own_fault_stands_where_it_does(tmp_path: Path, corrected: bool, wanted: set[Any]) -> None:
    (tmp_path / "main.yaml").write_text(SHARED_PARAMETERS)
    (tmp_path / "p.yaml").write_text("R: {name: id, in: path, schema: {}}\n")
    library = Library(tmp_path)
    rules = {name: BY_ID[name] for name in ("operation-parameters", "path-params")}
    collector = Collector(Ruleset(rules, corrected, None))
    lint_document(library.read("main.yaml"), library, collector)
    found = {(hit.code, Path(hit.file).name, ".".join(map(str, hit.path))) for hit in collector.findings()}
    assert found == wanted | {("path-params", "p.yaml", "R")}


def test_a_url_in_an_example_is_never_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("apigw_cli.openapi.document.fetch", lambda url, _: asked.append(url))
    schema = {"type": "object", "properties": {"members": {"type": "array", "items": {"type": "object"}}}}
    value = {"members": [{"$ref": "https://api.example.com/users/1"}, {"$ref": "#/components/examples/there/value"}]}
    media = {"schema": schema, "examples": {"one": {"value": value}}}
    data = {
        "openapi": "3.0.3",
        "paths": {"/a": {"get": {"responses": {"200": {"content": {"application/json": media}}}}}},
        "components": {"examples": {"there": {"value": 5}}},
    }
    # Spectral looks through references in examples, so 5 is found to be no object; what is at a URL is not asked for.
    (found,) = findings(data, "oas3-valid-media-example", corrected=False)
    assert found.message == "Item at index 1 must be object"
    assert findings(data, "oas3-valid-media-example") == []
    assert asked == []


@pytest.mark.parametrize("name", ["a.b", "rest+"])
def test_variables_that_spectral_does_not_see(name: str) -> None:
    listed = [{"name": name.removesuffix("+"), "in": "path", "required": True, "schema": {"type": "string"}}]
    data = {"openapi": "3.1.0", "info": {}, "paths": {f"/x/{{{name}}}": {"get": {"parameters": listed}}}}
    assert findings(data, "path-params") == []
    (found,) = findings(data, "path-params", corrected=False)
    assert "must be used in path" in found.message
