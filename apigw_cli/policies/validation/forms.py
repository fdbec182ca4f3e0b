"""Forms: an object, a property for each name, as the media type's `encoding` says (OpenAPI 3.1, 4.8.15; RFC 7578).

A name that comes in two forms (`a=1&a[]=2`, `a=1&a[b]=2`) is refused: servers do not agree on which of them counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from apigw_cli.policies.validation import strict_json
from apigw_cli.policies.validation.bodies import MediaType, Unfitting, is_json, read_json, text_of
from apigw_cli.policies.validation.encodings import Encoding
from apigw_cli.policies.validation.kinds import ANY, Shape
from apigw_cli.policies.validation.parameters import MISSING, Parameter, Unreadable

PARTS_MAXIMUM = 1000

Encodings = Mapping[str, Encoding]


def read_form(data: bytes, kind: MediaType, shape: Shape, encodings: Encodings) -> Any:
    texts: dict[str, list[str]] = {}
    if data.count(b"&") >= PARTS_MAXIMUM:
        raise Unfitting(f"it has more than {PARTS_MAXIMUM} fields", "form", 413)
    for pair in text_of(data, "ascii").replace("+", " ").split("&"):
        if pair:
            name, _, value = pair.partition("=")
            texts.setdefault(_unescaped(name), []).append(value)
    styled = _styled(texts, shape, encodings)
    return _object(texts, shape, encodings) | styled


def _styled(texts: dict[str, list[str]], shape: Shape, encodings: Encodings) -> dict[str, Any]:
    """The fields whose encoding names a style; takes them out of `texts`."""
    made: dict[str, Any] = {}
    for name, encoding in encodings.items():
        if encoding.style is None:
            continue
        inner = shape.properties.get(name, shape.rest or ANY)
        field = Parameter("query", name, False, encoding.style, encoding.explode, False, None, inner)
        value = _read(field, texts)
        if value is not MISSING:
            made[name] = value
        for key in [key for key in texts if field.claims(key)]:
            del texts[key]
    return made


def _read(field: Parameter, texts: Mapping[str, list[str]]) -> Any:
    try:
        return field.value(texts)
    except Unreadable as error:
        raise Unfitting(f"field {field.name[:100]}: {error}", "form") from None


def read_multipart(data: bytes, kind: MediaType, shape: Shape, encodings: Encodings) -> Any:
    texts: dict[str, list[Any]] = {}
    for name, headers, inner in _segments(data, kind.parameters.get("boundary", "")):
        value: Any
        essence = MediaType.of(headers.get("content-type", [""])[0].encode("latin-1", "replace")).essence
        encoding = encodings.get(name)
        if encoding is not None:
            essence = _checked(name, essence, headers, encoding)
        if is_json(essence):
            value = read_json(inner, MediaType("application/json", {}), shape)
        else:
            value = inner.decode("utf-8", "replace")
        texts.setdefault(name, []).append(value)
    made: dict[str, Any] = {}
    for name, values in texts.items():
        made[name] = _property(shape.properties.get(name, shape.rest or ANY), values)
    return made


def _checked(name: str, essence: str, headers: dict[str, list[str]], encoding: Encoding) -> str:
    """The type of a part: what it says, or, where it says nothing, what it has to be. Raises Unfitting."""
    if encoding.types:
        essence = essence or next((one for one in encoding.types if "*" not in one), "text/plain")
        if not encoding.takes(essence):
            raise Unfitting(f"part {name}: it may be {', '.join(encoding.types)}", "contentType")
    for header in encoding.headers:
        for one in header.violations(headers):
            raise Unfitting(f"part {name}, header {header.name}: {one.reason}", one.rule)
    return essence


def _segments(data: bytes, boundary: str) -> list[tuple[str, dict[str, list[str]], bytes]]:
    """Name, header fields (by name in lower case) and content of each part."""
    import multipart

    found: list[tuple[str, dict[str, list[str]], bytes]] = []
    try:
        parser = multipart.PushMultipartParser(boundary, strict=True, max_segment_count=PARTS_MAXIMUM)
        segment: Any = None
        content = bytearray()
        for event in (*parser.parse(data), *parser.parse(b"")):
            if isinstance(event, multipart.MultipartSegment):
                segment, content = event, bytearray()
            elif event is None:
                headers: dict[str, list[str]] = {}
                for name, value in segment.headerlist:
                    headers.setdefault(name.lower(), []).append(value)
                found.append((segment.name, headers, bytes(content)))
            else:
                content += event
    except multipart.ParserLimitReached:
        raise Unfitting(f"it has more than {PARTS_MAXIMUM} parts, or one with a long head", "form", 413) from None
    except (multipart.MultipartError, ValueError) as error:
        raise Unfitting(f"it is no multipart/form-data: {error}", "form") from None
    return found


def _object(texts: dict[str, list[str]], shape: Shape, encodings: Encodings) -> dict[str, Any]:
    made: dict[str, Any] = {}
    deeper: dict[str, dict[str, list[str]]] = {}
    for name, values in texts.items():
        plain = name.removesuffix("[]")
        if "[" in plain:
            deeper.setdefault(name.partition("[")[0], {})[name] = values
            continue
        if plain in made:
            raise Unfitting("a field comes in two forms", "form")
        inner = shape.properties.get(plain, shape.rest or ANY)
        made[plain] = _field(inner, [_unescaped(value) for value in values], encodings.get(plain))
    for name, several in deeper.items():
        if name in made:
            raise Unfitting("a field comes in two forms", "form")
        inner = shape.properties.get(name, shape.rest or ANY)
        made[name] = _read(Parameter("body", name, False, "deepObject", True, False, None, inner), several)
    return made


def _field(shape: Shape, values: list[str], encoding: Encoding | None) -> Any:
    if encoding is None or not any(map(is_json, encoding.types)):
        return _property(shape, values)
    read = [read_json(value.encode(), MediaType("application/json", {}), shape) for value in values]
    return read if len(read) > 1 else read[0]


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


def _unescaped(text: str) -> str:
    return text_of(unquote_to_bytes(text), "utf-8")
