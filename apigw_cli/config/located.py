"""Data that a person wrote, with the place of every value: what decoding and provenance work on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apigw_cli.config import template
from apigw_cli.errors import InputError, Place
from apigw_cli.openapi import yaml
from apigw_cli.openapi.document import read_text
from apigw_cli.openapi.yaml import Steps


@dataclass(slots=True)
class Located:
    """A tree of plain data; `values` and `keys` say where each value and each key stands."""

    label: str
    data: Any
    values: dict[Steps, Place]
    keys: dict[Steps, Place]

    def place(self, steps: Steps = (), *, key: bool = False) -> Place:
        """Where the value at `steps` (or its key) stands, else its nearest ancestor."""
        if key and steps in self.keys:
            return self.keys[steps]
        for length in range(len(steps), -1, -1):
            if steps[:length] in self.values:
                return self.values[steps[:length]]
        return Place(self.label)

    def copy(self) -> Located:
        return Located(self.label, _copy(self.data), dict(self.values), dict(self.keys))

    def graft(self, steps: Steps, source: Located, source_steps: Steps) -> None:
        """Put the value at `source_steps` of `source` at `steps`, with its places; makes mappings on the way."""
        node, made = self.data, len(steps)
        for depth, step in enumerate(steps[:-1], 1):
            if not isinstance(node.get(step), dict):
                node[step] = {}
                made = min(made, depth)
            node = node[step]
        node[steps[-1]] = _copy(_at(source.data, source_steps))
        self._forget(steps)
        for table, theirs in ((self.values, source.values), (self.keys, source.keys)):
            for at, place in theirs.items():
                if at[: len(source_steps)] == source_steps:
                    table[steps + at[len(source_steps) :]] = place
        for length in range(made, len(steps) + 1):  # what stood there keeps its place, also an unknown one
            self.keys.setdefault(steps[:length], source.place(source_steps, key=True))
            self.values.setdefault(steps[:length], source.place(source_steps))

    def _forget(self, steps: Steps) -> None:
        for table in (self.values, self.keys):
            for at in [at for at in table if at[: len(steps)] == steps]:
                del table[at]


def read(path: Path, label: str) -> Located:
    """Read a YAML or JSON file that a person wrote. Raises InputError with every problem found."""
    composed = yaml.compose(read_text(path, label), label)
    if composed.problems:
        first, *rest = composed.problems
        raise InputError(first.message, place=first.place, hint=first.hint, others=tuple(rest))
    return Located(label, composed.data, composed.values, composed.keys)


def _at(data: Any, steps: Steps) -> Any:
    for step in steps:
        data = data[step]
    return data


def _copy(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _copy(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_copy(value) for value in data]
    return data


def substitute(tree: Located, variables: Mapping[str, Any]) -> list[InputError]:
    """Replace every `${name}` in the strings of `tree` by its variable (`config.template` has the grammar).

    A string that is one variable and nothing else takes the variable's own type. One with values of requests left in
    it becomes `template.Open`. Returns what is undefined.
    """
    tree.data, problems = filled(tree.data, variables, tree.place)
    return problems


def filled(
    data: Any, variables: Mapping[str, Any], place: Callable[[Steps], Place], steps: Steps = ()
) -> tuple[Any, list[InputError]]:
    """The same for data whose places are told by `place`: a copy, and what is undefined."""
    problems: list[InputError] = []

    def of(node: Any, at: Steps) -> Any:
        if isinstance(node, dict):
            return {k: of(v, (*at, k)) for k, v in node.items()}
        if isinstance(node, list):
            return [of(v, (*at, i)) for i, v in enumerate(node)]
        if not isinstance(node, str) or "$" not in node:
            return node
        missing: list[str] = []
        made = template.filled(node, variables, missing)
        problems.extend(_undefined(name, variables, place(at)) for name in missing)
        return made

    return of(data, steps), problems


def _undefined(name: str, variables: Mapping[str, Any], place: Place) -> InputError:
    return InputError(
        f"variable ${{{name}}} is not defined in this stage",
        place=place,
        hint=nearest(name, variables)
        or _value_meant(name, variables)
        or "define it under 'variables' in the stage file",
    )


def _value_meant(name: str, variables: Mapping[str, Any]) -> str | None:
    """For what other gateways call the values of a message, or a stage's variable."""
    word, _, rest = name.partition(".")
    if word.lower() == "stagevariables" and rest in variables:
        return f'did you mean "{rest}"?'
    ours = _WORDS.get(word.lower().removesuffix("s"))
    return f'did you mean "{ours}.{rest or "NAME"}"?' if ours else None


_WORDS = {
    **{word: f"request.{word}" for word in ("header", "query", "path", "cookie", "body")},
    **dict.fromkeys(("jwt", "claim", "token"), "auth.claim"),
}


def variables_in(data: Any) -> set[str]:
    """The names of all variables, `${…}`, in a tree."""
    if isinstance(data, dict):
        return set().union(*map(variables_in, data.values())) if data else set()
    if isinstance(data, list):
        return set().union(*map(variables_in, data)) if data else set()
    if isinstance(data, str):
        names = {template.split(m[2])[0] for m in template.EXPRESSION.finditer(data) if m[2] not in (None, "$")}
        return {name for name in names if not template.is_value(name)}
    return set()


def override_steps(dotted: str) -> tuple[str, ...]:
    """The steps of a dotted path such as `apis.shop.routes."GET /a.b".rate_limit`."""
    return tuple(quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|([^."]+)', dotted))


def nearest(word: str, known: Mapping[str, Any] | set[str] | list[str]) -> str | None:
    """'did you mean …?' for a misspelt word, or None where nothing is near."""
    found = [one for one in known if one.lower() == word.lower()]
    found = found or difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{found[0]}"?' if found else None
