"""Callbacks and webhooks: here the API calls, so that its requests are what clients get, their answers what they send.

What the API sends is judged by the rules of responses, what a client answers by those of request bodies.
"""

from __future__ import annotations

from collections.abc import Iterator

from apigw_cli.openapi.operations import Operation
from apigw_cli.stages.contract.judge import Judge, finding
from apigw_cli.stages.contract.law import Direction
from apigw_cli.stages.contract.messages import Messages
from apigw_cli.stages.contract.schemas import Schemas
from apigw_cli.stages.contract.view import Content, Header, View
from apigw_cli.stages.finding import Finding

_Calls = dict[tuple[str, str], Operation]


class Called:
    """Compares the operations that a client offers and the API calls."""

    def __init__(self, base: View, revision: View, schemas: Schemas, api: str) -> None:
        self.base = base
        self.revision = revision
        self.schemas = schemas
        self.api = api

    def compare(self, kind: str, prefix: str, old: _Calls, new: _Calls) -> Iterator[Finding]:
        """`kind` is callback or webhook; findings call an operation by `prefix`, name and method."""
        for key, operation in old.items():
            name = _name(prefix, operation)
            if key in new:
                yield from self._call(name, operation, new[key])
            else:
                yield finding(f"{kind}-removed", name, "", "removed", operation.node, None, name, None, self.api)
        for key, operation in new.items():
            if key not in old:
                name = _name(prefix, operation)
                yield finding(f"{kind}-added", name, "", "added", None, operation.node, None, name, self.api)

    def _call(self, name: str, old: Operation, new: Operation) -> Iterator[Finding]:
        messages = Messages(Judge(name, self.api), self.schemas)
        before, after = self._values(self.base, old), self._values(self.revision, new)
        yield from messages.headers("parameter", "parameter", before, after, old.node, new.node)
        sent = self.base.body(old) or Content(old.node), self.revision.body(new) or Content(new.node)
        yield from messages.content(Direction.RESPONSE, "body", "request body", *sent)
        answers = self.base.responses(old), self.revision.responses(new)
        yield from messages.responses(*answers, old.node, new.node, Direction.REQUEST)

    @staticmethod
    def _values(view: View, operation: Operation) -> dict[str, Header]:
        return {
            f"{p.location} {p.key[1]}": Header(p.name, p.required, p.schema, p.node)
            for p in view.parameters(operation).values()
        }


def _name(prefix: str, operation: Operation) -> str:
    return f"{prefix} {operation.path} {operation.method}"
