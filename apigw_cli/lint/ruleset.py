"""Rulesets: which rules are on, and how bad each is. Built in by name, or a file in Spectral's form.

Of Spectral's form these work: `extends` (names, relative files, each with all, recommended or off) and
`rules: {id: severity or true or false}`. Anything else is an error with its place, never skipped in silence.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from apigw_cli.errors import InputError, UsageError
from apigw_cli.lint.model import Rule, Severity
from apigw_cli.lint.registry import ALWAYS, BY_ID, RULES
from apigw_cli.openapi.document import Document, Library, join
from apigw_cli.openapi.places import Steps

DEFAULT = "apigw:recommended"
_FAMILIES: dict[str, tuple[str, ...]] = {
    DEFAULT: ("spectral:oas", "apigw:gateway"),
    "spectral:oas": ("spectral:oas",),
    "apigw:gateway": ("apigw:gateway",),
}
NAMES = tuple(_FAMILIES)
_HOW_MUCH = ("all", "recommended", "off")
_UNSUPPORTED_ROOT = ("formats", "aliases", "functions", "functionsDir", "overrides", "parserOptions", "except")


def load(name: str) -> dict[str, Severity]:
    """The rules that a name or a file turns on. Raises InputError or UsageError for what cannot be used."""
    if name in _FAMILIES:
        return _built_in(name, "recommended")
    path = Path(name)
    if not path.is_file() and not path.suffix:
        near = difflib.get_close_matches(name, NAMES, n=1)
        raise UsageError(
            f'there is no ruleset "{name}"',
            hint=f'did you mean "{near[0]}"?' if near else f"known: {', '.join(NAMES)}, or a file",
        )
    if path.suffix in (".js", ".mjs", ".cjs", ".ts"):
        raise UsageError(f"{name} is JavaScript, which apigw does not run", hint="write the ruleset as YAML or JSON")
    library = Library(path.parent)
    return _File(library, library.read(path.name), ()).rules()


def _built_in(name: str, how_much: str) -> dict[str, Severity]:
    """The rules of a built-in set that are on: all of them, the recommended ones, or none."""
    return {
        rule.id: rule.severity
        for rule in RULES
        if rule.family in _FAMILIES[name] and (how_much == "all" or (how_much == "recommended" and rule.recommended))
    }


class _File:
    """One ruleset file. `chain` holds the files that extend it, to find circles."""

    def __init__(self, library: Library, document: Document, chain: tuple[str, ...]) -> None:
        self.library = library
        self.document = document
        self.chain = (*chain, document.name)
        self.problems: list[InputError] = []

    def rules(self) -> dict[str, Severity]:
        """What the file turns on. Raises InputError with all that is wrong in it."""
        data = self.document.data
        if not isinstance(data, dict):
            raise self._error((), "a ruleset must be a mapping", hint="begin with: extends: spectral:oas")
        for key in data:
            if key not in ("extends", "rules", "description", "documentationUrl") and not key.startswith("x-"):
                self._unknown_key(key)
        known: dict[str, Severity] = {}  # all that an extended set has, with its severity, on or off
        active: dict[str, Severity] = {}
        for inherited, offered in self._extended(data.get("extends")):
            active |= inherited
            known |= offered
        self._apply(data.get("rules"), known, active)
        if self.problems:
            first, *rest = self.problems
            raise InputError(first.message, place=first.place, hint=first.hint, others=tuple(rest))
        return active

    def _error(self, steps: Steps, message: str, *, key: bool = False, hint: str | None = None) -> InputError:
        return InputError(message, place=self.document.place(steps, key=key), hint=hint)

    def _unknown_key(self, key: str) -> None:
        if key in _UNSUPPORTED_ROOT:
            message = f'"{key}" in a ruleset is not supported by this version of apigw'
            hint: str | None = "extends and rules: {id: severity} are"
        else:
            message, hint = f'unknown key "{key}" in a ruleset', "known: extends, rules"
        self.problems.append(self._error((key,), message, key=True, hint=hint))

    # --- extends

    def _extended(self, value: Any) -> Iterator[tuple[dict[str, Severity], dict[str, Severity]]]:
        """For each extended set: the rules it turns on, and all it has."""
        if value is None:
            return
        entries: list[tuple[Any, Steps]] = [(value, ("extends",))]
        if isinstance(value, list):
            entries = [(entry, ("extends", index)) for index, entry in enumerate(value)]
        for entry, steps in entries:
            name, how_much = entry, "recommended"
            if isinstance(entry, list) and len(entry) == 2:
                name, how_much = entry
            if not isinstance(name, str) or how_much not in _HOW_MUCH:
                hint = "write a name or [name, all | recommended | off]"
                self.problems.append(self._error(steps, "cannot extend this", hint=hint))
                continue
            found = self._one(name, how_much, steps)
            if found is not None:
                yield found

    def _one(self, name: str, how_much: str, steps: Steps) -> tuple[dict[str, Severity], dict[str, Severity]] | None:
        if name in _FAMILIES:
            return _built_in(name, how_much), _built_in(name, "all")
        if "://" in name or name.startswith(("spectral:", "apigw:", "@")):
            near = difflib.get_close_matches(name, NAMES, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(NAMES)}, or a relative file"
            self.problems.append(self._error(steps, f'there is no ruleset "{name}"', hint=hint))
            return None
        inherited = self._file(name, steps)
        return ({} if how_much == "off" else inherited), inherited

    def _file(self, name: str, steps: Steps) -> dict[str, Severity]:
        relative = join(self.document.name, name)
        if relative in self.chain:
            self.problems.append(self._error(steps, f"{name} extends itself"))
            return {}
        document = self.library.read(relative, asked_at=self.document.place(steps))
        return _File(self.library, document, self.chain).rules()

    # --- rules

    def _apply(self, rules: Any, known: dict[str, Severity], active: dict[str, Severity]) -> None:
        if rules is None:
            return
        if not isinstance(rules, dict):
            self.problems.append(self._error(("rules",), "rules must be a mapping from rule to severity"))
            return
        for name, setting in rules.items():
            steps: Steps = ("rules", name)
            problem = self._problem(name, setting, steps)
            if problem is not None:
                self.problems.append(problem)
            elif setting in ("off", False):
                active.pop(name, None)
            elif setting is True:
                active[name] = known.get(name, BY_ID[name].severity)
            else:
                active[name] = Severity[str(setting).upper()]

    def _problem(self, name: str, setting: Any, steps: Steps) -> InputError | None:
        if isinstance(setting, dict):
            message = f'rule "{name}" is defined here (given, then), which this version of apigw does not support'
            return self._error(steps, message, key=True, hint="only rules that apigw has can be set")
        if name not in BY_ID or name in ALWAYS:
            return self._error(steps, f'unknown rule "{name}"', key=True, hint=nearest(name, lambda _: True))
        words = ("off", *(severity.word for severity in Severity))
        if not isinstance(setting, bool) and setting not in words:
            hint = f"write one of {', '.join(words)}, true, false"
            return self._error(steps, f'"{name}" cannot be {setting!r}', hint=hint)
        return None


def nearest(name: str, wanted: Callable[[Rule], bool]) -> str | None:
    """'did you mean …?' for a rule's id."""
    near = difflib.get_close_matches(name, [rule.id for rule in RULES if wanted(rule)], n=1)
    return f'did you mean "{near[0]}"?' if near else None
