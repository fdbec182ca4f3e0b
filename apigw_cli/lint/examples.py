"""Whether examples and defaults fit their schemas.

`validation` judges, in whose words it is reported. Of large examples most are valid, and jsonschema-rs sees that
faster: it holds the whole document once, and a schema is a pointer into it.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from apigw_cli.lint.model import Hit
from apigw_cli.lint.schema_function import dialect_of, invalid_schema
from apigw_cli.lint.validation.evaluator import Evaluator, Plans
from apigw_cli.lint.validation.values import MissingReference, SchemaError
from apigw_cli.lint.validation.wording import Worded, worded
from apigw_cli.openapi.document import Document, Node
from apigw_cli.openapi.places import Steps
from apigw_cli.openapi.reading import URL
from apigw_cli.openapi.references import join, pointer

if TYPE_CHECKING:
    from apigw_cli.lint.subject import Subject

_URI = "urn:apigw:document"
_DATA = frozenset({"example", "examples", "default", "enum", "const", "x-example"})


class Examples:
    """The examples of one document, with what is remembered of its schemas."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.dialect = _dialect(subject)
        self._circular: dict[int, bool] = {}
        self._references: dict[int, tuple[Any, list[Any]]] = {}
        self._broken: dict[int, str | None] = {}
        self._plans: Plans = {}
        self._registry: Any = None
        self._validators: dict[str, Any] = {}  # of jsonschema-rs, by the pointer to their schema
        self._untyped = {id(node) for node in subject.nullable if "type" not in node}

    def hits(self, schema: Node, example: Node, relaxed: str = "") -> Iterator[Hit]:
        """What is wrong with an example. `relaxed`: properties that are so marked ("readOnly") need not be there."""
        value, origins = example.data, Origins(example)
        if not self.subject.corrected and isinstance(value, dict | list):
            value = origins.resolved(self.subject)  # Spectral sees references in examples too
        for fault in self._faults(schema, value, example.path, relaxed):
            yield Hit(*origins.place(value, fault.path), fault.message)

    def _faults(self, schema: Node, value: Any, place: Steps, relaxed: str) -> list[Worded]:
        data = schema_as_written = schema.data
        if not isinstance(data, dict) or (not self.subject.corrected and self._is_circular(data)):
            return []  # a schema that contains itself is not checked by Spectral
        if self.subject.version == "2.0" and isinstance(data.get("required"), bool):
            data = {key: inner for key, inner in data.items() if key != "required"}
            schema = Node(Document("", "", None, data), (), data)
        problem = self._problem(data)
        if problem is not None:
            return [Worded((), problem)]
        if isinstance(value, dict | list) and _is_large(value) and self._is_surely_valid(schema, value):
            return []
        plans = self._plans if data is schema_as_written else None  # what is made for one check does not live on
        run = Evaluator(
            self.resolve,
            draft4=self.dialect == "draft4",
            relaxed=relaxed,
            swagger=self.subject.version == "2.0",
            plans=plans,
        )
        try:
            if run.check(data, value):
                return []
        except MissingReference:
            return []
        except SchemaError as error:
            return [Worded((), str(error))]
        return worded(run.problems, value, place)

    def resolve(self, holder: dict[str, Any], ref: str) -> Any:
        """What the `$ref` of a schema leads to. Raises MissingReference."""
        document = self.subject.foreign.get(id(holder), self.subject.document)
        known = self.subject.targets.get((document.name, ref))
        if not isinstance(known, Node):
            raise MissingReference(f"can't resolve reference {ref} from id #")
        return known.data

    # --- what is wrong with the schema itself

    def _problem(self, schema: dict[str, Any]) -> str | None:
        """What Ajv would say of the schema, or of one that it refers to."""
        problem = self._own_problem(schema)
        if problem is not None:
            return problem
        return next((found for found in map(self._problem_of, self._targets(schema)) if found is not None), None)

    def _problem_of(self, schema: Any) -> str | None:
        if not isinstance(schema, dict):
            return None
        if id(schema) not in self._broken:
            self._broken[id(schema)] = None  # while it is looked at: schemas may go in circles
            self._broken[id(schema)] = self._problem(schema)
        return self._broken[id(schema)]

    def _own_problem(self, schema: dict[str, Any]) -> str | None:
        problem = invalid_schema(schema, self.dialect)
        if problem is not None:
            return problem
        if self._untyped and any(id(node) in self._untyped for node in _schemas_in(schema)):
            return '"nullable" cannot be used without "type"'
        return None

    def _targets(self, schema: Any) -> Iterator[Any]:
        """What the references in a schema lead to."""
        if type(schema) is dict and "$ref" not in schema and _is_flat(schema):
            return iter(())  # most schemas that have an example are of a plain type
        known = self._references.get(id(schema))
        if known is None:  # with the schema itself, so that its id stays its own
            known = self._references[id(schema)] = (schema, list(self._found_targets(schema)))
        return iter(known[1])

    def _found_targets(self, schema: Any) -> Iterator[Any]:
        for node in _schemas_in(schema):
            ref = node.get("$ref")
            if isinstance(ref, str):
                try:
                    yield self.resolve(node, ref)
                except MissingReference:
                    continue

    def _is_circular(self, schema: Any) -> bool:
        """Whether references lead from a schema to one that contains itself."""
        return any(self._leads_into_circle(target) for target in self._targets(schema))

    def _leads_into_circle(self, start: Any) -> bool:
        """Depth first without recursion: who is met again while still open closes a circle."""
        if id(start) in self._circular:
            return self._circular[id(start)]
        path: list[tuple[Any, Iterator[Any]]] = [(start, self._targets(start))]
        is_open = {id(start)}
        while path:
            node, targets = path[-1]
            following = next(targets, None)
            if following is None:
                path.pop()
                is_open.discard(id(node))
                self._circular.setdefault(id(node), False)
            elif id(following) in is_open or self._circular.get(id(following)):
                for each, _ in path:  # all of them lead here
                    self._circular[id(each)] = True
                return self._circular[id(start)]
            elif id(following) not in self._circular:
                path.append((following, self._targets(following)))
                is_open.add(id(following))
        return self._circular[id(start)]

    # --- fast

    def _is_surely_valid(self, schema: Node, value: Any) -> bool:
        """Whether jsonschema-rs finds nothing. It may be stricter, never laxer, than what decides."""
        import jsonschema_rs

        if schema.document is not self.subject.document or self.registry is None:
            return False
        uri = _URI + "#" + urllib.parse.quote(pointer(schema.path), safe="/~!$&'()*+,;=:@")
        try:
            validator = self._validators.get(uri)
            if validator is None:
                make = getattr(jsonschema_rs, f"{_NAMES[self.dialect]}Validator")
                validator = make({"$ref": uri}, registry=self.registry, validate_formats=True, offline=True)
                self._validators[uri] = validator
            return bool(validator.is_valid(value))
        except (ValueError, jsonschema_rs.ReferencingError, RecursionError):
            return False

    @property
    def registry(self) -> Any:
        """The document as jsonschema-rs holds it, `nullable` said in its words; None where it cannot."""
        if self._registry is None:
            import jsonschema_rs

            try:
                with _null_allowed(self.subject.nullable):
                    draft = getattr(jsonschema_rs, _NAMES[self.dialect])
                    self._registry = jsonschema_rs.Registry([(_URI, self.subject.document.data)], draft=draft)
            except (ValueError, jsonschema_rs.ReferencingError, RecursionError):
                self._registry = False
        return self._registry or None


class Origins:
    """An example with the references in it replaced, and where each part of it comes from."""

    def __init__(self, example: Node) -> None:
        self.example = example
        self._origin: dict[int, Node] = {}

    def resolved(self, subject: Subject) -> Any:
        """The example's value; itself where it has no references."""
        if not _has_references(self.example.data):
            return self.example.data
        return self._made(subject, self.example, frozenset())

    def _made(self, subject: Subject, node: Node, chain: frozenset[int]) -> Any:
        found = node if _is_elsewhere(node) else subject.follow(node) or node
        data = found.data
        if not isinstance(data, dict | list) or id(data) in chain:
            return data
        inner = chain | {id(data)}
        made: Any
        if isinstance(data, dict):
            made = {key: self._made(subject, found.child(key), inner) for key in data}
        else:
            made = [self._made(subject, found.child(index), inner) for index in range(len(data))]
        self._origin[id(made)] = found
        return made

    def place(self, value: Any, path: Steps) -> tuple[Document, Steps]:
        """Where the part of `value` at `path` stands."""
        document, place = self.example.document, self.example.path
        steps = iter(path)
        while True:
            origin = self._origin.get(id(value))
            if origin is not None:
                document, place = origin.document, origin.path
            step = next(steps, None)
            if step is None:
                return document, place
            value, place = _inner(value, step), (*place, step)


def _inner(value: Any, step: Any) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None


def _is_elsewhere(node: Node) -> bool:
    """Whether a value refers to a URL: what stands in an example is data, and no reason to use the network."""
    ref = node.data.get("$ref") if isinstance(node.data, dict) else None
    file = ref.partition("#")[0] if isinstance(ref, str) else ""
    return file != "" and URL.match(join(node.document.name, file)) is not None


def _has_references(value: Any) -> bool:
    stack = [value]
    while stack:
        node = stack.pop()
        if type(node) is dict:
            if type(node.get("$ref")) is str:
                return True
            stack.extend(each for each in node.values() if type(each) is dict or type(each) is list)
        elif type(node) is list:
            stack.extend(node)
    return False


_NAMES = {
    "draft4": "Draft4",
    "draft6": "Draft6",
    "draft7": "Draft7",
    "draft2019-09": "Draft201909",
    "draft2020-12": "Draft202012",
}


def _dialect(subject: Subject) -> str:
    if subject.version in ("2.0", "3.0"):
        return "draft4"
    return dialect_of(subject.data.get("jsonSchemaDialect")) or "draft2020-12"


def _is_flat(schema: dict[str, Any]) -> bool:
    return not any(type(value) is dict or type(value) is list for value in schema.values())


def _is_large(value: Any, limit: int = 400) -> bool:
    """Whether a value has so many parts that a validator made for it pays: it takes as long as checking hundreds."""
    stack = [value]
    while stack and limit > 0:
        node = stack.pop()
        limit -= len(node)
        stack += [each for each in (node.values() if isinstance(node, dict) else node) if isinstance(each, dict | list)]
    return limit <= 0


def _schemas_in(schema: Any) -> Iterator[dict[str, Any]]:
    """The mappings of a schema, its examples and the like left out."""
    stack: list[Any] = [schema]
    while stack:
        node = stack.pop()
        if type(node) is dict:
            yield node
            for key, value in node.items():
                if (type(value) is dict or type(value) is list) and key not in _DATA:
                    stack.append(value)
        elif type(node) is list:
            stack.extend(node)


@contextmanager
def _null_allowed(schemas: list[dict[str, Any]]) -> Iterator[None]:
    """While the document is copied, `type: [x, "null"]` where `nullable` says so."""
    changed = []
    for schema in schemas:
        kind = schema.get("type")
        if isinstance(kind, str) and (schema.get("nullable") is True or schema.get("x-nullable") is True):
            changed.append((schema, kind))
            schema["type"] = [kind, "null"]
    try:
        yield
    finally:
        for schema, kind in changed:
            schema["type"] = kind
