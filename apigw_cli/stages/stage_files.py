"""What differs between two stages because their files differ: listed apart, never hidden, never judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apigw_cli.config.located import Located
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
