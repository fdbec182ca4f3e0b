"""The rules that there are. Adding one: write it in a module below; nothing else changes."""

from __future__ import annotations

from types import ModuleType

from apigw_cli.lint import baseline, diagnostics, foreign_templates, full, gateway_rules, ignores, structure, upstreams
from apigw_cli.lint.model import Rule
from apigw_cli.lint.rules import (
    components,
    document,
    examples,
    operations,
    parameters,
    paths,
    routes,
    schemas,
    security,
    servers,
    versions,
)
from apigw_cli.lint.targets import registry as targets

_MODULES: tuple[ModuleType, ...] = (
    diagnostics,
    ignores,
    baseline,
    structure,
    full,
    document,
    paths,
    operations,
    parameters,
    schemas,
    security,
    components,
    examples,
    servers,
    versions,
    routes,
    gateway_rules,
    foreign_templates,
    upstreams,
)

RULES: tuple[Rule, ...] = (
    *(value for module in _MODULES for value in vars(module).values() if isinstance(value, Rule)),
    *targets.RULES,
)
BY_ID: dict[str, Rule] = {each.id: each for each in RULES}
# These say that a file cannot be judged at all; no ruleset turns them off.
ALWAYS = frozenset(each.id for each in RULES if each.family == "engine")
