"""Rules about the path templates themselves."""

from __future__ import annotations

from collections.abc import Iterator

from apigw_cli.lint.model import Hit, On, rule
from apigw_cli.lint.subject import Subject
from apigw_cli.openapi.operations import mapping


@rule(
    "path-keys-no-trailing-slash",
    "Path must not end with slash.",
    on=On.DOCUMENT,
    summary="No path ends in a slash.",
    why="/pets and /pets/ are two paths: clients that guess wrong get a 404.",
    fix="Remove the slash.",
)
def path_keys_no_trailing_slash(subject: Subject) -> Iterator[Hit]:
    for path in mapping(subject.data.get("paths")):
        if path.endswith("/") and len(path) > 1:
            yield subject.hit("paths", path, on_key=True)


@rule(
    "path-not-include-query",
    "Path must not include query string.",
    on=On.DOCUMENT,
    summary="No path holds a question mark.",
    why="The query is no part of a path; such a path never matches.",
    fix="Declare what stands behind the ? as parameters with in: query.",
)
def path_not_include_query(subject: Subject) -> Iterator[Hit]:
    for path in mapping(subject.data.get("paths")):
        if "?" in path:
            yield subject.hit("paths", path, on_key=True)


@rule(
    "path-declarations-must-exist",
    'Path parameter declarations must not be empty, ex."/given/{}" is invalid.',
    on=On.DOCUMENT,
    summary="No path holds an empty {}.",
    why="A variable without a name cannot be declared.",
    fix="Name it: {petId}.",
)
def path_declarations_must_exist(subject: Subject) -> Iterator[Hit]:
    for path in mapping(subject.data.get("paths")):
        if "{}" in path:
            yield subject.hit("paths", path, on_key=True)
