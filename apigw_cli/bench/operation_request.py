"""Valid requests of one operation: its parameters in their styles, and a body in the media type that suits best.

What is required is sent; an optional parameter only where the author wrote an example of it, in every other request.
Examples that the schema does not accept are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from apigw_cli.bench import serialise
from apigw_cli.bench.bundle import Bundle
from apigw_cli.bench.generator import Generator
from apigw_cli.bench.schema_merge import Impossible
from apigw_cli.bench.serialise import Pair, Style
from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.document import Library, Node
from apigw_cli.openapi.operations import Operation, mapping

_IGNORED = {"accept", "content-type", "authorization"}  # OpenAPI 3.1.1, 4.8.12.1: such parameters are ignored
_BOUNDARY = "apigw-bench-7MA4YWxkTrZu0gW"
_TEXTS = re.compile(r"text/(?!xml)|application/octet-stream")
_BREAKS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Sample:
    """Path (with query), headers and body of one request."""

    path: str
    headers: tuple[Pair, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Field:
    """A parameter: where, how it is written, what it may be (a number in the bundle), and what the author gave."""

    place: str
    style: Style
    schema: int
    required: bool
    examples: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Body:
    media: str
    schema: int | None
    encoding: dict[str, Any]
    examples: tuple[Any, ...]


class Recipe:
    """What the requests of an operation are made of. Raises Impossible where no request can be made."""

    def __init__(self, operation: Operation, library: Library, bundle: Bundle) -> None:
        self.operation = operation
        self._library, self._bundle = library, bundle
        nodes = openapi.parameters(operation, library)
        self._fields = [self._field(node) for node in nodes if _counts(node)]
        self._body = self._body_of(nodes)

    def samples(self, path: str, seed: int, count: int) -> list[Sample]:
        """Different requests, at most `count`; `path` is the template. The first sends only what is required."""
        generator = Generator(self._bundle, f"{seed} {self.operation.method} {self.operation.path}")
        found: dict[Sample, None] = {}
        for number in range(count):
            found[self._sample(path, generator, number)] = None
        return list(found)

    def _sample(self, path: str, generator: Generator, number: int) -> Sample:
        values = [
            (field, self._value(generator, field.schema, field.examples, number, f"{field.place} {field.style.name}"))
            for field in self._fields
            if field.required or (field.examples and number % 2)
        ]
        in_path = {field.style.name: field.style.in_path(value) for field, value in values if field.place == "path"}
        for name in openapi.path_variables(path):
            in_path.setdefault(name, "1")  # the document forgot to say what it is
            if in_path[name] in ("", ".", ".."):
                raise Impossible(f"the path variable {name} would be empty")
        query = [pair for field, value in values if field.place == "query" for pair in field.style.pairs(value)]
        headers = [(f.style.name, f.style.in_header(value)) for f, value in values if f.place == "header"]
        cookies = [pair for field, value in values if field.place == "cookie" for pair in field.style.pairs(value)]
        if cookies:
            headers.append(("Cookie", "; ".join(f"{name}={value}" for name, value in cookies)))
        for name, value in headers:
            if _BREAKS.search(value) or not value.isascii():
                raise Impossible(f"the header {name} cannot hold its value")
        body = b"" if self._body is None else self._encoded(self._body, generator, number)
        if self._body is not None:
            media = self._body.media
            kind = f"{media}; boundary={_BOUNDARY}" if media == "multipart/form-data" else media
            headers.append(("Content-Type", kind))
        filled = re.sub(r"\{([^{}]*)\}", lambda match: in_path[match[1]], path)
        target = filled + ("?" + "&".join(f"{name}={value}" for name, value in query) if query else "")
        return Sample(target, tuple(headers), body)

    def _value(self, generator: Generator, schema: int, examples: tuple[Any, ...], number: int, what: str) -> Any:
        valid = [one for one in examples if self._bundle.complaint(schema, one) is None]
        if valid:
            return valid[number % len(valid)]
        try:
            return generator.value(schema)
        except Impossible as impossible:
            raise Impossible(f"{what}: {impossible}") from None

    # -- parameters

    def _field(self, node: Node) -> _Field:
        data = node.data
        content = mapping(data.get("content"))
        holder = node.child("content", next(iter(content))) if content else node
        words = mapping(holder.data)
        schema = words.get("schema", data if "type" in data else {})  # OpenAPI 2.0: its words stand in the parameter
        place = str(data.get("in"))
        return _Field(
            place=place,
            style=Style(data),
            schema=self._bundle.add(node.document, schema),
            required=data.get("required") is True or place == "path",
            examples=tuple(self._examples(node)) or tuple(self._examples(holder)),
        )

    def _examples(self, node: Node) -> Iterator[Any]:
        data = mapping(node.data)
        if "example" in data:
            yield data["example"]
        for name in mapping(data.get("examples")):
            found = mapping(self._library.follow(node.child("examples", name)).data)
            for word in ("value", "dataValue"):
                if word in found:
                    yield found[word]

    # -- bodies

    def _body_of(self, parameters: list[Node]) -> _Body | None:
        for given in parameters:
            if given.data.get("in") == "body":  # OpenAPI 2.0
                kind = self._consumed(("application/json",))
                return _Body(kind, self._bundle.add(given.document, given.data.get("schema")), {}, ())
        fields = [node for node in parameters if node.data.get("in") == "formData"]
        if fields:
            return self._form_of(fields)
        if "requestBody" not in self.operation.node.data:
            return None
        node = self._library.follow(self.operation.node.child("requestBody"))
        content = mapping(mapping(node.data).get("content"))
        ranked = sorted(content, key=_rank)
        for kind in ranked:
            found = self._media(kind, self._library.follow(node.child("content", kind)))
            if found is not None:
                return found
        if mapping(node.data).get("required") is True or not content:
            raise Impossible(f"a body of {', '.join(content) or 'no media type'} cannot be made up")
        return None

    def _media(self, kind: str, node: Node) -> _Body | None:
        data = mapping(node.data)
        examples = tuple(self._examples(node))
        schema = data.get("schema")
        known = _rank(kind)[0] < 9
        texts = tuple(one for one in examples if isinstance(one, str))
        if not known and not texts:
            return None
        number = self._bundle.add(node.document, schema) if schema is not None and known else None
        media = "application/json" if "*" in kind else kind
        return _Body(media, number, mapping(data.get("encoding")), examples if known else texts)

    def _form_of(self, nodes: list[Node]) -> _Body:
        properties = {str(node.data.get("name")): node.data for node in nodes}
        required = [name for name, data in properties.items() if data.get("required") is True]
        plain = {name: {k: v for k, v in data.items() if k != "required"} for name, data in properties.items()}
        schema = {"type": "object", "properties": plain, "required": required, "additionalProperties": False}
        files = any(data.get("type") == "file" for data in properties.values())
        kinds = ("multipart/form-data",) if files else ("application/x-www-form-urlencoded", "multipart/form-data")
        return _Body(self._consumed(kinds), self._bundle.add(nodes[0].document, schema), properties, ())

    def _consumed(self, kinds: tuple[str, ...]) -> str:
        """The first of the kinds that the operation consumes (OpenAPI 2.0); where it says nothing, the first."""
        own = self.operation.node.data.get("consumes", self.operation.node.document.data.get("consumes"))
        listed = [one for one in own if isinstance(one, str)] if isinstance(own, list) else []
        if not listed or "*/*" in listed:
            return kinds[0]
        found = next((kind for kind in kinds if kind in listed), None)
        if found is None and kinds[0] == "application/json":
            found = next((one for one in listed if _rank(one)[0] == 0), None)
        if found is None:
            raise Impossible(f"a body of {', '.join(listed)} cannot be made up")
        return found

    def _encoded(self, body: _Body, generator: Generator, number: int) -> bytes:
        if body.schema is None:
            value = body.examples[number % len(body.examples)] if body.examples else {}
        else:
            value = self._value(generator, body.schema, body.examples, number, "body")
        bare = body.media.partition(";")[0].strip().lower()
        if bare == "application/x-www-form-urlencoded" and isinstance(value, dict):
            return serialise.form(value, body.encoding)
        if bare == "multipart/form-data" and isinstance(value, dict):
            return serialise.multipart(value, _BOUNDARY)
        if _rank(bare)[0] == 0 or not isinstance(value, str):
            return orjson.dumps(value)
        return value.encode()


def _counts(node: Node) -> bool:
    place, name = str(node.data.get("in")), str(node.data.get("name"))
    return place in ("path", "query", "cookie") or (place == "header" and name.lower() not in _IGNORED)


def _rank(kind: str) -> tuple[int, str]:
    """Media types in the order in which they are chosen; 9: one that is sent only as its author wrote it."""
    bare = kind.partition(";")[0].strip().lower()
    if bare.endswith(("/json", "+json")) or bare in ("*/*", "application/*"):
        return (0 if "*" not in bare else 1), kind
    order = ("application/x-www-form-urlencoded", "multipart/form-data")
    if bare in order:
        return 2 + order.index(bare), kind
    return (5 if _TEXTS.match(bare) else 9), kind
