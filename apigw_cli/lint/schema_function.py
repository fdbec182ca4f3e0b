"""The core function `schema`: a value against a JSON Schema that a ruleset holds, in Ajv's words."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from apigw_cli.lint.functions import Context, Fault, Function, OptionsError, _Option, checked
from apigw_cli.lint.javascript import UNDEFINED
from apigw_cli.lint.validation.evaluator import Evaluator, Plans
from apigw_cli.lint.validation.values import MissingReference, SchemaError
from apigw_cli.lint.validation.wording import worded
from apigw_cli.openapi.references import pointer_path

DIALECTS = ("auto", "draft4", "draft6", "draft7", "draft2019-09", "draft2020-12")
_META_DRAFTS = {"draft-04": "draft4", "draft-06": "draft6", "draft-07": "draft7"}
_FILES = {
    "draft4": "draft4",
    "draft6": "draft6",
    "draft7": "draft7",
    "draft2019-09": "draft201909",
    "draft2020-12": "draft202012",
}


def schema(options: Any) -> Function:
    """Options: `schema`, `dialect` (found by $schema if auto, else draft7), `allErrors`. Raises OptionsError."""
    known = {
        "schema": _Option(("object",), True),
        "dialect": _Option(("string",), values=DIALECTS),
        "allErrors": _Option(("boolean",)),
    }
    given = checked("schema", options, known)
    root = given["schema"]
    dialect = given.get("dialect", "auto")
    dialect = dialect_of(root.get("$schema")) or "draft7" if dialect == "auto" else dialect
    problem = invalid_schema(root, dialect)
    if problem:
        raise OptionsError(problem, ("schema",))
    everything = given.get("allErrors", False)
    plans: Plans = {}

    def check(value: Any, context: Context) -> Iterable[Fault]:
        if value is UNDEFINED:
            return [Fault('#{{print("property")}}must exist')]
        run = Evaluator(_Local(root).resolve, draft4=dialect == "draft4", all_errors=everything, plans=plans)
        try:
            run.check(root, value)
        except MissingReference as error:
            return () if context.resolved else [Fault(str(error))]
        except SchemaError as error:
            return [Fault(str(error))]
        if not context.told and run.problems and not any(problem.path for problem in run.problems):
            return [Fault("")]
        return [Fault(each.message, each.path) for each in worded(run.problems, value, context.path)]

    return check


def dialect_of(uri: Any) -> str | None:
    """The dialect that a $schema names."""
    if not isinstance(uri, str):
        return None
    for part in ("2019-09", "2020-12"):
        if f"/{part}/" in uri:
            return f"draft{part}"
    return next((draft for part, draft in _META_DRAFTS.items() if part in uri), None)


class _Local:
    """References within one schema: pointers, $id, $anchor, and the meta-schemas."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root

    def resolve(self, holder: dict[str, Any], ref: str) -> Any:
        base, _, fragment = ref.partition("#")
        root: Any = self.root
        if base and base not in (root.get("$id"), root.get("id"), str(root.get("$id", "")).partition("#")[0]):
            draft = dialect_of(ref)
            root = metaschema(draft) if draft and base in _uris(draft) else self._by_word(base, ("$id", "id"))
        if fragment and not fragment.startswith("/"):
            return self._by_word(fragment, ("$anchor", "$dynamicAnchor"), f"#{fragment}")
        for step in pointer_path(fragment):
            try:
                root = root[int(step)] if isinstance(root, list) else root[step]
            except (KeyError, IndexError, ValueError, TypeError):
                raise MissingReference(f"can't resolve reference {ref} from id #") from None
        return root

    def _by_word(self, name: str, words: tuple[str, ...], alias: str = "") -> Any:
        stack: list[Any] = [self.root]
        while stack:
            node = stack.pop()
            if isinstance(node, dict):
                if any(node.get(word) in (name, alias or name) for word in (*words, "$id", "id")):
                    return node
                stack.extend(node.values())
            elif isinstance(node, list):
                stack.extend(node)
        raise MissingReference(f"can't resolve reference {alias or name} from id #")


# --- meta-schemas


@lru_cache(maxsize=8)
def metaschema(dialect: str) -> dict[str, Any]:
    """The schema of schemas of a dialect."""
    found = importlib.util.find_spec("jsonschema_specifications")
    assert found is not None and found.submodule_search_locations is not None
    file = Path(found.submodule_search_locations[0]) / "schemas" / _FILES[dialect] / "metaschema.json"
    loaded: dict[str, Any] = msgspec.json.decode(file.read_bytes())
    return loaded


def _uris(dialect: str) -> tuple[str, str]:
    meta = metaschema(dialect)
    uri = str(meta.get("$id") or meta.get("id"))
    return uri, uri.rstrip("#")


@lru_cache(maxsize=8)
def _validator(dialect: str) -> Any:
    import jsonschema_rs

    return jsonschema_rs.validator_for(metaschema(dialect), offline=True)


def invalid_schema(schema: Any, dialect: str) -> str | None:
    """What Ajv says of a schema that breaks its meta-schema; None if it does not."""
    validator = _validator(dialect)
    try:
        if validator.is_valid(schema):
            return None
        if dialect in ("draft4", "draft6", "draft7"):
            return _in_ajvs_words(schema, dialect)
        errors = [(error.instance_path, error.message) for error in validator.iter_errors(schema)][:1]
    except (ValueError, RecursionError) as error:
        return f"schema is invalid: {error}"
    return "schema is invalid: " + ", ".join(f"data{_joined(path)} {message}" for path, message in errors)


def _joined(path: list[Any]) -> str:
    return "".join(f"/{step}" for step in path)


def _in_ajvs_words(schema: Any, dialect: str) -> str | None:
    meta = metaschema(dialect)
    run = Evaluator(_Local(meta).resolve, draft4=dialect == "draft4")
    if run.check(meta, schema):
        return None
    return "schema is invalid: " + ", ".join(f"data{_joined(list(each.path))} {each.message}" for each in run.problems)
