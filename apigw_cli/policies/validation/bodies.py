"""Bodies by their media types: what each holds, and whether it fits its schema.

application/json, …+json              one value, UTF-8 (RFC 8259, section 8.1)
application/x-www-form-urlencoded     an object, a property for each name (OpenAPI 3.1, 4.8.14.4)
multipart/form-data                   the same; a part that says it is JSON is read as that (RFC 7578)
text/…                                a string
all others                            their type is looked at, not what is in them
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from apigw_cli.openapi.document import Document, Library, Node
from apigw_cli.openapi.json_schema import Direction
from apigw_cli.openapi.operations import mapping
from apigw_cli.policies.validation import strict_json
from apigw_cli.policies.validation.encodings import Encoding, of_encodings, of_fields
from apigw_cli.policies.validation.kinds import ANY, Shape, shape_of
from apigw_cli.policies.validation.problem import Violation
from apigw_cli.policies.validation.schema import Schema

_FORM, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_CHARSETS = {"": "utf-8", "utf-8": "utf-8", "us-ascii": "ascii", "ascii": "ascii", "iso-8859-1": "latin-1"}


class Unfitting(ValueError):
    """Says what is wrong with a body, which rule that is, and the status to answer with."""

    def __init__(self, reason: str, rule: str, status: int = 400) -> None:
        super().__init__(reason)
        self.rule, self.status = rule, status


@dataclass(frozen=True, slots=True)
class MediaType:
    """What the value of a Content-Type says: the essence (`type/subtype`, lower case) and its parameters."""

    essence: str
    parameters: dict[str, str]

    @classmethod
    def of(cls, value: bytes) -> MediaType:
        text = value.decode("latin-1")
        essence, _, rest = text.partition(";")
        found: dict[str, str] = {}
        for part in _parameters(rest):
            name, _, inner = part.strip().partition("=")
            found.setdefault(name.strip().lower(), inner.strip().strip('"'))
        return cls(essence.strip().lower(), found)


def _parameters(rest: str) -> list[str]:
    parts, quoted, start = [], False, 0
    for at, sign in enumerate(rest):
        if sign == '"':
            quoted = not quoted
        elif sign == ";" and not quoted:
            parts.append(rest[start:at])
            start = at + 1
    return [*parts, rest[start:]]


Reader = Callable[[bytes, MediaType, Shape], Any]


@dataclass(frozen=True, slots=True)
class Content:
    """A body of one media type. `schema` None: anything is in it; `read` None: nobody looks."""

    schema: Schema | None
    shape: Shape
    read: Reader | None

    def violations(self, data: bytes, kind: MediaType) -> list[Violation]:
        if self.read is None:
            return []
        try:
            value = self.read(data, kind, self.shape)
        except Unfitting as error:
            return [Violation("body", "", "", str(error), error.rule, error.status)]
        if self.schema is None or self.schema.is_valid(value):
            return []
        return self.schema.violations(value, "body")


class Bodies:
    """What a message's body may be. None of `contents`: there is none."""

    def __init__(self, contents: dict[str, Content], required: bool) -> None:
        self._contents = {name.partition(";")[0].strip().lower(): one for name, one in contents.items()}
        self.required = required
        self._listed = ", ".join(self._contents)
        self._known: dict[bytes, tuple[Content, MediaType]] = {}

    def choose(self, header: bytes | None) -> tuple[Content, MediaType] | Violation:
        """The content that a Content-Type says, most specific first."""
        if header is None:
            return Violation("header", "Content-Type", "", f"it is missing: {self._listed}", "content", 415)
        known = self._known.get(header)
        if known is not None:
            return known
        kind = MediaType.of(header)
        for name in (kind.essence, kind.essence.partition("/")[0] + "/*", "*/*"):
            found = self._contents.get(name)
            if found is not None:
                if len(self._known) < 64 and len(header) < 100:
                    self._known[header] = found, kind
                return found, kind
        return Violation("header", "Content-Type", "", f"the body may be {self._listed}", "content", 415)


def is_json(essence: str) -> bool:
    return essence == "application/json" or essence.endswith(("+json", "/json"))


# --- reading


def read_json(data: bytes, kind: MediaType, shape: Shape) -> Any:
    charset = kind.parameters.get("charset", "").lower()
    if _CHARSETS.get(charset) not in ("utf-8", "ascii"):
        raise Unfitting("JSON is UTF-8", "charset", 415)
    try:
        return strict_json.loads(data)
    except strict_json.NotJson as error:
        raise Unfitting(f"it is no JSON: {error}", "json") from None


def read_text(data: bytes, kind: MediaType, shape: Shape) -> Any:
    charset = _CHARSETS.get(kind.parameters.get("charset", "").lower())
    if charset is None:
        raise Unfitting("its charset is none that is read here: utf-8, us-ascii, iso-8859-1", "charset", 415)
    return text_of(data, charset)


def text_of(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        raise Unfitting(f"it is not {charset.upper()}", "charset") from None


# --- out of a specification


def content(
    library: Library,
    essence: str,
    schema: Node | None,
    version: str,
    direction: Direction,
    encodings: Mapping[str, Encoding] = MappingProxyType({}),
) -> Content:
    """Raises InputError for a schema that cannot be used."""
    kind = essence.partition(";")[0].strip().lower()
    reader = _reader(kind, encodings)
    if schema is None or reader is None:
        return Content(None, ANY, reader)
    ready = Schema(library, schema, version, direction)
    return Content(ready, shape_of(ready.text) if kind in (_FORM, _MULTIPART) else ANY, reader)


def _reader(kind: str, encodings: Mapping[str, Encoding]) -> Reader | None:
    from apigw_cli.policies.validation import forms

    if is_json(kind):
        return read_json
    if kind == _FORM:
        return functools.partial(forms.read_form, encodings=encodings)
    if kind == _MULTIPART:
        return functools.partial(forms.read_multipart, encodings=encodings)
    return read_text if kind.startswith("text/") and not kind.endswith("/xml") else None


def of_request(library: Library, operation: Node, parameters: list[Node], version: str) -> Bodies | None:
    """The bodies that an operation takes; None where it says nothing of one."""
    if version == "2.0":
        return _of_swagger(library, operation, parameters)
    body = operation.data.get("requestBody")
    if not isinstance(body, dict):
        return None
    node = library.follow(operation.child("requestBody"))
    return Bodies(contents(library, node, version, Direction.REQUEST), mapping(node.data).get("required") is True)


def contents(library: Library, node: Node, version: str, direction: Direction) -> dict[str, Content]:
    """By the media types of a request's body or a response."""
    found: dict[str, Content] = {}
    for name, inner in mapping(mapping(node.data).get("content")).items():
        media = library.follow(node.child("content", name))
        schema = media.child("schema") if "schema" in mapping(inner) or "schema" in mapping(media.data) else None
        encodings = of_encodings(library, media, version, direction)
        found[name] = content(library, name, schema, version, direction, encodings)
    return found


def _of_swagger(library: Library, operation: Node, parameters: list[Node]) -> Bodies | None:
    bodies = [one for one in parameters if one.data.get("in") == "body"]
    fields = [one for one in parameters if one.data.get("in") == "formData"]
    if not bodies and not fields:
        return None
    schema = bodies[0].child("schema") if bodies and "schema" in bodies[0].data else None
    kinds = consumed(operation, "consumes") or (["application/json"] if bodies else [_FORM, _MULTIPART])
    if fields:
        data = {
            "type": "object",
            "properties": {str(one.data.get("name")): one.data for one in fields},
            "required": [str(one.data.get("name")) for one in fields if one.data.get("required") is True],
        }
        schema = Node(Document(operation.document.name, operation.document.label, None, data), (), data)
    required = any(one.data.get("required") is True for one in (*bodies, *fields))
    encodings = of_fields(fields)
    made = {kind: content(library, kind, schema, "2.0", Direction.REQUEST, encodings) for kind in kinds}
    return Bodies(made, required)


def consumed(operation: Node, word: str) -> list[str]:
    """What an operation of OpenAPI 2.0 `consumes` or `produces`."""
    listed = operation.data.get(word, mapping(operation.document.data).get(word))
    return [kind for kind in listed if isinstance(kind, str)] if isinstance(listed, list) else []
