"""Whether a value fits a schema, and where it does not. jsonschema-rs does the work, compiled once."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from apigw_cli.errors import InputError
from apigw_cli.openapi.document import Library, Node
from apigw_cli.openapi.json_schema import Direction, self_contained
from apigw_cli.openapi.references import pointer
from apigw_cli.policies.validation.bounds import bounded, engine
from apigw_cli.policies.validation.listing import Listing
from apigw_cli.policies.validation.problem import Violation


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _compiled(schema: Any) -> Any:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(
        schema,
        formats={"byte": _is_base64},
        validate_formats=True,
        mask="value",
        pattern_options=engine(),
        offline=True,
    )


class Schema:
    """One schema, ready. `text` is its JSON Schema: what `kinds` reads."""

    __slots__ = ("_listing", "_safe", "is_valid", "text")

    def __init__(self, library: Library, node: Node, version: str, direction: Direction) -> None:
        """Raises InputError for a schema that cannot be used."""
        import jsonschema_rs

        self.text = self_contained(library, node, version, direction)
        self._safe = bounded(self.text)
        self._listing: Listing | None = None
        try:
            self.is_valid = _compiled(self._safe).is_valid
        except (ValueError, jsonschema_rs.ReferencingError, jsonschema_rs.ValidationError) as error:
            message = str(error).partition("\n")[0]
            where = f"the schema at #{pointer(node.path)}"
            raise InputError(f"{where} cannot be used to validate: {message}", place=node.place) from None

    def violations(self, value: Any, where: str, name: str = "") -> list[Violation]:
        """What does not fit, each with a pointer into the value."""
        if self._listing is None:
            self._listing = Listing(self._safe, _compiled)
        return list(self._listing.violations(value, where, name))
