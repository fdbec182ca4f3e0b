"""What every registered policy's `compare` must hold to, whatever its model: no field unseen, no side preferred.

Nothing here knows a policy: values are made from the models, so that one that is added is tested as it is.
"""

from __future__ import annotations

import random
import re
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct
from msgspec.structs import fields, replace

from apigw_cli.policies.interface import Change, Explaining, Policy
from apigw_cli.policies.registry import POLICIES

MIRRORED = {
    (Change.NEUTRAL, Change.NEUTRAL),
    (Change.STRENGTHEN, Change.WEAKEN),
    (Change.WEAKEN, Change.STRENGTHEN),
    (Change.WEAKEN, Change.WEAKEN),  # ambiguous
}

# Text that some pattern or check lets pass; a field that none of these fits needs `examples` in its Meta.
TEXTS = (
    *("a", "b", "X-A", "X-B", "10.0.0.0/8", "192.0.2.7", "api_key", "ip", "route", "header:X-A", "claim:sub", "UTC"),
    *("5/s", "9/m", "1000/h", "0s", "5s", "1m", "2h", "/a", "/b/*", "text/html", "application/json", "GET", "POST"),
    *("reject", "skip", "https://a.example", "https://*.a.example", "*", "a.html", "Europe/Berlin", "", "200", "20%"),
    *("query:a", "cookie:a", "1000", "1MiB"),
)


class Unfit(Exception):
    """The values drawn make no instance: its own checks refuse them."""


def draw(kind: Any, source: random.Random, meta: Meta | None = None) -> Any:
    """A value of a type, as somebody might write it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        own = next((one for one in arguments[1:] if isinstance(one, Meta)), None)
        return draw(arguments[0], source, own or meta)
    if origin is typing.Literal:
        return source.choice(arguments)
    if origin in (typing.Union, types.UnionType):
        return draw(source.choice(arguments), source, meta)
    if origin in (list, tuple):
        if meta and meta.examples and source.random() < 0.5:
            return origin(source.choice(meta.examples))
        return origin(draw(arguments[0], source) for _ in range(source.randint(0, 3)))
    if origin is dict:
        return {draw(arguments[0], source): draw(arguments[1], source) for _ in range(source.randint(0, 3))}
    if kind is type(None):
        return None
    if isinstance(kind, type) and issubclass(kind, Struct):
        return struct(kind, source)
    return _plain(kind, source, meta)


def _plain(kind: Any, source: random.Random, meta: Meta | None) -> Any:
    if kind in (Any, bool):
        return source.random() < 0.5
    if kind is str:
        examples = [one for one in (meta.examples if meta else None) or () if isinstance(one, str)]
        fitting = [one for one in (*TEXTS, *examples) if not (meta and meta.pattern) or re.search(meta.pattern, one)]
        return source.choice(fitting or TEXTS)
    if issubclass(kind, int):
        low, high = (int(meta.ge) if meta and meta.ge is not None else 0), meta.le if meta else None
        return source.choice((low, low + 1, source.randint(low, int(high if high is not None else 1_000_000))))
    assert issubclass(kind, float), kind
    return kind(source.choice((0.0, 0.1, 0.5, 1.0, 60.0)))


def struct(kind: type[Struct], source: random.Random) -> Any:
    """An instance that its own checks let pass; most fields are as they are by default."""
    given = {f.name: draw(f.type, source) for f in fields(kind) if f.required or source.random() < 0.3}
    return checked(lambda: kind(**given), kind)


def checked(make: Callable[[], Any], kind: Any) -> Any:
    try:
        made = make()
        msgspec.convert(msgspec.to_builtins(made), kind)
    except (ValueError, TypeError, msgspec.ValidationError):
        raise Unfit from None
    return made


def one_of(kind: Any, source: random.Random) -> Any:
    for _ in range(3000):
        try:
            return draw(kind, source)
        except Unfit:
            continue
    raise AssertionError(f"no value of {kind} could be made: its fields need `examples` in their Meta")


# --- one field changed


def spots(value: Any) -> Iterator[tuple[type[Struct], Any, Callable[[Any], Any]]]:
    """Every field below a value: the struct that has it, the field, how the whole is made with another one there."""
    if isinstance(value, Struct):
        for field in fields(type(value)):

            def put(new: Any, name: str = field.name) -> Any:
                return replace(value, **{name: new})

            yield type(value), field, put
            for struct, inner, rebuild in spots(getattr(value, field.name)):
                yield struct, inner, lambda new, put=put, rebuild=rebuild: put(rebuild(new))
    elif isinstance(value, (list, dict)):
        for key, child in enumerate(value) if isinstance(value, list) else value.items():
            for struct, inner, rebuild in spots(child):
                yield struct, inner, lambda new, key=key, rebuild=rebuild: _with(value, key, rebuild(new))


def _with(container: Any, key: Any, value: Any) -> Any:
    changed = container.copy()
    changed[key] = value
    return changed


def structs_of(kind: Any, seen: set[type[Struct]]) -> set[type[Struct]]:
    if isinstance(kind, type) and issubclass(kind, Struct) and kind not in seen:
        seen.add(kind)
        for field in fields(kind):
            structs_of(field.type, seen)
    for argument in typing.get_args(kind):
        structs_of(argument, seen)
    return seen


@pytest.mark.parametrize("policy", POLICIES, ids=[policy.name for policy in POLICIES])
class TestEveryPolicy:
    def test_every_field_is_compared(self, policy: Policy) -> None:
        """For each field some change of it alone is not neutral; or the policy's `neutral` says why none is."""
        waived: dict[str, str] = getattr(policy, "neutral", {})
        unseen = {(kind, field.name) for kind in structs_of(policy.model, set()) for field in fields(kind)}
        unseen -= {(kind, name) for kind, name in unseen if {name, f"{kind.__name__}.{name}"} & waived.keys()}
        source = random.Random(7)
        for _ in range(1500):
            if not unseen:
                break
            old = one_of(policy.model, source)
            for kind, field, put in spots(old):
                if (kind, field.name) in unseen and _seen(policy, old, field.type, put, source):
                    unseen.discard((kind, field.name))
        missing = sorted(f"{kind.__name__}.{name}" for kind, name in unseen)
        assert not missing, (
            f"{policy.name}: no change of {', '.join(missing)} was found that `compare` sees: compare it, or give the "
            "policy `neutral = {field: why a change of it protects neither more nor less}`"
        )
        assert all(len(reason.split()) > 3 for reason in waived.values())

    @settings(max_examples=150, database=None, deadline=None)
    @given(seed=st.integers(0, 2**32))
    def test_the_sides_mirror_each_other(self, policy: Policy, seed: int) -> None:
        """What strengthens one way weakens the other; only what is ambiguous weakens both ways."""
        source = random.Random(seed)
        old = one_of(policy.model, source) if source.random() < 0.9 else None
        new = one_of(policy.model, source)
        there, back = policy.compare(old, new), policy.compare(new, old)
        assert (there, back) in MIRRORED, (old, new)
        assert policy.compare(new, new) is Change.NEUTRAL
        if isinstance(policy, Explaining):
            told = {reason.change for reason in policy.reasons(old, new)}
            assert there in told or there is Change.NEUTRAL, "nothing says why"


def _seen(policy: Policy, old: Any, kind: Any, put: Callable[[Any], Any], source: random.Random) -> bool:
    try:
        value = draw(kind, source)
        new = checked(lambda: put(value), policy.model)
    except Unfit:
        return False
    return Change.NEUTRAL not in (policy.compare(old, new), policy.compare(new, old))
