"""`apigw lint --watch`: lint again whenever a file changes that takes part, until Ctrl-C."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from apigw_cli.cli import terminal
from apigw_cli.errors import ApigwError

if TYPE_CHECKING:
    from apigw_cli.lint.options import Options
    from apigw_cli.lint.report import Report

_SUFFIXES = (".yaml", ".yml", ".json")
_LOOK = 500  # ms: no change is missed for longer, even if the operating system tells nothing
_Seen = dict[str, tuple[int, int, int] | None]


def watch(once: Callable[[], Report], options: Options, written: list[Path]) -> None:
    """Run `once` again and again, until Ctrl-C ends it with exit 0. Changes of `written`, the reports, mean nothing."""
    files = {os.path.abspath(path) for path in options.paths if "://" not in path}  # noqa: PTH100
    reports = {str(path.resolve()) for path in written}
    try:
        while True:
            _clear()
            seen = _signature(files)
            try:
                watched = set(once().watched) - reports
                seen |= _signature(watched - files)
                files = watched
            except ApigwError as error:
                terminal.report(error)
            terminal.note(f"watching {terminal.plural(len(files), 'file')}; Ctrl-C stops")
            _wait(files, seen, reports)
    except KeyboardInterrupt:
        terminal.note()


def _wait(files: set[str], seen: _Seen, reports: set[str]) -> None:
    """Return when one of the files is another than it was, or a document beside them changes: it may be referred to."""
    from watchfiles import watch as changes

    folders = {Path(file).parent for file in files} | {Path.cwd()}
    for events in changes(
        *(folder for folder in folders if folder.is_dir()),
        debounce=100,
        step=20,
        rust_timeout=_LOOK,
        yield_on_timeout=True,
        recursive=False,
    ):
        if any(_signature([file])[file] != seen.get(file) for file in files):
            return
        names = {name for _, name in events if name.endswith(_SUFFIXES)} - reports - files
        if any(not os.path.basename(name).startswith(".") for name in names):  # noqa: PTH119
            return


def _signature(files: Iterable[str]) -> _Seen:
    found: _Seen = {}
    for file in files:
        try:
            status = Path(file).stat()
        except OSError:
            found[file] = None
        else:
            found[file] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def _clear() -> None:
    """An empty screen on a terminal; elsewhere a line that separates one report from the next."""
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[2J\x1b[3J\x1b[H")
    else:
        sys.stdout.write(f"--- {time.strftime('%H:%M:%S')}\n")
    sys.stdout.flush()
