"""Bodies by their media types: what each holds, and whether it fits its schema.

application/json, …+json              one value, UTF-8 (RFC 8259, section 8.1)
application/x-www-form-urlencoded     an object, a property for each name (OpenAPI 3.1, 4.8.14.4)
multipart/form-data                   the same; a part that says it is JSON is read as that (RFC 7578)
text/…                                a string
all others                            their type is looked at, not what is in them
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apigw_cli.openapi.document import Document, Library, Node
from apigw_cli.openapi.json_schema import Direction
from apigw_cli.openapi.operations import mapping
from apigw_cli.policies.validation import strict_json
from apigw_cli.policies.validation.kinds import ANY, Shape, shape_of
from apigw_cli.policies.validation.parameters import Parameter, Unreadable
from apigw_cli.policies.validation.problem import Violation
from apigw_cli.policies.validation.schema import Schema

PARTS_MAXIMUM = 1000  # of a form
_FORM, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_CHARSETS = {"": "utf-8", "utf-8": "utf-8", "us-ascii": "ascii", "ascii": "ascii", "iso-8859-1": "latin-1"}


class _Unreadable(ValueError):
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
        except _Unreadable as error:
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
        raise _Unreadable("JSON is UTF-8", "charset", 415)
    try:
        return strict_json.loads(data)
    except strict_json.NotJson as error:
        raise _Unreadable(f"it is no JSON: {error}", "json") from None


def read_text(data: bytes, kind: MediaType, shape: Shape) -> Any:
    charset = _CHARSETS.get(kind.parameters.get("charset", "").lower())
    if charset is None:
        raise _Unreadable("its charset is none that is read here: utf-8, us-ascii, iso-8859-1", "charset", 415)
    return _text(data, charset)


def read_form(data: bytes, kind: MediaType, shape: Shape) -> Any:
    texts: dict[str, list[str]] = {}
    if data.count(b"&") >= PARTS_MAXIMUM:
        raise _Unreadable(f"it has more than {PARTS_MAXIMUM} fields", "form", 413)
    for pair in _text(data, "ascii").replace("+", " ").split("&"):
        if pair:
            name, _, value = pair.partition("=")
            texts.setdefault(_unescaped(name), []).append(value)
    return _object(texts, shape)


def read_multipart(data: bytes, kind: MediaType, shape: Shape) -> Any:
    texts: dict[str, list[Any]] = {}
    for name, segment_type, inner in _segments(data, kind.parameters.get("boundary", "")):
        value: Any
        if is_json(segment_type):
            value = read_json(inner, MediaType("application/json", {}), shape)
        else:
            value = inner.decode("utf-8", "replace")
        texts.setdefault(name, []).append(value)
    made: dict[str, Any] = {}
    for name, values in texts.items():
        made[name] = _property(shape.properties.get(name, shape.rest or ANY), values)
    return made


def _segments(data: bytes, boundary: str) -> list[tuple[str, str, bytes]]:
    """Name, media type and content of each part."""
    import multipart

    found: list[tuple[str, str, bytes]] = []
    try:
        parser = multipart.PushMultipartParser(boundary, strict=True, max_segment_count=PARTS_MAXIMUM)
        segment: Any = None
        content = bytearray()
        for event in (*parser.parse(data), *parser.parse(b"")):
            if isinstance(event, multipart.MultipartSegment):
                segment, content = event, bytearray()
            elif event is None:
                found.append((segment.name, (segment.content_type or "").lower(), bytes(content)))
            else:
                content += event
    except multipart.ParserLimitReached:
        raise _Unreadable(f"it has more than {PARTS_MAXIMUM} parts, or one with a long head", "form", 413) from None
    except (multipart.MultipartError, ValueError) as error:
        raise _Unreadable(f"it is no multipart/form-data: {error}", "form") from None
    return found


def _object(texts: dict[str, list[str]], shape: Shape) -> dict[str, Any]:
    made: dict[str, Any] = {}
    deeper: dict[str, dict[str, list[str]]] = {}
    for name, values in texts.items():
        plain = name.removesuffix("[]")
        if "[" in plain:
            deeper.setdefault(name.partition("[")[0], {})[name] = values
            continue
        inner = shape.properties.get(plain, shape.rest or ANY)
        made[plain] = _property(inner, [_unescaped(value) for value in values])
    for name, several in deeper.items():
        inner = shape.properties.get(name, shape.rest or ANY)
        deep = Parameter("body", name, False, "deepObject", True, False, None, inner)
        try:
            made[name] = deep.value(several)
        except Unreadable as error:
            raise _Unreadable(f"field {name}: {error}", "form") from None
    return made


def _property(shape: Shape, values: list[Any]) -> Any:
    read = [_scalar(shape.items or ANY if shape.is_array else shape, value) for value in values]
    return read if shape.is_array or len(read) > 1 else read[0]


def _scalar(shape: Shape, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if shape.is_object:  # whose default is JSON (OpenAPI 3.1, 4.8.15)
        try:
            return strict_json.loads(value.encode())
        except strict_json.NotJson:
            return value
    return shape.scalar(value) if not shape.is_ambiguous else value


def _text(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        raise _Unreadable(f"it is not {charset.upper()}", "charset") from None


def _unescaped(text: str) -> str:
    from urllib.parse import unquote_to_bytes

    return _text(unquote_to_bytes(text), "utf-8")


# --- out of a specification

_READERS: tuple[tuple[Callable[[str], bool], Reader], ...] = (
    (is_json, read_json),
    (lambda essence: essence == _FORM, read_form),
    (lambda essence: essence == _MULTIPART, read_multipart),
    (lambda essence: essence.startswith("text/") and not essence.endswith("/xml"), read_text),
)


def content(library: Library, essence: str, schema: Node | None, version: str, direction: Direction) -> Content:
    """Raises InputError for a schema that cannot be used."""
    kind = essence.partition(";")[0].strip().lower()
    reader = next((read for fits, read in _READERS if fits(kind)), None)
    if schema is None or reader is None:
        return Content(None, ANY, reader)
    ready = Schema(library, schema, version, direction)
    return Content(ready, shape_of(ready.text) if reader in (read_form, read_multipart) else ANY, reader)


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
        found[name] = content(library, name, schema, version, direction)
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
    return Bodies({kind: content(library, kind, schema, "2.0", Direction.REQUEST) for kind in kinds}, required)


def consumed(operation: Node, word: str) -> list[str]:
    """What an operation of OpenAPI 2.0 `consumes` or `produces`."""
    listed = operation.data.get(word, mapping(operation.document.data).get(word))
    return [kind for kind in listed if isinstance(kind, str)] if isinstance(listed, list) else []
