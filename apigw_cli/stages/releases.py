"""Releases on disk: immutable, named by the SHA-256 of their bytes, verified whenever they are read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from apigw_cli.errors import InputError, Place, UsageError
from apigw_cli.snapshot import release as release_module
from apigw_cli.snapshot.release import Release
from apigw_cli.stages import durable
from apigw_cli.stages.records import Origin

SHORT = 7  # digits that people see
_LEAST = 4  # digits that name a release


def short(digest: str) -> str:
    return digest[:SHORT]


class Releases:
    """The folder `.apigw/releases`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, release: Release, origin: Origin) -> str:
        """Store a release and return its digest. One that is there already is kept, with its first origin."""
        digest, data = release.digest, release.encode()
        durable.make_folder(self.folder)
        path = self.folder / f"{digest}.json"
        if not path.is_file() or path.read_bytes() != data:
            durable.replace(path, data)
        beside = self.folder / f"{digest}.origin.json"
        if not beside.is_file():
            durable.replace(beside, msgspec.json.format(msgspec.json.encode(origin), indent=2) + b"\n")
        return digest

    def get(self, digest: str) -> Release:
        """The release with this digest. Raises InputError naming the file where it is missing or was changed."""
        path = self.folder / f"{digest}.json"
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise InputError(
                f"release {short(digest)} is missing: {label(path)}",
                hint="it belongs into version control with the rest of .apigw: git checkout it, or deploy again",
            ) from None
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise InputError(
                f"release {short(digest)} was changed: the content of its file has the digest {short(found)}",
                place=Place(label(path)),
                hint="releases are immutable: restore the file from version control, or deploy again",
            )
        try:
            return release_module.decode(data)
        except msgspec.MsgspecError as error:
            raise InputError(
                f"release {short(digest)} cannot be read by this version of apigw: {error}", place=Place(label(path))
            ) from None

    def origin(self, digest: str) -> Origin | None:
        """Who made it and from what; None where that was not kept."""
        try:
            return msgspec.json.decode((self.folder / f"{digest}.origin.json").read_bytes(), type=Origin)
        except (OSError, msgspec.MsgspecError):
            return None

    def remove(self, digest: str) -> None:
        """Take a release away, its origin last: what is left of a kill is no release."""
        durable.remove(self.folder / f"{digest}.json")
        durable.remove(self.folder / f"{digest}.origin.json")

    def size(self, digest: str) -> int:
        """Bytes on disk; 0 where it is not there."""
        try:
            return (self.folder / f"{digest}.json").stat().st_size
        except OSError:
            return 0

    def all(self) -> tuple[str, ...]:
        names = (path.name.removesuffix(".json") for path in sorted(self.folder.glob("*.json")))
        return tuple(name for name in names if len(name) == 64)

    def find(self, prefix: str) -> str:
        """The digest that begins with `prefix`. Raises UsageError where none or several do."""
        wanted = prefix.lower()
        if len(wanted) < _LEAST or any(c not in "0123456789abcdef" for c in wanted):
            raise UsageError(
                f'"{prefix}" does not name a release', hint=f"give at least {_LEAST} hex digits of its digest"
            )
        found = [digest for digest in self.all() if digest.startswith(wanted)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f'several releases begin with "{prefix}"', hint=", ".join(d[:12] for d in found))
        listed = ", ".join(short(digest) for digest in self.all()[:10])
        raise UsageError(f'no release begins with "{prefix}"', hint=f"there are: {listed}" if listed else None)


class EvidenceFiles:
    """The folder `.apigw/evidence`: results that were attached to a release, named by their SHA-256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Keep a file and return its digest."""
        digest = hashlib.sha256(data).hexdigest()
        durable.make_folder(self.folder)
        path = self.folder / f"{digest}.json"
        if not path.is_file() or path.read_bytes() != data:
            durable.replace(path, data)
        return digest

    def get(self, digest: str) -> bytes:
        """The file with this digest. Raises InputError naming it where it is missing or was changed."""
        path = self.folder / f"{digest}.json"
        hint = "restore the file from version control, or measure again"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {label(path)}: {error.strerror}", hint=hint) from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise InputError("the evidence was changed: its digest is another", place=Place(label(path)), hint=hint)
        return data


def label(path: Path) -> str:
    """A path as messages name it: relative to where the command runs, unless that is far away."""
    relative = Path(os.path.relpath(path))
    return str(path) if relative.parts[:3] == ("..", "..", "..") else str(relative)
