"""Rulesets: which rules are on, how bad each is, and the rules that a ruleset defines itself.

`load` takes a built-in name or a file in Spectral's form, YAML or JSON. What is read is in `ruleset_file`; here is what
comes out of it.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from apigw_cli.errors import UsageError
from apigw_cli.lint.globs import fits
from apigw_cli.lint.model import ERROR, Rule, Severity
from apigw_cli.lint.registry import ALWAYS, BY_ID, RULES
from apigw_cli.openapi.document import Library
from apigw_cli.openapi.places import Steps
from apigw_cli.openapi.reading import URL
from apigw_cli.openapi.references import pointer

DEFAULT = "apigw:recommended"
OWN_FILES = (".spectral.yaml", ".spectral.yml", ".spectral.json", ".spectral.js")
FAMILIES: dict[str, tuple[str, ...]] = {
    DEFAULT: ("spectral:oas", "apigw:gateway"),
    "spectral:oas": ("spectral:oas",),
    "apigw:gateway": ("apigw:gateway",),
    "owasp:api": ("owasp:api",),
}
NAMES = tuple(FAMILIES)
_ON_DEMAND = frozenset({"gateway-body-unbounded"})  # of apigw:gateway; a gateway on one's desk needs no such bound
SCRIPTS = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts")


@dataclass(frozen=True, slots=True)
class PointerOverride:
    """A rule's severity (None: off) below a JSON pointer in the files that fit a pattern."""

    rule: str
    pattern: str
    pointer: str
    severity: Severity | None


@dataclass(frozen=True)
class Ruleset:
    """What is on, by rule id, each with the severity it has here.

    `corrected`: where Spectral is known to be wrong, judge rightly. `incompatible`: the severity of keys that are no
    text, None if they do not matter; `duplicates`: that of duplicate keys.
    """

    rules: dict[str, Rule]
    corrected: bool = False
    incompatible: Severity | None = ERROR
    duplicates: Severity | None = ERROR
    folder: str = ""  # that its patterns are relative to
    pointers: tuple[PointerOverride, ...] = ()
    only_there: frozenset[str] = frozenset()  # rules that are on only where a pointer says so
    of_file: Callable[[str], Ruleset] | None = field(default=None, compare=False)

    @classmethod
    def of(cls, rules: Iterable[Rule], *, corrected: bool = False) -> Ruleset:
        return cls({rule.id: rule for rule in rules}, corrected)

    def __contains__(self, rule: object) -> bool:
        return rule in self.rules

    def __iter__(self) -> Iterator[str]:
        return iter(self.rules)

    @property
    def severities(self) -> dict[str, Severity]:
        return {name: rule.severity for name, rule in self.rules.items()}

    def adding(self, severities: Mapping[str, Severity]) -> Ruleset:
        """With more of apigw's own rules on, where the ruleset does not have them already."""
        more = {name: with_severity(BY_ID[name], severity) for name, severity in severities.items()}
        of_file = self.of_file
        return replace(
            self,
            rules=more | self.rules,
            of_file=None if of_file is None else lambda path: of_file(path).adding(severities),
        )

    def for_source(self, label: str) -> Ruleset:
        """The ruleset for one file, its overrides applied."""
        if self.of_file is None:
            return self
        return self.of_file(relative(label, self.folder))

    def severity_at(self, rule: Rule, label: str, path: Steps) -> Severity | None:
        """The severity of a rule at a place; None if it is off there."""
        found: Severity | None = None if rule.id in self.only_there else rule.severity
        closest = -1
        if not self.pointers:
            return found
        source, place = relative(label, self.folder), pointer(path)
        for override in self.pointers:
            if override.rule != rule.id or not fits(source, override.pattern):
                continue
            inside = place == override.pointer or place.startswith(override.pointer.rstrip("/") + "/")
            if inside and len(override.pointer) >= closest:
                closest, found = len(override.pointer), override.severity
        return found


def relative(label: str, folder: str) -> str:
    """A document's name as a ruleset's patterns see it."""
    return label if URL.match(label) else os.path.relpath(label, folder or ".").replace(os.sep, "/")


def of_folder(folder: Path) -> str:
    """The ruleset where none is named: Spectral's own file in `folder`, as Spectral finds it, else the default."""
    return next((str(folder / name) for name in OWN_FILES if (folder / name).is_file()), DEFAULT)


def load(name: str) -> Ruleset:
    """The ruleset that a name or a file means. Raises InputError or UsageError for what cannot be used."""
    if name in FAMILIES:
        return built_in(name)
    if URL.match(name):
        from apigw_cli.lint.ruleset_file import read

        return read(Library(Path.cwd()), name)
    path = Path(name)
    if not path.is_file() and not path.suffix:
        near = difflib.get_close_matches(name, NAMES, n=1)
        raise UsageError(
            f'there is no ruleset "{name}"',
            hint=f'did you mean "{near[0]}"?' if near else f"known: {', '.join(NAMES)}, or a file",
        )
    if path.suffix in SCRIPTS:
        raise UsageError(f"{name} is JavaScript, which apigw does not run", hint=SCRIPT_HINT)
    from apigw_cli.lint.ruleset_file import read

    return read(Library(path.parent), path.name)


SCRIPT_HINT = (
    "write the ruleset as YAML or JSON: extends, aliases and rules with the core functions carry over word for word; "
    "of functions of your own, most are a schema, a pattern or a filter in given"
)


def built_in(name: str) -> Ruleset:
    """A built-in set, with what is recommended in it."""
    rules = [rule for rule in family_rules(name) if rule.recommended]
    corrected = name in (DEFAULT, "apigw:gateway")
    return Ruleset({rule.id: rule for rule in rules}, corrected, None if corrected else ERROR)


def family_rules(name: str) -> list[Rule]:
    """Every rule of a built-in set, on or off."""
    found = [rule for rule in RULES if rule.family in FAMILIES[name]]
    if name == DEFAULT:
        found = [replace(rule, recommended=False) if rule.id in _ON_DEMAND else rule for rule in found]
    if name == "owasp:api":
        from apigw_cli.lint.owasp import rules

        found += rules()
    return found


def with_severity(rule: Rule, severity: Severity) -> Rule:
    return rule if rule.severity is severity else replace(rule, severity=severity)


def nearest(name: str, wanted: Callable[[Rule], bool]) -> str | None:
    """'did you mean …?' for a rule's id."""
    known = [rule.id for rule in RULES if wanted(rule) and rule.id not in ALWAYS]
    near = difflib.get_close_matches(name, known, n=1)
    return f'did you mean "{near[0]}"?' if near else None
