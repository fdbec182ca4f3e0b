"""Results that were written to files: one run, or several of `--repeat`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from apigw_cli import __version__
from apigw_cli.bench.result import FORMAT, Result
from apigw_cli.errors import Exit, InputError, Place


class Repeated(msgspec.Struct, frozen=True):
    """What `apigw bench --repeat N --format json` prints. The worst run's exit code counts."""

    format: int
    tool: str
    runs: list[Result]

    @classmethod
    def of(cls, runs: list[Result]) -> Repeated:
        return cls(FORMAT, f"apigw {__version__}", runs)

    @property
    def exit_code(self) -> Exit:
        codes = [run.exit_code for run in self.runs]
        order = (Exit.INTERRUPTED, Exit.BLOCKED, Exit.FAILED, Exit.UNTRUSTWORTHY)
        return next((code for code in order if code in codes), Exit.OK)

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


def read(path: Path) -> list[Result]:
    """The runs in a file. Raises InputError where it cannot be read or is no result of `apigw bench`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    hint = "make it with: apigw bench URL --format json -o FILE"
    try:
        found = _decode(data)
    except msgspec.ValidationError as error:
        raise InputError(f"this is no result of apigw bench: {error}", place=Place(str(path)), hint=hint) from None
    except msgspec.DecodeError as error:
        raise InputError(f"this is not JSON: {error}", place=Place(str(path)), hint=hint) from None
    if not found:
        raise InputError("there is no run in it", place=Place(str(path)), hint=hint)
    return found


def _decode(data: bytes) -> list[Result]:
    content = msgspec.json.decode(data)
    if isinstance(content, dict) and "runs" in content:
        return msgspec.convert(content, Repeated).runs
    return [msgspec.convert(content, Result)]
