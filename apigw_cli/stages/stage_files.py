"""What differs between two stages because their files differ: listed apart, never hidden, never judged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from apigw_cli.config import secrecy
from apigw_cli.config.decode import decode
from apigw_cli.config.located import Located
from apigw_cli.config.model import GatesConfig, StageFile
from apigw_cli.errors import Place
from apigw_cli.openapi.operations import mapping
from apigw_cli.stages import secrets
from apigw_cli.stages.finding import SecretState

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class StageDifference:
    """One variable or override that two stage files set differently; `expected` where the target says so.

    `secret` says whether secrets among the values differ (`changed`, `same`, `missing`); they are masked.
    """

    path: str
    old: Any
    new: Any
    expected: bool
    place: Place | None = None
    secret: SecretState | None = None


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


def differences(
    source: Mapping[str, Any], target: Mapping[str, Any], file: Located, config: Any, root: Path
) -> list[StageDifference]:
    """From the source stage's file to the target's. `file` is the target's, for places and expectations.

    `config` is the configuration with its variables open: a variable that ends under a telling name is a secret.
    """
    expected, hidden = expectations(file), set(_secret_variables(config))
    old, new = _flat(source), _flat(target)
    found = []
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path, _ABSENT), new.get(path, _ABSENT)
        if before != after:
            meant = any(_covers(wanted, path) for wanted in expected)
            place = _place(file, path) if after is not _ABSENT else None
            name = "secret" if path.removeprefix("variables.") in hidden else path.rpartition(".")[2]
            was, now = (secrecy.masked(_shown(value), name) for value in (before, after))
            state = secrets.state(root, *({name: _shown(value)} for value in (before, after)))
            found.append(StageDifference(path, was, now, meant, place, state))
    return found


def unmet(found: list[StageDifference], file: Located) -> list[str]:
    """Expectations of the target's file that no difference meets: written once, and stale since."""
    return [wanted for wanted in expectations(file) if not any(_covers(wanted, one.path) for one in found)]


def expectations(file: Located) -> list[str]:
    listed = mapping(file.data).get("expect_different")
    return [str(path) for path in listed] if isinstance(listed, list) else []


def _covers(wanted: str, path: str) -> bool:
    """`*` stands for any one step: `upstreams.*.targets`."""
    want, have = wanted.split("."), path.split(".")
    return len(want) <= len(have) and all(step in ("*", other) for step, other in zip(want, have, strict=False))


def _secret_variables(data: Any, name: str = "") -> Iterator[str]:
    """The variables in values under telling names."""
    if isinstance(data, dict):
        for key, child in data.items():
            yield from _secret_variables(child, str(key))
    elif isinstance(data, list):
        for child in data:
            yield from _secret_variables(child, name)
    elif isinstance(data, str) and secrecy.is_secret(name):
        yield from re.findall(r"\$\{([^}]*)\}", data)


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    variables = {f"variables.{name}": value for name, value in mapping(data.get("variables")).items()}
    return variables | mapping(data.get("overrides"))


def _shown(value: Any) -> Any:
    return None if value is _ABSENT else value


def _place(file: Located, path: str) -> Place:
    if path.startswith("variables."):
        return file.place(("variables", path.removeprefix("variables.")), key=True)
    return file.place(("overrides", path), key=True)
