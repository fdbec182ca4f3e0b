"""Rules of `apigw:gateway` that look at a specification: what gateways stumble over."""

from __future__ import annotations

from collections.abc import Iterator

from apigw_cli.lint.model import INFO, Hit, On, rule
from apigw_cli.lint.subject import Subject
from apigw_cli.openapi.operations import Operation, mapping


@rule(
    "response-codes-quoted",
    "The response code should be in quotes.",
    on=On.OPERATION,
    severity=INFO,
    recommended=False,
    family="apigw:gateway",
    summary="Response codes are written as text in YAML.",
    why="Most YAML readers make a number of 200:, and the importers of several gateways refuse a key that is none.",
    fix="Write '200':, or let --fix do it.",
)
def response_codes_quoted(subject: Subject, operation: Operation) -> Iterator[Hit]:
    document = operation.node.document
    text = document.text
    if text is None:
        return
    for code in mapping(operation.node.data.get("responses")):
        if not code.isdigit():
            continue
        path = (*operation.node.path, "responses", code)
        spot = document.spot(path)
        if document.is_yaml and spot is not None and spot.key_start >= 0 and text[spot.key_start] not in "\"'":
            yield Hit(document, path, on_key=True)
