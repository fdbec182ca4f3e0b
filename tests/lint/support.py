"""Linting documents that a test writes down."""

from __future__ import annotations

import json
from typing import Any

from apigw_cli.lint.engine import Collector, lint_document
from apigw_cli.lint.model import Finding
from apigw_cli.lint.owasp import rules as owasp_rules
from apigw_cli.lint.registry import BY_ID, RULES
from apigw_cli.lint.ruleset import Ruleset
from apigw_cli.openapi import yaml
from apigw_cli.openapi.document import Document, Library

KNOWN = BY_ID | {rule.id: rule for rule in owasp_rules()}


def findings(data: Any, *rules: str, corrected: bool = True, **others: Any) -> list[Finding]:
    """What the rules (all of them, if none is named) find in a document; `others` are further files by name."""
    chosen = Ruleset({rule: KNOWN[rule] for rule in rules} or {rule.id: rule for rule in RULES}, corrected, None)
    found = with_ruleset(data, chosen, **others)
    return [finding for finding in found if finding.code in rules] if rules else found


def with_ruleset(data: Any, ruleset: Ruleset, **others: Any) -> list[Finding]:
    """What a ruleset finds in a document."""
    library = Library.of({name.replace("__", "."): other for name, other in others.items()})
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    composed = yaml.compose(text, "main.yaml")
    document = Document("main.yaml", "main.yaml", text, composed.data, composed=composed)
    library.documents["main.yaml"] = document
    collector = Collector(ruleset)
    lint_document(document, library, collector)
    return collector.findings()


def paths(data: Any, rule: str, **others: Any) -> list[str]:
    """Where one rule hits, as dotted paths."""
    return [".".join(map(str, finding.path)) for finding in findings(data, rule, **others)]
