"""A value against a schema, in Ajv's order: the errors that Ajv would give.

Ajv stops at the first error, but keeps what the branches of an `anyOf` or `oneOf` said. Within a schema it checks
numbers, then text, then what applies to any type, then lists, then mappings (`_GROUPS`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apigw_cli.lint import regex
from apigw_cli.lint.validation import formats

Check = Callable[["Evaluator", Any, Any, "dict[str, Any]", tuple[Any, ...]], bool]
Plans = dict[int, list[tuple[str | None, str, Check]]]  # by the id of a schema: type, keyword and its check, in order
Resolve = Callable[[dict[str, Any], str], Any]
_DEPTH_LIMIT = 150


class SchemaError(Exception):
    """A schema that cannot be used; the text is Ajv's."""


class MissingReference(SchemaError):
    """A `$ref` in a schema that leads to nothing that the schema holds."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One error: Ajv's keyword, where, its parameters and message."""

    keyword: str
    path: tuple[Any, ...]
    message: str
    params: dict[str, Any] = field(default_factory=dict)


def is_type(value: Any, name: str) -> bool:
    """JSON Schema's types; 1.0 is an integer."""
    match name:
        case "string":
            return isinstance(value, str)
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "number":
            return _is_number(value)
        case "integer":
            return _is_number(value) and (isinstance(value, int) or value.is_integer())
    return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def equal(a: Any, b: Any) -> bool:
    """Deep equality as JSON has it."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return bool(a == b)


class Evaluator:
    """Checks values. `resolve` leads from a schema with a `$ref` to its target; it may raise MissingReference.

    `draft4`: exclusive bounds are booleans. `relaxed`: a property that its schema marks so ("readOnly") need not be
    there, however `required` it is. `all_errors`: do not stop at the first. `swagger`: `x-nullable` is `nullable`.
    `plans`: which keywords each schema has, by its id, for whoever checks many values by schemas that live on.
    """

    def __init__(
        self,
        resolve: Resolve,
        *,
        draft4: bool = False,
        relaxed: str = "",
        all_errors: bool = False,
        swagger: bool = False,
        plans: Plans | None = None,
    ) -> None:
        self.resolve = resolve
        self.plans: Plans = {} if plans is None else plans
        self.draft4 = draft4
        self.relaxed = relaxed
        self.all_errors = all_errors
        self.swagger = swagger
        self.problems: list[Problem] = []
        self._depth = 0
        self._met: set[tuple[int, int]] = set()

    def check(self, schema: Any, value: Any, path: tuple[Any, ...] = ()) -> bool:
        """Whether `value` is valid; if not, `problems` say why. Raises SchemaError."""
        if schema is True or schema == {}:
            return True
        if schema is False:
            return self.fail("false schema", path, "boolean schema is false")
        if not isinstance(schema, dict):
            raise SchemaError("schema must be object or boolean")
        # A value that contains itself, under a schema that refers to itself, is valid as far as it goes.
        key = (id(schema), id(value))
        is_container = isinstance(value, dict | list)
        if (is_container and key in self._met) or self._depth >= _DEPTH_LIMIT:
            return True
        self._met.add(key)
        self._depth += 1
        try:
            return self._check(schema, value, path)
        finally:
            self._met.discard(key)
            self._depth -= 1

    def fail(self, keyword: str, path: tuple[Any, ...], message: str, **params: Any) -> bool:
        self.problems.append(Problem(keyword, path, message, params))
        return False

    def holds(self, schema: Any, value: Any) -> bool:
        """Whether `value` is valid, without a word."""
        kept, self.problems = self.problems, []
        try:
            return self.check(schema, value)
        finally:
            self.problems = kept

    def _check(self, schema: dict[str, Any], value: Any, path: tuple[Any, ...]) -> bool:
        valid = True
        types = _types(schema, self.swagger)
        if types and not any(is_type(value, name) for name in types):
            deferred = len(types) == 1 and any(keyword in schema for keyword in _OF_TYPE.get(types[0], ()))
            valid = self._wrong_type(schema, path)
            if not deferred or not self.all_errors:
                # A type with keywords of its own is checked in their turn: what comes before it is checked first.
                return self._before(schema, value, path, types[0]) and valid if deferred else False
        plan = self.plans.get(id(schema))
        if plan is None:
            plan = self.plans[id(schema)] = _plan(schema)
        for kind, keyword, check in plan:
            if (kind is None or is_type(value, kind)) and not check(self, schema[keyword], value, schema, path):
                valid = False
                if not self.all_errors:
                    return False
        return valid

    def _before(self, schema: dict[str, Any], value: Any, path: tuple[Any, ...], kind: str) -> bool:
        """The groups that come before that of the wrong type; an error in them takes the place of the type's."""
        wrong = self.problems.pop()
        for group, keywords in _GROUPS:
            if group == kind:
                break
            if group is None or is_type(value, group):
                for keyword, check in keywords:
                    if keyword in schema and not check(self, schema[keyword], value, schema, path):
                        return False
        self.problems.append(wrong)
        return False

    def _wrong_type(self, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
        declared = schema["type"]
        names = ",".join(map(str, declared)) if isinstance(declared, list) else str(declared)
        null = ",null" if schema.get("nullable") is True else ""
        return self.fail("type", path, f"must be {names}{null}", type=declared)


def _plan(schema: dict[str, Any]) -> list[tuple[str | None, str, Check]]:
    return [(kind, keyword, check) for kind, keywords in _GROUPS for keyword, check in keywords if keyword in schema]


def _types(schema: dict[str, Any], swagger: bool) -> list[str]:
    declared = schema.get("type")
    nullable = schema.get("nullable", schema.get("x-nullable") if swagger else None)
    types = list(declared) if isinstance(declared, list) else [] if declared is None else [declared]
    if isinstance(nullable, bool):
        if not types:
            raise SchemaError('"nullable" cannot be used without "type"')
        if nullable and "null" not in types:
            types.append("null")
    return types


# --- numbers


def _bound(word: str, holds: Callable[[Any, Any], bool], strict: Callable[[Any, Any], bool], sign: str) -> Check:
    exclusive = "exclusive" + word[0].upper() + word[1:]

    def check(run: Evaluator, limit: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
        if not _is_number(limit):
            return True
        is_strict = run.draft4 and schema.get(exclusive) is True
        if (strict if is_strict else holds)(value, limit):
            return True
        return run.fail(word, path, f"must be {sign if is_strict else sign + '='} {_number(limit)}", limit=limit)

    return check


def _exclusive(word: str, holds: Callable[[Any, Any], bool], sign: str) -> Check:
    def check(run: Evaluator, limit: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
        if run.draft4 or not _is_number(limit) or holds(value, limit):
            return True
        return run.fail(word, path, f"must be {sign} {_number(limit)}", limit=limit)

    return check


def _number(value: Any) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e21 else repr(value)


def _multiple(run: Evaluator, factor: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    if not _is_number(factor) or factor == 0 or float(value / factor).is_integer():
        return True
    return run.fail("multipleOf", path, f"must be multiple of {_number(factor)}", multipleOf=factor)


def _format(run: Evaluator, name: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    known: Any = (formats.OF_TEXT if isinstance(value, str) else formats.OF_NUMBERS).get(str(name))
    if known is None or known(value):
        return True
    return run.fail("format", path, f'must match format "{name}"', format=name)


# --- counts


def _count(keyword: str, most: bool, what: str) -> Check:
    def check(run: Evaluator, limit: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
        if not _is_number(limit) or (len(value) <= limit if most else len(value) >= limit):
            return True
        word = "more" if most else "fewer"
        return run.fail(keyword, path, f"must NOT have {word} than {_number(limit)} {what}", limit=limit)

    return check


def _pattern(run: Evaluator, source: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    if _matches(source, value):
        return True
    return run.fail("pattern", path, f'must match pattern "{source}"', pattern=source)


def _pattern_of(source: str) -> regex.Pattern:
    """As Ajv compiles it, with the flag u; what is only wrong with that flag is taken without it."""
    try:
        return regex.of_source(source, "u")
    except regex.PatternError:
        return regex.of_source(source)


def _matches(source: Any, value: str) -> bool:
    try:
        return _pattern_of(str(source)).test(value)
    except regex.PatternError as error:
        raise SchemaError(f"Invalid regular expression: /{source}/: {error}") from None
    except regex.PatternTimeout as error:
        raise SchemaError(str(error)) from None


# --- anything


def _reference(run: Evaluator, ref: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    return run.check(run.resolve(schema, str(ref)), value, path) if isinstance(ref, str) else True


def _const(run: Evaluator, wanted: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    if equal(wanted, value):
        return True
    return run.fail("const", path, "must be equal to constant", allowedValue=wanted)


def _enum(run: Evaluator, options: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    if not isinstance(options, list) or any(equal(option, value) for option in options):
        return True
    return run.fail("enum", path, "must be equal to one of the allowed values", allowedValues=options)


def _not(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    relaxed, run.relaxed = run.relaxed, ""
    try:
        return not run.holds(inner, value) or run.fail("not", path, "must NOT be valid")
    finally:
        run.relaxed = relaxed


def _any_of(run: Evaluator, branches: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    before = len(run.problems)
    for branch in _list(branches):
        if run.check(branch, value, path):
            del run.problems[before:]
            return True
    return run.fail("anyOf", path, "must match a schema in anyOf")


def _one_of(run: Evaluator, branches: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    before, passing = len(run.problems), []
    for index, branch in enumerate(_list(branches)):
        if run.check(branch, value, path):
            passing.append(index)
            if len(passing) == 2:
                break
    if passing:
        del run.problems[before:]
    message = "must match exactly one schema in oneOf"
    return len(passing) == 1 or run.fail("oneOf", path, message, passingSchemas=passing or None)


def _all_of(run: Evaluator, branches: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    return _every(run, (run.check(branch, value, path) for branch in _list(branches)))


def _if(run: Evaluator, condition: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    keyword = "then" if run.holds(condition, value) else "else"
    if keyword not in schema or run.check(schema[keyword], value, path):
        return True
    return run.fail("if", path, f'must match "{keyword}" schema', failingKeyword=keyword)


def _every(run: Evaluator, results: Any) -> bool:
    valid = True
    for result in results:
        valid = valid and result
        if not result and not run.all_errors:
            return False
    return valid


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


# --- lists


def _unique(run: Evaluator, on: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    pair = _duplicates(value) if on is True else None
    if pair is None:
        return True
    first, second = pair
    message = f"must NOT have duplicate items (items ## {first} and {second} are identical)"
    return run.fail("uniqueItems", path, message, i=second, j=first)


def _duplicates(value: list[Any]) -> tuple[int, int] | None:
    """The last pair of equal items."""
    if all(isinstance(item, str) for item in value) and len(set(value)) == len(value):
        return None
    for second in range(len(value) - 1, 0, -1):
        for first in range(second - 1, -1, -1):
            if equal(value[first], value[second]):
                return first, second
    return None


def _items(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    if isinstance(inner, list):
        pairs = zip(inner, value, strict=False)
        return _every(run, (run.check(each, item, (*path, at)) for at, (each, item) in enumerate(pairs)))
    start = len(_list(schema.get("prefixItems")))
    if inner is False and len(value) > start:
        return _too_many(run, "items", start, path)
    return _every(run, (run.check(inner, value[at], (*path, at)) for at in range(start, len(value))))


def _too_many(run: Evaluator, keyword: str, limit: int, path: tuple[Any, ...]) -> bool:
    return run.fail(keyword, path, f"must NOT have more than {limit} items", limit=limit)


def _prefix(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    return _items(run, _list(inner), value, schema, path)


def _additional_items(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    listed = schema.get("items")
    if not isinstance(listed, list):
        return True
    if inner is False and len(value) > len(listed):
        return _too_many(run, "additionalItems", len(listed), path)
    return _every(run, (run.check(inner, value[at], (*path, at)) for at in range(len(listed), len(value))))


def _contains(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    least, most = schema.get("minContains", 1), schema.get("maxContains")
    count = sum(run.holds(inner, item) for item in value)
    if count >= least and (most is None or count <= most):
        return True
    text = f"at least {least}" if most is None else f"at least {least} and no more than {most}"
    return run.fail("contains", path, f"must contain {text} valid item(s)", minContains=least)


def _unevaluated_items(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    seen = _evaluated(run, schema, value, lists=True)
    left = [at for at in range(len(value)) if at not in seen]
    if inner is False:
        return not left or _too_many(run, "unevaluatedItems", len(value) - len(left), path)
    return _every(run, (run.check(inner, value[at], (*path, at)) for at in left))


# --- mappings


def _required(run: Evaluator, names: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    valid = True
    for name in _list(names):
        if name not in value and not _is_relaxed(run, schema, name):
            message = f"must have required property '{name}'"
            valid = run.fail("required", path, message, missingProperty=name)
            if not run.all_errors:
                return False
    return valid


def _is_relaxed(run: Evaluator, schema: dict[str, Any], name: Any) -> bool:
    if not run.relaxed:
        return False
    declared = _mapping(schema.get("properties")).get(name)
    if isinstance(declared, dict) and isinstance(declared.get("$ref"), str):
        declared = run.resolve(declared, declared["$ref"])
    return _mapping(declared).get(run.relaxed) is True


def _property_names(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    valid = True
    for name in value:
        if not run.check(inner, name, path):
            valid = run.fail("propertyNames", path, "property name must be valid", propertyName=name)
            if not run.all_errors:
                return False
    return valid


def _additional(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    declared, patterns = _mapping(schema.get("properties")), _mapping(schema.get("patternProperties"))
    left = [name for name in value if name not in declared and not any(_matches(each, name) for each in patterns)]
    if inner is False:
        message = "must NOT have additional properties"
        return _every(run, (run.fail("additionalProperties", path, message, additionalProperty=name) for name in left))
    return _every(run, (run.check(inner, value[name], (*path, name)) for name in left))


def _dependencies(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    return _every(
        run, (_dependent(run, name, rule, value, path) for name, rule in _mapping(inner).items() if name in value)
    )


def _dependent(run: Evaluator, name: str, rule: Any, value: Any, path: tuple[Any, ...]) -> bool:
    if not isinstance(rule, list):
        return run.check(rule, value, path)
    missing = [each for each in rule if each not in value]
    if not missing:
        return True
    noun = "property" if len(rule) == 1 else "properties"
    message = f"must have {noun} {', '.join(rule)} when property {name} is present"
    return run.fail("dependencies", path, message, property=name, missingProperty=missing[0])


def _properties(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    return _every(
        run, (run.check(each, value[name], (*path, name)) for name, each in _mapping(inner).items() if name in value)
    )


def _patterns(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    return _every(
        run,
        (
            run.check(each, value[name], (*path, name))
            for source, each in _mapping(inner).items()
            for name in value
            if _matches(source, name)
        ),
    )


def _unevaluated(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    seen = _evaluated(run, schema, value, lists=False)
    left = [name for name in value if name not in seen]
    if inner is False:
        message = "must NOT have unevaluated properties"
        return _every(
            run, (run.fail("unevaluatedProperties", path, message, unevaluatedProperty=name) for name in left)
        )
    return _every(run, (run.check(inner, value[name], (*path, name)) for name in left))


def _evaluated(run: Evaluator, schema: Any, value: Any, *, lists: bool, own: bool = False) -> set[Any]:
    """The keys or indexes that a schema, or one beside or below it that holds, has looked at."""
    if not isinstance(schema, dict) or run._depth >= _DEPTH_LIMIT:
        return set()
    seen: set[Any] = _evaluated_items(schema, value, own) if lists else _evaluated_keys(schema, value, own)
    inner = [branch for word in ("allOf", "anyOf", "oneOf") for branch in _list(schema.get(word))]
    if isinstance(schema.get("$ref"), str):
        inner.append(run.resolve(schema, schema["$ref"]))
    if "if" in schema:
        holds = run.holds(schema["if"], value)
        inner += [schema["if"], schema.get("then")] if holds else [schema.get("else")]
    inner += [each for name, each in _mapping(schema.get("dependentSchemas")).items() if name in value]
    run._depth += 1
    for branch in inner:
        if isinstance(branch, dict) and run.holds(branch, value):
            seen |= _evaluated(run, branch, value, lists=lists, own=True)
    run._depth -= 1
    return seen


def _evaluated_keys(schema: dict[str, Any], value: Any, own: bool) -> set[Any]:
    if "additionalProperties" in schema or (own and "unevaluatedProperties" in schema):
        return set(value)
    declared, patterns = _mapping(schema.get("properties")), _mapping(schema.get("patternProperties"))
    return {name for name in value if name in declared or any(_matches(each, name) for each in patterns)}


def _evaluated_items(schema: dict[str, Any], value: Any, own: bool) -> set[Any]:
    listed = schema.get("items")
    if isinstance(listed, dict | bool) or "additionalItems" in schema or (own and "unevaluatedItems" in schema):
        return set(range(len(value)))
    return set(range(len(_list(listed) or _list(schema.get("prefixItems")))))


_NUMBERS: dict[str, Check] = {
    "maximum": _bound("maximum", lambda a, b: a <= b, lambda a, b: a < b, "<"),
    "minimum": _bound("minimum", lambda a, b: a >= b, lambda a, b: a > b, ">"),
    "exclusiveMaximum": _exclusive("exclusiveMaximum", lambda a, b: a < b, "<"),
    "exclusiveMinimum": _exclusive("exclusiveMinimum", lambda a, b: a > b, ">"),
    "multipleOf": _multiple,
    "format": _format,
}
_TEXTS: dict[str, Check] = {
    "maxLength": _count("maxLength", True, "characters"),
    "minLength": _count("minLength", False, "characters"),
    "pattern": _pattern,
    "format": _format,
}
_ANYTHING: dict[str, Check] = {
    "$ref": _reference,
    "$dynamicRef": _reference,
    "$recursiveRef": _reference,
    "const": _const,
    "enum": _enum,
    "not": _not,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "allOf": _all_of,
    "if": _if,
}
_LISTS: dict[str, Check] = {
    "maxItems": _count("maxItems", True, "items"),
    "minItems": _count("minItems", False, "items"),
    "uniqueItems": _unique,
    "prefixItems": _prefix,
    "additionalItems": _additional_items,
    "items": _items,
    "contains": _contains,
    "unevaluatedItems": _unevaluated_items,
}
_MAPPINGS: dict[str, Check] = {
    "maxProperties": _count("maxProperties", True, "properties"),
    "minProperties": _count("minProperties", False, "properties"),
    "required": _required,
    "propertyNames": _property_names,
    "additionalProperties": _additional,
    "dependencies": _dependencies,
    "properties": _properties,
    "patternProperties": _patterns,
    "dependentRequired": _dependencies,
    "dependentSchemas": _dependencies,
    "unevaluatedProperties": _unevaluated,
}
_OF_TYPE = {"number": _NUMBERS, "string": _TEXTS, "array": _LISTS, "object": _MAPPINGS}
_GROUPS: tuple[tuple[str | None, tuple[tuple[str, Check], ...]], ...] = tuple(
    (kind, tuple(keywords.items()))
    for kind, keywords in (
        ("number", _NUMBERS),
        ("string", _TEXTS),
        (None, _ANYTHING),
        ("array", _LISTS),
        ("object", _MAPPINGS),
    )
)
