"""Azure API Management: what its import of a specification refuses, drops or reads otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apigw_cli.lint.model import ERROR, INFO, Hit, On
from apigw_cli.lint.subject import Subject
from apigw_cli.lint.targets import common
from apigw_cli.openapi.operations import Operation, mapping
from apigw_cli.openapi.references import pointer_path, references

_MEGABYTES_4 = 4_000_000
_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")

_azure = common.target_rules("azure", "Azure API Management", "API import restrictions and known issues")


def _repeated_names(subject: Subject, operation: Operation) -> Iterator[Hit]:
    """Required path and query parameters of one name: both become parts of the operation's URL template."""
    seen: set[str] = set()
    listed = operation.node.data.get("parameters")
    for index in range(len(listed) if isinstance(listed, list) else 0):
        node = operation.node.child("parameters", index)
        found = subject.follow(node)
        parameter = mapping(found.data) if found else {}
        if parameter.get("in") not in ("path", "query") or parameter.get("required") is not True:
            continue
        name = str(parameter.get("name"))
        if name.lower() in seen:
            yield Hit.at(node, message=f'"{name}" is the name of another required parameter of this operation')
        seen.add(name.lower())


def _discarded_body(subject: Subject, operation: Operation) -> Iterator[Hit]:
    if operation.method in _WITHOUT_BODY and "requestBody" in operation.node.data:
        message = f"the body of {operation.method} {operation.path} will be dropped"
        yield Hit.at(operation.node, "requestBody", message=message, on_key=True)


def _ignored_scheme(data: dict[str, Any]) -> str | None:
    return f"the scheme (type {data.get('type')}) will be ignored: set security in the API's settings"


def _servers(subject: Subject) -> Iterator[Hit]:
    listed = subject.data.get("servers")
    if isinstance(listed, list) and len(listed) > 1:
        yield subject.hit("servers", message="of several servers the first with HTTPS is taken", on_key=True)


def _recursive(subject: Subject) -> Iterator[Hit]:
    """Schemas that contain themselves, directly or through others."""
    steps = ("definitions",) if subject.version == "2.0" else ("components", "schemas")
    declared: Any = subject.data
    for step in steps:
        declared = mapping(declared).get(step)
    uses = {name: _named(data, steps) for name, data in mapping(declared).items()}
    for name in uses:
        if name in _reached(name, uses):
            yield subject.hit(*steps, name, message=f'"{name}" contains itself', on_key=True)


def _named(data: Any, steps: tuple[str, ...]) -> set[str]:
    size = len(steps)
    paths = [pointer_path(ref[1:]) for ref, _ in references(data) if ref.startswith("#/")]
    return {str(path[size]) for path in paths if len(path) > size and path[:size] == steps}


def _reached(name: str, uses: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    stack = list(uses[name])
    while stack:
        other = stack.pop()
        if other not in found:
            found.add(other)
            stack.extend(uses.get(other, ()))
    return found


AZURE = (
    _azure("openapi-version", common.versions("2.0", "3.0", "3.1"), "The document is OpenAPI 2.0, 3.0 or 3.1.",
           "The import reads nothing else.", "Write it as 3.0 or 3.1.", severity=ERROR),
    _azure("file-size", common.larger_than(_MEGABYTES_4), "The file has 4 MB at most.",
           "A larger one cannot be imported inline.", "Import it from a URL, or split the API."),
    _azure("external-references", common.external_references, "No reference leads to another file.",
           "Such references are not followed.", "Bundle the document into one file.", on=On.KEYS, keys=("$ref",),
           severity=ERROR),
    _azure("parameter-names", _repeated_names, "Required path and query parameters have different names.",
           "Both become parts of the URL template, where a name may stand once, whatever its case.",
           "Rename one of them, or do not make the query parameter required.", on=On.OPERATION, severity=ERROR),
    _azure("request-bodies", _discarded_body, "GET, HEAD and OPTIONS have no body.", "The import drops it.",
           "Use another method, or parameters.", on=On.OPERATION),
    _azure("recursive-schemas", _recursive, "No schema contains itself.", "Recursive definitions are not supported.",
           "Cut the circle for the import: let one reference be an object without properties."),
    _azure("security", common.scheme_check(_ignored_scheme), "Security does not rest on the security schemes.",
           "Security definitions are ignored by the import.", "Set subscription keys, OAuth 2 or validate-jwt there.",
           severity=INFO),
    _azure("servers", _servers, "There is one server.", "Of several, the first HTTPS URL becomes the backend.",
           "Keep the one that is meant.", severity=INFO),
)  # fmt: skip
