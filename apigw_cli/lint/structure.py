"""The structure check: is this document what the OpenAPI specification says it must be?

openapi-spec-validator's JSON Schemas, run natively by jsonschema-rs: 13 MB take 0.03 s. The schemas of 3.1 and 3.2
leave Schema Objects open, since any dialect may be used in them; where the document keeps to the usual one, JSON
Schema 2020-12 is put in.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from apigw_cli.lint import ajv_errors, openapi_schemas
from apigw_cli.lint.model import ERROR, OAS2, OAS3, Hit, On, Rule, reported_by_engine
from apigw_cli.lint.schema_errors import Problem, problems
from apigw_cli.lint.subject import Subject

_DIALECTS = ("https://spec.openapis.org/oas/3.", "https://json-schema.org/draft/2020-12/schema")
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
    """Everything in the document that its schema refuses; as Spectral sees it, unless the subject says otherwise."""
    schema, validator = _validator(subject.version, _usual_dialect(subject), subject.corrected)
    data = subject.document.data
    if subject.corrected:
        for problem in problems(validator.iter_errors(data), schema, data):
            yield _hit(subject, problem)
    else:
        for path, message in ajv_errors.told(validator.iter_errors(data), data, subject.version):
            yield Hit(subject.document, path, message, on_key=message.startswith('Property "'))


def _hit(subject: Subject, problem: Problem) -> Hit:
    return Hit(subject.document, problem.path, problem.message, problem.on_key, problem.hint)


def _usual_dialect(subject: Subject) -> bool:
    dialect = subject.data.get("jsonSchemaDialect")
    return dialect is None or str(dialect).startswith(_DIALECTS)


@lru_cache(maxsize=8)
def _validator(version: str, usual_dialect: bool, corrected: bool) -> tuple[dict[str, Any], Any]:
    import jsonschema_rs

    make = openapi_schemas.published if corrected else openapi_schemas.as_spectral
    schema = make(version, usual_dialect)
    emails = jsonschema_rs.EmailOptions(require_tld=True)
    return schema, jsonschema_rs.validator_for(schema, validate_formats=True, email_options=emails, offline=True)
