"""An operation's contract, made ready when a Snapshot is loaded: what its requests are.

The texts of the path's variables come from the path as it is routed on and forwarded: what is checked is what the
upstream gets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote

import orjson

from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.document import Document, Library
from apigw_cli.openapi.operations import Operation
from apigw_cli.policies.interface import Runtime
from apigw_cli.policies.validation import bodies, codings
from apigw_cli.policies.validation.bodies import Content, MediaType
from apigw_cli.policies.validation.codings import TooLarge, inflated
from apigw_cli.policies.validation.parameters import Parameter, Texts, parameter
from apigw_cli.policies.validation.problem import Violation
from apigw_cli.routing import template
from apigw_cli.snapshot.model import Route

_NO_TEXTS: Texts = {}
QUERY_MAXIMUM = 1000  # parameters of one query


class Message(Protocol):
    """What is looked at of a request: `policies.interface.Exchange` has these."""

    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    has_body: bool

    def header(self, name: bytes) -> bytes | None: ...


class Contract:
    """What the requests of one route are."""

    def __init__(self, route: Route, found: Found, refuse_unknown: bool) -> None:
        """Raises InputError for schemas that cannot be used."""
        library, version = found.library, found.version
        nodes = openapi.parameters(found.operation, library)
        made = [one for one in (parameter(library, node, version) for node in nodes) if one is not None]
        self._by_place = {
            where: tuple(one for one in made if one.where == where) for where in ("path", "query", "header", "cookie")
        }
        self._path_texts = _path_texts(route.path, {one.name for one in self._by_place["path"]})
        self._keys = found.keys if refuse_unknown else None
        self.bodies = bodies.of_request(library, found.operation.node, nodes, version)

    def of_head(self, message: Message) -> list[Violation]:
        """What does not fit in the path, the query, the headers and the cookies."""
        found: list[Violation] = []
        places = self._by_place
        if places["path"]:
            found += _check(places["path"], self._path_texts(message.path))
        if places["query"] or self._keys is not None:
            found += self._of_query(message.query)
        if places["header"]:
            found += _check(places["header"], _header_texts(message.headers))
        if places["cookie"]:
            found += _check(places["cookie"], _cookie_texts(message.headers))
        return found

    def _of_query(self, query: bytes) -> list[Violation]:
        if query.count(b"&") >= QUERY_MAXIMUM:
            return [Violation("query", "", "", f"there are more than {QUERY_MAXIMUM} parameters", "maximum")]
        texts = _query_texts(query) if query else _NO_TEXTS
        declared = self._by_place["query"]
        found = _check(declared, texts)
        if self._keys is not None:
            unknown = [name for name in texts if name not in self._keys and not any(p.claims(name) for p in declared)]
            found += [Violation("query", name[:100], "", "there is no such parameter", "unknown") for name in unknown]
        return found

    def content(self, message: Message) -> tuple[Content, MediaType] | list[Violation] | None:
        """What the body has to be; a list: it is of no use to read it; None: there is none, as there may be."""
        if not message.has_body:
            if self.bodies is not None and self.bodies.required:
                return [Violation("body", "", "", "it is required", "required")]
            return None
        if self.bodies is None:
            return [Violation("body", "", "", "this operation takes none", "unknown")]
        chosen = self.bodies.choose(message.header(b"content-type"))
        return [chosen] if isinstance(chosen, Violation) else chosen

    def of_body(
        self, content: Content, kind: MediaType, data: bytes, coding: bytes | None, maximum: int
    ) -> list[Violation]:
        """What does not fit in the body."""
        assert self.bodies is not None
        if coding is not None:
            try:
                plain = inflated(data, coding, maximum)
            except TooLarge:
                return [Violation("body", "", "", f"decompressed it is larger than {maximum} bytes", "size", 413)]
            except ValueError as error:
                return [Violation("body", "", "", f"it cannot be decompressed: {error}", "coding")]
            if plain is None:
                return [
                    Violation("header", "Content-Encoding", "", f"it may be {codings.known()}, once", "coding", 415)
                ]
            data = plain
        if not data and not self.bodies.required:
            return []
        return content.violations(data, kind)


def _check(parameters: tuple[Parameter, ...], texts: Texts) -> list[Violation]:
    found: list[Violation] = []
    for one in parameters:
        found += one.violations(texts)
    return found


# --- the texts of each place, by name


def _path_texts(path: str, names: set[str]) -> Callable[[str], Texts]:
    parsed = template.parse(path)
    plain: list[tuple[str, int]] = []
    mixed: list[tuple[tuple[str, ...], int, template.Mixed]] = []
    left = list(parsed.names)
    for position, segment in enumerate(parsed.segments, start=1):
        if segment is template.Variable:
            plain.append((left.pop(0), position))
        elif isinstance(segment, template.Mixed):
            count = len(segment.texts) - 1
            mixed.append((tuple(left[:count]), position, segment))
            del left[:count]
    rest = len(parsed.segments) + 1

    def texts(path: str) -> Texts:
        parts = path.split("/")
        found = {name: (parts[position],) for name, position in plain}
        for several, position, segment in mixed:
            values = segment.values(unquote(parts[position])) or ()
            found.update((name, (value.replace("%", "%25"),)) for name, value in zip(several, values, strict=False))
        if parsed.rest:
            found[left[0]] = ("/".join(parts[rest:]),)
        return found

    return texts


def _query_texts(query: bytes) -> Texts:
    found: dict[str, list[str]] = {}
    for pair in query.decode("latin-1").replace("+", " ").split("&"):
        if pair:
            name, _, value = pair.partition("=")
            found.setdefault(unquote(name) if "%" in name else name, []).append(value)
    return found


def _header_texts(headers: list[tuple[bytes, bytes]]) -> Texts:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return found


def _cookie_texts(headers: list[tuple[bytes, bytes]]) -> Texts:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                key, equals, text = pair.strip().partition("=")
                if equals:
                    found.setdefault(key, []).append(text.strip('"'))
    return found


# --- where a route's operation is described


@dataclass(frozen=True, slots=True)
class Found:
    """A route's operation. `keys`: names in queries that carry an API key."""

    library: Library
    version: str
    operation: Operation
    keys: frozenset[str]


def find(route: Route, runtime: Runtime) -> Found:
    """The operation that a route was made from. The documents are decoded once for all routes."""
    memo = runtime.memo
    library = memo.get("library")
    if library is None:
        library = memo["library"] = Library()
        for name, encoded in runtime.snapshot.documents.items():
            library.documents[name] = Document(name, name, None, orjson.loads(memoryview(encoded)))
    known: dict[str, Found] = memo.setdefault(("operations", route.api), {})
    if not known:
        api = next(one for one in runtime.snapshot.apis if one.name == route.api)
        document = library.read(api.spec)
        version = openapi.version(document)
        keys = _key_names(document, library)
        for operation in openapi.operations(document, library):
            known[operation.name] = Found(library, version, operation, keys)
    return known[route.operation]


def _key_names(document: Document, library: Library) -> frozenset[str]:
    found: set[Any] = set()
    for node in openapi.security_schemes(document, library).values():
        if isinstance(node.data, dict) and node.data.get("type") == "apiKey" and node.data.get("in") == "query":
            found.add(node.data.get("name"))
    return frozenset(name for name in found if isinstance(name, str))
