"""`apigw generate`: from options to text, and the text into its file."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

from apigw_cli.config import project
from apigw_cli.errors import Blocked, EnvironmentFailure, UsageError
from apigw_cli.generate import registry
from apigw_cli.generate.target import Options, Rendered, Target, merged
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot.compiler import Compiled, compile_project

_ONLY_SOME = ("config", "stage", "format", "of", "listen")


def generate(options: Options) -> Rendered:
    """What the target makes of the configuration. Raises UsageError for an option that the target has no use for."""
    target = registry.find(options.target)
    _check(options, target)
    rendered = target.render(options, functools.partial(load, options.config, options.stage))
    return Rendered(rendered.text, merged(rendered.gaps))


def load(config: Path | None, stage: str | None) -> Compiled:
    """Find, read and compile a configuration with a stage (None: the default one)."""
    return compile_project(project.load(project.find(config)), stage, POLICIES)


def _check(options: Options, target: Target) -> None:
    for name in _ONLY_SOME:
        if getattr(options, name) is not None and name not in target.takes:
            known = [f"--{one}" for one in _ONLY_SOME if one in target.takes]
            raise UsageError(f"target {target.name} has no use for --{name}", hint=f"it takes {', '.join(known)}")


def check_strict(options: Options, rendered: Rendered) -> None:
    """Raises Blocked where `--strict` was asked for and something cannot be expressed."""
    if options.strict and rendered.gaps:
        things = "one thing" if len(rendered.gaps) == 1 else f"{len(rendered.gaps)} things"
        raise Blocked(
            f"{options.target} does {things} differently (--strict); nothing was written",
            hint="without --strict the output is written, with each of them as a comment",
        )


def write(path: Path, text: str) -> None:
    """Replace a file's content in one step: a reader sees the old or the new, never a part."""
    path = Path(os.path.realpath(path))
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")  # a pipe or a device has nothing to replace
        else:
            _replace(path, text.encode())
    except OSError as error:
        raise EnvironmentFailure(f"cannot write {path}: {error.strerror}") from None


def _replace(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
