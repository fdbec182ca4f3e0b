"""Lint from end to end: which files, what they are, and the report of it all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.config import project as projects
from apigw_cli.errors import InputError
from apigw_cli.lint import diagnostics, ruleset
from apigw_cli.lint.configuration import ConfigurationLint
from apigw_cli.lint.engine import Collector, lint_document
from apigw_cli.lint.model import Finding, Severity
from apigw_cli.lint.report import Report
from apigw_cli.openapi.document import Document, Library
from apigw_cli.openapi.reading import URL, collection_paused

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What `apigw lint` was asked. No paths: the configuration, its stages and their specifications."""

    paths: tuple[str, ...] = ()
    config: Path | None = None
    ruleset: str = ruleset.DEFAULT
    full: bool = False
    fail_severity: Severity = Severity.ERROR


def run(options: Options, progress: Progress = lambda _: None) -> Report:
    """Lint what `options` name.

    Raises InputError for a path, configuration or ruleset that cannot be read, UsageError for a ruleset's name.
    """
    began = time.perf_counter()
    job = _Job(options, Collector(ruleset.load(options.ruleset)), progress)
    with collection_paused():
        if options.paths:
            job.lint_paths()
        else:
            job.lint_configuration(projects.find(options.config))
        findings = _without_echoes(job.collector.findings(), job.documents)
    blocked = any(finding.severity <= options.fail_severity for finding in findings)
    return Report(
        findings,
        len(job.files),
        time.perf_counter() - began,
        blocked,
        job.documents,
        names=tuple(sorted(job.documents)),
        fail_severity=options.fail_severity,
    )


def _without_echoes(findings: list[Finding], documents: dict[str, Document]) -> list[Finding]:
    """Without what the compiler says of a line, or of the mapping around it, that a rule has reported as an error."""
    if not any(finding.code == "configuration" for finding in findings):
        return findings
    reported: set[tuple[str, int]] = set()
    for finding in findings:
        if finding.code != "configuration" and finding.severity is Severity.ERROR:
            reported.add((finding.file, finding.start.line))
            if finding.path and finding.file in documents:
                around = documents[finding.file].place(finding.path[:-1], key=True)
                reported.add((finding.file, around.line))
    return [f for f in findings if f.code != "configuration" or (f.file, f.start.line) not in reported]


class _Job:
    def __init__(self, options: Options, collector: Collector, progress: Progress) -> None:
        self.options = options
        self.collector = collector
        self.progress = progress
        self.files: set[str] = set()
        self.documents: dict[str, Document] = {}

    def lint_configuration(self, file: Path) -> None:
        lint = ConfigurationLint(file, self.collector)
        self.progress(f"compiling {file}")
        lint.run()
        for document in lint.documents():
            self._document(document, lint.library)
        self.files.update(str(path.resolve()) for path in lint.files)
        self._note(lint.library)

    def lint_paths(self) -> None:
        library = Library(Path.cwd())
        names = dict.fromkeys(_name(path, library) for path in self.options.paths)
        for name in names:
            try:
                document = library.read(name, tolerant=True)
            except InputError as error:
                if error.place is None:
                    raise  # the file itself cannot be had; nothing in it is at fault
                self.files.add(name)
                self.collector.hits.extend(diagnostics.of_error(error, diagnostics.PARSER))
                continue
            self._file(document, library)
        self._note(library)

    def _file(self, document: Document, library: Library) -> None:
        """Lint a file as what it is: a configuration, a stage of one, or a specification."""
        path = Path(document.label)
        data = document.data if isinstance(document.data, dict) else {}
        is_specification = "openapi" in data or "swagger" in data
        configuration = path.parent.parent / "apigw.yaml"
        if not is_specification and "apis" in data:
            self._configuration(path, None)
        elif not is_specification and path.parent.name == "stages" and configuration.is_file():
            self._configuration(configuration, path.stem)
        else:
            self._document(document, library)
        self.files.add(str(path.resolve()))

    def _configuration(self, file: Path, stage: str | None) -> None:
        """The configuration alone: its specifications are linted when they are named."""
        lint = ConfigurationLint(file, self.collector)
        lint.run(stage)
        self._note(lint.library)

    def _document(self, document: Document, library: Library) -> None:
        self.progress(f"linting {document.label}")
        lint_document(document, library, self.collector, everything=self.options.full)

    def _note(self, library: Library) -> None:
        for document in library.documents.values():
            self.documents.setdefault(document.label, document)
            self.files.add(str(Path(document.label).resolve()))


def _name(path: str, library: Library) -> str:
    """A path of the command line as the library calls it. Raises InputError where there is no such file."""
    if URL.match(path):
        return path
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder", hint=f"name files: apigw lint {path.rstrip('/')}/*.yaml")
    if not Path(path).exists():
        raise InputError(f"no such file: {path}", hint="name specifications, an apigw.yaml or stage files")
    return library.name_of(Path(path))
