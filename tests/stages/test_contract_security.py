"""Who may call: both axes. Removing authentication weakens; adding or moving it breaks."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_cli.stages.finding import Axis, Level
from tests.stages.specs import compare, found, operation, spec

KEY = {"type": "apiKey", "in": "header", "name": "X-Key"}
OAUTH = {
    "type": "oauth2",
    "flows": {"clientCredentials": {"tokenUrl": "https://a/t", "scopes": {"r": "", "w": ""}}},
}


def secured(*requirements: dict[str, list[str]], schemes: Any = None) -> dict[str, Any]:
    parts = {"securitySchemes": schemes or {"key": KEY, "other": {**KEY, "name": "X-Other"}, "oauth": OAUTH}}
    return spec(operation(security=list(requirements)), components=parts)


K, OTHER = {"key": []}, {"other": []}
R, RW = {"oauth": ["r"]}, {"oauth": ["r", "w"]}

CASES: list[tuple[str, Any, Any, str | None, str | None]] = [
    # name, old and new requirements, rule of the contract, rule of protection
    ("removed", [K], [], "api-security-dropped", "auth-weakened"),
    ("made optional", [K], [K, {}], "api-security-dropped", "auth-weakened"),
    ("added", [], [K], "api-security-added", "auth-strengthened"),
    ("optional no more", [K, {}], [K], "api-security-added", "auth-strengthened"),
    ("another way in", [K], [K, OTHER], "api-security-alternative-added", "auth-weakened"),
    ("a way in less", [K, OTHER], [K], "api-security-removed", "auth-strengthened"),
    ("another scheme", [K], [OTHER], "api-security-removed", "auth-weakened"),
    ("both needed", [K], [{**K, **OTHER}], "api-security-removed", "auth-strengthened"),
    ("one of two needed", [{**K, **OTHER}], [K], "api-security-alternative-added", "auth-weakened"),
    ("scope added", [R], [RW], "api-security-scope-added", "auth-strengthened"),
    ("scope removed", [RW], [R], "api-security-scope-removed", "auth-weakened"),
    ("another order", [K, OTHER], [OTHER, K], None, None),
    ("an alternative that another covers", [K], [K, {**K, **OTHER}], None, None),
]


@pytest.mark.parametrize(("old", "new", "contract", "protection"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_requirements(old: Any, new: Any, contract: str | None, protection: str | None) -> None:
    findings = compare(secured(*old), secured(*new))
    by_axis = {finding.axis: finding.id for finding in findings}
    expected = {Axis.CONTRACT: contract, Axis.PROTECTION: protection}
    assert by_axis == {axis: rule for axis, rule in expected.items() if rule}


def test_levels() -> None:
    removed = {finding.axis: finding.level for finding in compare(secured(K), secured())}
    assert removed == {Axis.CONTRACT: Level.INFO, Axis.PROTECTION: Level.WEAKEN}
    added = {finding.axis: finding.level for finding in compare(secured(), secured(K))}
    assert added == {Axis.CONTRACT: Level.ERR, Axis.PROTECTION: Level.STRENGTHEN}


@pytest.mark.parametrize(
    ("scheme", "rule"),
    [
        ({**KEY, "name": "X-Other"}, "api-security-component-wire-changed"),
        ({**KEY, "in": "query"}, "api-security-component-wire-changed"),
        ({"type": "http", "scheme": "bearer"}, "api-security-component-type-changed"),
        ({**KEY, "description": "a key"}, None),
        ({**KEY, "name": "x-key"}, None),
    ],
)
def test_the_wire_fields_of_a_scheme_are_reported_once(scheme: Any, rule: str | None) -> None:
    old, new = secured(K, schemes={"key": KEY}), secured(K, schemes={"key": scheme})
    assert found(old, new) == ({f"{rule} security.key"} if rule else set())


def test_the_token_url_of_a_scheme() -> None:
    moved = {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://b/t", "scopes": {"r": ""}}}}
    assert found(secured(R, schemes={"oauth": OAUTH}), secured(R, schemes={"oauth": moved})) == {
        "api-security-component-oauth-token-url-changed security.oauth",
        "api-security-component-oauth-scope-removed security.oauth",
    }


def test_security_of_the_document_reaches_every_operation() -> None:
    paths = {"/a": {"get": {"responses": {}}}, "/b": {"get": {"responses": {}, "security": []}}}
    parts = {"components": {"securitySchemes": {"key": KEY}}}
    findings = compare(spec(paths, security=[K], **parts), spec(paths, **parts))
    assert [(f.id, f.operation) for f in findings if f.axis is Axis.PROTECTION] == [("auth-weakened", "GET /a")]


def scheme(**parts: Any) -> dict[str, Any]:
    return secured(R, schemes={"oauth": {**OAUTH, **parts}})


def flows(**by_name: Any) -> dict[str, Any]:
    return {"flows": by_name}


CODE = {"authorizationUrl": "https://a/o", "tokenUrl": "https://a/t", "scopes": {"r": ""}}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (flows(authorizationCode=CODE), flows(authorizationCode={**CODE, "authorizationUrl": "https://b"}),
         "oauth-url-changed"),
        (flows(authorizationCode=CODE), flows(authorizationCode={**CODE, "scopes": {"r": "", "w": ""}}),
         "oauth-scope-added"),
        (flows(authorizationCode=CODE, implicit=CODE), flows(authorizationCode=CODE), "oauth-flow-removed"),
        (flows(authorizationCode=CODE), flows(authorizationCode=CODE, implicit=CODE), "oauth-flow-added"),
        (
            {"type": "openIdConnect", "openIdConnectUrl": "https://a"},
            {"type": "openIdConnect", "openIdConnectUrl": "https://b"},
            "open-id-connect-url-changed",
        ),
    ],
)  # fmt: skip
def test_where_tokens_come_from(old: Any, new: Any, rule: str) -> None:
    assert found(scheme(**old), scheme(**new)) == {f"api-security-component-{rule} security.oauth"}


def test_schemes_come_and_go() -> None:
    one, two = secured(K, schemes={"key": KEY}), secured(K, schemes={"key": KEY, "o": {**KEY, "name": "X-O"}})
    assert found(one, two) == {"api-security-component-added security.o"}
    assert found(two, one) == {"api-security-component-removed security.o"}
