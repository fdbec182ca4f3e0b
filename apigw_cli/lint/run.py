"""Lint from end to end: which files, what they are, what is ignored or known, and the report of it all."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from apigw_cli.errors import InputError
from apigw_cli.lint import baseline, diagnostics, ignores, ruleset
from apigw_cli.lint.engine import Collector
from apigw_cli.lint.files import absolute
from apigw_cli.lint.fix.fixes import fix_of
from apigw_cli.lint.fix.run import FixedFile, fix_file
from apigw_cli.lint.ignores import Mark
from apigw_cli.lint.model import Finding, Severity
from apigw_cli.lint.options import Options, Settings, settings_of
from apigw_cli.lint.pool import lint_all
from apigw_cli.lint.registry import ALWAYS, BY_ID
from apigw_cli.lint.report import Report
from apigw_cli.lint.work import Linted, lint_configuration, lint_specification, lint_stdin
from apigw_cli.openapi.document import Document, Library
from apigw_cli.openapi.reading import MAX_BYTES, URL, collection_paused

Progress = Callable[[str], None]


def run(options: Options, progress: Progress = lambda _: None) -> Report:
    """Lint what `options` name.

    Raises InputError for a path, configuration, ruleset, ignore file or baseline that cannot be read, UsageError for
    a ruleset's name.
    """
    began = time.perf_counter()
    gc.unfreeze()  # of the run before, with --watch
    job = _Job(options, settings_of(options), progress)
    with collection_paused():
        if options.paths:
            job.lint_paths()
        else:
            from apigw_cli.config import project as projects

            job.lint_configuration(projects.find(options.config))
        report = job.report()
        if options.fix or options.fix_dry_run:
            report = replace(report, fixed=tuple(job.fixed(report)))
        gc.freeze()  # what was read stays to the end: looking through it once more is a third of a second
    if options.fix and any(file.is_changed for file in report.fixed):
        for file in report.fixed:
            file.write()
        report = replace(run(replace(options, fix=False), progress), fixed=report.fixed)
    return replace(report, seconds=time.perf_counter() - began)


class _Job:
    def __init__(self, options: Options, settings: Settings, progress: Progress) -> None:
        self.options = options
        self.settings = settings
        self.progress = progress
        self.units: list[Linted] = []
        self.documents: dict[str, Document] = {}
        self.libraries: list[Library] = []
        self.folders = [Path.cwd()]  # where ignore files are looked for

    # --- what there is to lint

    def lint_configuration(self, file: Path) -> None:
        self.progress(f"compiling {file}")
        linted, lint = lint_configuration(file, self.settings)
        self.units.append(linted)
        names = [document.name for document in lint.documents()]
        self.units += lint_all(names, lint.library, self.settings, self.options, self.progress)
        broken = lint.with_paths(Collector(self.settings.ruleset, list(lint.broken)).findings())
        self.units.append(Linted(tuple(broken), tuple(map(os.path.relpath, lint.files))))
        self._note(lint.library)
        self.folders.append(file.parent)

    def lint_paths(self) -> None:
        library = Library(Path.cwd())
        names = dict.fromkeys(_name(path, library) for path in self.options.paths if path != "-")
        if "-" in self.options.paths:
            self.progress("reading stdin")
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
            self.units.append(lint_stdin(data, self.options.stdin_file, library, self.settings))
        self.units += lint_all(names, library, self.settings, self.options, self.progress)
        self._note(library)

    def _note(self, library: Library) -> None:
        self.libraries.append(library)
        for document in library.documents.values():
            self.documents.setdefault(document.label, document)

    # --- what comes of it

    def report(self) -> Report:
        """What is found, less what is ignored and what is known."""
        found = _merged(finding for unit in self.units for finding in unit.findings)
        names = dict.fromkeys(name for unit in self.units for name in unit.files)
        files = {absolute(name) for name in names}
        applied = ignores.apply(_without_echoes(found, self.documents), self._marks())
        stale = [self._unused(mark) for mark in applied.unused if self._was_looked_for(mark, files)]
        findings = _merged([*applied.kept, *stale])
        report = Report(
            findings,
            len(files),
            0.0,
            False,
            self.documents,
            names=tuple(sorted(names)),
            fail_severity=self.options.fail_severity,
            max_warnings=self.options.max_warnings,
            ignored=applied.ignored,
            stopwatch=self.settings.stopwatch,
            watched=self._watched(names),
            lines={place: line for unit in self.units for place, line in unit.lines.items()},
        )
        if self.options.baseline is not None:
            report = self._ratchet(report, self.options.baseline, files)
        return replace(report, blocked=report.reaches_threshold)

    def _marks(self) -> list[Mark]:
        marks = [mark for unit in self.units for mark in unit.marks]
        return list(dict.fromkeys([*marks, *self._marks_of_folders()]))

    def _marks_of_folders(self) -> list[Mark]:
        folders = dict.fromkeys(folder.resolve() for folder in self.folders)
        return [mark for folder in folders for mark in ignores.of_folder(folder)]

    def _watched(self, names: Iterable[str]) -> tuple[str, ...]:
        """The files that take part, those of the ruleset, the ignore files (even if there is none), the baseline."""
        ignoring = [str(folder / name) for folder in self.folders for name in (ignores.OWN_FILE, ignores.REDOCLY_FILE)]
        known = [str(self.options.baseline)] if self.options.baseline is not None else []
        return tuple(
            absolute(name) for name in (*names, *self.settings.files, *ignoring, *known) if not URL.match(name)
        )

    def _unused(self, mark: Mark) -> Finding:
        return ignores.unused(mark, lambda rule: None if rule in BY_ID else ruleset.nearest(rule, lambda _: True))

    def _was_looked_for(self, mark: Mark, files: set[str]) -> bool:
        """Whether this run could have found what a mark ignores."""
        (rule,) = mark.rules
        known = rule in BY_ID or rule.startswith("owasp:")
        is_off = known and rule not in ALWAYS and rule not in self.settings.ruleset
        return not is_off and (mark.file in files or any(ignores.matches(file, mark.file) for file in files))

    def _ratchet(self, report: Report, path: Path, files: set[str]) -> Report:
        if self.options.update_baseline:
            count = baseline.write(path, report.findings, baseline.elsewhere(path, files))
            return replace(report, findings=[], known=count, updated=str(path))
        compared = baseline.compare(report.findings, path)
        folder = path.absolute().parent
        stale = [
            baseline.stale_finding(entry, path, line)
            for entry, line in compared.stale
            if os.path.normpath(folder / entry[0]) in files
        ]
        return replace(report, findings=_merged([*compared.new, *stale]), known=compared.known)

    # --- fixes

    def fixed(self, report: Report) -> Iterator[FixedFile]:
        """The files with a finding that can be mended, mended in memory."""
        for file, group in groupby(report.findings, key=lambda finding: finding.file):
            findings = [finding for finding in group if fix_of(finding) is not None]
            if findings and file in self.documents:
                self.progress(f"fixing {file}")
                yield fix_file(self.documents[file], findings, self._found_again)

    def _found_again(self, document: Document) -> list[Finding]:
        """What is found in a document that was edited, less what is ignored or known. A part is not looked at again."""
        data = document.data
        if not isinstance(data, dict) or not {"openapi", "swagger"} & data.keys():
            return []
        origin = next(library for library in self.libraries if document.name in library.documents)
        library = Library(origin.root)
        library.documents = origin.documents | {document.name: document}
        found = lint_specification(document, library, self.settings).findings
        kept = ignores.apply(found, [*ignores.of_document(document), *self._marks_of_folders()]).kept
        path = self.options.baseline
        return kept if path is None or self.options.update_baseline else baseline.compare(kept, path).new


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """Each once, in their order: the same on every machine, whatever unit found it first."""
    once = {(f.code, f.start, f.path, f.message): f for f in findings}
    return sorted(once.values(), key=lambda finding: finding.order)


def _without_echoes(findings: list[Finding], documents: dict[str, Document]) -> list[Finding]:
    """Without what the compiler says of a line, or of the mapping around it, that a rule has reported as an error."""
    if not any(finding.code == diagnostics.CONFIGURATION.id for finding in findings):
        return findings
    reported: set[tuple[str, int]] = set()
    for finding in findings:
        if finding.code != diagnostics.CONFIGURATION.id and finding.severity is Severity.ERROR:
            reported.add((finding.file, finding.start.line))
            if finding.path and finding.file in documents:
                around = documents[finding.file].place(finding.path[:-1], key=True)
                reported.add((finding.file, around.line))
    return [f for f in findings if f.code != diagnostics.CONFIGURATION.id or (f.file, f.start.line) not in reported]


def _name(path: str, library: Library) -> str:
    """A path of the command line as the library calls it. Raises InputError where there is no such file."""
    if URL.match(path):
        return path
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder", hint=f"name files: apigw lint {path.rstrip('/')}/*.yaml")
    if not Path(path).exists():
        raise InputError(f"no such file: {path}", hint="name specifications, an apigw.yaml or stage files")
    return library.name_of(Path(path))
