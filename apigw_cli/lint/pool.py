"""Units of work one after the other, or in several processes: the results come in the order of the names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.errors import EnvironmentFailure, InputError, Place
from apigw_cli.lint.cache import Cache, default_folder
from apigw_cli.lint.options import Options, Settings, settings_of
from apigw_cli.lint.work import Linted, lint_path
from apigw_cli.openapi.document import Library
from apigw_cli.openapi.reading import collection_paused


@dataclass(frozen=True, slots=True)
class _Failure:
    """An InputError on its way from another process."""

    message: str
    place: Place | None
    hint: str | None


class Worker:
    """Lints files below one root, with a library that they share."""

    def __init__(self, library: Library, settings: Settings, cache: Cache | None) -> None:
        self.library = library
        self.settings = settings
        self.cache = cache
        self.root = library.root or Path.cwd()

    def lint(self, name: str) -> Linted:
        """One file, from the cache where that is still right."""
        kept = self.cache.get(name, self.root) if self.cache is not None else None
        if kept is not None:
            return kept
        linted = lint_path(name, self.library, self.settings)
        if self.cache is not None:
            self.cache.put(name, self.root, linted)
        return linted


def cache_of(options: Options, settings: Settings) -> Cache | None:
    """The cache that a run may use: not where the documents themselves are needed, or the time that they take."""
    if not options.cache or options.fix or options.fix_dry_run or options.timings:
        return None
    return Cache(default_folder(), settings.digest)


def lint_all(
    names: Iterable[str], library: Library, settings: Settings, options: Options, progress: Callable[[str], None]
) -> Iterator[Linted]:
    """Lint files by the names that `library` has for them. Raises InputError for one that cannot be had."""
    wanted = list(names)
    workers = 1 if options.fix or options.fix_dry_run or options.timings else min(options.workers, len(wanted))
    if workers < 2:
        worker = Worker(library, settings, cache_of(options, settings))
        for name in wanted:
            progress(f"linting {name}")
            yield worker.lint(name)
        return
    yield from _in_processes(wanted, library.root or Path.cwd(), options, workers, progress)


def _in_processes(
    names: list[str], root: Path, options: Options, workers: int, progress: Callable[[str], None]
) -> Iterator[Linted]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    # spawn: a fork would copy threads' locks (the progress shown on stderr is one).
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_start, initargs=(options, root)) as pool:
        try:
            # The largest first: no process is left with it at the end.
            doing = {name: pool.submit(_lint, name) for name in sorted(names, key=lambda name: -_size(root, name))}
            for number, name in enumerate(names, 1):
                result = doing[name].result()
                progress(f"linting {number:,} of {len(names):,} files")
                if isinstance(result, _Failure):
                    raise InputError(result.message, place=result.place, hint=result.hint)
                yield result
        except BrokenProcessPool:
            raise EnvironmentFailure("a lint worker died", hint="is there enough memory? try --workers 1") from None
        finally:
            pool.shutdown(cancel_futures=True)


def _size(root: Path, name: str) -> int:
    try:
        return (root / name).stat().st_size
    except (OSError, ValueError):
        return 0  # a URL, or what the worker will report


_worker: Worker | None = None


def _start(options: Options, root: Path) -> None:
    """In each process: load the ruleset once. The root as the parent has it, so that names of files come out equal."""
    global _worker
    settings = settings_of(options)
    _worker = Worker(Library(root), settings, cache_of(options, settings))


def _lint(name: str) -> Linted | _Failure:
    assert _worker is not None
    try:
        with collection_paused():
            return _worker.lint(name)
    except InputError as error:
        return _Failure(error.message, error.place, error.hint)
