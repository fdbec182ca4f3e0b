"""`lint --full`: the whole of openapi-spec-validator, an independent second opinion, on top of the rules.

It walks the resolved document in Python, so 13 MB take a quarter of a minute; what it finds beyond the schema
stage (which `structure` runs natively) are parameters, operationIds and defaults.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from apigw_cli.lint.model import ERROR, Hit, On, Rule, reported_by_engine
from apigw_cli.lint.subject import Subject
from apigw_cli.openapi.places import Steps

SPEC_VALIDATOR = Rule(
    "openapi-spec-validator",
    "",
    "openapi-spec-validator finds nothing that the specification forbids (only with --full).",
    "It is an independent second opinion, slower than the rules.",
    "The message says what is wrong.",
    reported_by_engine,
    On.ENGINE,
    ERROR,
    family="apigw:full",
)


def check(subject: Subject) -> Iterator[Hit]:
    """What openapi-spec-validator finds besides what the schema of the version refuses."""
    from openapi_spec_validator import validation

    validators: dict[str, Any] = {
        "2.0": validation.OpenAPIV2SpecValidator,
        "3.0": validation.OpenAPIV30SpecValidator,
        "3.1": validation.OpenAPIV31SpecValidator,
        "3.2": validation.OpenAPIV32SpecValidator,
    }
    validator = validators[subject.version](subject.document.data, base_uri=_uri(subject))
    try:
        for error in validator.root_validator(validator.schema_path):
            message = str(error.message)
            path = tuple(error.absolute_path) or _path_in(message)
            if not path:
                message += " (openapi-spec-validator does not say where)"
            yield Hit(subject.document, path, message[:300] + ("…" if len(message) > 300 else ""))
    except Exception as error:  # a document that its own schema refuses sends the validator astray
        yield Hit(subject.document, (), f"openapi-spec-validator gave up: {type(error).__name__}: {str(error)[:200]}")


def _path_in(message: str) -> Steps:
    """The operation that a message names: its errors carry no path."""
    named = re.search(r"for '(\w+)' (?:operation )?in '(/[^']*)'", message)
    return ("paths", named[2], named[1]) if named else ()


def _uri(subject: Subject) -> str:
    """What relative references are relative to."""
    name, root = subject.document.name, subject.library.root
    return name if "://" in name or root is None else (root / name).resolve().as_uri()
