"""What differs between two stages because their files differ: listed apart, never hidden, never judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from apigw_cli.config.decode import decode
from apigw_cli.config.located import Located
from apigw_cli.config.model import GatesConfig, StageFile
from apigw_cli.errors import Place
from apigw_cli.openapi.operations import mapping

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class StageDifference:
    """One variable or override that two stage files set differently; `expected` where the target says so."""

    path: str
    old: Any
    new: Any
    expected: bool
    place: Place | None = None


def effective(data: Mapping[str, Any] | None) -> dict[str, Any]:
    """What of a stage file the gateway runs with: all but the gates, which say what may come into the stage."""
    return {key: value for key, value in (data or {}).items() if key != "gates"}


def gates(file: Located) -> GatesConfig:
    """What a stage file asks of a release that is to come here. Raises InputError where it is not well-formed."""
    found: StageFile = decode(mapping(file.data), StageFile, file.place)
    return found.gates


def asks_less(before: Any, now: GatesConfig) -> bool:
    """Whether gates ask less of a release than they did (`before`: as a stage file had them)."""
    try:
        was = msgspec.convert(mapping(before), _Recorded)
    except msgspec.ValidationError:
        return True
    order = ("off", "error", "warn")
    opened = any(getattr(was, what) == "block" != getattr(now, what) for what in ("breaking", "weakening"))
    return opened or order.index(now.lint) < order.index(was.lint) or (was.bench is not None and now.bench is None)


class _Recorded(msgspec.Struct, frozen=True):
    breaking: Literal["block", "allow"] = "block"
    weakening: Literal["block", "allow"] = "block"
    lint: Literal["error", "warn", "off"] = "error"
    bench: Any = None


def differences(source: Mapping[str, Any], target: Mapping[str, Any], file: Located) -> list[StageDifference]:
    """From the source stage's file to the target's. `file` is the target's, for places and expectations."""
    listed = mapping(file.data).get("expect_different")
    expected = [str(path) for path in listed] if isinstance(listed, list) else []
    old, new = _flat(source), _flat(target)
    found = []
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path, _ABSENT), new.get(path, _ABSENT)
        if before != after:
            meant = any(path == wanted or path.startswith(wanted + ".") for wanted in expected)
            place = _place(file, path) if after is not _ABSENT else None
            found.append(StageDifference(path, _shown(before), _shown(after), meant, place))
    return found


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    variables = {f"variables.{name}": value for name, value in mapping(data.get("variables")).items()}
    return variables | mapping(data.get("overrides"))


def _shown(value: Any) -> Any:
    return None if value is _ABSENT else value


def _place(file: Located, path: str) -> Place:
    if path.startswith("variables."):
        return file.place(("variables", path.removeprefix("variables.")), key=True)
    return file.place(("overrides", path), key=True)
