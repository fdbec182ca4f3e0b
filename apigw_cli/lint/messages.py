"""Messages with placeholders: `{{property}} is not {{value}}` and `#{{print("property")}}`.

In `#{{…}}` Spectral evaluates expressions; of these `print("…")`, names, texts, `+` and `.toUpperCase()` are known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from apigw_cli.lint.javascript import UNDEFINED, text
from apigw_cli.openapi.places import Steps

_PLACEHOLDER = re.compile(r"#?\{\{([^}\n]+)\}\}")
_TERM = re.compile(
    r"""\s*(?:print\(\s*(?P<quote>['"])(?P<printed>\w+)(?P=quote)\s*\)|(?P<name>[A-Za-z_]\w*)"""
    r"""|"(?P<double>[^"]*)"|'(?P<single>[^']*)')(?P<upper>\.toUpperCase\(\))?\s*(?P<plus>\+|$)"""
)


def fill(template: str, known: Mapping[str, Any]) -> str:
    """The template with every placeholder filled in; unknown ones are empty, as Spectral has it."""
    if "{{" not in template:
        return template

    def one(found: re.Match[str]) -> str:
        if found[0].startswith("#"):
            return _evaluated(found[1].strip(), known)
        return text(known[found[1]]) if found[1] in known else ""

    return _PLACEHOLDER.sub(one, template)


def _evaluated(expression: str, known: Mapping[str, Any]) -> str:
    parts, at = [], 0
    while at < len(expression):
        term = _TERM.match(expression, at)
        if term is None:
            return ""
        part = _term(term, known)
        parts.append(part.upper() if term["upper"] else part)
        at = term.end()
    return "".join(parts)


def _term(term: re.Match[str], known: Mapping[str, Any]) -> str:
    if term["printed"]:
        return _printed(term["printed"], known)
    if term["name"]:
        return text(known[term["name"]]) if term["name"] in known else ""
    return term["double"] or term["single"] or ""


def _printed(name: str, known: Mapping[str, Any]) -> str:
    if name == "property":
        found = known.get("property", "")
        return "The document " if found == "" else f'"{found}" property '
    if name == "value":
        return shown(known.get("value"))
    found = known.get(name)
    return "" if found is None else text(found)


def shown(value: Any) -> str:
    """A value as Spectral shows it in messages: text in quotes, collections by their kind alone."""
    if value is UNDEFINED:
        return "undefined"
    if isinstance(value, list):
        return "Array[]"
    if isinstance(value, dict):
        return "Object{}"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def dotted(path: Steps) -> str:
    """`info.contact`, `tags[0].name`, `responses[200]`."""
    parts = []
    for index, step in enumerate(path):
        written = str(step)
        if isinstance(step, int) or _is_numeric(written):
            parts.append(f"[{written}]" if written else "['']")
        elif re.search(r"\s", written):
            parts.append(f"['{written}']")
        else:
            parts.append(written if index == 0 else f".{written}")
    return "".join(parts)


def _is_numeric(written: str) -> bool:
    try:
        float(written or "0")
    except ValueError:
        return False
    return True
