"""A validator's errors as Spectral reports them: everything that Ajv says, each in its place and its words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from apigw_cli.lint.schema_errors import ValidatorError
from apigw_cli.lint.validation.wording import nearest
from apigw_cli.openapi.places import Steps

Told = tuple[Steps, str]  # where, and the message

_SCHEMA_OBJECT = ["boolean", "object"]
_ROOT = 'The document must have either "paths", "webhooks" or "components"'


def told(errors: Iterable[Any], data: Any, version: str) -> list[Told]:
    """What Spectral says of a document of an OpenAPI version with `errors`, without repetitions."""
    say = _Sayer(data, version)
    found = [each for error in errors for each in say.all(ValidatorError.of(error, data))]
    return list(dict.fromkeys(found))


class _Sayer:
    def __init__(self, data: Any, version: str) -> None:
        self.data = data
        self.version = version

    def all(self, error: ValidatorError) -> Iterator[Told]:
        """The error, and what the branches of a choice say."""
        if self.version == "2.0" and error.path[:1] == ("securityDefinitions",):
            yield self._security_definition(error.path)
        elif error.kind == "AnyOf" and self.version in ("3.1", "3.2") and not error.path:
            yield (), f"{_ROOT}."
        elif error.kind == "AnyOf" and self.version == "3.1" and error.schema_path[-2:] == ("type", "anyOf"):
            yield from self._type_of_schema(error)
        else:
            for branch in error.branches:
                for inner in branch:
                    yield from self.all(inner)
            yield from self._one(error)

    def _type_of_schema(self, error: ValidatorError) -> Iterator[Told]:
        """`type` in a schema: one name, or a list of them."""
        value = self._at(error.path)
        if isinstance(value, str | list):
            for inner in error.branches[0 if isinstance(value, str) else 1]:
                yield from self.all(inner)
        else:
            yield error.path, '"type" property must be either a string or an array of strings.'

    def _security_definition(self, path: Steps) -> Told:
        name = path[1] if len(path) > 1 else None
        if name in ("basic", "apiKey", "oauth2"):
            return path[:2], f"Invalid {name} authentication security definition."
        return path[:1], "Invalid security securityDefinitions."

    def _one(self, error: ValidatorError) -> Iterator[Told]:
        detail, path = error.detail, error.path
        if error.kind == "AdditionalProperties":
            for name in detail.unexpected:
                yield (*path, name), f'Property "{name}" is not expected to be here.'
        elif error.kind == "PropertyNames":
            kind = type(detail.error.kind).__name__.removeprefix("ValidationErrorKind_")
            yield path, self._named(path, self._words(kind, detail.error.kind, detail.error.instance))
            yield path, self._named(path, "property name must be valid")
        elif error.kind == "Not" and isinstance(detail.schema, dict) and "$comment" in detail.schema:
            yield path, f"{detail.schema['$comment']}."
        else:
            yield path, self._sentence(error)

    def _sentence(self, error: ValidatorError) -> str:
        if error.kind == "Type" and self.version == "3.1" and sorted(error.detail.types) == _SCHEMA_OBJECT:
            return f'"{_raw(error.path)}" property must be a valid Schema Object.'
        return self._named(error.path, self._words(error.kind, error.detail, self._at(error.path)))

    def _named(self, path: Steps, words: str) -> str:
        return f'"{_raw(path)}" property {words}.' if path else f"{words}."

    def _at(self, path: Steps) -> Any:
        node = self.data
        for step in path:
            node = node[step]
        return node

    def _words(self, kind: str, detail: Any, value: Any) -> str:
        match kind:
            case "Required":
                return f'must have required property "{detail.property}"'
            case "Type":
                return f"must be {','.join(sorted(detail.types, key=_declared))}"
            case "Enum":
                return _options(detail.options, value)
            case "Constant":
                return "must be equal to constant"
            case "UniqueItems":
                return _repeated(value)
            case "OneOfNotValid" | "OneOfMultipleValid":
                return "must match exactly one schema in oneOf"
        return _PLAIN[kind] if kind in _PLAIN else _bounded(kind, detail)


_PLAIN = {
    "AnyOf": "must match a schema in anyOf",
    "Not": "must not be valid",
    "FalseSchema": "boolean schema is false",
    "UnevaluatedProperties": "must not have unevaluated properties",
    "UnevaluatedItems": "must not have unevaluated items",
}
_COUNTED = {"Items": "items", "Properties": "properties", "Length": "characters"}
_COMPARED = {"Minimum": ">=", "ExclusiveMinimum": ">", "Maximum": "<=", "ExclusiveMaximum": "<"}


def _bounded(kind: str, detail: Any) -> str:
    if kind in _COMPARED:
        return f"must be {_COMPARED[kind]} {detail.limit}"
    if kind in ("Format", "Pattern"):
        word = kind.lower()
        return f'must match {word} "{getattr(detail, word)}"'
    if kind[:3] in ("Min", "Max"):
        word = "fewer" if kind.startswith("Min") else "more"
        return f"must not have {word} than {detail.limit} {_COUNTED[kind[3:]]}"
    return f"breaks the rule {kind} of the specification"


def _declared(kind: str) -> int:
    """The place of a type among those that a schema of OpenAPI lists: objects come before booleans."""
    return ("object", "boolean").index(kind) if kind in ("object", "boolean") else -1


def _options(options: list[Any], value: Any) -> str:
    listed = ", ".join(json.dumps(option, ensure_ascii=False, separators=(",", ":")) for option in options)
    near = nearest(value, options)
    text = f"must be equal to one of the allowed values: {listed}"
    return text if near is None else f'{text}. Did you mean "{near}"?'


def _repeated(items: list[Any]) -> str:
    """Ajv looks from the end: texts against those behind them, other values against those before them."""
    for last in range(len(items) - 1, -1, -1):
        text = isinstance(items[last], str)
        for other in range(last + 1, len(items)) if text else range(last - 1, -1, -1):
            if items[other] == items[last]:
                return f"must not have duplicate items (items ## {other} and {last} are identical)"
    return "must not have duplicate items"


def _raw(path: Steps) -> str:
    """The last step as it stands in a JSON pointer: Spectral does not translate it back."""
    return str(path[-1]).replace("~", "~0").replace("/", "~1")
