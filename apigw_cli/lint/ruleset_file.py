"""Reading a ruleset file in Spectral's form: extends, rules, aliases, formats, overrides, except, parserOptions.

Everything in it is checked when it is read, down to the options of functions and the grammar of paths; what is wrong
has its place, and all of it is said at once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from apigw_cli.errors import InputError
from apigw_cli.lint.aliases import BUILT_IN, NAME, Alias
from apigw_cli.lint.globs import fits
from apigw_cli.lint.model import ERROR, Rule, Severity
from apigw_cli.lint.registry import ALWAYS
from apigw_cli.lint.rule_definition import FORMATS, RuleReader, severity_of, versions_of
from apigw_cli.lint.ruleset import (
    DEFAULT,
    FAMILIES,
    NAMES,
    SCRIPT_HINT,
    SCRIPTS,
    PointerOverride,
    Ruleset,
    built_in,
    family_rules,
    nearest,
    with_severity,
)
from apigw_cli.openapi.document import Document, Library, join
from apigw_cli.openapi.operations import mapping
from apigw_cli.openapi.places import Steps

_HOW_MUCH = ("all", "recommended", "off")
_KEYS = (
    "extends", "rules", "aliases", "formats", "overrides", "except", "parserOptions", "documentationUrl", "description",
    "functions", "functionsDir",
)  # fmt: skip
_OVERRIDE_KEYS = ("files", "extends", "rules", "aliases", "formats", "parserOptions")
_PARSER_OPTIONS = ("duplicateKeys", "incompatibleValues")
_LEVELS = 50
# Spectral's sets for other documents than OpenAPI: beside others they are passed over, and so are their rules.
_FOREIGN = ("spectral:asyncapi", "spectral:arazzo")
_FOREIGN_RULES = ("asyncapi-", "arazzo-")


@dataclass(slots=True)
class Entry:
    """A rule that is known to a ruleset, and whether it is on."""

    rule: Rule
    on: bool


@dataclass(slots=True)
class Found:
    """What a ruleset file, with all that it extends, comes to."""

    entries: dict[str, Entry]
    aliases: dict[str, Alias]
    corrected: bool = False


def read(library: Library, name: str) -> Ruleset:
    """A ruleset file, with its overrides. Raises InputError with all that is wrong in it."""
    document = library.read(name)
    file = RulesetFile(library, document, ())
    found = file.found(None)
    overrides = file.overrides(found)
    file.finish()
    options = file.parser_options(mapping(document.data).get("parserOptions"), ("parserOptions",), found)
    file.finish()
    folder = str(library.root) if library.root is not None else ""
    base = _ruleset(found, options, folder, overrides)
    if not overrides:
        return base

    def of_file(path: str) -> Ruleset:
        applied, changed = found, dict(options)
        for override in overrides:
            if any(fits(path, pattern) for pattern in override.patterns):
                applied = file.applied(override, applied)
                given = mapping(override.data.get("parserOptions"))
                changed |= {key: severity_of(value) for key, value in given.items()}
        return _ruleset(applied, changed, folder, overrides)

    return replace(base, of_file=of_file)


def _ruleset(found: Found, options: dict[str, Severity | None], folder: str, overrides: Iterable[Override]) -> Ruleset:
    rules = {name: entry.rule for name, entry in found.entries.items() if entry.on}
    pointers = [pointer for override in overrides for pointer in override.pointers]
    only_there = {each.rule for each in pointers if each.rule in found.entries and each.rule not in rules}
    rules |= {name: found.entries[name].rule for name in only_there}
    return Ruleset(
        rules,
        found.corrected,
        options["incompatibleValues"],
        options["duplicateKeys"],
        folder,
        tuple(pointers),
        frozenset(only_there),
    )


@dataclass(frozen=True, slots=True)
class Override:
    """One of `overrides`: for the files that fit `patterns`; `pointers` say what changes at a place in a file."""

    data: dict[str, Any]
    steps: Steps
    patterns: tuple[str, ...]
    pointers: tuple[PointerOverride, ...]


class RulesetFile:
    """One ruleset file. `chain` holds the files that extend it, to find circles."""

    def __init__(self, library: Library, document: Document, chain: tuple[str, ...]) -> None:
        self.library = library
        self.document = document
        self.chain = (*chain, document.name)
        self.problems: list[InputError] = []

    def problem(self, steps: Steps, message: str, *, key: bool = False, hint: str | None = None) -> None:
        self.problems.append(InputError(message, place=self.document.place(steps, key=key), hint=hint))

    def finish(self) -> None:
        """Raise all that was wrong."""
        if self.problems:
            first, *rest = self.problems
            raise InputError(first.message, place=first.place, hint=first.hint, others=tuple(rest))

    def found(self, how_much: str | None) -> Found:
        """What the file comes to; `how_much` of it was asked for by the file that extends it."""
        data = self.document.data
        if not isinstance(data, dict):
            hint = "begin with: extends: spectral:oas"
            raise InputError("a ruleset must be a mapping", place=self.document.place(), hint=hint)
        self._check_keys(data)
        found = self._extended(data.get("extends"), ("extends",))
        self._merge(data, (), found, how_much)
        if how_much is not None:
            for entry in found.entries.values():
                entry.on = _is_on(entry.rule, how_much)
        return found

    def _check_keys(self, data: dict[str, Any]) -> None:
        for key in data:
            if key not in _KEYS and not key.startswith("x-"):
                near = difflib.get_close_matches(key, _KEYS, n=1)
                hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(_KEYS[:-2])}"
                self.problem((key,), f'unknown key "{key}" in a ruleset', key=True, hint=hint)
        if not any(key in data for key in ("extends", "rules", "overrides")):
            self.problem((), "a ruleset needs extends, rules or overrides")
        functions = data.get("functions")
        if functions:
            names = ", ".join(map(str, functions)) if isinstance(functions, list) else str(functions)
            message = f"functions written in JavaScript ({names}) are not run by apigw"
            hint = "say it with schema, pattern, enumeration … or with a filter in given; see docs/lint.md"
            self.problem(("functions",), message, key=True, hint=hint)
        for key in ("documentationUrl", "description", "functionsDir"):
            if key in data and not isinstance(data[key], str):
                self.problem((key,), f"{key} must be text")

    # --- extends

    def _extended(self, value: Any, steps: Steps) -> Found:
        found = Found({}, {})
        if value is None:
            return found
        entries = [(value, steps)]
        if isinstance(value, list):
            entries = [(entry, (*steps, index)) for index, entry in enumerate(value)]
        for entry, place in entries:
            inherited = self._one(entry, place)
            if inherited is not None:
                found.entries |= inherited.entries
                found.aliases |= inherited.aliases
                found.corrected = found.corrected or inherited.corrected
        return found

    def _one(self, entry: Any, steps: Steps) -> Found | None:
        name, how_much = entry, None
        if isinstance(entry, list) and len(entry) == 2:
            name, how_much = entry
        if not isinstance(name, str) or (how_much is not None and how_much not in _HOW_MUCH):
            self.problem(steps, "cannot extend this", hint="write a name or [name, all | recommended | off]")
            return None
        if "spectral-owasp-ruleset" in name:
            name = "owasp:api"
        if name in FAMILIES:
            return _built_in(name, how_much)
        if name.split("?")[0].endswith(SCRIPTS):
            self.problem(steps, f"{name} is JavaScript, which apigw does not run", hint=SCRIPT_HINT)
            return None
        if name in _FOREIGN:
            if not self._has_more():
                hint = "leave it out: it finds nothing here"
                self.problem(steps, f"{name} is about other documents than OpenAPI", hint=hint)
            return None
        return self._file(name, how_much, steps)

    def _has_more(self) -> bool:
        """Whether the file says more than that it extends one set."""
        extended = self.document.data.get("extends")
        return bool(self.document.data.get("rules")) or (isinstance(extended, list) and len(extended) > 1)

    def _file(self, name: str, how_much: str | None, steps: Steps) -> Found | None:
        is_path = "://" in name or name.startswith((".", "/")) or re.search(r"\.(ya?ml|json)$", name)
        if not is_path:
            near = difflib.get_close_matches(name, NAMES, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(NAMES)}, a relative file or a URL"
            self.problem(steps, f'there is no ruleset "{name}"', hint=hint)
            return None
        relative = join(self.document.name, name)
        if relative in self.chain or len(self.chain) > _LEVELS:
            self.problem(steps, f"{name} extends itself")
            return None
        document = self.library.read(relative, asked_at=self.document.place(steps))
        file = RulesetFile(self.library, document, self.chain)
        found = file.found(how_much)
        self.problems += file.problems
        return found

    # --- rules

    def _merge(self, data: dict[str, Any], base: Steps, found: Found, how_much: str | None) -> None:
        """Put what `data` (the file, or one of its overrides) says over `found`."""
        found.aliases = {**found.aliases, **self._aliases(data.get("aliases"), (*base, "aliases"))}
        formats = self._formats(data.get("formats"), (*base, "formats"))
        rules = data.get("rules")
        if rules is None:
            return
        if not isinstance(rules, dict):
            self.problem((*base, "rules"), "rules must be a mapping from rule to severity or definition")
            return
        url = data.get("documentationUrl")
        for name, setting in rules.items():
            self._rule(name, setting, (*base, "rules", name), found, formats, url if isinstance(url, str) else None)

    def _rule(
        self, name: str, setting: Any, steps: Steps, found: Found, formats: frozenset[str] | None, url: str | None
    ) -> None:
        entry = found.entries.get(name)
        if isinstance(setting, dict):
            old = entry.rule if entry else None
            rule = RuleReader(self, steps, found.aliases, formats).rule(name, setting, old)
            if rule is not None:
                if url is not None and rule.documentation_url is None:
                    rule = replace(rule, documentation_url=f"{url}#{name}")
                found.entries[name] = Entry(rule, entry is not None or rule.recommended)
            return
        if entry is None:
            entry = _known(name)
        if entry is None and name.startswith(_FOREIGN_RULES):
            return
        if entry is None:
            self.problem(steps, f'unknown rule "{name}"', key=True, hint=_near(name, found.entries))
            return
        if isinstance(setting, bool):
            found.entries[name] = Entry(entry.rule, setting)
            return
        severity = severity_of(setting)
        if severity is None and setting not in ("off", -1):
            words = ("off", *(each.word for each in Severity))
            hint = f"write one of {', '.join(words)}, true, false, or a definition with given and then"
            self.problem(steps, f'"{name}" cannot be {setting!r}', hint=hint)
        elif severity is None:
            found.entries[name] = Entry(entry.rule, False)
        else:
            found.entries[name] = Entry(with_severity(entry.rule, severity), True)

    def _aliases(self, value: Any, steps: Steps) -> dict[str, Alias]:
        aliases: dict[str, Alias] = {}
        if value is not None and not isinstance(value, dict):
            self.problem(steps, "aliases must be a mapping from name to paths")
        for name, entry in mapping(value).items():
            if not NAME.fullmatch(name):
                self.problem(
                    (*steps, name), f"{name!r} is no name of an alias", key=True, hint="letters, digits, _ and -"
                )
            targets = mapping(entry).get("targets")
            if isinstance(targets, list):
                parts = [self._target(each, (*steps, name, "targets", at)) for at, each in enumerate(targets)]
                aliases[name] = Alias(targets=tuple(part for part in parts if part is not None))
            else:
                aliases[name] = Alias(self.paths(entry, (*steps, name)))
        return aliases

    def _target(self, value: Any, steps: Steps) -> tuple[frozenset[str], tuple[str, ...]] | None:
        formats = self._formats(mapping(value).get("formats"), (*steps, "formats"))
        if formats is None:
            self.problem(steps, "a target of an alias needs formats and given")
            return None
        return formats, self.paths(mapping(value).get("given"), (*steps, "given"))

    def paths(self, value: Any, steps: Steps) -> tuple[str, ...]:
        """One path or a list of them."""
        listed = value if isinstance(value, list) else [value]
        if not listed or not all(isinstance(each, str) and each[:1] in ("$", "#") for each in listed):
            self.problem(steps, "a path such as $.paths[*] is expected, an #Alias, or a list of them")
            return ()
        return tuple(listed)

    def _formats(self, value: Any, steps: Steps) -> frozenset[str] | None:
        if value is None:
            return None
        versions = versions_of(value)
        if versions is None:
            near = [each for each in (value if isinstance(value, list) else [value]) if each not in FORMATS]
            self.problem(steps, f"unknown format {near[0] if near else value!r}", hint=f"known: {', '.join(FORMATS)}")
            return None
        return versions

    # --- overrides

    def overrides(self, found: Found) -> list[Override]:
        """What the file overrides for some files; each is tried once, so that what is wrong is said now."""
        data = mapping(self.document.data)
        entries = data.get("overrides")
        overrides: list[Override] = []
        if entries is not None and not isinstance(entries, list):
            self.problem(("overrides",), "overrides must be a list")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            override = self._override(entry, ("overrides", index))
            if override is not None:
                overrides.append(override)
                self.applied(override, found)
        return overrides + self._excepted(data.get("except"))

    def _override(self, entry: Any, steps: Steps) -> Override | None:
        files = mapping(entry).get("files")
        if not isinstance(files, list) or not files or not all(isinstance(each, str) and each for each in files):
            self.problem(steps, "an override needs files: a list of patterns")
            return None
        for key in entry:
            if key not in _OVERRIDE_KEYS:
                self.problem(
                    (*steps, key),
                    f'unknown key "{key}" in an override',
                    key=True,
                    hint=f"known: {', '.join(_OVERRIDE_KEYS)}",
                )
        plain = tuple(each for each in files if "#" not in each)
        pointers = [
            pointer for each in files if "#" in each for pointer in self._pointers(each, entry.get("rules"), steps)
        ]
        return Override(entry, steps, plain, tuple(pointers))

    def _pointers(self, file: str, rules: Any, steps: Steps) -> list[PointerOverride]:
        pattern, _, pointer = file.partition("#")
        found = []
        for name, setting in mapping(rules).items():
            severity = severity_of(setting)
            if severity is None and setting not in ("off", -1):
                self.problem((*steps, "rules", name), "below a pointer a rule can have a severity only")
            found.append(PointerOverride(name, pattern or "**", pointer.rstrip("/"), severity))
        if not found:
            self.problem(steps, "an override of a place in a file needs rules")
        return found

    def _excepted(self, value: Any) -> list[Override]:
        """`except`, of older rulesets: rules that are off in a file, or at a place in it."""
        found: list[Override] = []
        for file, names in mapping(value).items():
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                self.problem(("except", file), "a list of rules is expected")
                continue
            rules = dict.fromkeys(names, "off")
            pattern = f"**{file}" if file.startswith("#") else file
            found.append(
                Override({"rules": rules}, ("except", file), (pattern,), ())
                if "#" not in pattern
                else Override({}, ("except", file), (), tuple(self._pointers(pattern, rules, ("except", file))))
            )
        return found

    def applied(self, override: Override, found: Found) -> Found:
        """`found` with an override over it."""
        merged = Found(
            {name: Entry(entry.rule, entry.on) for name, entry in found.entries.items()},
            dict(found.aliases),
            found.corrected,
        )
        if override.pointers and not override.patterns:
            return merged
        inherited = self._extended(override.data.get("extends"), (*override.steps, "extends"))
        merged.entries |= inherited.entries
        merged.aliases |= inherited.aliases
        self._merge(override.data, override.steps, merged, None)
        self.parser_options(override.data.get("parserOptions"), (*override.steps, "parserOptions"), merged)
        return merged

    def parser_options(self, value: Any, steps: Steps, found: Found) -> dict[str, Severity | None]:
        """What the parser's findings are worth. Unless it says so, `apigw:recommended` does not mind numeric keys."""
        options: dict[str, Severity | None] = {
            "duplicateKeys": ERROR,
            "incompatibleValues": None if found.corrected else ERROR,
        }
        for key, setting in mapping(value).items():
            severity = severity_of(setting)
            if key not in _PARSER_OPTIONS:
                hint = f"known: {', '.join(_PARSER_OPTIONS)}"
                self.problem((*steps, key), f'unknown key "{key}" in parserOptions', key=True, hint=hint)
            elif severity is None and setting not in ("off", -1):
                self.problem((*steps, key), f"{key} cannot be {setting!r}", hint="write off, error, warn, info or hint")
            else:
                options[key] = severity
        return options


def _is_on(rule: Rule, how_much: str) -> bool:
    return how_much == "all" or (how_much == "recommended" and rule.recommended)


def _built_in(name: str, how_much: str | None) -> Found:
    entries = {rule.id: Entry(rule, _is_on(rule, how_much or "recommended")) for rule in family_rules(name)}
    return Found(entries, dict(BUILT_IN), built_in(name).corrected and name == DEFAULT)


def _known(name: str) -> Entry | None:
    """A rule that apigw has, though no extended set brought it."""
    if name in ALWAYS:
        return None
    for family in ("spectral:oas", "apigw:gateway"):
        for rule in family_rules(family):
            if rule.id == name:
                return Entry(rule, False)
    return None


def _near(name: str, entries: dict[str, Entry]) -> str | None:
    near = difflib.get_close_matches(name, entries, n=1)
    return f'did you mean "{near[0]}"?' if near else nearest(name, lambda _: True)
