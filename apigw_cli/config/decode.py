"""Strict decoding of plain data into models, with the place of everything that is wrong.

msgspec's own decoder stops at the first error and names a path without keys; a person who edits a file wants
all errors, each with file, line, column and the nearest known key.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin

import msgspec

from apigw_cli.config import secrecy, template
from apigw_cli.config.located import nearest
from apigw_cli.config.model import OFF, Policies
from apigw_cli.config.reference import SecretReference
from apigw_cli.config.values import Duration, Percent, parse_duration, parse_percent
from apigw_cli.errors import InputError, Place
from apigw_cli.openapi.yaml import Steps


class PolicyModel(Protocol):
    """What decoding needs to know of a policy."""

    name: str
    model: Any
    derived: bool


class PlaceOf(Protocol):
    def __call__(self, steps: Steps, *, key: bool = False) -> Place: ...


class Wrong(Exception):
    """A value that does not fit; already in the list of problems."""


class Decoder:
    """Decodes values and collects problems. `place` says where a path stands; `registry` which policies exist."""

    def __init__(self, place: PlaceOf, registry: tuple[PolicyModel, ...]) -> None:
        self.place = place
        self.policies = {policy.name: policy for policy in registry if not policy.derived}
        self.problems: list[InputError] = []

    def decode(self, data: Any, kind: Any, steps: Steps = ()) -> Any:
        """`data` as a value of type `kind`. Raises Wrong where it is not one; see `problems`."""
        origin = get_origin(kind)
        if origin is Annotated:
            base, *metas = get_args(kind)
            words = template.words_of(metas)
            if words is not None:
                return self._template(data, base, words, steps)
            value = self.decode(data, base, steps)
            self._check(value, metas, steps)
            return value
        if origin is Literal:
            return self._literal(data, get_args(kind), steps)
        if origin in (Union, types.UnionType):
            return self._union(data, get_args(kind), steps)
        if origin is list or origin is tuple:
            return self._list(data, get_args(kind)[0], steps)
        if origin is dict:
            return self._dict(data, get_args(kind), steps)
        if kind is Any:
            return data
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(data, kind, steps)
        return self._scalar(data, kind, steps)

    def _template(self, data: Any, base: Any, words: tuple[str, ...], steps: Steps) -> Any:
        """Text that is a template, in its one form; of a tree (`Any`) each text."""
        if base is Any and isinstance(data, dict):
            return self._each(data.items(), lambda _: Annotated[Any, template.takes(*words)], steps, dict)
        if base is Any and isinstance(data, list):
            return self._each(enumerate(data), lambda _: Annotated[Any, template.takes(*words)], steps, list)
        if not isinstance(data, str):
            return self.decode(data, base, steps)
        made = template.closed(data)
        for value in template.values(made):
            wrong = template.problem(value, words)
            if wrong is not None:
                raise self._fail(steps, wrong[0], hint=nearest(value.name, template.all_names(words)) or wrong[1])
        return made

    def _fail(
        self, steps: Steps, message: str, *, key: bool = False, hint: str | None = None, private: bool = False
    ) -> Wrong:
        self.problems.append(InputError(message, place=self.place(steps, key=key), hint=hint, private=private))
        return Wrong()

    def _no_secret(self, steps: Steps) -> Wrong:
        """Where a reference belongs stands something else, which may be the secret: it is not repeated."""
        hint = "write where the secret is, {file: NAME} or {env: NAME}; one that stood in a file is best replaced"
        return self._fail(steps, "expected a reference to a secret, got something else", hint=hint, private=True)

    def _struct(self, data: Any, kind: type[msgspec.Struct], steps: Steps) -> Any:
        if kind is SecretReference and not isinstance(data, dict):
            raise self._no_secret(steps)
        if not isinstance(data, dict):
            raise self._fail(steps, f"expected a mapping, got {describe(data)}")
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        hints = typing.get_type_hints(kind, include_extras=True)
        takes_policies = issubclass(kind, Policies)
        if takes_policies:
            fields.pop("policies")
        known = [*fields, *(self.policies if takes_policies else ())]
        values: dict[str, Any] = {}
        policies: dict[str, Any] = {}
        bad = False
        for key, value in data.items():
            at = (*steps, key)
            try:
                if key in fields:
                    values[fields[key].name] = self.decode(value, hints[fields[key].name], at)
                elif takes_policies and key in self.policies:
                    policies[key] = self._policy(value, self.policies[key], at)
                else:
                    hint = nearest(key, known) or f"known here: {', '.join(known)}"
                    private = kind is SecretReference
                    raise self._fail(at, f'unknown key "{key}"', key=True, hint=hint, private=private)
            except Wrong:
                bad = True
        for field in fields.values():
            if field.required and field.encode_name not in data:
                self._fail(steps, f'"{field.encode_name}" is missing')
                bad = True
        if bad:
            raise Wrong
        if takes_policies:
            values["policies"] = policies
        return self._construct(kind, values, steps)

    def _construct(self, kind: type[msgspec.Struct], values: dict[str, Any], steps: Steps) -> Any:
        try:
            return kind(**values)
        except ValueError as error:  # a model's own check in __post_init__
            raise self._fail(steps, str(error)) from None

    def _policy(self, data: Any, policy: PolicyModel, steps: Steps) -> Any:
        if data == "off" or data is False:
            return OFF
        return self.decode(data, policy.model, steps)

    def _literal(self, data: Any, choices: tuple[Any, ...], steps: Steps) -> Any:
        for choice in choices:
            if data == choice and type(data) is type(choice):
                return choice  # the very object: a default that was written out is still left out of canonical bytes
        listed = ", ".join(str(choice) for choice in choices)
        hint = nearest(data, [str(c) for c in choices]) if isinstance(data, str) else None
        message = f"expected {'one of ' if len(choices) > 1 else ''}{listed}, got {describe(data)}"
        raise self._fail(steps, message, hint=hint)

    def _union(self, data: Any, kinds: tuple[Any, ...], steps: Steps) -> Any:
        if data is None and type(None) in kinds:
            return None
        rest = [kind for kind in kinds if kind is not type(None)]
        if len(rest) == 1:
            return self.decode(data, rest[0], steps)
        for kind in rest:
            if isinstance(kind, type) and type(data) is kind:
                return data
            if isinstance(data, dict) and _is_struct(kind):
                return self._struct(data, kind, steps)
            if isinstance(data, list) and get_origin(kind) is list:
                return self._list(data, get_args(kind)[0], steps)
        if SecretReference in rest:
            raise self._no_secret(steps)
        names = " or ".join(_named(kind) for kind in rest)
        raise self._fail(steps, f"expected {names}, got {describe(data)}")

    def _list(self, data: Any, kind: Any, steps: Steps) -> list[Any]:
        if not isinstance(data, list):
            raise self._fail(steps, f"expected a list, got {describe(data)}")
        return typing.cast("list[Any]", self._each(enumerate(data), lambda _: kind, steps, list))

    def _dict(self, data: Any, kinds: tuple[Any, ...], steps: Steps) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise self._fail(steps, f"expected a mapping, got {describe(data)}")
        for key in data:
            metas = get_args(kinds[0])[1:] if get_origin(kinds[0]) is Annotated else ()
            self._check(key, metas, (*steps, key), key=True)
        return typing.cast("dict[str, Any]", self._each(data.items(), lambda _: kinds[1], steps, dict))

    def _each(self, items: Any, kind: Callable[[Any], Any], steps: Steps, into: type) -> Any:
        out, bad = [], False
        for key, value in items:
            try:
                decoded = self.decode(value, kind(key), (*steps, key))
                out.append(decoded if into is list else (key, decoded))
            except Wrong:
                bad = True
        if bad:
            raise Wrong
        return into(out)

    def _scalar(self, data: Any, kind: Any, steps: Steps) -> Any:
        if kind is Duration or kind is Percent:
            try:
                return parse_duration(data) if kind is Duration else parse_percent(data)
            except ValueError as error:
                raise self._fail(steps, str(error)) from None
        if kind is float and type(data) is int:
            return float(data)
        if isinstance(data, template.Open):
            raise self._fail(
                steps,
                "values of requests cannot stand here",
                hint="write $${ for a plain ${; see docs/transformation.md",
            )
        if type(data) is not kind:
            raise self._fail(steps, f"expected {_NAMES.get(kind, str(kind))}, got {describe(data)}")
        return data

    def _check(self, value: Any, metas: typing.Iterable[Any], steps: Steps, *, key: bool = False) -> None:
        for meta in metas:
            if isinstance(meta, msgspec.Meta):
                try:
                    msgspec.convert(value, Annotated[type(value), _bounds(meta)])
                except msgspec.ValidationError as error:
                    message = f"{describe(value)}: {str(error)[0].lower()}{str(error)[1:]}"
                    raise self._fail(steps, message, key=key) from None


def _named(kind: Any) -> str:
    if get_origin(kind) is list:
        return "a list"
    return "a mapping" if _is_struct(kind) else _NAMES.get(kind, str(kind))


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _bounds(meta: msgspec.Meta) -> msgspec.Meta:
    """The part of a Meta that restricts values."""
    names = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length")
    return msgspec.Meta(**{name: getattr(meta, name) for name in names})


_NAMES: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "nothing",
}


def describe(data: Any) -> str:
    """A value as an error message names it."""
    if isinstance(data, dict):
        return "a mapping"
    if isinstance(data, list):
        return "a list"
    if data is None:
        return "nothing"
    text = (
        repr(secrecy.without_credentials(data))
        if isinstance(data, str)
        else str(data).lower()
        if isinstance(data, bool)
        else str(data)
    )
    return text if len(text) <= 60 else text[:57] + "…"


def raise_problems(problems: typing.Sequence[InputError]) -> None:
    """Raise one InputError that carries all of `problems`; nothing where there are none."""
    if problems:
        ordered = sorted(problems, key=lambda problem: problem.place or Place(""))
        first, *rest = ordered
        raise InputError(first.message, place=first.place, hint=first.hint, others=tuple(rest), private=first.private)


def decode(data: Any, kind: type[msgspec.Struct], place: PlaceOf, registry: tuple[PolicyModel, ...] = ()) -> Any:
    """`data` as a `kind`. Raises one InputError that carries every problem."""
    decoder = Decoder(place, registry)
    try:
        return decoder.decode(data, kind)
    except Wrong:
        raise_problems(decoder.problems)
        raise


def models(registry: Mapping[str, PolicyModel]) -> dict[str, Any]:
    """The models that a person may write, by policy name."""
    return {name: policy.model for name, policy in registry.items() if not policy.derived}
