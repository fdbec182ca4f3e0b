"""What goes over the wire of one operation, compared: parameters, bodies, responses, headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apigw_cli.openapi.document import Node
from apigw_cli.openapi.operations import Operation
from apigw_cli.stages.contract import rules
from apigw_cli.stages.contract.delta import Delta, join
from apigw_cli.stages.contract.rules import Direction
from apigw_cli.stages.contract.schemas import Schemas
from apigw_cli.stages.contract.view import Body, Content, Header, Parameter, Response, View
from apigw_cli.stages.finding import Axis, Finding, Side, Spot


@dataclass(frozen=True, slots=True)
class Exchange:
    """Compares the two versions of one operation. `name` is how findings call it: `GET /pets`."""

    name: str
    api: str
    base: View
    revision: View
    schemas: Schemas

    def compare(self, old: Operation, new: Operation) -> Iterator[Finding]:
        yield from self._parameters(self.base.parameters(old), self.revision.parameters(new), old, new)
        yield from self._body(self.base.body(old), self.revision.body(new), old, new)
        yield from self._responses(self.base.responses(old), self.revision.responses(new), old, new)

    def _finding(
        self,
        rule: str,
        path: str,
        message: str,
        base: Node | None,
        revision: Node | None,
        old: Any = None,
        new: Any = None,
    ) -> Finding:
        return finding(rule, self.name, path, message, base, revision, old, new, self.api)

    # --- parameters

    def _parameters(
        self,
        old: dict[tuple[str, str], Parameter],
        new: dict[tuple[str, str], Parameter],
        base: Operation,
        revision: Operation,
    ) -> Iterator[Finding]:
        for key, parameter in old.items():
            if key in new:
                yield from self._parameter(parameter, new[key])
            else:
                where, text = _parameter_names(parameter)
                message = f"{text} removed"
                yield self._finding(
                    "request-parameter-removed", where, message, parameter.node, revision.node, parameter.name
                )
        for key, parameter in new.items():
            if key not in old:
                where, text = _parameter_names(parameter)
                needed = "required" if parameter.required else "optional"
                message = f"{text} added ({needed})"
                yield self._finding(
                    f"new-{needed}-request-parameter", where, message, base.node, parameter.node, None, parameter.name
                )

    def _parameter(self, old: Parameter, new: Parameter) -> Iterator[Finding]:
        where, text = _parameter_names(new)
        if old.required != new.required:
            word = "required" if new.required else "optional"
            rule = f"request-parameter-became-{word}"
            yield self._finding(rule, where, f"{text} became {word}", old.node, new.node, old.required, new.required)
        if old.style != new.style and old.style and new.style:
            message = f"{text} written differently: {old.style} → {new.style}"
            yield self._finding(
                "request-parameter-style-changed", where, message, old.node, new.node, old.style, new.style
            )
        if old.schema and new.schema:
            for delta in self.schemas.compare(old.schema, new.schema, Direction.REQUEST):
                subject = "request-parameter-property" if _is_inside(delta.path) else "request-parameter"
                yield self._of_delta(delta, subject, where, f"{new.location} parameter", new.name)

    def _of_delta(self, delta: Delta, subject: str, where: str, words: str, name: str) -> Finding:
        rule = rules.of_facet(subject, delta.facet)
        full = join(name, delta.path) if name else delta.path
        shown = f' "{full.removeprefix("[].")}"' if full else ""
        message = f"{words}{shown} {delta.text}"
        path = join(where, delta.path)
        return self._finding(rule.id, path, message, delta.base, delta.revision, delta.old, delta.new)

    # --- the request body

    def _body(self, old: Body | None, new: Body | None, base: Operation, revision: Operation) -> Iterator[Finding]:
        if old is None and new is not None:
            needed = "required" if new.required else "optional"
            message = f"request body added ({needed})"
            yield self._finding(f"request-body-added-{needed}", "body", message, base.node, new.node)
        elif old is not None and new is None:
            message = "request body removed"
            yield self._finding("request-body-removed", "body", message, old.node, revision.node, True)
        elif old is not None and new is not None:
            yield from self._bodies(old, new)

    def _bodies(self, old: Body, new: Body) -> Iterator[Finding]:
        if old.required != new.required:
            word = "required" if new.required else "optional"
            rule = f"request-body-became-{word}"
            message = f"request body became {word}"
            yield self._finding(rule, "body", message, old.node, new.node, old.required, new.required)
        yield from self._media("request-body", "body", "request body", old.media, new.media, old.node, new.node)
        for delta in self._schemas(old, new, Direction.REQUEST):
            inside = _is_inside(delta.path)
            subject = "request-property" if inside else "request-body"
            words = "request property" if inside else "request body"
            yield self._of_delta(delta, subject, "body", words, "")

    def _media(
        self,
        subject: str,
        where: str,
        words: str,
        old: dict[str, Node | None],
        new: dict[str, Node | None],
        base: Node,
        revision: Node,
    ) -> Iterator[Finding]:
        for name in old:
            if name not in new:
                rule = f"{subject}-media-type-removed"
                yield self._finding(rule, where, f"{words} media type {name} removed", base, revision, name, None)
        for name in new:
            if name not in old:
                rule = f"{subject}-media-type-added"
                yield self._finding(rule, where, f"{words} media type {name} added", base, revision, None, name)

    def _schemas(self, old: Content, new: Content, direction: Direction) -> Iterator[Delta]:
        """The differences of two bodies, each once however many media types have it."""
        seen: set[tuple[str, str, str]] = set()
        for name in old.media:
            if name in new.media:
                for delta in self._of_media(name, old, new, direction):
                    key = (delta.facet, delta.path, delta.text)
                    if key not in seen:
                        seen.add(key)
                        yield delta

    def _of_media(self, name: str, old: Content, new: Content, direction: Direction) -> Iterator[Delta]:
        schema, other = old.media[name], new.media[name]
        if schema is not None and other is not None:
            yield from self.schemas.compare(schema, other, direction)
        elif schema is not None or other is not None:
            facet = "type-specialized" if schema is None else "type-generalized"
            text = "any value → a schema" if schema is None else "a schema → any value"
            yield Delta(facet, "", text, None, None, schema or old.node, other or new.node)

    # --- responses

    def _responses(
        self, old: dict[str, Response], new: dict[str, Response], base: Operation, revision: Operation
    ) -> Iterator[Finding]:
        for status, response in old.items():
            if status in new:
                yield from self._response(response, new[status])
            else:
                rule = f"response-{'success' if response.success else 'non-success'}-status-removed"
                yield self._finding(rule, status, f"response {status} removed", response.node, revision.node, status)
        for status, response in new.items():
            if status not in old:
                rule = f"response-{'success' if response.success else 'non-success'}-status-added"
                yield self._finding(rule, status, f"response {status} added", base.node, response.node, None, status)

    def _response(self, old: Response, new: Response) -> Iterator[Finding]:
        status = new.status
        words = f"response {status}"
        yield from self._media("response", status, words, old.media, new.media, old.node, new.node)
        for delta in self._schemas(old, new, Direction.RESPONSE):
            inside = _is_inside(delta.path)
            subject = "response-property" if inside else "response-body"
            what = f"{words} property" if inside else f"{words} body"
            yield self._of_delta(delta, subject, f"{status}.body", what, "")
        yield from self._headers(status, old.headers, new.headers, old.node, new.node)

    def _headers(
        self, status: str, old: dict[str, Header], new: dict[str, Header], base: Node, revision: Node
    ) -> Iterator[Finding]:
        for key, header in old.items():
            if key in new:
                yield from self._header(status, header, new[key])
            else:
                rule = f"{'required' if header.required else 'optional'}-response-header-removed"
                path, words = f"{status}.header.{header.name}", f'response {status} header "{header.name}"'
                yield self._finding(rule, path, f"{words} removed", header.node, revision, header.name)
        for key, header in new.items():
            if key not in old:
                path, words = f"{status}.header.{header.name}", f'response {status} header "{header.name}"'
                yield self._finding(
                    "response-header-added", path, f"{words} added", base, header.node, None, header.name
                )

    def _header(self, status: str, old: Header, new: Header) -> Iterator[Finding]:
        where = f"{status}.header.{new.name}"
        if old.required != new.required:
            word = "required" if new.required else "optional"
            message = f'response {status} header "{new.name}" became {word}'
            yield self._finding(f"response-header-became-{word}", where, message, old.node, new.node)
        if old.schema and new.schema:
            for delta in self.schemas.compare(old.schema, new.schema, Direction.RESPONSE):
                yield self._of_delta(delta, "response-header", where, f"response {status} header", new.name)


def finding(
    rule: str,
    operation: str,
    path: str,
    message: str,
    base: Node | None,
    revision: Node | None,
    old: Any = None,
    new: Any = None,
    api: str = "",
) -> Finding:
    """A finding of the contract axis; its level is the rule's."""
    row = rules.RULES[rule]
    spots = []
    if base is not None:
        spots.append(Spot.of(Side.BASE, base, key=True))
    if revision is not None:
        spots.append(Spot.of(Side.REVISION, revision, key=True))
    return Finding(rule, Axis.CONTRACT, row.level, operation, path, message, old, new, tuple(spots), api, row.why)


def _parameter_names(parameter: Parameter) -> tuple[str, str]:
    return f"{parameter.location}.{parameter.name}", f'{parameter.location} parameter "{parameter.name}"'


def _is_inside(path: str) -> bool:
    """Whether a path leads into a value; an alternative (`<Cat>`) is still the value itself."""
    return bool(re.sub(r"<[^>]*>", "", path))
