"""The structure check: is this document what the OpenAPI specification says it must be?

openapi-spec-validator's JSON Schemas, run natively by jsonschema-rs: 13 MB take 0.03 s. The schemas of 3.1 and 3.2
leave Schema Objects open, since any dialect may be used in them; where the document keeps to the usual one, JSON
Schema 2020-12 is put in.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from apigw_cli.lint.model import ERROR, OAS2, OAS3, Hit, On, Rule, reported_by_engine
from apigw_cli.lint.schema_errors import Problem, problems
from apigw_cli.lint.subject import Subject

_DIALECTS = ("https://spec.openapis.org/oas/3.", "https://json-schema.org/draft/2020-12/schema")
_SCHEMA_OBJECT: dict[str, Any] = {
    "$dynamicAnchor": "meta",
    "$ref": "https://json-schema.org/draft/2020-12/schema",
    "type": ["object", "boolean"],
    "properties": {
        "discriminator": {"type": "object", "required": ["propertyName"]},
        "externalDocs": {"$ref": "#/$defs/external-documentation"},
        "xml": {"type": "object"},
    },
}
_WHY = "Tools read a document by the specification; what does not keep to it is dropped or misread by some of them."
_FIX = "Compare the value with the specification of the version that the document declares."

OAS2_SCHEMA, OAS3_SCHEMA = (
    Rule(
        name,
        "",
        "The document keeps to the JSON Schema of its OpenAPI version.",
        _WHY,
        _FIX,
        reported_by_engine,
        On.ENGINE,
        ERROR,
        formats,
    )
    for name, formats in (("oas2-schema", OAS2), ("oas3-schema", OAS3))
)


def check(subject: Subject) -> Iterator[Hit]:
    """Everything in the document that its schema refuses."""
    schema, validator = _validator(subject.version, _usual_dialect(subject))
    for problem in problems(validator.iter_errors(subject.document.data), schema, subject.document.data):
        yield _hit(subject, problem)


def _hit(subject: Subject, problem: Problem) -> Hit:
    return Hit(subject.document, problem.path, problem.message, problem.on_key, problem.hint)


def _usual_dialect(subject: Subject) -> bool:
    dialect = subject.data.get("jsonSchemaDialect")
    return dialect is None or str(dialect).startswith(_DIALECTS)


@lru_cache(maxsize=8)
def _validator(version: str, usual_dialect: bool) -> tuple[dict[str, Any], Any]:
    import jsonschema_rs

    schema = _schema(version)
    if version in ("3.1", "3.2"):
        schema["$defs"]["server"]["properties"]["url"].pop("format", None)  # a template: https://{region}.example.org
        if usual_dialect:
            schema["$defs"]["schema"] = _SCHEMA_OBJECT
    emails = jsonschema_rs.EmailOptions(require_tld=True)
    return schema, jsonschema_rs.validator_for(schema, validate_formats=True, email_options=emails, offline=True)


def _schema(version: str) -> dict[str, Any]:
    # The package is found without importing it: that would cost 0.3 s.
    found = importlib.util.find_spec("openapi_spec_validator")
    assert found is not None and found.submodule_search_locations is not None
    file = Path(found.submodule_search_locations[0]) / "resources" / "schemas" / f"v{version}" / "schema.json"
    schema: dict[str, Any] = msgspec.json.decode(file.read_bytes())
    return schema
