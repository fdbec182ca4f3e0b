"""Rules about what is declared for use elsewhere: components (3.x) and definitions (2.0)."""

from __future__ import annotations

from collections.abc import Iterator

from apigw_cli.lint.model import OAS2, OAS3, Hit, On, rule
from apigw_cli.lint.subject import Subject
from apigw_cli.openapi.operations import mapping

_KINDS = ("schemas", "responses", "parameters", "examples", "requestBodies", "headers", "links", "callbacks")


@rule(
    "oas3-unused-component",
    "Potentially unused component has been detected.",
    on=On.DOCUMENT,
    formats=OAS3,
    summary="Every component is referred to, be it by a discriminator's mapping.",
    why="What nobody uses is maintained for nothing, or its reference is misspelt.",
    fix="Refer to it, or remove it.",
)
def oas3_unused_component(subject: Subject) -> Iterator[Hit]:
    used = subject.used
    components = mapping(subject.data.get("components"))
    for kind in _KINDS:
        for name in mapping(components.get(kind)):
            if ("components", kind, name) not in used:
                yield subject.hit("components", kind, name, on_key=True)


@rule(
    "oas2-unused-definition",
    "Potentially unused definition has been detected.",
    on=On.DOCUMENT,
    formats=OAS2,
    summary="Every definition is referred to.",
    why="What nobody uses is maintained for nothing, or its reference is misspelt.",
    fix="Refer to it, or remove it.",
)
def oas2_unused_definition(subject: Subject) -> Iterator[Hit]:
    used = subject.used
    for name in mapping(subject.data.get("definitions")):
        if ("definitions", name) not in used:
            yield subject.hit("definitions", name, on_key=True)
