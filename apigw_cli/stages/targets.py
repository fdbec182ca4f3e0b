"""What the words on the command line mean: `qa`, `stage:qa`, `release:3f9c`, `git:main:api.yaml`, a path, a URL."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.config.located import nearest
from apigw_cli.errors import InputError, Place, UsageError
from apigw_cli.openapi.document import Document, Library, parse
from apigw_cli.openapi.operations import version
from apigw_cli.openapi.reading import MAX_BYTES, decoded
from apigw_cli.stages import git
from apigw_cli.stages.contract.compare import Contract

_URL = re.compile(r"https?://", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Target:
    """`kind` is stage, release, git or file; `text` what stands after the prefix."""

    kind: str
    text: str


def read(word: str, stages: tuple[str, ...] | None) -> Target:
    """What a word names. `stages` are the declared ones; None where there is no configuration.

    Raises UsageError for a word that names nothing.
    """
    for kind in ("stage", "release", "git"):
        if word.startswith(kind + ":"):
            return _prefixed(kind, word.removeprefix(kind + ":"), stages)
    if word == "-":
        return Target("file", word)
    if _URL.match(word) or Path(word).is_file():
        return Target("stage", word) if stages and word in stages else Target("file", word)
    if stages and word in stages:
        return Target("stage", word)
    if _WORD.fullmatch(word):
        listed = f"stages: {', '.join(stages)}" if stages else "there is no apigw.yaml here, so there are no stages"
        hint = nearest(word, list(stages or ())) or f"{listed}; a file is named by its path"
        raise UsageError(f'"{word}" is neither a stage nor a file', hint=hint)
    return Target("file", word)


def _prefixed(kind: str, text: str, stages: tuple[str, ...] | None) -> Target:
    if kind == "stage" and text not in (stages or ()):
        known = f"declared: {', '.join(stages)}" if stages else "there is no apigw.yaml here"
        raise UsageError(f'there is no stage "{text}"', hint=nearest(text, list(stages or ())) or known)
    if kind == "git" and ":" not in text:
        raise UsageError(f'"git:{text}" names no file', hint="write git:REVISION:PATH, as in git:main:specs/api.yaml")
    return Target(kind, text)


def contract(target: Target) -> Contract:
    """The specification that a file, URL or git target names, checked to be one."""
    if target.kind == "git":
        revision, _, path = target.text.partition(":")
        library: Library = _GitLibrary(revision, "./" if path.startswith("./") else "")
        name = path.removeprefix("./")
    elif target.text == "-":
        library, name = Library(Path()), "stdin"
        text = decoded(sys.stdin.buffer.read(MAX_BYTES + 1), "stdin")
        library.documents[name] = Document(name, "stdin", text, parse(text, "stdin"))
    elif _URL.match(target.text):
        library, name = Library(Path()), target.text
    else:
        library, name = Library(Path(target.text).parent), Path(target.text).name
    document = library.read(name)
    if isinstance(document.data, dict) and "apis" in document.data and "openapi" not in document.data:
        raise InputError(
            "this is a configuration, not a specification",
            place=Place(document.label),
            hint="compare stages instead, as in: apigw diff qa prod",
        )
    version(document)
    return Contract(document, library)


class _GitLibrary(Library):
    """Documents as they are at a revision; what they refer to is read at the same revision."""

    def __init__(self, revision: str, prefix: str) -> None:
        super().__init__()
        self.revision = revision
        self.prefix = prefix

    def read(self, name: str, *, asked_at: Place | None = None, tolerant: bool = False) -> Document:
        if name not in self.documents and not _URL.match(name):
            label = f"git:{self.revision}:{self.prefix}{name}"
            text = decoded(git.show(self.revision, self.prefix + name), label, asked_at)
            self.documents[name] = Document(name, label, text, parse(text, label))
        return super().read(name, asked_at=asked_at, tolerant=tolerant)
