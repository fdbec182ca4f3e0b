"""The structure check where Spectral's findings are asked for: what Spectral 6.16.3 said of these mistakes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.lint.support import findings
from tests.lint.test_structure import GET, GOOD, get, parameter

ALLOWED = "must be equal to one of the allowed values:"
DRAFT_4_TYPES = '"array", "boolean", "integer", "null", "number", "object", "string"'
SCHEMES: dict[str, Any] = {"http": {"type": "http", "scheme": "basic", "bearerFormat": "x"}}
SWAGGER: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/a": {
            "get": {
                "parameters": [{"name": "q", "in": "query", "type": "string"}, {"$ref": "#/parameters/P"}],
                "responses": {"200": {"description": "ok"}},
            }
        }
    },
    "parameters": {"P": {"name": "h", "in": "header", "type": "string"}},
    "definitions": {"S": {"type": "object"}},
    "securityDefinitions": {"key": {"type": "apiKey", "name": "k", "in": "header"}, "basic": {"type": "basic"}},
}


def as_spectral(data: Any) -> list[tuple[str, str]]:
    hits = findings(data, "oas3-schema", "oas2-schema", corrected=False)
    return sorted((".".join(map(str, hit.path)), hit.message) for hit in hits)


Mistake = Callable[[Any], object]
P = f"{GET}.parameters.0"
CASES: list[tuple[str, Mistake, list[tuple[str, str]]]] = [
    ("3.0.3", lambda d: d.pop("info"), [("", 'must have required property "info".')]),
    ("3.0.3", lambda d: d["paths"].update({"/b": None}), [("paths./b", '"~1b" property must be object.')]),
    ("3.0.3", lambda d: parameter(d).pop("in"), [(P, 'Parameter must have a valid "in" property.')]),
    ("3.0.3", lambda d: parameter(d).pop("schema"), [(P, '"schema" or "content" must be present.')]),
    ("3.0.3", lambda d: parameter(d).update(content={"a/b": {}}),
     [(P, "Schema and content are mutually exclusive, at least one is required.")]),
    ("3.0.3", lambda d: parameter(d).update(required=False),
     [(f"{P}.required", '"required" property must be equal to constant.')]),
    ("3.0.3", lambda d: parameter(d).update(example=1, examples={}), [(P, '"0" property must not be valid.')]),
    ("3.0.3", lambda d: d["components"]["securitySchemes"]["k"].pop("type"),
     [("components.securitySchemes.k", "Security scheme must have a valid type.")]),
    ("3.0.3", lambda d: d["components"]["securitySchemes"].update(SCHEMES), []),  # which it never looks into
    ("3.0.3", lambda d: d["components"]["schemas"]["A"].update(required=["a", "a"]),
     [("components.schemas.A.required",
       '"required" property must not have duplicate items (items ## 1 and 0 are identical).')]),
    ("3.0.3", lambda d: d["components"]["schemas"]["A"].update(additionalProperties="x"),
     [("components.schemas.A.additionalProperties",
       '"additionalProperties" property must be a valid Schema Object.')]),
    ("3.0.3", lambda d: d["info"].update(contact={"url": "not a url"}),
     [("info.contact.url", '"url" property must match format "uri-reference".')]),
    ("3.1.0", lambda d: get(d).update(operationid="a"),
     [(GET, '"get" property must not have unevaluated properties.')]),
    ("3.1.0", lambda d: d.pop("paths") and d.pop("components"),
     [("", 'The document must have either "paths", "webhooks" or "components".')]),
    ("3.1.0", lambda d: parameter(d).update(schema=[]),
     [(f"{P}.schema", '"schema" property must be a valid Schema Object.')]),
    ("3.1.0", lambda d: parameter(d).update(schema={"type": 1}),
     [(f"{P}.schema.type", '"type" property must be either a string or an array of strings.')]),
    ("3.1.0", lambda d: parameter(d).pop("schema"),
     [(P, '"0" property must have required property "content".'),
      (P, '"0" property must have required property "schema".'),
      (P, '"0" property must match exactly one schema in oneOf.')]),
    ("3.1.0", lambda d: d["components"]["schemas"].update({"a b": {}}),
     [("components.schemas", '"schemas" property must match pattern "^[a-zA-Z0-9._-]+$".'),
      ("components.schemas", '"schemas" property property name must be valid.')]),
    ("3.1.0", lambda d: parameter(d).update(schema={"discriminator": {"propertyName": "a", "mapping": {"x": 1}}}),
     [(f"{P}.schema.discriminator.mapping.x", '"x" property must be string.')]),
    ("3.2.0", lambda d: parameter(d).update(schema=[]), [(f"{P}.schema", '"schema" property must be object,boolean.')]),
    ("2.0", lambda d: d["securityDefinitions"]["key"].pop("in"),
     [("securityDefinitions", "Invalid security securityDefinitions.")]),
    ("2.0", lambda d: d["securityDefinitions"]["basic"].update(name="x"),
     [("securityDefinitions.basic", "Invalid basic authentication security definition.")]),
    ("2.0", lambda d: d["definitions"]["S"].update(type="strin"),
     [("definitions.S.type", '"type" property must be array.'),
      ("definitions.S.type", f'"type" property {ALLOWED} {DRAFT_4_TYPES}. Did you mean "string"?.'),
      ("definitions.S.type", '"type" property must match a schema in anyOf.')]),
    ("2.0", lambda d: d["paths"]["/a"]["get"]["parameters"].__setitem__(0, "x"),
     [("paths./a.get.parameters.0", '"0" property must be object.'),
      ("paths./a.get.parameters.0", '"0" property must match exactly one schema in oneOf.')]),
]  # fmt: skip


@pytest.mark.parametrize(("version", "mistake", "wanted"), CASES, ids=[str(index) for index in range(len(CASES))])
def test_the_findings_are_spectrals(version: str, mistake: Mistake, wanted: list[tuple[str, str]]) -> None:
    data = copy.deepcopy(SWAGGER if version == "2.0" else GOOD | {"openapi": version})
    assert as_spectral(data) == []
    mistake(data)
    assert as_spectral(data) == wanted
