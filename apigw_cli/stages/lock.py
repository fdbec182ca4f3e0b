"""The lock on `.apigw/`: one writer at a time. The kernel lets go of it when its holder dies, however it dies.

It is advisory and local to a machine or a file system that keeps locks; it does not expire by a clock, so a slow
holder never loses it to an impatient one. The file says who holds it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from apigw_cli.errors import EnvironmentFailure, StaleError
from apigw_cli.stages import people

_HINT = "wait until it has ended, then run the command again: it plans afresh"


class Owner(msgspec.Struct, frozen=True):
    """Who holds the lock: `user@host`, the process there, since when (UTC), doing what."""

    who: str
    pid: int
    since: str
    doing: str

    def __str__(self) -> str:
        return f"{self.who}, process {self.pid}, since {self.since}: {self.doing}"


@contextlib.contextmanager
def hold(path: Path, doing: str) -> Iterator[None]:
    """Hold the lock while the block runs. Raises StaleError at once when somebody else has it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _failure(path, error) from None
    try:
        if not _acquire(descriptor):
            raise StaleError(f"another change is under way: {_owner(path)}", hint=_HINT)
        try:
            _sign(descriptor, Owner(people.who(), os.getpid(), people.now(), doing))
        except OSError as error:  # a full disk
            raise _failure(path, error) from None
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)  # the next holder must not be taken for this one
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _failure(path: Path, error: OSError) -> EnvironmentFailure:
    return EnvironmentFailure(f"cannot lock {path}: {error.strerror}", hint="nothing was changed")


def _sign(descriptor: int, owner: Owner) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, msgspec.json.encode(owner) + b"\n")


def _owner(path: Path) -> str:
    try:
        return str(msgspec.json.decode(path.read_bytes(), type=Owner))
    except (OSError, msgspec.MsgspecError):
        return "its owner is not known"


if os.name == "nt":  # pragma: no cover

    def _acquire(descriptor: int) -> bool:
        import msvcrt

        # Far behind the owner's name, so that others can read it.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True

else:
    import fcntl

    def _acquire(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
