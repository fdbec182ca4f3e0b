"""Watching the files that took part, so that saving one is enough.

The folders are watched, not the files: an editor that writes a new file and renames it over the old one counts. What
decides is whether a file's identity, size or time of change is another than when it was last read; a look every
second finds what the system did not tell of (network folders, containers).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

Signature = dict[Path, tuple[int, int, int] | None]

_DEBOUNCE = 60  # milliseconds in which further changes are taken together
_LOOK = 1000  # milliseconds
_SUFFIXES = (".yaml", ".yml", ".json")


def signature(files: Iterable[Path]) -> Signature:
    """What the files are now; None for one that is not there."""
    found: Signature = {}
    for file in files:
        try:
            status = file.stat()
        except OSError:
            found[file] = None
        else:
            found[file] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


class Watcher:
    """Tells when one of `files` is another than it was when `seen` was taken."""

    def __init__(self, files: tuple[Path, ...], seen: Signature) -> None:
        self._files = files
        self._seen = seen
        self._stop = asyncio.Event()

    async def changes(self) -> AsyncIterator[list[Path]]:
        """The files that changed, each time that some did, until `stop`.

        A configuration document that appears beside them counts too: a file that was missing may be there now.
        """
        from watchfiles import awatch

        folders = {file.absolute().parent for file in self._files}
        async for events in awatch(
            *(folder for folder in folders if folder.is_dir()),
            stop_event=self._stop,
            debounce=_DEBOUNCE,
            step=20,
            rust_timeout=_LOOK,
            yield_on_timeout=True,
            recursive=False,
            raise_interrupt=False,
        ):
            found = self._changed()
            beside = {Path(name) for _, name in events if name.endswith(_SUFFIXES) and not _is_hidden(name)}
            if found:
                yield found
            elif beside - {file.absolute() for file in self._files}:
                yield []

    def _changed(self) -> list[Path]:
        now = signature(self._files)
        found = [file for file in self._files if now[file] != self._seen.get(file)]
        self._seen = now
        return found

    def stop(self) -> None:
        self._stop.set()


def _is_hidden(name: str) -> bool:
    return os.path.basename(name).startswith(".")  # noqa: PTH119
