"""Units of work: one file with all that it refers to, in; its findings, marks and files, out.

A unit knows nothing of the others, so units may run in any order and in other processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from apigw_cli.errors import InputError, Place
from apigw_cli.lint import diagnostics, ignores
from apigw_cli.lint.engine import Collector, lint_document
from apigw_cli.lint.ignores import Mark
from apigw_cli.lint.model import Finding
from apigw_cli.lint.options import Settings
from apigw_cli.lint.timings import LOCATING, READING, WALKING
from apigw_cli.openapi.document import Document, Library
from apigw_cli.openapi.reading import MISSING, URL, decoded, digest, read_document

if TYPE_CHECKING:
    from apigw_cli.lint.configuration import ConfigurationLint

STDIN = "<stdin>"


@dataclass(frozen=True, slots=True)
class Linted:
    """What is known of one unit. `files` are labels; `lines` those that findings show of what cannot be read again."""

    findings: tuple[Finding, ...]
    files: tuple[str, ...]
    marks: tuple[Mark, ...] = ()
    lines: dict[Place, str] = field(default_factory=dict)
    depends: tuple[tuple[str, str], ...] = ()  # every file that took part and its digest; none: never cached


def lint_path(name: str, library: Library, settings: Settings) -> Linted:
    """Lint a file as what it is: a configuration, a stage of one, or a specification.

    Raises InputError where the file itself cannot be had; what is wrong in it is a finding.
    """
    try:
        with _timed(settings, READING):
            document = library.read(name, tolerant=True)
    except InputError as error:
        if error.place is None:
            raise
        return _broken(name, error, settings)
    path = Path(document.label)
    data = document.data if isinstance(document.data, dict) else {}
    configuration = path.parent.parent / "apigw.yaml"
    if "openapi" not in data and "swagger" not in data:
        if "apis" in data:
            return lint_configuration(path, settings)[0]
        if path.parent.name == "stages" and configuration.is_file():
            return lint_configuration(configuration, settings, path.stem)[0]
    return lint_specification(document, library, settings)


def _timed(settings: Settings, part: str) -> AbstractContextManager[None]:
    return nullcontext() if settings.stopwatch is None else settings.stopwatch.around(part)


def lint_stdin(data: bytes, file: str, library: Library, settings: Settings) -> Linted:
    """Lint what came from stdin; `file` is what it is called, and what its references are relative to."""
    label = file or STDIN
    name = library.name_of(Path(file)) if file else STDIN
    try:
        text = decoded(data, label)
        read, composed, problems = read_document(text, label)
    except InputError as error:
        return _broken(name, error, settings)
    library.documents[name] = Document(name, label, text, read, composed=composed, problems=problems)
    return lint_path(name, library, settings)


def _broken(name: str, error: InputError, settings: Settings) -> Linted:
    collector = Collector(settings.ruleset, stopwatch=settings.stopwatch)
    collector.hits.extend(diagnostics.of_error(error, diagnostics.PARSER))
    return Linted(tuple(collector.findings()), (error.place.file if error.place else name,))


def lint_specification(document: Document, library: Library, settings: Settings) -> Linted:
    """Lint a specification with all that it refers to."""
    library.touched = {document.name}
    collector = Collector(settings.ruleset, stopwatch=settings.stopwatch)
    with _timed(settings, WALKING):
        lint_document(document, library, collector, everything=settings.full)
    with _timed(settings, LOCATING):
        findings = tuple(collector.findings())
    met = [library.documents[name] for name in sorted(library.touched) if name in library.documents]
    if document not in met:
        met.append(document)
    return replace(_linted(findings, met), depends=tuple(_depends(library)))


def _depends(library: Library) -> Iterator[tuple[str, str]]:
    """What was asked for and what was there, if all of it can be looked up again: no URLs, nothing unreadable."""
    found = []
    for name in sorted(library.touched):
        document = library.documents.get(name)
        path = library.root / name if library.root is not None else Path(name)
        if URL.match(name) or (document is None and path.exists()) or (document is not None and not path.is_file()):
            return
        found.append((os.path.normpath(path.absolute()), digest(document.text or "") if document else MISSING))
    yield from found


def lint_configuration(file: Path, settings: Settings, stage: str | None = None) -> tuple[Linted, ConfigurationLint]:
    """Lint a configuration (or one stage of it) without its specifications, which are units of their own."""
    # The compiler and every policy: a specification needs none of them.
    from apigw_cli.lint.configuration import ConfigurationLint

    collector = Collector(settings.ruleset, stopwatch=settings.stopwatch)
    lint = ConfigurationLint(file, collector)
    lint.run(stage)
    return _linted(tuple(lint.with_paths(collector.findings())), lint.own_documents()), lint


def _linted(findings: tuple[Finding, ...], documents: Iterable[Document]) -> Linted:
    marks: list[Mark] = []
    lines: dict[Place, str] = {}
    labels = []
    for document in documents:
        labels.append(document.label)
        marks += ignores.of_document(document)
        if URL.match(document.label) or not os.path.exists(document.label):  # noqa: PTH110
            lines |= {f.start: document.line(f.start.line) for f in findings if f.file == document.label}
    return Linted(findings, tuple(labels), tuple(marks), lines)
