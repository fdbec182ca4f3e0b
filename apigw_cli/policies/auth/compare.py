"""What a change of a security scheme's settings does to the protection of the routes that need it.

Whatever may let in somebody whom the old settings would not counts as weakening.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from msgspec.structs import fields

from apigw_cli.policies.interface import Change
from apigw_cli.snapshot.schemes import ApiKeys, Authorizer, Basic, Jwt, MutualTls, Scheme

Rule = Callable[[Any, Any], Change]


class Difference(NamedTuple):
    """One setting: its name in the Snapshot, both values, and what the change does."""

    setting: str
    old: Any
    new: Any
    change: Change


def differences(old: Scheme, new: Scheme) -> Iterator[Difference]:
    """Every setting that differs; the kind alone where that does."""
    if type(old) is not type(new):
        yield Difference("type", _kind(old), _kind(new), Change.WEAKEN)
        return
    for field in fields(type(old)):
        was, now = getattr(old, field.name), getattr(new, field.name)
        if was != now:
            yield Difference(field.name, was, now, _RULES[type(old)].get(field.name, _any)(was, now))


def _kind(scheme: Scheme) -> str:
    return str(type(scheme).__struct_config__.tag)


def _any(old: Any, new: Any) -> Change:
    return Change.WEAKEN


def _neutral(old: Any, new: Any) -> Change:
    return Change.NEUTRAL


def _fewer(old: tuple[Any, ...], new: tuple[Any, ...]) -> Change:
    """Fewer entries let fewer in."""
    if set(new) == set(old):
        return Change.NEUTRAL
    return Change.STRENGTHEN if set(new) < set(old) else Change.WEAKEN


def _more(old: tuple[Any, ...], new: tuple[Any, ...]) -> Change:
    """More conditions let fewer in."""
    return Change.STRENGTHEN if set(new) > set(old) else Change.WEAKEN


def _less(old: float, new: float) -> Change:
    """A shorter time lets in fewer whose time is over."""
    return Change.STRENGTHEN if new < old else Change.WEAKEN


def _allow_list(old: tuple[str, ...], new: tuple[str, ...]) -> Change:
    """As `_fewer`, but the empty list may mean everybody, so nothing is told from it."""
    return _fewer(old, new) if old and new else Change.WEAKEN


def _failing(old: str, new: str) -> Change:
    return Change.STRENGTHEN if new == "deny" else Change.WEAKEN


_RULES: dict[type, dict[str, Rule]] = {
    ApiKeys: {"keys": _fewer},
    Jwt: {
        "audiences": _fewer,
        "algorithms": _allow_list,
        "require": _more,
        "leeway": _less,
        "refresh": _less,
        "keep": _less,
    },
    Basic: {"users": _fewer, "cache": _less},
    MutualTls: {"subjects": _allow_list, "names": _allow_list, "fingerprints": _allow_list},
    Authorizer: {"ttl": _less, "timeout": _neutral, "deny_headers": _neutral, "on_failure": _failing},
}
