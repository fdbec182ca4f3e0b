"""The keywords of mappings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apigw_cli.lint.validation.evaluated import evaluated
from apigw_cli.lint.validation.keywords import Keywords, count, every
from apigw_cli.lint.validation.texts import matches
from apigw_cli.lint.validation.values import list_of, mapping_of

if TYPE_CHECKING:
    from apigw_cli.lint.validation.evaluator import Evaluator


def _required(run: Evaluator, names: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    valid = True
    for name in list_of(names):
        if name not in value and not _is_relaxed(run, schema, name):
            message = f"must have required property '{name}'"
            valid = run.fail("required", path, message, missingProperty=name)
            if not run.all_errors:
                return False
    return valid


def _is_relaxed(run: Evaluator, schema: dict[str, Any], name: Any) -> bool:
    if not run.relaxed:
        return False
    declared = mapping_of(schema.get("properties")).get(name)
    if isinstance(declared, dict) and isinstance(declared.get("$ref"), str):
        declared = run.resolve(declared, declared["$ref"])
    return mapping_of(declared).get(run.relaxed) is True


def _property_names(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    valid = True
    for name in value:
        if not run.check(inner, name, path):
            valid = run.fail("propertyNames", path, "property name must be valid", propertyName=name)
            if not run.all_errors:
                return False
    return valid


def _additional(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    declared, patterns = mapping_of(schema.get("properties")), mapping_of(schema.get("patternProperties"))
    left = [name for name in value if name not in declared and not any(matches(each, name) for each in patterns)]
    if inner is False:
        message = "must NOT have additional properties"
        return every(run, (run.fail("additionalProperties", path, message, additionalProperty=name) for name in left))
    return every(run, (run.check(inner, value[name], (*path, name)) for name in left))


def _dependencies(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    return every(
        run, (_dependent(run, name, rule, value, path) for name, rule in mapping_of(inner).items() if name in value)
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
    return every(
        run, (run.check(each, value[name], (*path, name)) for name, each in mapping_of(inner).items() if name in value)
    )


def _patterns(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    return every(
        run,
        (
            run.check(each, value[name], (*path, name))
            for source, each in mapping_of(inner).items()
            for name in value
            if matches(source, name)
        ),
    )


def _unevaluated(run: Evaluator, inner: Any, value: Any, schema: dict[str, Any], path: tuple[Any, ...]) -> bool:
    seen = evaluated(run, schema, value, lists=False)
    left = [name for name in value if name not in seen]
    if inner is False:
        message = "must NOT have unevaluated properties"
        return every(run, (run.fail("unevaluatedProperties", path, message, unevaluatedProperty=name) for name in left))
    return every(run, (run.check(inner, value[name], (*path, name)) for name in left))


MAPPINGS: Keywords = {
    "maxProperties": count("maxProperties", True, "properties"),
    "minProperties": count("minProperties", False, "properties"),
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
