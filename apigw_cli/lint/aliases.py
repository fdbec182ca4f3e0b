"""Aliases of a ruleset: names for paths, maybe others for each OpenAPI version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_NAME = re.compile(r"#([A-Za-z0-9_-]+)")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
# However aliases multiply, an expression becomes no more paths than this.
_PATHS_LIMIT = 1_000


class AliasError(ValueError):
    """An alias that is not there, or that leads back to itself."""


@dataclass(frozen=True, slots=True)
class Alias:
    """What a name stands for: `paths`, or for some versions others (`targets`, of which the last that fits counts)."""

    paths: tuple[str, ...] = ()
    targets: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = field(default=())

    def of(self, version: str) -> tuple[str, ...]:
        for versions, paths in reversed(self.targets):
            if version in versions:
                return paths
        return self.paths


def expand(expression: str, aliases: Mapping[str, Alias], version: str) -> list[str]:
    """The paths that an expression means for an OpenAPI version. Raises AliasError."""
    return _expand(expression, aliases, version, ())


def _expand(expression: str, aliases: Mapping[str, Alias], version: str, chain: tuple[str, ...]) -> list[str]:
    if not expression.startswith("#"):
        return [expression]
    found = _NAME.match(expression)
    if found is None:
        raise AliasError("an alias is written #Name")
    name, rest = found[1], expression[found.end() :]
    if name in chain:
        raise AliasError(f"the alias {chain[0]!r} leads back to itself: {' -> '.join((*chain, name))}")
    if name not in aliases:
        raise AliasError(f"there is no alias {name!r}")
    paths: list[str] = []
    for item in aliases[name].of(version):
        paths += _expand(item + rest, aliases, version, (*chain, name))
        if len(paths) > _PATHS_LIMIT:
            raise AliasError(f"the alias {name!r} stands for more than {_PATHS_LIMIT:,} paths")
    return paths


def _array(versions: frozenset[str], listed: bool, kind: str) -> tuple[frozenset[str], tuple[str, ...]]:
    paths = [f'$..[?(@ && @.type=="{kind}")]']
    if listed:
        paths.append(f'$..[?(@ && @.type && @.type.constructor.name === "Array" && @.type.includes("{kind}"))]')
    return versions, tuple(paths)


def _typed(kind: str) -> Alias:
    """Schemas of a type; since 3.1 it may be one of several."""
    return Alias(
        targets=(_array(frozenset({"2.0", "3.0"}), False, kind), _array(frozenset({"3.1", "3.2"}), True, kind))
    )


_OAS2, _OAS3 = frozenset({"2.0"}), frozenset({"3.0", "3.1", "3.2"})
# Those of the built-in sets, for rulesets that extend them.
BUILT_IN: dict[str, Alias] = {
    "PathItem": Alias(("$.paths[*]",)),
    "OperationObject": Alias(("#PathItem[get,put,post,delete,options,head,patch,trace]",)),
    "SecurityRequirementObject": Alias(("$.security[*]", "#OperationObject.security[*]")),
    "ResponseObject": Alias(
        targets=(
            (_OAS2, ("#OperationObject.responses[*]", "$.responses[*]")),
            (_OAS3, ("#OperationObject.responses[*]", "$.components.responses[*]")),
        )
    ),
    "LinkObject": Alias(targets=((_OAS3, ("$.components.links[*]", "#ResponseObject.links[*]")),)),
    "ArrayProperties": _typed("array"),
    "IntegerProperties": _typed("integer"),
    "StringProperties": _typed("string"),
}
