"""One rule as a ruleset defines it: given, then, severity, message, formats and so on."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from apigw_cli.lint import jsonpath
from apigw_cli.lint.aliases import Alias, AliasError, expand
from apigw_cli.lint.functions import MAKERS, OptionsError
from apigw_cli.lint.given import Definition, Then, is_path
from apigw_cli.lint.model import OAS, OAS2, OAS3, WARN, On, Rule, Severity, reported_by_engine
from apigw_cli.openapi.places import Steps

if TYPE_CHECKING:
    from apigw_cli.lint.ruleset_file import RulesetFile

# Any document at all, be it OpenAPI or not: rules without formats.
ANY = OAS | {""}
_NONE: frozenset[str] = frozenset()
FORMATS: dict[str, frozenset[str]] = {
    "oas2": OAS2,
    "oas3": OAS3,
    "oas3_0": frozenset({"3.0"}),
    "oas3.0": frozenset({"3.0"}),
    "oas3_1": frozenset({"3.1"}),
    "oas3.1": frozenset({"3.1"}),
    "oas3_2": frozenset({"3.2"}),
    "oas3.2": frozenset({"3.2"}),
    **dict.fromkeys(
        (
            "aas2", "aas2_0", "aas2_1", "aas2_2", "aas2_3", "aas2_4", "aas2_5", "aas2_6", "aas3", "aas3_0", "aas3_1",
            "asyncapi2", "asyncapi3", "arazzo1", "arazzo1_0", "arazzo1.0", "json-schema", "json-schema-loose",
            "json-schema-draft4", "json-schema-draft6", "json-schema-draft7", "json-schema-2019-09",
            "json-schema-draft-2019-09", "json-schema-2020-12", "json-schema-draft-2020-12",
        ),
        _NONE,
    ),
}  # fmt: skip
_KEYS = (
    "description", "message", "severity", "given", "then", "formats", "recommended", "resolved", "documentationUrl",
    "tags", "type", "extensions", "enabled",
)  # fmt: skip
_KINDS: dict[str, type] = {
    "description": str,
    "message": str,
    "recommended": bool,
    "resolved": bool,
    "documentationUrl": str,
    "tags": list,
    "extensions": dict,
    "enabled": bool,
}


def severity_of(value: Any) -> Severity | None:
    """A severity by its word or number (0 is error); None for what is none, `off` among them."""
    if isinstance(value, str) and value in ("error", "warn", "info", "hint"):
        return Severity[value.upper()]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 3:
        return Severity(value)
    return None


def versions_of(formats: Any) -> frozenset[str] | None:
    """The OpenAPI versions that formats mean; None for what is no list of formats."""
    if not isinstance(formats, list) or not all(isinstance(each, str) and each in FORMATS for each in formats):
        return None
    return frozenset().union(*(FORMATS[each] for each in formats))


class RuleReader:
    """Reads one definition; what is wrong goes to the file's problems."""

    def __init__(
        self, file: RulesetFile, steps: Steps, aliases: Mapping[str, Alias], formats: frozenset[str] | None
    ) -> None:
        self.file = file
        self.steps = steps
        self.aliases = aliases
        self.formats = formats

    def rule(self, name: str, data: dict[str, Any], old: Rule | None) -> Rule | None:
        """The rule, or None if it cannot be made. What `data` leaves unsaid is as in `old`, a rule of that name."""
        before = len(self.file.problems)
        self._check_keys(data)
        given = self.file.paths(data["given"], (*self.steps, "given")) if "given" in data else ()
        thens = self._thens(data.get("then"))
        if "given" not in data or "then" not in data:
            self._problem((), f'the rule "{name}" needs given and then', key=True)
        severity = self._severity(data, old)
        formats = self._formats(data, old)
        by_version = self._expanded(given)
        if len(self.file.problems) > before:
            return None
        previous = old.definition if old is not None and old.definition is not None else None
        message = data.get("message", previous.message if previous else old.message or None if old else None)
        description = data.get("description", previous.description if previous else old.summary if old else None)
        resolved = data.get("resolved", previous.resolved if previous else True)
        definition = Definition(by_version, tuple(thens), message, description, resolved)
        url = data.get("documentationUrl", old.documentation_url if old else None)
        shown = description or name
        fix = f"See {url}." if url else "See the ruleset that defines it."
        return Rule(
            name, "", shown, description or "A rule of your ruleset.", fix, reported_by_engine, On.GIVEN, severity,
            formats, data.get("recommended", True), "ruleset", (), definition, url,
        )  # fmt: skip

    def _problem(self, below: Steps, message: str, *, key: bool = False, hint: str | None = None) -> None:
        self.file.problem((*self.steps, *below), message, key=key, hint=hint)

    def _check_keys(self, data: dict[str, Any]) -> None:
        for key, value in data.items():
            if key not in _KEYS and not key.startswith("x-"):
                near = difflib.get_close_matches(key, _KEYS, n=1)
                hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(_KEYS)}"
                self._problem((key,), f'unknown key "{key}" in a rule', key=True, hint=hint)
            elif key in _KINDS and not isinstance(value, _KINDS[key]):
                words = {str: "text", bool: "true or false", list: "a list", dict: "a mapping"}
                self._problem((key,), f"{key} must be {words[_KINDS[key]]}")
        if data.get("type", "style") not in ("style", "validation"):
            self._problem(("type",), "type must be style or validation")

    def _severity(self, data: dict[str, Any], old: Rule | None) -> Severity:
        if "severity" not in data:
            return old.severity if old else WARN
        severity = severity_of(data["severity"])
        if severity is None and data["severity"] not in ("off", -1):
            hint = "write error, warn, info, hint or off"
            self._problem(("severity",), f"severity cannot be {data['severity']!r}", hint=hint)
        return WARN if severity is None else severity

    def _formats(self, data: dict[str, Any], old: Rule | None) -> frozenset[str]:
        if "formats" in data:
            versions = versions_of(data["formats"])
            if versions is None:
                hint = f"known: {', '.join(FORMATS)}"
                self._problem(("formats",), f"unknown format in {data['formats']!r}", hint=hint)
            return versions or _NONE
        if old is not None:
            return old.formats
        return ANY if self.formats is None else self.formats

    # --- given

    def _expanded(self, given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        said: set[str] = set()
        for version in ("", *sorted(OAS)):
            paths: list[str] = []
            for index, expression in enumerate(given):
                try:
                    expanded = expand(expression, self.aliases, version)
                    for path in expanded:
                        jsonpath.parse(path)
                    paths += expanded
                except (AliasError, jsonpath.PathError) as error:
                    if str(error) not in said:
                        said.add(str(error))
                        self._wrong_path(expression, index, error)
            found[version] = tuple(paths)
        return found

    def _wrong_path(self, expression: str, index: int, error: ValueError) -> None:
        at = f" (at character {error.at + 1})" if isinstance(error, jsonpath.PathError) else ""
        steps: Steps = ("given",)
        if isinstance(self.file.document.get((*self.steps, "given")), list):
            steps = ("given", index)
        self._problem(steps, f"{expression}: {error}{at}")

    # --- then

    def _thens(self, value: Any) -> list[Then]:
        if value is None:
            return []
        entries: list[tuple[Any, Steps]] = [(value, ("then",))]
        if isinstance(value, list):
            entries = [(entry, ("then", index)) for index, entry in enumerate(value)]
        found = [self._then(entry, steps) for entry, steps in entries]
        return [then for then in found if then is not None]

    def _then(self, entry: Any, steps: Steps) -> Then | None:
        if not isinstance(entry, dict):
            self._problem(steps, "then must be a mapping with function, or a list of them")
            return None
        for key in entry:
            if key not in ("field", "function", "functionOptions"):
                self._problem(
                    (*steps, key),
                    f'unknown key "{key}" in then',
                    key=True,
                    hint="known: field, function, functionOptions",
                )
        field = entry.get("field", "")
        if not isinstance(field, str):
            self._problem((*steps, "field"), "field must be text")
            return None
        if is_path(field):
            try:
                jsonpath.parse(field)
            except jsonpath.PathError as error:
                self._problem((*steps, "field"), f"{field}: {error} (at character {error.at + 1})")
        name = entry.get("function")
        maker = MAKERS.get(name) if isinstance(name, str) else None
        if maker is None:
            near = difflib.get_close_matches(str(name), MAKERS, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(MAKERS)}"
            self._problem((*steps, "function"), f"there is no function {name!r}", hint=hint)
            return None
        try:
            return Then(maker(entry.get("functionOptions")), field)
        except OptionsError as error:
            self._problem((*steps, "functionOptions", *error.steps), str(error))
            return None
