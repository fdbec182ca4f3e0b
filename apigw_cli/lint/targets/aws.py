"""Amazon API Gateway: what the import of a REST API or an HTTP API refuses, drops or ignores."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from apigw_cli.lint.model import ERROR, INFO, OAS2, WARN, Hit, On, PlacedHit
from apigw_cli.lint.subject import Subject, Visit
from apigw_cli.lint.targets import common
from apigw_cli.openapi.operations import Operation, mapping

_MEGABYTES_6 = 6_000_000
_HONOURED = frozenset({"name", "in", "required", "type", "description", "schema", "$ref"})

_notes = "Amazon API Gateway important notes for REST APIs"
_rest = common.target_rules("aws-rest", "Amazon API Gateway", _notes)
_http = common.target_rules("aws-http", "Amazon API Gateway", "Use OpenAPI definitions for HTTP APIs")


def _model_names(subject: Subject) -> Iterator[Hit]:
    steps = ("definitions",) if subject.version in OAS2 else ("components", "schemas")
    declared: Any = subject.data
    for step in steps:
        declared = mapping(declared).get(step)
    for name in mapping(declared):
        if not re.fullmatch(r"[A-Za-z0-9]+", name):
            yield subject.hit(*steps, name, message=f'"{name}" is no name of a model', on_key=True)


def _parameters(subject: Subject, operation: Operation) -> Iterator[Hit]:
    listed = operation.node.data.get("parameters")
    for index in range(len(listed) if isinstance(listed, list) else 0):
        node = subject.follow(operation.node.child("parameters", index))
        if node is None or not isinstance(node.data, dict):
            continue  # invalid-ref and the structure say so
        ignored = [key for key in node.data if key not in _HONOURED and not key.startswith("x-")]
        if ignored:
            message = f'{", ".join(ignored)} of parameter "{node.data.get("name")}" will be ignored'
            yield Hit.at(node, ignored[0], message=message, on_key=True)


def _rest_scheme(data: dict[str, Any]) -> str | None:
    if data.get("type") == "apiKey" or any(key.startswith("x-amazon-apigateway-auth") for key in data):
        return None
    return f"type {data.get('type')} needs an authorizer: x-amazon-apigateway-authorizer is missing"


def _http_scheme(data: dict[str, Any]) -> str | None:
    if "x-amazon-apigateway-authorizer" in data:
        return None
    if data.get("type") == "apiKey":
        return "HTTP APIs know no API keys: an authorizer has to check them"
    return f"type {data.get('type')} needs an authorizer: x-amazon-apigateway-authorizer is missing"


def _response_references(visit: Visit) -> Iterator[Hit]:
    for code, response in mapping(visit.node["responses"]).items():
        if visit.link is not None and str(mapping(response).get("$ref", "")).startswith("#/responses/"):
            yield visit.hit("responses", code, "$ref", message=f"response {code} is a reference to the root")


def _formats(visit: Visit) -> Iterator[Hit]:
    found = visit.node["format"]
    if found in ("int32", "int64", "decimal") and common.is_schema(visit.path):
        yield visit.hit("format", message=f'format "{found}" is not supported')


def _not_validated(subject: Subject) -> Iterator[Hit]:
    for operation in subject.operations:
        if operation.node.data.get("requestBody") or operation.node.data.get("parameters"):
            message = "request bodies and parameters will not be validated"
            yield subject.hit("paths", message=message, on_key=True)
            return


def _slower_than(seconds: float) -> Any:
    def check(stage: Any) -> Iterator[PlacedHit]:
        for name, upstream in stage.compiled.snapshot.upstreams.items():
            if upstream.timeout.total > seconds:
                message = (
                    f"upstream {name} may take {upstream.timeout.total:g} s; the integration ends after {seconds:g} s"
                )
                yield PlacedHit(stage.place("upstreams", name), message)

    return check


def _large_bodies(stage: Any) -> Iterator[PlacedHit]:
    most = stage.compiled.snapshot.listen.max_body
    if most is not None and most > 10_000_000:
        message = f"max_body is {most:,} bytes; a payload of more than 10 MB is refused"
        yield PlacedHit(stage.place("listen", "max_body"), message)


REST = (
    _rest("openapi-version", common.versions("2.0", "3.0"), "The document is OpenAPI 2.0 or 3.0.",
          "The import reads nothing newer.", "Write it as 3.0.", severity=ERROR),
    _rest("file-size", common.larger_than(_MEGABYTES_6), "The file has 6 MB at most.",
          "A larger one is refused.", "Split the API, or take the descriptions out for the import.", severity=ERROR),
    _rest("whole-segments", common.partial_segments, "Every path variable is a segment of its own.",
          "/pets/{id} can be imported, /pets/pet-{id} cannot.", "Make the variable a segment of its own.",
          severity=ERROR),
    _rest("path-characters", common.characters(r"A-Za-z0-9_.,:\-", "letters, digits and _ - . , :"),
          "Paths hold letters, digits and _ - . , : only.", "Other characters are refused.", "Rename the path.",
          severity=ERROR),
    _rest("methods", common.other_methods, "Every operation is one of the seven methods that there are.",
          "ANY stands for DELETE, GET, HEAD, OPTIONS, PATCH, POST and PUT; there is no other method.",
          "Use another method.", on=On.OPERATION, severity=ERROR),
    _rest("resources", common.more_routes_than(300, "resources", common.resources),
          "The API has 300 resources at most.", "Each node of the tree of paths is a resource; 300 is the quota.",
          "Ask for a higher quota, or split the API."),
    _rest("external-references", common.external_references, "No reference leads to another file.",
          "The import reads one file.", "Bundle the document into one file.", on=On.KEYS, keys=("$ref",),
          severity=ERROR),
    _rest("root-security", common.root_security, "Every operation says itself who may call it.",
          "security at the root is ignored: an operation without its own is open to anyone.",
          "Repeat security in every operation.", severity=ERROR),
    _rest("security-type", common.scheme_check(_rest_scheme),
          "Every security scheme is an API key or has an authorizer.",
          "Other types work through authorizers alone, which vendor extensions configure.",
          "Add x-amazon-apigateway-authtype and x-amazon-apigateway-authorizer."),
    _rest("model-names", _model_names, "The names of models hold letters and digits only.",
          "Schemas become models, and a model's name may hold nothing else.", "Rename the schema.", severity=ERROR),
    _rest("parameter-attributes", _parameters, "Parameters have no attributes that are ignored.",
          "Only name, in, required, type and description of a parameter count.",
          "Check the rest in the backend.", on=On.OPERATION, severity=INFO),
    _rest("schema-keywords", common.keyword_in_schema,
          "Schemas use only keywords that models know.",
          "Models are JSON Schema draft 4, less discriminator, example, nullable, readOnly, exclusiveMinimum, default "
          "and oneOf.", "Leave the keyword out of the import.", on=On.KEYS, severity=INFO,
          keys=("discriminator", "example", "nullable", "readOnly", "exclusiveMinimum", "default", "oneOf")),
    _rest("item-counts", common.keyword_in_schema, "Schemas do not rely on minItems and maxItems.",
          "Simple request validation leaves them out.", "Update the model after the import, or check in the backend.",
          on=On.KEYS, keys=("minItems", "maxItems"), severity=INFO),
    _rest("number-formats", _formats, "Schemas do not rely on the formats int32, int64 and decimal.",
          "These formats are not supported.", "Use minimum and maximum.", on=On.KEYS, keys=("format",), severity=INFO),
    _rest("response-references", _response_references, "Responses are not references to the root.",
          "$ref: '#/responses/…' is not supported in an operation.", "Write the response where it is used.",
          on=On.KEYS, keys=("responses",), formats=OAS2),
    _rest("timeout", _slower_than(29), "No upstream may take longer than 29 s.",
          "An integration is ended after 29 s, unless the quota of a Regional or private API was raised.",
          "Lower the upstream's timeout.total.", on=On.GATEWAY),
    _rest("payload", _large_bodies, "No body may be larger than 10 MB.", "A larger payload is refused.",
          "Lower listen.max_body, and take large bodies by pre-signed URLs.", on=On.GATEWAY),
)  # fmt: skip

HTTP = (
    _http("openapi-version", common.versions("3.0"), "The document is OpenAPI 3.0.", "The import reads nothing else.",
          "Write it as 3.0.", severity=ERROR),
    _http("file-size", common.larger_than(_MEGABYTES_6), "The file has 6 MB at most.", "A larger one is refused.",
          "Split the API, or take the descriptions out for the import.", severity=ERROR),
    _http("whole-segments", common.partial_segments, "Every path variable is a segment of its own.",
          "A route's variables are whole segments.", "Make the variable a segment of its own.", severity=ERROR),
    _http("methods", common.other_methods, "Every operation is one of the seven methods that there are.",
          "ANY stands for DELETE, GET, HEAD, OPTIONS, PATCH, POST and PUT; there is no other method.",
          "Use another method.", on=On.OPERATION, severity=ERROR),
    _http("routes", common.more_routes_than(300, "routes", lambda subject: len(subject.operations)),
          "The API has 300 routes at most.", "300 is the quota.", "Ask for a higher quota, or split the API."),
    _http("external-references", common.external_references, "No reference leads to another file.",
          "The import reads one file.", "Bundle the document into one file.", on=On.KEYS, keys=("$ref",),
          severity=ERROR),
    _http("security-type", common.scheme_check(_http_scheme), "Every security scheme has an authorizer.",
          "HTTP APIs check JWTs and ask Lambda functions; they know neither API keys nor usage plans.",
          "Add x-amazon-apigateway-authorizer of type jwt or request.", severity=WARN),
    _http("validation", _not_validated, "Nothing relies on the gateway to validate requests.",
          "requestBody and schema are read and ignored.", "Validate in the backend, or use a REST API.", severity=INFO),
    _http("timeout", _slower_than(30), "No upstream may take longer than 30 s.", "An integration is ended after 30 s.",
          "Lower the upstream's timeout.total.", on=On.GATEWAY),
    _http("payload", _large_bodies, "No body may be larger than 10 MB.", "A larger payload is refused.",
          "Lower listen.max_body, and take large bodies by pre-signed URLs.", on=On.GATEWAY),
)  # fmt: skip
