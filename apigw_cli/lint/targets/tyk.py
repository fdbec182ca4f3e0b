"""Tyk Gateway: what its OpenAPI definitions do not take from a specification."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apigw_cli.lint.model import ERROR, INFO, OAS3, Hit, On
from apigw_cli.lint.subject import Subject
from apigw_cli.lint.targets import common
from apigw_cli.openapi.operations import Operation, mapping

_TYPES = ("apiKey", "http", "oauth2", "openIdConnect")

_tyk = common.target_rules("tyk", "Tyk", "Import an OAS API; Authentication with Tyk OAS; Request validation")


def _scheme(data: dict[str, Any]) -> str | None:
    kind = data.get("type")
    return None if kind in _TYPES else f"type {kind} is none that a Tyk OAS definition can use"


def _first_only(subject: Subject) -> Iterator[Hit]:
    listed = subject.data.get("security")
    if isinstance(listed, list) and len(listed) > 1:
        yield subject.hit("security", message="only the first of the alternatives is looked at", on_key=True)


def _not_json(subject: Subject, operation: Operation) -> Iterator[Hit]:
    node = operation.node.data.get("requestBody") and subject.follow(operation.node.child("requestBody"))
    content = mapping(mapping(node.data).get("content")) if node else {}
    if content and "application/json" not in content:
        message = f"the body of {operation.method} {operation.path} will not be validated: it is no application/json"
        yield Hit.at(operation.node, "requestBody", message=message, on_key=True)


TYK = (
    _tyk("openapi-version", common.versions("3.0"), "The document is OpenAPI 3.0.", "The import reads OpenAPI 3.0.x.",
         "Convert it to 3.0.", severity=ERROR),
    _tyk("external-references", common.external_references, "No reference leads to another file.",
         "References are followed within the document only.", "Bundle the document into one file.", on=On.KEYS,
         keys=("$ref",), severity=ERROR),
    _tyk("security-type", common.scheme_check(_scheme),
         "Every security scheme is an API key, HTTP, OAuth 2 or OpenID Connect.", "Other types are not known.",
         "Use mutual TLS of Tyk's own, outside the specification.", formats=OAS3),
    _tyk("security-alternatives", _first_only, "The API has no choice of security schemes.",
         "The gateway takes the first item of security into consideration.", "Put the one that is meant first.",
         formats=OAS3),
    _tyk("validation", _not_json, "Bodies that are to be validated are application/json.",
         "validateRequest checks the schema of application/json.", "Validate other bodies in the backend.",
         on=On.OPERATION, severity=INFO, formats=OAS3),
)  # fmt: skip
