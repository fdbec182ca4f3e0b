"""Writing that survives a kill: a file is there whole or not at all, and what was acknowledged stays.

Every change goes to a temporary file beside the target, is forced to disk, renamed over the target (atomic within a
file system), and the folder is forced to disk, so that the rename survives as well.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from apigw_cli.errors import EnvironmentFailure

_SUFFIX = ".tmp"
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would write \r\n for \n, and digests would not hold


def replace(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`, now or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_SUFFIX}")
    try:
        _write(temporary, data, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise _failure(path, error) from None


def append(path: Path, data: bytes, *, at: int) -> None:
    """Write `data` at offset `at`, after cutting off whatever a killed writer left there."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o644)
        try:
            os.ftruncate(descriptor, at)
            os.lseek(descriptor, at, os.SEEK_SET)
            _write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(path.parent)
    except OSError as error:
        raise _failure(path, error) from None


def remove(path: Path) -> None:
    """Take a file away; its absence survives too."""
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise _failure(path, error) from None


def make_folder(path: Path) -> None:
    if path.is_dir():
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise _failure(path, error) from None


def sweep(folder: Path) -> None:
    """Take away temporary files that a killed writer left. Only for who holds the lock."""
    for path in folder.glob(f".*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            path.unlink()


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk, where the system can (Windows cannot open a folder)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes, flags: int) -> None:
    descriptor = os.open(path, flags, 0o644)
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _failure(path: Path, error: OSError) -> EnvironmentFailure:
    return EnvironmentFailure(f"cannot write {path}: {error.strerror or error}", hint="nothing was changed")
