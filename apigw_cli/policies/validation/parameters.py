"""The values of parameters: out of the texts in paths, queries, headers and cookies, by their styles.

OpenAPI 3.1, 4.8.12.2 (style values) and 4.8.12.6 (style examples); 2.0, `collectionFormat`. What a text stands for is
said by the schema (`kinds`). A parameter that is described by `content` holds a document of that media type.

A text that comes where the contract wants one and not several, or that is not UTF-8 once its escapes are decoded, is
a violation: which of two the upstream takes is anybody's guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from apigw_cli.openapi.document import Library, Node
from apigw_cli.openapi.json_schema import Direction
from apigw_cli.openapi.operations import mapping
from apigw_cli.policies.validation import strict_json
from apigw_cli.policies.validation.kinds import TEXT, Shape, shape_of
from apigw_cli.policies.validation.problem import Violation
from apigw_cli.policies.validation.schema import Schema

Texts = Mapping[str, Sequence[str]]  # of one place, by name, in their order; escapes are not decoded yet
MISSING = object()

# Parameters of these names are described elsewhere in OpenAPI, and ignored (3.1, 4.8.12.1).
_ELSEWHERE = frozenset(("accept", "content-type", "authorization"))
_SEPARATORS = {"spaceDelimited": " ", "pipeDelimited": "|", "ssv": " ", "pipes": "|", "tsv": "\t"}
_DEEP = re.compile(r"\[([^\[\]]*)\]")
_STYLES = {"path": "simple", "header": "simple", "query": "form", "cookie": "form", "formData": "form"}


class Unreadable(ValueError):
    """A text that stands for nothing: says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter, ready. `schema` None: nothing is said of its value."""

    where: str
    name: str
    required: bool
    style: str
    explode: bool
    empty: bool  # an empty text stands for no value and is fine
    schema: Schema | None
    shape: Shape
    is_json: bool = False

    def violations(self, texts: Texts) -> list[Violation]:
        """What does not fit, given the texts of its place."""
        try:
            value = self.value(texts)
        except Unreadable as error:
            return [Violation(self.where, self.name, "", str(error), "style")]
        if value is MISSING:
            if self.required:
                return [Violation(self.where, self.name, "", "it is required", "required")]
            return []
        if self.schema is None or self.schema.is_valid(value):
            return []
        if self.shape.is_ambiguous and not isinstance(value, str):
            text = self._one(texts)
            if text is not None and self.schema.is_valid(text):
                return []
        return self.schema.violations(value, self.where, self.name)

    def _one(self, texts: Texts) -> str | None:
        given = texts.get(self.key, ())
        return _decoded(given[0]) if len(given) == 1 else None

    @property
    def key(self) -> str:
        """The name that its texts come under: of a header, in lower case."""
        return self.name.lower() if self.where == "header" else self.name

    def claims(self, name: str) -> bool:
        """Whether a name in a query belongs to this parameter."""
        if self.style == "deepObject":
            return name.partition("[")[0] == self.name
        if self.shape.is_object and self.explode and self.style == "form":
            return name in self.shape.properties or self.shape.is_open
        return name == self.name or (self.shape.is_array and name == f"{self.name}[]")

    def value(self, texts: Texts) -> Any:
        """What the texts stand for, or MISSING. Raises Unreadable."""
        if self.style == "deepObject":
            return self._deep(texts)
        if self.shape.is_object and self.explode and self.style == "form" and not self.is_json:
            return self._spread(texts)
        given = texts.get(self.key, ())
        if self.shape.is_array and f"{self.key}[]" in texts:  # as PHP and Rails write it
            if given:
                raise Unreadable("it is given in two forms")
            given = texts[f"{self.key}[]"]
        if not given or (self.empty and given[0] == ""):
            return MISSING
        if self.shape.is_array and self.explode and self.where in ("query", "cookie"):
            return self._items([_decoded(text) for text in given])
        if self.where == "header" and self.shape.is_array:
            given = [",".join(given)]
        if len(given) > 1:
            raise Unreadable("it is given more than once")
        if self.is_json:
            return _document(given[0])
        return self._single(given[0])

    def _single(self, text: str) -> Any:
        """One text: of a path's segment, a header, a cookie or a query without `explode`."""
        prefix = self._prefix
        if prefix:
            if not text.startswith(prefix):
                raise Unreadable(f'it must begin with "{prefix}"')
            text = text[len(prefix) :].removeprefix("=" if self.style == "matrix" else "")
        if self.shape.is_array:
            return self._items(list(map(self._plain, self._split(text))))
        if self.shape.is_object:
            return self._object(text)
        return self.shape.scalar(self._plain(text))

    @property
    def _prefix(self) -> str:
        if self.style == "matrix":
            return ";" if self.explode and self.shape.is_object else f";{self.name}"
        return "." if self.style == "label" else ""

    def _plain(self, text: str) -> str:
        return text if self.where == "header" else _decoded(text)

    def _split(self, text: str) -> list[str]:
        if text == "":
            return []
        if self.explode and self.style == "label":
            return text.split(".")
        if self.explode and self.style == "matrix":
            return text.split(f";{self.name}=")
        separator = _SEPARATORS.get(self.style)
        if separator is None:
            parts = text.split(",")
            return [part.strip(" \t") for part in parts] if self.where == "header" else parts
        encoded = {" ": r"%20|\+| ", "|": r"%7[Cc]|\|", "\t": r"%09|\t"}[separator]
        return re.split(encoded, text)

    def _items(self, texts: list[str]) -> list[Any]:
        inner = self.shape.items
        return [text if inner is None else inner.scalar(text) for text in texts]

    def _object(self, text: str) -> dict[str, Any]:
        """`R,100,G,200`, or with `explode` `R=100,G=200` (simple), `.R=100.G=200` (label), `;R=100;G=200` (matrix)."""
        if self.explode:
            sign = {"label": ".", "matrix": ";"}.get(self.style, ",")
            pairs = [part.partition("=")[::2] for part in text.split(sign) if part]
        else:
            parts = self._split(text)
            if len(parts) % 2:
                raise Unreadable("it must be names and values by turns")
            pairs = list(zip(parts[::2], parts[1::2], strict=True))
        return self._of_pairs((self._plain(name), self._plain(value)) for name, value in pairs)

    def _spread(self, texts: Texts) -> Any:
        """An object whose properties are parameters of their own."""
        pairs = [(name, value) for name, values in texts.items() if self.claims(name) for value in values]
        made = self._of_pairs((name, _decoded(value)) for name, value in pairs)
        return made or MISSING

    def _of_pairs(self, pairs: Any) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, text in pairs:
            inner = self.shape.properties.get(name, self.shape.rest)
            if inner is not None and inner.is_array:
                made.setdefault(name, []).append(text if inner.items is None else inner.items.scalar(text))
            elif name in made:
                raise Unreadable("a property is given more than once")
            else:
                made[name] = text if inner is None else inner.scalar(text)
        return made

    def _deep(self, texts: Texts) -> Any:
        """`filter[name]=x&filter[size][min]=2`."""
        made: dict[str, Any] = {}
        if self.name in texts:
            raise Unreadable("it is given in two forms")
        for name, values in texts.items():
            head, bracket, rest = name.partition("[")
            if head == self.name and bracket:
                steps = _DEEP.findall(bracket + rest)
                if "".join(f"[{step}]" for step in steps) != bracket + rest or len(steps) > 16:
                    raise Unreadable("its brackets are not in pairs")
                self._put(made, steps, [_decoded(value) for value in values])
        return made or MISSING

    def _put(self, made: dict[str, Any], steps: list[str], texts: list[str]) -> None:
        shape, node = self.shape, made
        for step in steps[:-1]:
            shape = shape.properties.get(step, shape.rest or TEXT)
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                raise Unreadable("a property is a text and an object at once")
        last = steps[-1]
        shape = shape.properties.get(last, shape.rest or TEXT)
        if last in node:
            raise Unreadable("a property is given more than once")
        if shape.is_array:
            node[last] = [text if shape.items is None else shape.items.scalar(text) for text in texts]
        elif len(texts) > 1:
            raise Unreadable("a property is given more than once")
        else:
            node[last] = shape.scalar(texts[0])


def _document(text: str) -> Any:
    try:
        return strict_json.loads(_decoded(text).encode())
    except strict_json.NotJson as error:
        raise Unreadable(f"it is no JSON: {error}") from None


def _decoded(text: str) -> str:
    """`text` with its escapes decoded. Raises Unreadable for what is not UTF-8 then."""
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None


def parameter(library: Library, node: Node, version: str) -> Parameter | None:
    """A parameter as the specification describes it; None for one that OpenAPI says to ignore, and for bodies.

    Raises InputError for a schema that cannot be used.
    """
    data = node.data
    where, name = str(data.get("in")), str(data.get("name"))
    if where not in ("path", "query", "header", "cookie") or (where == "header" and name.lower() in _ELSEWHERE):
        return None
    said, is_json = described(library, node, version)
    schema = Schema(library, said, version, Direction.REQUEST) if said is not None else None
    shape = shape_of(schema.text) if schema is not None else TEXT
    style, explode = style_of(data, where, version)
    return Parameter(
        where,
        name,
        data.get("required") is True,
        style,
        explode,
        data.get("allowEmptyValue") is True,
        schema,
        shape,
        is_json,
    )


def header(library: Library, name: str, node: Node, version: str, direction: Direction) -> Parameter:
    """A header of an answer or of a form's part. Raises InputError for a schema that cannot be used."""
    said, is_json = described(library, node, version)
    schema = Schema(library, said, version, direction) if said is not None else None
    shape = shape_of(schema.text) if schema is not None else TEXT
    data = mapping(node.data)
    style, explode = style_of(data, "header", version)
    return Parameter("header", name, data.get("required") is True, style, explode, False, schema, shape, is_json)


def described(library: Library, node: Node, version: str) -> tuple[Node | None, bool]:
    """The schema of the value, and whether that is a JSON document. 2.0 writes it into the parameter."""
    if version == "2.0":
        return node, False
    if "schema" in node.data:
        return node.child("schema"), False
    for kind, inner in mapping(node.data.get("content")).items():
        if "schema" in mapping(inner) and (kind.endswith(("/json", "+json"))):
            return node.child("content", kind, "schema"), True
    return None, False


def style_of(data: Mapping[str, Any], where: str, version: str) -> tuple[str, bool]:
    if version == "2.0":
        form = str(data.get("collectionFormat", "csv"))
        return ("form", True) if form == "multi" else (form if form in _SEPARATORS else "form", False)
    style = str(data.get("style") or _STYLES[where])
    explode = data.get("explode")
    return style, explode if isinstance(explode, bool) else style in ("form", "cookie")
