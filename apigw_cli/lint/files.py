"""Files written in one step: whoever reads sees the old text or the new one, never a half."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from apigw_cli.errors import EnvironmentFailure


def absolute(name: str) -> str:
    """A file's whole name, links not followed; a URL and what has no file stay as they are."""
    return name if "://" in name else os.path.abspath(name)  # noqa: PTH100


def replace(path: Path, data: bytes) -> None:
    """Put `data` in the place of a file, whose permissions it keeps; behind a link, the file linked to.

    Raises EnvironmentFailure where the folder or the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():  # a pipe or a device, such as /dev/stdout
        _write_into(target, data)
        return
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise EnvironmentFailure(f"cannot write {path}: {error.strerror}") from None
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        _take_mode(target, temporary)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise EnvironmentFailure(f"cannot write {path}: {error.strerror}") from None


def _write_into(target: Path, data: bytes) -> None:
    try:
        target.write_bytes(data)
    except OSError as error:
        raise EnvironmentFailure(f"cannot write {target}: {error.strerror}") from None


def _take_mode(target: Path, temporary: Path) -> None:
    if target.exists():
        shutil.copymode(target, temporary)
        return
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(0o666 & ~mask)
