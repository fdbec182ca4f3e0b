"""`.apigw/run/` beside apigw.yaml: what belongs to running gateways on this machine, never to the repository.

.gitignore              everything here
gateway-PID.json        a running gateway: its admin address; taken away at its end
quotas-STAGE.table      what was used of quotas: shared by all gateways of the stage here, kept over restarts
apis/NAME.json          an API that was put with ?persist=true, as it was sent; or {"removed": true}
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import orjson

from apigw_cli.errors import EnvironmentFailure, InputError, Place
from apigw_cli.gateway.overlay import NAME, Change, Overlay
from apigw_cli.openapi.document import read_text
from apigw_cli.snapshot import running as gateways

_REMOVED = b'{"removed": true}\n'


def of(root: Path) -> Path:
    return gateways.folder(root)


def kept(folder: Path) -> Overlay:
    """The changes that were kept for the next start. Raises InputError for a file that cannot be read."""
    found = {}
    for path in sorted((folder / "apis").glob("*.json")):
        label = os.path.relpath(path)
        text = read_text(path, label)
        if not NAME.fullmatch(path.stem):
            raise InputError("no API can have this name", place=Place(label), hint="remove the file")
        found[path.stem] = Change(label, None if text.strip() == _REMOVED.decode().strip() else text)
    return found


def keep(folder: Path, name: str, change: Change | None) -> None:
    """Keep a change for the next start, or forget what was kept. Raises EnvironmentFailure."""
    path = folder / "apis" / f"{name}.json"
    if change is not None:
        write(path, folder, _REMOVED if change.text is None else change.text.encode())
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise EnvironmentFailure(f"cannot remove {path}: {error.strerror}") from None


def quota_file(folder: Path, stage: str) -> Path:
    """The file that a stage's quotas are kept in, made where there is none. Raises EnvironmentFailure."""
    path = folder / f"quotas-{stage}.table"
    try:
        _make(folder)
        path.touch(mode=0o600)
    except OSError as error:
        raise EnvironmentFailure(f"cannot write {path}: {error.strerror or error}") from None
    return path


def announce(folder: Path, facts: dict[str, Any]) -> Path:
    """Say that this process is a running gateway. Returns the file, to be removed at the end."""
    path = folder / f"gateway-{os.getpid()}.json"
    write(path, folder, orjson.dumps({"pid": os.getpid(), **facts}) + b"\n")
    return path


def write(path: Path, folder: Path, data: bytes) -> None:
    """Make `data` the content of a file below `folder`, whole or not at all. Raises EnvironmentFailure."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make(folder)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise EnvironmentFailure(f"cannot write {path}: {error.strerror or error}") from None


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")


def running(folder: Path) -> list[dict[str, Any]]:
    """The gateways that run on this machine, the one started last first. Files of dead ones are taken away."""
    return gateways.facts(folder)
