"""Every error that apigw reports on purpose, and what each one means to a shell.

    ApigwError                 exit 1   the tool could not do its work
    ├── InputError             exit 1   something a person wrote is wrong: a file, a value, a reference
    ├── EnvironmentFailure     exit 1   the machine said no: a port in use, a file not writable
    ├── UsageError             exit 2   the command line asks for something that makes no sense
    ├── Blocked                exit 4   a gate, threshold or proof said no
    ├── StaleError             exit 5   the state moved since the plan was made, or someone holds the lock
    ├── RolledBack             exit 6   applied, found wanting, undone
    └── Untrustworthy          exit 7   a result was obtained that must not be believed

A message says what is wrong, `place` where, `hint` what to do. Only the command line prints them.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass


class Exit(enum.IntEnum):
    """The exit codes of every command (README, "Exit codes")."""

    OK = 0
    FAILED = 1
    USAGE = 2
    DIFFERENT = 3
    BLOCKED = 4
    STALE = 5
    ROLLED_BACK = 6
    UNTRUSTWORTHY = 7
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A spot in a file that a person wrote; line and column count from 1, as editors do."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class ApigwError(Exception):
    """A failure with a message for people. Subclasses set `exit_code`."""

    exit_code = Exit.FAILED

    def __init__(self, message: str, *, place: Place | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.place}  {self.message}" if self.place else self.message


class InputError(ApigwError):
    """What was written cannot be used. `others` holds further errors found in the same pass.

    `private`: the line at `place` holds a secret, and is not to be quoted.
    """

    def __init__(
        self,
        message: str,
        *,
        place: Place | None = None,
        hint: str | None = None,
        others: tuple[InputError, ...] = (),
        private: bool = False,
    ) -> None:
        super().__init__(message, place=place, hint=hint)
        self.others = others
        self.private = private


def reason(error: BaseException) -> str:
    """What a library says of a failure, without the number that the system gives it."""
    return re.sub(r"^\[Errno -?[0-9]+\] ", "", str(error))


class EnvironmentFailure(ApigwError):
    """The machine refused: a port is taken, a file cannot be written, a program is missing."""


class UsageError(ApigwError):
    exit_code = Exit.USAGE


class Blocked(ApigwError):
    exit_code = Exit.BLOCKED


class StaleError(ApigwError):
    exit_code = Exit.STALE


class RolledBack(ApigwError):
    exit_code = Exit.ROLLED_BACK


class Untrustworthy(ApigwError):
    exit_code = Exit.UNTRUSTWORTHY
