"""What rules of several targets look for: path templates, schemas, references, security schemes, sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from apigw_cli.lint.model import OAS, OAS2, WARN, Check, Hit, On, Rule, Severity
from apigw_cli.lint.subject import Subject, Visit
from apigw_cli.openapi.document import Node
from apigw_cli.openapi.operations import Operation, mapping

_ONE = frozenset({"items", "not", "additionalProperties", "if", "then", "else", "contains", "propertyNames"})
_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
_LISTED = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
VARIABLE = re.compile(r"\{([^{}]*)\}")


def target_rules(target: str, title: str, page: str) -> Callable[..., Rule]:
    """A maker of one target's rules: its name before each id, its page behind each reason."""

    def make(
        name: str,
        check: Check,
        summary: str,
        why: str,
        fix: str,
        *,
        on: On = On.DOCUMENT,
        severity: Severity = WARN,
        formats: frozenset[str] = OAS,
        keys: tuple[str, ...] = (),
    ) -> Rule:
        reason = f"{why} ({title}: {page})"
        return Rule(
            f"{target}-{name}", summary, summary, reason, fix, check, on, severity, formats,
            recommended=True, family=f"target:{target}", keys=keys,
        )  # fmt: skip

    return make


# --- paths


def partial_segments(subject: Subject) -> Iterator[Hit]:
    """Path variables that are only a part of their segment."""
    for path in mapping(subject.data.get("paths")):
        bad = [part for part in path.split("/") if "{" in part and not re.fullmatch(r"\{[^{}]*\}", part)]
        if bad and not path.startswith("x-"):
            message = f'"{bad[0]}" is only in part a variable'
            yield subject.hit("paths", path, message=message, on_key=True)


def characters(allowed: str, words: str) -> Check:
    """A check of the literal segments of paths against a class of characters."""
    good = re.compile(rf"[{allowed}]*")

    def check(subject: Subject) -> Iterator[Hit]:
        for path in mapping(subject.data.get("paths")):
            literal = VARIABLE.sub("", path).replace("/", "")
            if not path.startswith("x-") and not good.fullmatch(literal):
                odd = good.sub("", literal)[:1]
                yield subject.hit("paths", path, message=f'a path may hold {words}, not "{odd}"', on_key=True)

    return check


def greedy_paths(subject: Subject) -> Iterator[Hit]:
    for path in mapping(subject.data.get("paths")):
        if re.search(r"\+\}", path):
            yield subject.hit("paths", path, message=f'"{path}" takes the rest of the path', on_key=True)


def method(name: str) -> Check:
    """A check for operations of one method."""

    def check(subject: Subject, operation: Operation) -> Iterator[Hit]:
        if operation.method == name:
            yield Hit.at(operation.node, message=f"{name} {operation.path} cannot be served", on_key=True)

    return check


def other_methods(subject: Subject, operation: Operation) -> Iterator[Hit]:
    """TRACE, QUERY and methods of one's own."""
    if operation.method not in ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH"):
        yield Hit.at(operation.node, message=f"{operation.method} {operation.path} cannot be served", on_key=True)


def more_routes_than(limit: int, noun: str, count: Callable[[Subject], int]) -> Check:
    """A check of a quota."""

    def check(subject: Subject) -> Iterator[Hit]:
        number = count(subject)
        if number > limit:
            yield subject.hit("paths", message=f"{number:,} {noun} are more than {limit:,}", on_key=True)

    return check


def resources(subject: Subject) -> int:
    """The nodes of the tree of paths: what AWS calls resources."""
    nodes = {""}
    for path, _ in subject.items:
        parts = path.strip("/").split("/")
        nodes |= {"/".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return len(nodes)


# --- the document


def versions(*known: str) -> Check:
    """A check of the OpenAPI version."""

    def check(subject: Subject) -> Iterator[Hit]:
        if subject.version not in known:
            key = "swagger" if "swagger" in subject.data else "openapi"
            yield subject.hit(key, message=f"OpenAPI {subject.version} is not read, only {' and '.join(known)}")

    return check


def larger_than(limit: int) -> Check:
    """A check of the size of the file, in bytes."""

    def check(subject: Subject) -> Iterator[Hit]:
        size = len((subject.document.text or "").encode("utf-8", "replace"))
        if size > limit:
            yield subject.hit(message=f"{size / 1e6:.1f} MB are more than the {limit / 1e6:.0f} MB that are read")

    return check


def external_references(visit: Visit) -> Iterator[Hit]:
    ref = visit.node["$ref"]
    if isinstance(ref, str) and not ref.startswith("#"):
        yield visit.hit("$ref", message=f"{ref!r} is in another file")


def root_security(subject: Subject) -> Iterator[Hit]:
    """Operations that only the document's own `security` protects."""
    if not subject.data.get("security"):
        return
    bare = [operation.name for operation in subject.operations if "security" not in operation.node.data]
    if bare:
        names = ", ".join(bare[:3]) + (f" and {len(bare) - 3:,} more" if len(bare) > 3 else "")
        yield subject.hit("security", message=f"security here does not count for {names}", on_key=True)


# --- security schemes


def schemes(subject: Subject) -> Iterator[tuple[Node, dict[str, Any]]]:
    """The declared security schemes, references followed."""
    steps = ("securityDefinitions",) if subject.version in OAS2 else ("components", "securitySchemes")
    declared: Any = subject.data
    for step in steps:
        declared = mapping(declared).get(step)
    for name, data in mapping(declared).items():
        node = subject.follow(Node(subject.document, (*steps, name), data))
        if node is not None and isinstance(node.data, dict):
            yield node, node.data


def scheme_check(problem: Callable[[dict[str, Any]], str | None]) -> Check:
    """A check of every security scheme: `problem` says what is wrong with it."""

    def check(subject: Subject) -> Iterator[Hit]:
        for node, data in schemes(subject):
            message = problem(data)
            if message:
                yield Hit.at(node, message=message, on_key=True)

    return check


def alternatives(subject: Subject) -> Iterator[Hit]:
    """`security` with a choice, or with several schemes at once."""
    for owner in (subject.root, *(operation.node for operation in subject.operations)):
        listed = mapping(owner.data).get("security")
        if isinstance(listed, list) and (len(listed) > 1 or any(len(mapping(one)) > 1 for one in listed)):
            yield Hit.at(owner, "security", message="only one scheme at a time can be asked for", on_key=True)


# --- schemas


def is_schema(path: Iterable[str | int]) -> bool:
    """Whether what stands at a path is a schema, as far as the path tells."""
    steps = tuple(path)
    state = ""
    index = 0
    while index < len(steps):
        step = steps[index]
        if not state:
            if step == "schema":
                state = "schema"
            elif (step == "schemas" and index == 1) or (step == "definitions" and index == 0):
                state = "named"
        elif state == "named" or step in _ONE:
            state = "schema"
        elif step in _NAMED or step in _LISTED:
            state = "named"
        else:
            return False
        index += 1
    return state == "schema"


def keyword_in_schema(visit: Visit) -> Iterator[Hit]:
    """A keyword of the rule in a schema; a property of that name is none."""
    if is_schema(visit.path):
        yield visit.hit(visit.key, message=f'"{visit.key}" is not supported in schemas', on_key=True)
