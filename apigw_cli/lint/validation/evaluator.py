"""A value against a schema, in Ajv's order: the errors that Ajv would give.

Ajv stops at the first error, but keeps what the branches of an `anyOf` or `oneOf` said. Within a schema it checks
numbers, then text, then what applies to any type, then lists, then mappings (`_GROUPS`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apigw_cli.lint.validation.anything import ANYTHING
from apigw_cli.lint.validation.keywords import Check
from apigw_cli.lint.validation.lists import LISTS
from apigw_cli.lint.validation.mappings import MAPPINGS
from apigw_cli.lint.validation.numbers import NUMBERS
from apigw_cli.lint.validation.texts import TEXTS
from apigw_cli.lint.validation.values import DEPTH_LIMIT, Problem, SchemaError, is_type

Plans = dict[int, list[tuple[str | None, str, Check]]]  # by the id of a schema: type, keyword and its check, in order
Resolve = Callable[[dict[str, Any], str], Any]

_OF_TYPE = {"number": NUMBERS, "string": TEXTS, "array": LISTS, "object": MAPPINGS}
_GROUPS: tuple[tuple[str | None, tuple[tuple[str, Check], ...]], ...] = tuple(
    (kind, tuple(keywords.items()))
    for kind, keywords in (
        ("number", NUMBERS),
        ("string", TEXTS),
        (None, ANYTHING),
        ("array", LISTS),
        ("object", MAPPINGS),
    )
)


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
        self.depth = 0
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
        if (is_container and key in self._met) or self.depth >= DEPTH_LIMIT:
            return True
        self._met.add(key)
        self.depth += 1
        try:
            return self._check(schema, value, path)
        finally:
            self._met.discard(key)
            self.depth -= 1

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
