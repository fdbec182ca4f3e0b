"""Rules about one operation: its name, description, tags and responses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apigw_cli.lint.model import ERROR, OAS2, Hit, On, rule
from apigw_cli.lint.subject import Subject
from apigw_cli.openapi.operations import Operation, mapping

# The characters that a URL may hold unescaped (RFC 3986, section 2).
_URL_TEXT = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]*")


@rule(
    "operation-operationId",
    'Operation must have "operationId".',
    on=On.OPERATION,
    summary="Every operation has an operationId.",
    why="Generated clients, links and apigw.yaml call an operation by its operationId.",
    fix="Add operationId, a name that no other operation has: listPets.",
)
def operation_id(subject: Subject, operation: Operation) -> Iterator[Hit]:
    data = operation.node.data
    if not data.get("operationId"):
        yield Hit.at(operation.node, *(("operationId",) if "operationId" in data else ()))


@rule(
    "operation-operationId-unique",
    'Every operation must have unique "operationId".',
    on=On.DOCUMENT,
    severity=ERROR,
    summary="No two operations have the same operationId.",
    why="The specification asks for it: what is generated from the second operation would replace the first.",
    fix="Rename one of them.",
)
def operation_id_unique(subject: Subject) -> Iterator[Hit]:
    first: dict[str, Operation] = {}
    for operation in subject.operations:
        name = operation.operation_id
        if name is not None and first.setdefault(name, operation) is not operation:
            other = first[name].node
            yield Hit(
                operation.node.document,
                (*operation.node.path, "operationId"),
                related=((other.document, (*other.path, "operationId"), "has it first"),),
            )


@rule(
    "operation-operationId-valid-in-url",
    "operationId must not contain characters that are invalid when used in URL.",
    on=On.OPERATION,
    summary="An operationId holds only characters that a URL may hold.",
    why="Documentation tools make links of it.",
    fix="Use letters, digits, - and _.",
)
def operation_id_valid_in_url(subject: Subject, operation: Operation) -> Iterator[Hit]:
    name = operation.operation_id
    if name is not None and not _URL_TEXT.fullmatch(name):
        yield Hit.at(operation.node, "operationId")


@rule(
    "operation-description",
    'Operation "description" must be present and non-empty string.',
    on=On.OPERATION,
    summary="Every operation has a description.",
    why="It is what a reader of the documentation finds.",
    fix="Say in a sentence what a call does.",
)
def operation_description(subject: Subject, operation: Operation) -> Iterator[Hit]:
    data = operation.node.data
    if not data.get("description"):
        yield Hit.at(operation.node, *(("description",) if "description" in data else ()))


@rule(
    "operation-tags",
    'Operation must have non-empty "tags" array.',
    on=On.OPERATION,
    summary="Every operation has at least one tag.",
    why="Documentation and generated clients group operations by tag.",
    fix="Add tags: [NAME].",
)
def operation_tags(subject: Subject, operation: Operation) -> Iterator[Hit]:
    data = operation.node.data
    if "tags" not in data:
        yield Hit.at(operation.node)
    elif not isinstance(data["tags"], list) or not data["tags"]:
        yield Hit.at(operation.node, "tags")


@rule(
    "operation-singular-tag",
    "Operation must not have more than a single tag.",
    on=On.OPERATION,
    recommended=False,
    summary="No operation has more than one tag.",
    why="Some documentation tools show such an operation once for each tag.",
    fix="Keep the tag that fits best.",
)
def operation_singular_tag(subject: Subject, operation: Operation) -> Iterator[Hit]:
    tags = operation.node.data.get("tags")
    if isinstance(tags, list) and len(tags) > 1:
        yield Hit.at(operation.node, "tags")


@rule(
    "operation-tag-defined",
    "Operation tags must be defined in global tags.",
    on=On.OPERATION,
    summary="The tags that operations name are declared at the document's root.",
    why="A tag's description and place in the documentation stand there; a misspelt tag shows here.",
    fix="Declare it under tags, with a description, or mend its spelling.",
)
def operation_tag_defined(subject: Subject, operation: Operation) -> Iterator[Hit]:
    tags = operation.node.data.get("tags")
    if not isinstance(tags, list):
        return
    declared = subject.data.get("tags")
    names = [mapping(tag).get("name") for tag in declared] if isinstance(declared, list) else []
    for index, tag in enumerate(tags):
        if isinstance(tag, str) and tag not in names:
            yield Hit.at(operation.node, "tags", index)


@rule(
    "operation-success-response",
    'Operation must have at least one "2xx" or "3xx" response.',
    on=On.OPERATION,
    summary="Every operation declares a response for success.",
    why="Clients are generated from it, and mocks answer with it.",
    fix="Declare what a call that works returns: '200', '201', '204' or '2XX'.",
)
def operation_success_response(subject: Subject, operation: Operation) -> Iterator[Hit]:
    responses = operation.node.data.get("responses")
    if isinstance(responses, dict) and not any(_is_success(code, subject.version) for code in responses):
        yield Hit.at(operation.node, "responses")


def _is_success(code: str, version: str) -> bool:
    if version not in OAS2 and code in ("2XX", "3XX"):
        return True
    return re.fullmatch(r"[23]\d\d", code) is not None
