"""Bodies, headers and statuses, compared as they go: what clients send is a request, what they get a response.

In a callback or webhook the API calls the client, so that its request is what clients get; the rules are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apigw_cli.openapi.document import Node
from apigw_cli.stages.contract.delta import Delta
from apigw_cli.stages.contract.judge import Judge, is_inside
from apigw_cli.stages.contract.law import Direction
from apigw_cli.stages.contract.schemas import Schemas
from apigw_cli.stages.contract.shape import canonical
from apigw_cli.stages.contract.view import Content, Header, Response
from apigw_cli.stages.finding import Finding


@dataclass(frozen=True, slots=True)
class Messages:
    """Compares what goes over the wire of one operation."""

    judge: Judge
    schemas: Schemas

    # --- bodies

    def content(self, kind: Direction, where: str, words: str, old: Content, new: Content) -> Iterator[Finding]:
        """Media types, schemas and encodings of two bodies that go in the direction `kind`."""
        yield from self._media("request-body" if kind is Direction.REQUEST else "response", where, words, old, new)
        body = where if where == "body" else f"{where}.body"
        inner = f"{words} property" if not words.endswith(" body") else words.removesuffix("body") + "property"
        outer = words if words.endswith(" body") else f"{words} body"
        for delta in self._schemas(old, new, kind):
            inside = is_inside(delta.path)
            subject = f"{kind}-property" if inside else f"{kind}-body"
            yield self.judge.of_delta(delta, subject, body, inner if inside else outer)
        for name in sorted(old.encoding.keys() | new.encoding.keys()) if kind is Direction.REQUEST else ():
            before, after = old.encoding.get(name), new.encoding.get(name)
            if before != after and self._in_both(name, old, new):
                message = f'{inner} "{name}" is written differently: {before or "default"} → {after or "default"}'
                rule = "request-body-encoding-changed"
                yield self.judge.finding(rule, f"{body}.{name}", message, old.node, new.node, before, after)

    def _in_both(self, name: str, old: Content, new: Content) -> bool:
        return all(
            any(schema is not None and name in shaper.properties(schema) for schema in content.media.values())
            for content, shaper in ((old, self.schemas.base), (new, self.schemas.revision))
        )

    def _media(self, subject: str, where: str, words: str, old: Content, new: Content) -> Iterator[Finding]:
        for name in old.media:
            if name not in new.media:
                rule, message = f"{subject}-media-type-removed", f"{words} media type {name} removed"
                yield self.judge.finding(rule, where, message, old.node, new.node, name, None)
        for name in new.media:
            if name not in old.media:
                rule, message = f"{subject}-media-type-added", f"{words} media type {name} added"
                yield self.judge.finding(rule, where, message, old.node, new.node, None, name)

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

    # --- statuses

    def responses(
        self, old: dict[str, Response], new: dict[str, Response], base: Node, revision: Node, kind: Direction
    ) -> Iterator[Finding]:
        """The answers by status; one that is not listed is that of its range (`2XX`), an error the default."""
        for status, response in old.items():
            twin = _answer(status, new)
            if twin is not None:
                yield from self._response(status, response, twin, kind)
            elif not _members(status, new):
                rule = f"response-{'success' if response.success else 'non-success'}-status-removed"
                yield self.judge.finding(rule, status, f"response {status} removed", response.node, revision, status)
        for status, response in new.items():
            if status in old:
                continue
            twin = _answer(status, old)
            if twin is not None:
                yield from self._response(status, twin, response, kind)
            else:
                rule = f"response-{'success' if response.success else 'non-success'}-status-added"
                yield self.judge.finding(rule, status, f"response {status} added", base, response.node, None, status)

    def _response(self, status: str, old: Response, new: Response, kind: Direction) -> Iterator[Finding]:
        words = f"response {status}"
        yield from self.content(kind, status, words, old, new)
        yield from self.headers(f"{status}.header", f"{words} header", old.headers, new.headers, old.node, new.node)
        yield from self._links(status, old, new)

    def headers(
        self, where: str, words: str, old: dict[str, Header], new: dict[str, Header], base: Node, revision: Node
    ) -> Iterator[Finding]:
        """Named values beside a body, as clients get them."""
        for key, header in old.items():
            path, text = f"{where}.{header.name}", f'{words} "{header.name}"'
            if key not in new:
                rule = f"{'required' if header.required else 'optional'}-response-header-removed"
                yield self.judge.finding(rule, path, f"{text} removed", header.node, revision, header.name)
            else:
                yield from self._header(where, words, header, new[key])
        for key, header in new.items():
            if key not in old:
                path, text = f"{where}.{header.name}", f'{words} "{header.name}" added'
                yield self.judge.finding("response-header-added", path, text, base, header.node, None, header.name)

    def _header(self, where: str, words: str, old: Header, new: Header) -> Iterator[Finding]:
        path = f"{where}.{new.name}"
        if old.required != new.required:
            word = "required" if new.required else "optional"
            message = f'{words} "{new.name}" became {word}'
            yield self.judge.finding(f"response-header-became-{word}", path, message, old.node, new.node)
        if old.schema and new.schema:
            for delta in self.schemas.compare(old.schema, new.schema, Direction.RESPONSE):
                yield self.judge.of_delta(delta, "response-header", path, words, new.name)

    # --- links

    def _links(self, status: str, old: Response, new: Response) -> Iterator[Finding]:
        for name in (*old.links, *(name for name in new.links if name not in old.links)):
            before, after = old.links.get(name), new.links.get(name)
            path, text = f"{status}.links.{name}", f'response {status} link "{name}"'
            if before is None or after is None:
                action = "removed" if after is None else "added"
                nodes = before or old.node, after or new.node
                yield self.judge.finding(f"response-link-{action}", path, f"{text} {action}", *nodes)
            elif _link(before) != _link(after):
                yield self.judge.finding("response-link-changed", path, f"{text} leads elsewhere", before, after)


def _link(node: Node) -> str:
    said = node.data if isinstance(node.data, dict) else {}
    return canonical({k: said.get(k) for k in ("operationId", "operationRef", "parameters", "requestBody", "server")})


def _members(status: str, responses: dict[str, Response]) -> bool:
    """Whether some statuses of a range are described one by one."""
    return status.endswith("XX") and any(other[:1] == status[:1] for other in responses)


def _answer(status: str, responses: dict[str, Response]) -> Response | None:
    """What is described for a status: itself, its range, or for an error the default."""
    found = responses.get(status) or responses.get(f"{status[:1]}XX")
    if found is None and status[:1] in ("4", "5"):
        found = responses.get("default")
    return found
