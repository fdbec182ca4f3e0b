"""Who may call an operation, compared: the requirements' alternatives, and the schemes' wire fields.

A requirement is a set of credentials that must come together; an operation accepts any one of its alternatives.
A client keeps working when one of the new alternatives needs no more than what it sends. A change to a scheme
itself is reported once, not at every operation that uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.document import Node
from apigw_cli.openapi.operations import Operation, mapping
from apigw_cli.stages.contract.judge import finding
from apigw_cli.stages.contract.view import View
from apigw_cli.stages.finding import Axis, Finding, Level, Side, Spot

Need = tuple[str, frozenset[str]]  # a scheme and the scopes it must have
Alternative = frozenset[Need]
ANONYMOUS: Alternative = frozenset()


@dataclass(slots=True)
class Security:
    """Compares security of two documents. `guards`: judge protection too, where no gateway policy does it."""

    base: View
    revision: View
    api: str = ""
    guards: bool = True
    _renamed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._old = openapi.security_schemes(self.base.document, self.base.library)
        self._new = openapi.security_schemes(self.revision.document, self.revision.library)
        self._renamed = _renames(self._old, self._new)

    _old: dict[str, Node] = field(default_factory=dict, init=False)
    _new: dict[str, Node] = field(default_factory=dict, init=False)

    # --- schemes

    def schemes(self) -> Iterator[Finding]:
        """Findings about the schemes that both documents declare."""
        for name, old in self._old.items():
            new = self._new.get(name)
            if new is not None:
                yield from self._scheme(name, mapping(old.data), mapping(new.data), old, new)

    def _scheme(
        self, name: str, old: dict[str, Any], new: dict[str, Any], base: Node, revision: Node
    ) -> Iterator[Finding]:
        kinds = _kind(old), _kind(new)
        rule, message = "", ""
        if kinds[0] != kinds[1]:
            rule, message = "api-security-component-type-changed", f"type {kinds[0]} → {kinds[1]}"
        elif _wire(old) != _wire(new):
            rule, message = "api-security-component-wire-changed", f"{_wire(old)} → {_wire(new)}"
        elif _urls(old) != _urls(new):
            rule, message = "api-security-component-oauth-url-changed", "its URLs changed"
        if rule:
            text = f"security scheme {name}: {message}"
            yield finding(rule, "", f"security.{name}", text, base, revision, _wire(old), _wire(new), self.api)

    # --- operations

    def operation(self, name: str, old: Operation, new: Operation) -> Iterator[Finding]:
        before, base = self._accepted(self.base, old, self._renamed)
        after, revision = self._accepted(self.revision, new, {})
        if before == after:
            return
        contract = _contract(before, after)
        if contract:
            rule, message = contract
            yield finding(rule, name, "security", message, base, revision, _show(before), _show(after), self.api)
        if self.guards:
            yield from self._guard(name, before, after, base, revision)

    def _accepted(
        self, view: View, operation: Operation, renamed: dict[str, str]
    ) -> tuple[frozenset[Alternative], Node]:
        requirements, steps = openapi.security(view.document, operation)
        own = steps != ("security",)
        document = operation.node.document if own else view.document
        node = Node(document, steps, requirements) if steps else operation.node
        found = frozenset(_alternative(requirement, renamed) for requirement in requirements)
        return _least(found or {ANONYMOUS}), node

    def _guard(
        self, name: str, before: frozenset[Alternative], after: frozenset[Alternative], base: Node, revision: Node
    ) -> Iterator[Finding]:
        new_ways = [way for way in after if not any(_covers(way, known) for known in before)]
        level = Level.WEAKEN if new_ways else Level.STRENGTHEN
        rule = "auth-weakened" if new_ways else "auth-strengthened"
        message = f"authentication {_show(before)} → {_show(after)}"
        spots = (Spot.of(Side.BASE, base, key=True), Spot.of(Side.REVISION, revision, key=True))
        why = "callers get in who could not before" if new_ways else "callers need more than before"
        yield Finding(
            rule, Axis.PROTECTION, level, name, "security", message, _show(before), _show(after), spots, self.api, why
        )


def _alternative(requirement: dict[str, list[str]], renamed: dict[str, str]) -> Alternative:
    return frozenset(
        (renamed.get(scheme, scheme), frozenset(scopes if isinstance(scopes, list) else ()))
        for scheme, scopes in requirement.items()
    )


def _covers(more: Alternative, less: Alternative) -> bool:
    """Whether credentials that satisfy `more` satisfy `less` too."""
    return all(any(scheme == other and scopes <= theirs for other, theirs in more) for scheme, scopes in less)


def _least(alternatives: Iterable[Alternative]) -> frozenset[Alternative]:
    """Without the alternatives that need more than another one does."""
    listed = list(alternatives)
    return frozenset(one for one in listed if not any(other != one and _covers(one, other) for other in listed))


def _contract(before: frozenset[Alternative], after: frozenset[Alternative]) -> tuple[str, str] | None:
    """The rule and message for what happens to clients, worst first."""
    text = f"{_show(before)} → {_show(after)}"
    refused = [old for old in before if not any(_covers(old, new) for new in after)]
    if not refused:
        if ANONYMOUS in after:
            return "api-security-dropped", f"credentials not needed any more: {text}"
        if _names(before) == _names(after):
            return "api-security-scope-removed", f"scopes removed: {text}"
        return "api-security-alternative-added", f"other credentials accepted: {text}"
    if ANONYMOUS in refused:
        return "api-security-added", f"credentials needed: {text}"
    if _names(before) == _names(after):
        return "api-security-scope-added", f"scopes added: {text}"
    return "api-security-removed", f"credentials refused: {text}"


def _names(alternatives: Iterable[Alternative]) -> set[frozenset[str]]:
    return {frozenset(scheme for scheme, _ in alternative) for alternative in alternatives}


def _show(alternatives: Iterable[Alternative]) -> str:
    return " or ".join(sorted(_show_one(alternative) for alternative in alternatives))


def _show_one(alternative: Alternative) -> str:
    if not alternative:
        return "none"
    needs = (
        f"{scheme} ({', '.join(sorted(scopes))})" if scopes else scheme
        for scheme, scopes in sorted(alternative, key=lambda need: need[0])
    )
    return " and ".join(needs)


# --- schemes as they are on the wire


def _kind(data: dict[str, Any]) -> str:
    kind = str(data.get("type"))
    return "http basic" if kind == "basic" else f"http {str(data.get('scheme')).lower()}" if kind == "http" else kind


def _wire(data: dict[str, Any]) -> str:
    if data.get("type") == "apiKey":
        name = str(data.get("name"))
        return f"{data.get('in')} {name.lower() if data.get('in') == 'header' else name}"
    return _kind(data)


def _urls(data: dict[str, Any]) -> Any:
    flows = mapping(data.get("flows")).values() if "flows" in data else [data]
    names = ("authorizationUrl", "tokenUrl", "refreshUrl")
    return [data.get("openIdConnectUrl"), sorted(str(mapping(flow).get(n)) for flow in flows for n in names)]


def _renames(old: dict[str, Node], new: dict[str, Node]) -> dict[str, str]:
    """Schemes that only changed their name: gone here, new there, the same on the wire."""
    fresh = {name: node for name, node in new.items() if name not in old}
    found: dict[str, str] = {}
    for name, node in old.items():
        if name in new:
            continue
        for other, candidate in fresh.items():
            same = _wire(mapping(node.data)) == _wire(mapping(candidate.data))
            if same and _urls(mapping(node.data)) == _urls(mapping(candidate.data)) and other not in found.values():
                found[name] = other
                break
    return found
