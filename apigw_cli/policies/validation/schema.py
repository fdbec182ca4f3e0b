"""Whether a value fits a schema, and where it does not. jsonschema-rs does the work, compiled once."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from apigw_cli.errors import InputError
from apigw_cli.openapi.document import Library, Node
from apigw_cli.openapi.json_schema import Direction, self_contained
from apigw_cli.openapi.references import pointer
from apigw_cli.policies.validation.problem import LISTED_MAXIMUM, Violation

_BACKTRACKING = 100_000  # steps of one pattern; beyond that a value does not match
_LONGEST = 300  # characters of a reason or a pointer: names in them come from the client


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


class Schema:
    """One schema, ready. `text` is its JSON Schema: what `kinds` reads."""

    __slots__ = ("_validator", "is_valid", "text")

    def __init__(self, library: Library, node: Node, version: str, direction: Direction) -> None:
        """Raises InputError for a schema that cannot be used."""
        import jsonschema_rs

        self.text = self_contained(library, node, version, direction)
        options = jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKING)
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                self.text,
                formats={"byte": _is_base64},
                validate_formats=True,
                mask="value",
                pattern_options=options,
                offline=True,
            )
        except (ValueError, jsonschema_rs.ReferencingError, jsonschema_rs.ValidationError) as error:
            message = str(error).partition("\n")[0]
            where = f"the schema at #{pointer(node.path)}"
            raise InputError(f"{where} cannot be used to validate: {message}", place=node.place) from None
        self.is_valid = self._validator.is_valid

    def violations(self, value: Any, where: str, name: str = "") -> list[Violation]:
        """What does not fit, each with a pointer into the value."""
        return list(self._violations(value, where, name))

    def _violations(self, value: Any, where: str, name: str) -> Iterator[Violation]:
        for number, error in enumerate(self._validator.iter_errors(value)):
            if number > LISTED_MAXIMUM:
                return
            rule = str(error.schema_path[-1]) if error.schema_path else "false"
            yield Violation(where, name, _cut(pointer(tuple(error.instance_path))), _cut(error.message), rule)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
