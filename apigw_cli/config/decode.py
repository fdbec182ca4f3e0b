"""Strict decoding of plain data into models, with the place of everything that is wrong.

msgspec's own decoder stops at the first error and names a path without keys; a person who edits a file wants
all errors, each with file, line, column and the nearest known key.
"""

from __future__ import annotations

import operator
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin

import msgspec

from apigw_cli.config import advice, secrecy, template
from apigw_cli.config.located import nearest
from apigw_cli.config.model import OFF, Policies
from apigw_cli.config.reference import SecretReference
from apigw_cli.config.values import Duration, Percent, is_size, parse_duration, parse_percent, parse_size
from apigw_cli.errors import InputError, Place
from apigw_cli.openapi.yaml import Steps

# Keys that were something else once, and what is written now.
NOW = {"response_headers": "response: {headers: …}"}


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
        self._switches = {one for policy in self.policies.values() for one in _structs(policy.model)}
        self.problems: list[InputError] = []

    def decode(self, data: Any, kind: Any, steps: Steps = ()) -> Any:
        """`data` as a value of type `kind`. Raises Wrong where it is not one; see `problems`."""
        origin = get_origin(kind)
        if origin is Annotated:
            return self._annotated(data, *get_args(kind), steps=steps)
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

    def _annotated(self, data: Any, base: Any, *metas: Any, steps: Steps) -> Any:
        words = template.words_of(metas)
        before = len(self.problems)
        try:
            if words is not None:
                return self._template(data, base, words, steps)
            sized = isinstance(data, str) and not isinstance(data, template.Open) and is_size(metas)
            value = self._size(data, steps) if sized else self.decode(data, base, steps)
            self._check(value, metas, steps)
            return value
        except Wrong:
            if _is_plain(base) and get_origin(_bare(base)) is not Literal:  # what a Literal takes has been said
                self._advise(before, advice.of_value(data, _bare(base), metas))
            raise

    def _size(self, text: str, steps: Steps) -> int:
        try:
            return parse_size(text)
        except ValueError as error:
            raise self._fail(steps, str(error)) from None

    def _advise(self, since: int, hint: str | None) -> None:
        """Say what to write instead where nothing more exact was said."""
        for problem in self.problems[since:]:
            problem.hint = problem.hint or hint

    def _of_struct(self, data: Any, kind: type[msgspec.Struct]) -> str | None:
        def accepts(meant: Any, wanted: Any) -> bool:
            try:
                Decoder(lambda steps, *, key=False: Place(""), ()).decode(meant, wanted)
            except Wrong:
                return False
            return True

        return advice.of_struct(data, kind, accepts, kind in self._switches)

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
            raise self._fail(steps, f"expected a mapping, got {describe(data)}", hint=self._of_struct(data, kind))
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
                    hint = self._hint(key, known)
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

    @staticmethod
    def _hint(key: str, known: list[str]) -> str:
        if key in NOW and NOW[key].partition(":")[0] in known:
            return f"write {NOW[key]}"
        return nearest(key, known) or f"known here: {', '.join(known)}"

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
            if get_origin(kind) is Literal and isinstance(data, str) and str not in rest:
                return self._literal(data, get_args(kind), steps)
            if isinstance(data, dict) and _is_struct(kind):
                return self._struct(data, kind, steps)
            if isinstance(data, list) and get_origin(kind) is list:
                return self._list(data, get_args(kind)[0], steps)
        if SecretReference in rest:
            raise self._no_secret(steps)
        names = " or ".join(_named(kind) for kind in rest)
        struct = next((kind for kind in rest if _is_struct(kind)), None)
        hint = self._of_struct(data, struct) if struct is not None else None
        raise self._fail(steps, f"expected {names}, got {describe(data)}", hint=hint)

    def _list(self, data: Any, kind: Any, steps: Steps) -> list[Any]:
        if not isinstance(data, list):
            raise self._fail(steps, f"expected a list, got {describe(data)}", hint=advice.of_list(data))
        return typing.cast("list[Any]", self._each(enumerate(data), lambda _: kind, steps, list))

    def _dict(self, data: Any, kinds: tuple[Any, ...], steps: Steps) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise self._fail(steps, f"expected a mapping, got {describe(data)}")
        for key in data:
            metas = get_args(kinds[0])[1:] if get_origin(kinds[0]) is Annotated else ()
            before = len(self.problems)
            try:
                self._check(key, metas, (*steps, key), key=True)
            except Wrong:
                self._advise(before, advice.of_value(key, str, metas))
                raise
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
                hint="the policies request and redirect take them; write $${ for a plain ${ (docs/transformation.md)",
            )
        if type(data) is not kind:
            raise self._fail(steps, f"expected {_NAMES.get(kind, str(kind))}, got {describe(data)}")
        return data

    def _check(self, value: Any, metas: typing.Iterable[Any], steps: Steps, *, key: bool = False) -> None:
        for meta in metas:
            if isinstance(meta, msgspec.Meta):
                try:
                    msgspec.convert(value, Annotated[type(value), _bounds(meta)])
                except msgspec.ValidationError:
                    raise self._fail(steps, _beyond(value, meta, steps), key=key) from None


def _beyond(value: Any, meta: msgspec.Meta, steps: Steps) -> str:
    """What is wrong with a value that a Meta does not take."""
    for limit, holds, words in _LIMITS:
        bound = getattr(meta, limit)
        if bound is not None and not holds(value, bound):
            return f"{describe(value)} is {words} {bound}"
    if meta.min_length is not None and len(value) < meta.min_length:
        return f"{describe(value)} is too short" if value else "it must not be empty"
    if meta.max_length is not None and len(value) > meta.max_length:
        return f"{describe(value)} is too long: at most {meta.max_length}"
    name = next((step for step in reversed(steps) if isinstance(step, str)), "")
    message = f"{describe(value)} cannot stand here" if name == value else f'"{name}" cannot be {describe(value)}'
    return message if meta.description or meta.examples else f"{message}: it has to match {meta.pattern}"


_LIMITS: tuple[tuple[str, Callable[[Any, Any], bool], str], ...] = (
    ("ge", operator.ge, "too small: at least"),
    ("gt", operator.gt, "too small: more than"),
    ("le", operator.le, "too large: at most"),
    ("lt", operator.lt, "too large: less than"),
)


def _named(kind: Any) -> str:
    if get_origin(kind) is list:
        return "a list"
    if get_origin(kind) is Literal:
        return ", ".join(map(str, get_args(kind)))
    return "a mapping" if _is_struct(kind) else _NAMES.get(kind, str(kind))


def _structs(kind: Any) -> set[Any]:
    """The structs that a value may be, not those in it."""
    if get_origin(kind) in (Union, types.UnionType, Annotated):
        return {one for part in get_args(kind) for one in _structs(part)}
    return {kind} if _is_struct(kind) else set()


def _bare(kind: Any) -> Any:
    """A kind without what may be left out and what is said of it."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    parts = [part for part in get_args(kind) if part is not type(None)]
    return _bare(parts[0]) if get_origin(kind) in (Union, types.UnionType) and len(parts) == 1 else kind


def _is_plain(kind: Any) -> bool:
    """Whether it is a single value or a list of such."""
    bare = _bare(kind)
    if get_origin(bare) in (list, tuple):
        return _is_plain(get_args(bare)[0])
    if get_origin(bare) in (Union, types.UnionType):
        return all(map(_is_plain, get_args(bare)))
    return get_origin(bare) is Literal or (isinstance(bare, type) and not _is_struct(bare))


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
