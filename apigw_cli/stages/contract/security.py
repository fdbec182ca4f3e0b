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
        """Findings about the schemes that the documents declare."""
        for name, old in self._old.items():
            new = self._new.get(name)
            if new is not None:
                yield from self._scheme(name, mapping(old.data), mapping(new.data), old, new)
            elif name not in self._renamed:
                yield self._about(name, "removed", "removed", old, None, name, None)
        for name, new in self._new.items():
            if name not in self._old and name not in self._renamed.values():
                yield self._about(name, "added", "added", None, new, None, name)

    def _about(
        self, name: str, what: str, message: str, base: Node | None, revision: Node | None, old: Any, new: Any
    ) -> Finding:
        rule, text = f"api-security-component-{what}", f"security scheme {name}: {message}"
        return finding(rule, "", f"security.{name}", text, base, revision, old, new, self.api)

    def _scheme(
        self, name: str, old: dict[str, Any], new: dict[str, Any], base: Node, revision: Node
    ) -> Iterator[Finding]:
        nodes, values = (base, revision), (_wire(old), _wire(new))
        if _kind(old) != _kind(new):
            yield self._about(name, "type-changed", f"type {_kind(old)} → {_kind(new)}", *nodes, *values)
            return
        if values[0] != values[1]:
            yield self._about(name, "wire-changed", f"{values[0]} → {values[1]}", *nodes, *values)
        urls = old.get("openIdConnectUrl"), new.get("openIdConnectUrl")
        if urls[0] != urls[1]:
            yield self._about(name, "open-id-connect-url-changed", f"{urls[0]} → {urls[1]}", *nodes, *urls)
        flows, others = _flows(old), _flows(new)
        for flow in sorted(flows.keys() | others.keys()):
            if flow in flows and flow in others:
                yield from self._flow(name, flow, flows[flow], others[flow], base, revision)
            else:
                action = "removed" if flow in flows else "added"
                yield self._about(name, f"oauth-flow-{action}", f"flow {flow} {action}", *nodes, None, None)

    def _flow(
        self, name: str, flow: str, old: dict[str, Any], new: dict[str, Any], base: Node, revision: Node
    ) -> Iterator[Finding]:
        for key, what in (("authorizationUrl", "oauth-url"), ("tokenUrl", "oauth-token-url")):
            urls = old.get(key), new.get(key)
            if urls[0] != urls[1]:
                text = f"{flow} {key} {urls[0]} → {urls[1]}"
                yield self._about(name, f"{what}-changed", text, base, revision, *urls)
        scopes, others = mapping(old.get("scopes")), mapping(new.get("scopes"))
        for scope in sorted(scopes.keys() ^ others.keys()):
            action = "removed" if scope in scopes else "added"
            yield self._about(
                name, f"oauth-scope-{action}", f"{flow} scope {scope} {action}", base, revision, None, None
            )

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


_OLD_FLOWS = {"accessCode": "authorizationCode", "application": "clientCredentials"}  # Swagger 2's names


def _flows(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    if "flows" in data:
        return {name: mapping(flow) for name, flow in mapping(data["flows"]).items()}
    flow = data.get("flow")
    return {_OLD_FLOWS.get(flow, flow): data} if isinstance(flow, str) else {}


def _urls(data: dict[str, Any]) -> Any:
    flows = {name: (flow.get("authorizationUrl"), flow.get("tokenUrl")) for name, flow in _flows(data).items()}
    return data.get("openIdConnectUrl"), flows


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
