"""The engine: one document and a ruleset in, findings out; and how a hit becomes a finding with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from apigw_cli.errors import InputError, Place
from apigw_cli.lint import diagnostics, full, structure
from apigw_cli.lint.model import WARN, Finding, Hit, On, PlacedHit, Rule
from apigw_cli.lint.ruleset import Ruleset
from apigw_cli.lint.subject import Reference, Subject, Visit
from apigw_cli.lint.timings import Stopwatch
from apigw_cli.lint.walk import Handler, Targets, targets_of, walk
from apigw_cli.openapi.document import Document, Library, Node, pointer_path
from apigw_cli.openapi.operations import mapping, version
from apigw_cli.openapi.places import Spot, Steps

AnyHit = Hit | PlacedHit


@dataclass(slots=True)
class Collector:
    """Hits of one unit as they come, each with its rule; `findings` locates them all at once.

    `ruleset` becomes that of the document which is linted, its overrides applied.
    """

    ruleset: Ruleset
    hits: list[tuple[Rule, AnyHit]] = field(default_factory=list)
    stopwatch: Stopwatch | None = None

    def add(self, rule: Rule, hits: Iterable[AnyHit]) -> None:
        if self.stopwatch is not None:
            hits = self.stopwatch.listed(rule.id, hits)
        self.hits.extend((rule, hit) for hit in hits)

    def findings(self) -> list[Finding]:
        """Without repetitions, in their order: the same on every machine."""
        self._locate()
        found = [finding for rule, hit in self.hits if (finding := self._finding(rule, hit)) is not None]
        return sorted(_once(found), key=lambda finding: finding.order)

    def _locate(self) -> None:
        """JSON is located by a pass over its text, so ask for all the places of a document together."""
        wanted: dict[int, tuple[Document, list[Steps]]] = {}
        for _, hit in self.hits:
            if isinstance(hit, Hit):
                for document, path in ((hit.document, hit.path), *((d, p) for d, p, _ in hit.related)):
                    paths = wanted.setdefault(id(document), (document, []))[1]
                    existing, value = document.reach(path)
                    paths += (existing, _last_leaf(existing, value))
        for document, paths in wanted.values():
            document.locate(paths)

    def _finding(self, rule: Rule, hit: AnyHit) -> Finding | None:
        """The finding of a hit; None where the rule is off at that place."""
        message = hit.message or rule.message
        if isinstance(hit, PlacedHit):
            return _placed(rule, hit, message)
        path, value = hit.document.reach(hit.path)
        severity = self.ruleset.severity_at(rule, hit.document.label, path)
        if severity is None:
            return None
        start, end = _shown(hit.document, path, value, hit.on_key)
        related = tuple((_shown(doc, *doc.reach(path), True)[0], note) for doc, path, note in hit.related)
        if hit.see_also and related:
            message = f"{message}: see also {related[0][0]}"
        span = _spectral_span(hit.document, path, value, key=rule.id == diagnostics.PARSER.id)
        url = rule.documentation_url
        return Finding(rule.id, message, severity, start, end, path, hit.hint, related, span, url)


def _placed(rule: Rule, hit: PlacedHit, message: str) -> Finding:
    start, severity = hit.place, rule.severity if hit.severity is None else hit.severity
    position = (start.line - 1, start.column - 1)
    return Finding(rule.id, message, severity, start, start, (), hit.hint, hit.related, span=(position, position))


def _once(findings: Iterable[Finding]) -> Iterator[Finding]:
    seen: set[tuple[object, ...]] = set()
    for finding in findings:
        key = (finding.code, finding.start, finding.path, finding.message)
        if key not in seen:
            seen.add(key)
            yield finding


def _shown(document: Document, path: Steps, value: Any, on_key: bool) -> tuple[Place, Place]:
    """Where a person should look: at a value that fits in a line, else at the key above it."""
    if not path:
        return document.place(), document.place()
    return document.span(path, key=on_key or isinstance(value, dict | list) or value is None)


def _last_leaf(path: Steps, value: Any) -> Steps:
    """The last value in a collection that is none itself, or is empty: where Spectral lets a collection end."""
    while isinstance(value, dict | list) and value:
        key: str | int = next(reversed(value)) if isinstance(value, dict) else len(value) - 1
        path, value = (*path, key), value[key]  # type: ignore[index]
    return path


def _spectral_span(
    document: Document, path: Steps, value: Any, *, key: bool = False
) -> tuple[tuple[int, int], tuple[int, int]]:
    """The range that Spectral gives: from zero, and a collection begins right behind its key's colon."""
    spot = document.spot(path)
    if spot is None:
        return (0, 0), (0, 0)
    start, end = (spot.key_start, spot.key_end) if key else (spot.start, spot.end)
    if not key and spot.key_end >= 0:
        if start == end:
            start = end = spot.key_end + 1
        elif isinstance(value, dict | list):
            start = _behind_colon(document, spot)
    if not document.is_yaml and not key:
        leaf = document.spot(_last_leaf(path, value))
        end = end if leaf is None else leaf.end
    position = document.lines.position
    (line, column), (end_line, end_column) = position(start), position(end)
    return (line - 1, column - 1), (end_line - 1, end_column - 1)


def _behind_colon(document: Document, spot: Spot) -> int:
    if document.is_yaml or document.text is None:
        return spot.key_end + 1
    return document.text.index(":", spot.key_end) + 1


def lint_document(document: Document, library: Library, collector: Collector, *, everything: bool = False) -> None:
    """Apply the ruleset to one document. `everything`: run openapi-spec-validator as well."""
    ruleset = collector.ruleset = collector.ruleset.for_source(document.label)
    collector.hits.extend(diagnostics.unreadable(document, ruleset))
    try:
        subject = Subject(document, library, version(document), corrected=ruleset.corrected)
    except InputError as error:
        collector.hits.append((diagnostics.UNRECOGNIZED, _unrecognized(document, error)))
        subject = Subject(document, library, "", corrected=ruleset.corrected)
    if subject.version:
        _lint_openapi(subject, ruleset, collector, everything)
    guided = _active(ruleset, On.GIVEN, subject.version)
    if guided:
        from apigw_cli.lint import given

        collector.hits.extend(given.run(subject, guided, collector.stopwatch))


def _lint_openapi(subject: Subject, ruleset: Ruleset, collector: Collector, everything: bool) -> None:
    targets: Targets = subject.targets
    late: list[tuple[Rule, Visit]] = []
    handlers = _handlers(subject, ruleset, collector, late)
    walk(subject, handlers, targets)
    for rule, visit in late:
        collector.add(rule, rule.check(visit))
    _references(subject, targets, ruleset, collector)
    _note_uses(subject, targets)
    _structure(subject, ruleset, collector, everything)
    for rule in _active(ruleset, On.DOCUMENT, subject.version):
        collector.add(rule, rule.check(subject))
    for rule in _active(ruleset, On.OPERATION, subject.version):
        for operation in subject.operations:
            collector.add(rule, rule.check(subject, operation))


def _unrecognized(document: Document, error: InputError) -> PlacedHit:
    """A mapping without a version may be a part of a document, picked up by a glob: only a warning."""
    data = document.data
    is_part = isinstance(data, dict) and data and not {"openapi", "swagger"} & data.keys()
    message = f"{error.message} (the file is empty)" if data is None else error.message
    place = error.place or Place(document.label)
    return PlacedHit(place, message, error.hint, severity=WARN if is_part else None)


def _active(ruleset: Ruleset, on: On, oas: str) -> list[Rule]:
    return [rule for rule in ruleset.rules.values() if rule.on is on and oas in rule.formats]


def _structure(subject: Subject, ruleset: Ruleset, collector: Collector, everything: bool) -> None:
    rule = ruleset.rules.get("oas2-schema" if subject.version == "2.0" else "oas3-schema")
    if rule is not None and rule.on is On.ENGINE:
        collector.add(rule, structure.check(subject))
    if everything:
        collector.add(full.SPEC_VALIDATOR, full.check(subject))


# --- the walk


def _handlers(
    subject: Subject, ruleset: Ruleset, collector: Collector, late: list[tuple[Rule, Visit]]
) -> dict[str, list[Handler]]:
    handlers: dict[str, list[Handler]] = {}
    for rule in _active(ruleset, On.KEYS, subject.version):
        for key in rule.keys:
            handlers.setdefault(key, []).append(_handler(rule, collector, late))
    for key in ("nullable", "x-nullable"):
        handlers.setdefault(key, []).append(lambda visit: subject.nullable.append(visit.node))
    if subject.corrected:
        handlers.setdefault("discriminator", []).append(lambda visit: _note_mapping(subject, visit))
    return handlers


def _handler(rule: Rule, collector: Collector, late: list[tuple[Rule, Visit]]) -> Callable[[Visit], None]:
    check, hits = rule.check, collector.hits
    if rule.late:
        return lambda visit: late.append((rule, visit))

    def handle(visit: Visit) -> None:
        for hit in check(visit):
            hits.append((rule, hit))

    return handle if collector.stopwatch is None else lambda visit: collector.add(rule, check(visit))


def _note_mapping(subject: Subject, visit: Visit) -> None:
    """A discriminator's mapping uses the schemas that it names, by reference or by bare name."""
    if visit.document is not subject.document:
        return
    for value in mapping(mapping(visit.node["discriminator"]).get("mapping")).values():
        if isinstance(value, str):
            path = pointer_path(value[1:]) if value.startswith("#") else ("components", "schemas", value)
            subject.used_paths.append(path)


# --- references


def _references(subject: Subject, targets: Targets, ruleset: Ruleset, collector: Collector) -> None:
    for reference, target in targets_of(subject, targets):
        hit = diagnostics.of_reference(subject, reference, target)
        if hit is not None:
            rule = diagnostics.PARSER if isinstance(hit, PlacedHit) else diagnostics.INVALID_REF
            collector.hits.append((rule, hit))
    met = {id(node.document): node.document for node in targets.values() if isinstance(node, Node)}
    for document in met.values():
        if document is not subject.document:
            collector.hits.extend(diagnostics.unreadable(document, ruleset))


def _note_uses(subject: Subject, targets: Targets) -> None:
    for reference in subject.references:
        subject.used_paths.extend(_used(subject, reference, targets))


def _used(subject: Subject, reference: Reference, targets: Targets) -> Iterator[Steps]:
    """The path in the root document that a reference uses; also from an extension, which nobody resolves."""
    if reference.document is subject.document and reference.text.startswith("#/"):
        yield pointer_path(reference.text[1:])
        return
    target = targets.get((reference.document.name, reference.text))
    if isinstance(target, Node) and target.document is subject.document:
        yield target.path
