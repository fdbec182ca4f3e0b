"""Rules about parameters and the paths that hold them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from apigw_cli.lint.model import ERROR, OAS2, OAS3, Hit, On, rule
from apigw_cli.lint.subject import Subject, Visit
from apigw_cli.openapi.document import Node
from apigw_cli.openapi.operations import Operation, mapping

_SPECTRAL = re.compile(r"\{;?\??([a-zA-Z0-9_-]+)\*?\}")  # sees neither {a.b} nor {rest+}
_VARIABLE = re.compile(r"\{;?\??([^{}/]+?)[*+]?\}")
_DUPLICATE = 'A parameter in this operation already exposes the same combination of "name" and "in" values.'


@rule(
    "operation-parameters",
    _DUPLICATE,
    on=On.OPERATION,
    summary="No parameter stands twice in an operation, and there is one body at most.",
    why='The specification forbids a second parameter of the same "name" and "in"; Swagger 2 also a second body.',
    fix="Remove one of them.",
)
def operation_parameters(subject: Subject, operation: Operation) -> Iterator[Hit]:
    listed = operation.node.data.get("parameters")
    if not isinstance(listed, list):
        return
    seen: set[tuple[Any, Any]] = set()
    body: list[int] = []
    forms = False
    for index in range(len(listed)):
        node = operation.node.child("parameters", index)
        parameter = _parameter(subject, node)
        place, name = str(parameter.get("in")), str(parameter.get("name"))
        if parameter and (place, name) in seen:
            yield Hit.at(_blamed(subject, node))
        seen.add((place, name))
        body += [index] if place == "body" else []
        forms = forms or place == "formData"
    if body and forms:
        message = 'Operation must not have both "in:body" and "in:formData" parameters.'
        yield Hit.at(operation.node, "parameters", message=message)
    for index in body[1:]:
        message = 'Operation must not have more than a single instance of the "in:body" parameter.'
        yield Hit.at(operation.node, "parameters", index, message=message)


def _blamed(subject: Subject, node: Node, *, own: bool = False) -> Node:
    """Where to report what is wrong with a parameter: its `own` fault where it stands, its use where it is listed.

    Spectral says both where it stands, but for a document that comes from no file.
    """
    at_target = own if subject.corrected else subject.library.root is not None
    return subject.follow(node) or node if at_target else node


def _parameter(subject: Subject, node: Node) -> dict[str, Any]:
    found = subject.follow(node)
    return mapping(found.data) if found else {}


@rule(
    "path-params",
    "Path parameters must be declared and used.",
    on=On.DOCUMENT,
    severity=ERROR,
    summary="The {variables} of a path and its declared path parameters are the same, each once, all required.",
    why="A variable without a declaration has no type; a declaration without a variable can never be sent.",
    fix="Declare each {name} with in: path and required: true, and only those.",
)
def path_params(subject: Subject) -> Iterator[Hit]:
    shapes: dict[str, str] = {}
    variable = _VARIABLE if subject.corrected else _SPECTRAL
    for path, item in subject.items:
        shape = variable.sub("%", path)
        other = shapes.setdefault(shape, path)
        if other != path:
            message = f'Paths "{other}" and "{path}" must not be equivalent.'
            related = ((subject.document, ("paths", other), "the other path"),)
            yield Hit(subject.document, ("paths", path), message, related=related)
        yield from _of_path(subject, path, variable.findall(path), item)


def _of_path(subject: Subject, path: str, names: list[str], item: Node) -> Iterator[Hit]:
    for index, name in enumerate(names):
        if name in names[:index]:
            message = f'Path "{path}" must not use parameter "{{{name}}}" multiple times.'
            yield Hit(subject.document, ("paths", path), message)
    shared: dict[str, Node] = {}
    yield from _declared(subject, item, shared)
    for operation in subject.operations_of[path]:
        own: dict[str, Node] = {}
        yield from _declared(subject, operation.node, own)
        declared = shared | own
        for name, node in declared.items():
            if name not in names:
                yield Hit.at(_blamed(subject, node), message=f'Parameter "{name}" must be used in path "{path}".')
        for name in dict.fromkeys(names):
            if name not in declared:
                message = f'Operation must define parameter "{{{name}}}" as expected by path "{path}".'
                yield Hit.at(operation.node, message=message)


def _declared(subject: Subject, owner: Node, into: dict[str, Node]) -> Iterator[Hit]:
    """The path parameters that an item or an operation declares, into `into`; yields what is wrong with them."""
    listed = owner.data.get("parameters")
    for index in range(len(listed) if isinstance(listed, list) else 0):
        node = owner.child("parameters", index)
        parameter = _parameter(subject, node)
        name = parameter.get("name")
        if parameter.get("in") != "path" or not isinstance(name, str):
            continue
        if parameter.get("required") is not True:
            message = f'Path parameter "{name}" must have "required" property that is set to "true".'
            yield Hit.at(_blamed(subject, node, own=True), message=message)
        if name in into:
            message = f'Path parameter "{name}" must not be defined multiple times.'
            yield Hit.at(_blamed(subject, node), message=message)
        else:
            into[name] = node


def _without_description(visit: Visit) -> Iterator[Hit]:
    listed = visit.node["parameters"]
    entries = listed.items() if isinstance(listed, dict) else enumerate(listed if isinstance(listed, list) else ())
    for key, parameter in entries:
        if isinstance(parameter, dict) and parameter.get("in") and not parameter.get("description"):
            yield visit.hit("parameters", key, *(("description",) if "description" in parameter else ()))


oas2_parameter_description = rule(
    "oas2-parameter-description",
    'Parameter objects must have "description".',
    on=On.KEYS,
    keys=("parameters",),
    formats=OAS2,
    recommended=False,
    summary="Every parameter has a description.",
    why="Its name alone seldom says which values it takes.",
    fix="Say what it does and which values it takes.",
)(_without_description)

oas3_parameter_description = rule(
    "oas3-parameter-description",
    'Parameter objects must have "description".',
    on=On.KEYS,
    keys=("parameters",),
    formats=OAS3,
    recommended=False,
    summary="Every parameter has a description.",
    why="Its name alone seldom says which values it takes.",
    fix="Say what it does and which values it takes.",
)(_without_description)
