"""What we ask of git, through its own program: a file at a revision, and which commit the files are."""

from __future__ import annotations

import subprocess
from pathlib import Path

from apigw_cli.errors import EnvironmentFailure, InputError, UsageError
from apigw_cli.stages.records import Git

_SECONDS = 30


def show(revision: str, path: str, folder: Path | None = None) -> bytes:
    """The content of `path` at `revision`. The path is from the repository's root; `./` makes it relative.

    Raises UsageError or InputError with git's own words where there is no such thing.
    """
    if revision.startswith("-") or not revision:
        raise UsageError(f'"{revision}" is not a git revision', hint="write git:REVISION:PATH, as in git:main:api.yaml")
    done = _run(["cat-file", "blob", f"{revision}:{path}"], folder)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        hint = "the path is from the repository's root; ./PATH is relative to here"
        if said and "invalid object name" in said[-1]:
            hint = f'there is no revision "{revision}"; those that have names: git branch -a, git tag'
        raise InputError(f"git has no {revision}:{path}: {said[-1] if said else 'no reason given'}", hint=hint)
    return done.stdout


def describe(folder: Path) -> Git | None:
    """The commit of the files in `folder`, and whether they differ from it; None outside a repository."""
    try:
        commit = _run(["rev-parse", "--verify", "--quiet", "HEAD"], folder)
        if commit.returncode:
            return None
        # The store's own files always differ: the command that asks is about to change them.
        status = _run(["status", "--porcelain", "--", ".", ":(exclude).apigw"], folder)
    except EnvironmentFailure:
        return None
    return Git(commit.stdout.decode().strip(), bool(status.stdout.strip()) or status.returncode != 0)


def _run(arguments: list[str], folder: Path | None) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise EnvironmentFailure("git is not installed", hint="install it, or name files instead") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailure(f"git did not answer: {error}") from None
