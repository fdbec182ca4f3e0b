"""What `apigw lint` is asked, and what of it every unit of work needs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from apigw_cli.errors import UsageError
from apigw_cli.lint import baseline, ruleset, upstreams
from apigw_cli.lint.model import Severity
from apigw_cli.lint.ruleset import Ruleset
from apigw_cli.lint.targets import registry as targets
from apigw_cli.lint.timings import Stopwatch
from apigw_cli.openapi.reading import observed


@dataclass(frozen=True, slots=True)
class Options:
    """What `apigw lint` was asked. No paths: the configuration, its stages and their specifications.

    `baseline`: only findings that are not in this file count; with `update_baseline` it is written instead.
    """

    paths: tuple[str, ...] = ()
    config: Path | None = None
    stdin_file: str = ""  # what the path "-" stands for
    ruleset: str = ""  # the one of the current folder
    full: bool = False
    fail_severity: Severity = Severity.ERROR
    max_warnings: int | None = None
    baseline: Path | None = None
    update_baseline: bool = False
    target: str = ""
    check_upstreams: bool = False
    workers: int = 1
    cache: bool = True
    timings: bool = False
    watch: bool = False
    fix: bool = False
    fix_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """What every unit of a run has in common. `digest` stands for all of it that a finding depends on."""

    ruleset: Ruleset
    full: bool = False
    digest: str = ""
    files: tuple[str, ...] = ()  # of the ruleset
    stopwatch: Stopwatch | None = None


def settings_of(options: Options) -> Settings:
    """Load what the options name. Raises InputError or UsageError for a ruleset or target that cannot be used."""
    with observed() as files:
        rules = ruleset.load(options.ruleset or ruleset.of_folder(Path()))
    if options.target:
        rules = rules.adding(targets.rules_of(options.target))
    if options.check_upstreams:
        rules = rules.adding({upstreams.UNREACHABLE.id: upstreams.UNREACHABLE.severity})
    parts = (options.ruleset, options.target, options.full, options.check_upstreams, sorted(files.items()))
    name = hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest()
    return Settings(rules, options.full, name, tuple(files), Stopwatch() if options.timings else None)


def checked(options: Options) -> Options:
    """The options as they are run. Raises UsageError where they contradict each other."""
    if options.max_warnings is not None and options.max_warnings < 0:
        raise UsageError("--max-warnings takes a number from 0")
    if "-" in options.paths and (options.fix or options.fix_dry_run):
        raise UsageError("what comes from stdin cannot be fixed", hint="name the file")
    if options.watch and ("-" in options.paths or options.update_baseline or options.fix_dry_run):
        raise UsageError("--watch goes with files, and not with --update-baseline or --fix-dry-run")
    if options.workers < 1:
        raise UsageError("--workers takes a number from 1")
    if options.update_baseline and (options.fix or options.fix_dry_run):
        raise UsageError("--update-baseline and --fix are two steps", hint="fix first, then write the baseline")
    if options.update_baseline and options.baseline is None:
        return replace(options, baseline=Path(baseline.DEFAULT))
    return options
