"""One operation, both versions: parameters, bodies and answers as clients send and get them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apigw_cli.openapi.document import Node
from apigw_cli.openapi.operations import Operation
from apigw_cli.stages.contract import styles
from apigw_cli.stages.contract.judge import Judge, is_inside
from apigw_cli.stages.contract.law import Direction
from apigw_cli.stages.contract.messages import Messages
from apigw_cli.stages.contract.schemas import Schemas
from apigw_cli.stages.contract.view import Body, Parameter, View
from apigw_cli.stages.finding import Finding

_Parameters = dict[tuple[str, str], Parameter]


@dataclass(frozen=True, slots=True)
class Exchange:
    """Compares the two versions of one operation."""

    judge: Judge
    base: View
    revision: View
    schemas: Schemas

    def compare(self, old: Operation, new: Operation) -> Iterator[Finding]:
        messages = Messages(self.judge, self.schemas)
        yield from self._parameters(self.base.parameters(old), self.revision.parameters(new), old.node, new.node)
        yield from self._body(self.base.body(old), self.revision.body(new), old, new, messages)
        answers = self.base.responses(old), self.revision.responses(new)
        yield from messages.responses(*answers, old.node, new.node, Direction.RESPONSE)

    # --- parameters

    def _parameters(self, old: _Parameters, new: _Parameters, base: Node, revision: Node) -> Iterator[Finding]:
        for key, parameter in old.items():
            if key in new:
                yield from self._parameter(parameter, new[key])
            elif parameter.location != "path":  # the template has it still
                yield self._removed(parameter, revision)
        for key, parameter in new.items():
            if key not in old and parameter.location != "path":
                where, text = _names(parameter)
                needed = "required" if parameter.required else "optional"
                rule, message = f"new-{needed}-request-parameter", f"{text} added ({needed})"
                yield self.judge.finding(rule, where, message, base, parameter.node, None, parameter.name)

    def _removed(self, parameter: Parameter, revision: Node) -> Finding:
        where, text = _names(parameter)
        how, words = self.schemas.lifecycle.removal(parameter.life)
        rule = "request-parameter-removed" if how == "without-deprecation" else f"request-parameter-removed-{how}"
        if how == "sunset-parse":
            rule = "request-parameter-sunset-parse"
        return self.judge.finding(rule, where, f"{text} {words}", parameter.node, revision, parameter.name)

    def _parameter(self, old: Parameter, new: Parameter) -> Iterator[Finding]:
        where, text = _names(new)
        if old.required != new.required:
            word = "required" if new.required else "optional"
            message, values = f"{text} became {word}", (old.required, new.required)
            yield self.judge.finding(f"request-parameter-became-{word}", where, message, old.node, new.node, *values)
        yield from self._written(old, new, where, text)
        lifecycle = self.schemas.lifecycle
        for change in (lifecycle.deprecation(old.life, new.life), lifecycle.stage(old.life, new.life)):
            if change is not None:
                message = f"{text} {change[1]}"
                yield self.judge.finding(f"request-parameter-{change[0]}", where, message, old.node, new.node)
        if old.schema and new.schema:
            for delta in self.schemas.compare(old.schema, new.schema, Direction.REQUEST):
                subject = "request-parameter-property" if is_inside(delta.path) else "request-parameter"
                yield self.judge.of_delta(delta, subject, where, f"{new.location} parameter", new.name)

    def _written(self, old: Parameter, new: Parameter, where: str, text: str) -> Iterator[Finding]:
        """How the value stands in the URL or header. From one part to several is a change of type."""
        plain = (old.style == styles.PLAIN) != (new.style == styles.PLAIN)
        of_one_part = {styles.PLAIN, "label", "matrix"}
        if old.style != new.style and old.style and new.style and (not plain or {old.style, new.style} <= of_one_part):
            message = f"{text} written differently: {old.style} → {new.style}"
            yield self.judge.finding(
                "request-parameter-style-changed", where, message, old.node, new.node, old.style, new.style
            )
        for keyword, name in (("allowReserved", "allow-reserved"), ("allowEmptyValue", "allow-empty")):
            before, after = (node.data.get(keyword) is True for node in (old.node, new.node))
            if before != after:
                rule = f"request-parameter-{name}-{'set' if after else 'unset'}"
                yield self.judge.finding(rule, where, f"{text} {keyword} {before} → {after}", old.node, new.node)

    # --- the request body

    def _body(
        self, old: Body | None, new: Body | None, base: Operation, revision: Operation, messages: Messages
    ) -> Iterator[Finding]:
        if old is None and new is not None:
            needed = "required" if new.required else "optional"
            message = f"request body added ({needed})"
            yield self.judge.finding(f"request-body-added-{needed}", "body", message, base.node, new.node)
        elif old is not None and new is None:
            message = "request body removed"
            yield self.judge.finding("request-body-removed", "body", message, old.node, revision.node, True)
        elif old is not None and new is not None:
            if old.required != new.required:
                word = "required" if new.required else "optional"
                rule, message = f"request-body-became-{word}", f"request body became {word}"
                yield self.judge.finding(rule, "body", message, old.node, new.node, old.required, new.required)
            yield from messages.content(Direction.REQUEST, "body", "request body", old, new)


def _names(parameter: Parameter) -> tuple[str, str]:
    return f"{parameter.location}.{parameter.name}", f'{parameter.location} parameter "{parameter.name}"'
