"""Rules about who may call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apigw_cli.lint.model import INFO, OAS2, OAS3, Check, Hit, On, Rule, rule
from apigw_cli.lint.subject import Subject
from apigw_cli.openapi.document import Node
from apigw_cli.openapi.operations import mapping, security


def _schemes(subject: Subject) -> dict[str, Any]:
    """The declared schemes, references followed."""
    base = ("securityDefinitions",) if subject.version in OAS2 else ("components", "securitySchemes")
    declared: Any = subject.data
    for step in base:
        declared = mapping(declared).get(step)
    found: dict[str, Any] = {}
    for name, data in mapping(declared).items():
        node = subject.follow(Node(subject.document, (*base, name), data))
        found[name] = node.data if node else data
    return found


def _undefined(subject: Subject) -> Iterator[Hit]:
    schemes = _schemes(subject)
    yield from _of_owner(subject, subject.root, "API", schemes)
    for operation in subject.operations:
        yield from _of_owner(subject, operation.node, "Operation", schemes)


def _of_owner(subject: Subject, owner: Node, kind: str, schemes: dict[str, Any]) -> Iterator[Hit]:
    listed = mapping(owner.data).get("security")
    where = "securityDefinitions" if subject.version in OAS2 else "components.securitySchemes"
    for index, requirement in enumerate(listed if isinstance(listed, list) else ()):
        for name, scopes in mapping(requirement).items():
            if name not in schemes:
                message = f'{kind} "security" values must match a scheme defined in the "{where}" object.'
                yield Hit.at(owner, "security", index, name, message=message, on_key=True)
                continue
            for position, scope in enumerate(scopes if isinstance(scopes, list) else ()):
                if not _knows_scope(subject, schemes[name], scope):
                    message = f'"{scope}" must be listed among scopes.'
                    yield Hit.at(owner, "security", index, name, position, message=message)


def _knows_scope(subject: Subject, scheme: Any, scope: Any) -> bool:
    """Whether a requirement may name `scope`: OpenID Connect declares none, and 3.1 lets other schemes name roles."""
    data, version = mapping(scheme), subject.version
    kind = data.get("type") if subject.corrected else None
    if kind == "openIdConnect" or (version in ("3.1", "3.2") and kind in ("http", "apiKey", "mutualTLS")):
        return True
    if version in OAS2:
        return scope in mapping(data.get("scopes"))
    return any(scope in mapping(mapping(flow).get("scopes")) for flow in mapping(data.get("flows")).values())


def _rule(name: str, formats: frozenset[str], check: Check) -> Rule:
    return rule(
        name,
        'Operation "security" values must match a declared scheme.',
        on=On.DOCUMENT,
        formats=formats,
        summary="Every security requirement names a declared scheme, and scopes that it declares.",
        why="A requirement that names nothing protects nothing, or lets nobody in.",
        fix="Declare the scheme (or scope), or mend the name.",
    )(check)


oas2_operation_security_defined = _rule("oas2-operation-security-defined", OAS2, _undefined)
oas3_operation_security_defined = _rule("oas3-operation-security-defined", OAS3, _undefined)


@rule(
    "gateway-unsecured-beside-secured",
    "Anyone may call this operation, although others in this API require credentials.",
    on=On.DOCUMENT,
    severity=INFO,
    family="apigw:gateway",
    summary="No operation is left without security by omission, beside others that have it.",
    why="An operation added later is easily forgotten, and open; apigw lets through what requires nothing.",
    fix="Add security to it or to the document's root; security: [] says that it is meant to be open.",
)
def gateway_unsecured_beside_secured(subject: Subject) -> Iterator[Hit]:
    open_ones, secured = [], 0
    for operation in subject.operations:
        requirements, steps = security(subject.document, operation)
        secured += any(requirements)
        if not steps:
            open_ones.append(operation)
    for operation in open_ones if secured else ():
        message = f"Anyone may call {operation.name}, although {secured} other operations of this API are secured."
        if secured == 1:
            message = f"Anyone may call {operation.name}, although another operation of this API is secured."
        yield Hit.at(operation.node, message=message)
