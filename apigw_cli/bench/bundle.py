"""The schemas that requests are made from, in one dialect: JSON Schema 2020-12, as the server will read them.

    schema ─add─▶ number · {"$defs": {"0": …, "1": …}} ─▶ values by bench/generator.py, judged by jsonschema-rs

Every schema that one refers to gets a number too, so whatever lies in several files, and in circles, is one flat list.
OpenAPI 2.0 and 3.0 are brought into words of 2020-12 on the way: `nullable`, exclusive bounds that are flags, a
`$ref` whose neighbours do not count. In a request no `readOnly` property is sent and none is required (OpenAPI 3.0.4,
4.7.24.1).
"""

from __future__ import annotations

from typing import Any

from apigw_cli.openapi.document import Document, Library, Node
from apigw_cli.openapi.operations import mapping, version

Schema = dict[str, Any]
_URI = "urn:apigw:bundle"
_ONE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_LISTED = ("allOf", "oneOf", "anyOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas")
_PLAIN = (
    *("type", "enum", "const", "format", "pattern", "minLength", "maxLength", "minimum", "maximum", "multipleOf"),
    *("exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "uniqueItems", "minContains", "maxContains"),
    *("minProperties", "maxProperties", "required", "dependentRequired", "example", "examples", "default"),
)


class Bundle:
    """Schemas by number. `validator` judges values of one; it must be asked after the last `add`."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._numbers: dict[tuple[str, tuple[str | int, ...]], int] = {}
        self.schemas: list[Schema | bool] = []
        self._waiting: list[tuple[int, Document, Any]] = []
        self._validators: dict[int, Any] = {}
        self._registry: Any = None

    def add(self, document: Document, schema: Any) -> int:
        """The number of a schema that stands in `document`. Raises InputError for a `$ref` to nowhere."""
        self._registry = None
        number = self._reserve(document, schema)
        while self._waiting:
            at, owner, waiting = self._waiting.pop()
            self.schemas[at] = self._tidied(owner, waiting)
        return number

    def follow(self, schema: Schema) -> Schema | bool:
        """The schema that a `$ref` of a tidied one names."""
        return self.schemas[int(schema["$ref"].rpartition("/")[2])]

    def complaint(self, number: int, value: Any) -> str | None:
        """Why `value` is not valid; None where it is."""
        import jsonschema_rs

        try:
            error = next(iter(self._validator(number).iter_errors(value)), None)
        except (ValueError, jsonschema_rs.ReferencingError) as trouble:
            return str(trouble).splitlines()[0]
        return None if error is None else str(error.message)[:200]

    def _validator(self, number: int) -> Any:
        import jsonschema_rs

        if self._registry is None:
            whole = {"$defs": {str(at): schema for at, schema in enumerate(self.schemas)}}
            self._registry = jsonschema_rs.Registry([(_URI, whole)], draft=jsonschema_rs.Draft202012)
            self._validators = {}
        if number not in self._validators:
            schema = {"$ref": f"{_URI}#/$defs/{number}"}
            self._validators[number] = jsonschema_rs.Draft202012Validator(
                schema, registry=self._registry, validate_formats=True, offline=True
            )
        return self._validators[number]

    def _reserve(self, document: Document, schema: Any) -> int:
        self.schemas.append(True)
        self._waiting.append((len(self.schemas) - 1, document, schema))
        return len(self.schemas) - 1

    def _of_node(self, node: Node) -> int:
        where = (node.document.name, node.path)
        if where not in self._numbers:
            self._numbers[where] = self._reserve(node.document, node.data)
        return self._numbers[where]

    def _tidied(self, document: Document, schema: Any) -> Schema | bool:
        if not isinstance(schema, dict):
            return schema is not False
        old = version(document) in ("2.0", "3.0") if "openapi" in document.data or "swagger" in document.data else False
        found: Schema = {}
        if isinstance(schema.get("$ref"), str):
            node = self._library.resolve(document, schema["$ref"])
            found["$ref"] = f"#/$defs/{self._of_node(node)}"
            if old:
                return found
        found |= {word: schema[word] for word in _PLAIN if word in schema and schema[word] is not None}
        found |= {
            word: self._tidied(document, schema[word]) for word in _ONE if isinstance(schema.get(word), dict | bool)
        }
        for word in _LISTED:
            if isinstance(schema.get(word), list) and schema[word]:
                found[word] = [self._tidied(document, one) for one in schema[word]]
        for word in _NAMED:
            if isinstance(schema.get(word), dict):
                found[word] = {name: self._tidied(document, one) for name, one in schema[word].items()}
        _without_read_only(found, mapping(schema.get("properties")))
        return _modern(found, schema) if old else found


def _without_read_only(found: Schema, properties: dict[str, Any]) -> None:
    hidden = {name for name, one in properties.items() if isinstance(one, dict) and one.get("readOnly") is True}
    required = found.get("required")
    if "required" in found and not isinstance(required, list):  # a flag of draft 3, or of a parameter of 2.0
        del found["required"]
    elif hidden and required:
        found["required"] = [name for name in required if name not in hidden]
    for name in hidden:
        del found["properties"][name]


def _modern(found: Schema, schema: Schema) -> Schema:
    """Words of draft 4 and OpenAPI 3.0 in those of 2020-12."""
    for flag, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if found.get(flag) is True and bound in found:
            found[flag] = found.pop(bound)
        elif isinstance(found.get(flag), bool):
            del found[flag]
    if found.get("type") == "file":  # a parameter of 2.0
        found["type"] = "string"
    if schema.get("nullable") is True and "type" in found:
        return {"anyOf": [found, {"type": "null"}]}
    return found
