"""What `apigw keys` and `apigw passwd` share: which file holds the list, and writing it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from apigw_cli.errors import EnvironmentFailure, InputError, UsageError


def find(file: Path | None, config: Path | None, setting: str, field: str) -> Path:
    """The file that was named, else the only one that `auth.*.setting` refers to. Raises UsageError, InputError."""
    if file is not None:
        return file
    from apigw_cli.config import located, project

    path: Path = project.find(config)
    schemes = located.read(path, os.path.relpath(path)).data
    auth = schemes.get("auth") if isinstance(schemes, dict) else None
    written = [scheme.get(setting) for scheme in (auth or {}).values() if isinstance(scheme, dict)]
    inner = [one.get(field) if field and isinstance(one, dict) else one for one in written]
    references = [one for found in inner for one in (found if isinstance(found, list) else [found])]
    names = dict.fromkeys(
        one["file"] for one in references if isinstance(one, dict) and isinstance(one.get("file"), str)
    )
    if len(names) != 1:
        found = f"several lists: {', '.join(names)}" if names else "no list in a file"
        raise UsageError(f"{os.path.relpath(path)} names {found}", hint="name the file: --file keys.yaml")
    return path.parent / str(next(iter(names)))


def label(path: Path) -> str:
    return os.path.relpath(path)


def read(path: Path, *, missing: bool = False) -> str:
    """The text of a list; '' for one that is not there yet, where it may be `missing`."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        if missing:
            return ""
        raise InputError(f"no such file: {label(path)}") from None
    except UnicodeDecodeError:
        raise InputError(f"{label(path)} is not UTF-8 text") from None
    except OSError as error:
        raise EnvironmentFailure(f"cannot read {label(path)}: {error.strerror}") from None


def change(path: Path, edit: Callable[[str], str], *, missing: bool = False) -> None:
    """Write what `edit` makes of a list: whole or not at all, with the mode that it had."""
    from apigw_cli.stages import durable

    target = path.resolve()
    text = edit(read(target, missing=missing))
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o640
    durable.replace(target, text.encode())
    target.chmod(mode)
