"""How a change of one setting is judged: the building blocks of every `compare`.

A table of `Setting`s, one for each field of a struct, says what a change of that field does and whom it hurts. A
field that no table knows weakens: whatever is ambiguous counts as weakening, for a person can accept it with a reason
and nobody can un-miss it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import fields

from apigw_cli.policies.interface import Change, Reason

Judge = Callable[[Any, Any], Change]
Shown = Callable[[Any], str]


def plain(value: Any) -> str:
    """A value as people read it: `none`, `a, b`, `0.5`."""
    if value is None or value in ("", (), []):
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def seconds(value: float | None) -> str:
    """`2.5 s`, or `none`."""
    return "none" if value is None else f"{value:g} s"


@dataclass(frozen=True, slots=True)
class Setting:
    """One field: what it is called in apigw.yaml, how a change is judged, and what that means for whom.

    `weaker` says it for a change that weakens (or may), `stricter` for one that strengthens; of a neutral one `weaker`
    is the reason why it is neutral. `default` stands for a value that is not there. A value that is a struct on both
    sides is compared field by field, where a table for it is known.
    """

    name: str
    judge: Judge
    weaker: str
    stricter: str = "callers may do less than before"
    show: Shown = plain
    default: Any = None

    def why(self, change: Change) -> str:
        return self.stricter if change is Change.STRENGTHEN else self.weaker


Table = Mapping[str, Setting]


class Difference(NamedTuple):
    """One setting that differs: its dotted path in apigw.yaml, both values and their words, what it does and why."""

    path: str
    old: Any
    new: Any
    words: tuple[str, str]
    change: Change
    why: str


def differences(tables: Mapping[type, Table], old: Struct, new: Struct, at: str = "") -> Iterator[Difference]:
    """Every field that differs between two structs of one type, those of structs inside with their paths."""
    table = tables[type(old)]
    for field in fields(type(old)):
        setting = table.get(field.name)
        if setting is None:
            setting = Setting(field.encode_name, ambiguous, "it cannot be told what this does")
        was, now = (getattr(side, field.name) for side in (old, new))
        was, now = (setting.default if value is None else value for value in (was, now))
        path = f"{at}.{setting.name}" if at else setting.name
        if was == now:
            continue
        if type(was) is type(now) and type(was) in tables:
            yield from differences(tables, was, now, path)
        else:
            change = setting.judge(was, now)
            words = setting.show(was), setting.show(now)
            yield Difference(path, was, now, words, change, setting.why(change))


def worst(changes: Iterable[Change]) -> Change:
    """Several changes at once: one that weakens makes all of it weaken."""
    found = set(changes)
    return next((change for change in (Change.WEAKEN, Change.STRENGTHEN) if change in found), Change.NEUTRAL)


def judged(reasons: Iterable[Reason]) -> Change:
    """The same, of reasons."""
    return worst(reason.change for reason in reasons)


# --- judges: what goes from `old` to `new`


def ambiguous(old: Any, new: Any) -> Change:
    """It may let in, or let through, what was not before."""
    return Change.WEAKEN


def neutral(old: Any, new: Any) -> Change:
    """It protects neither more nor less; the setting's `weaker` says why."""
    return Change.NEUTRAL


def less(old: float | None, new: float | None) -> Change:
    """A smaller number is stricter; None: no bound at all."""
    return _toward(new is not None and (old is None or new < old))


def more(old: Any, new: Any) -> Change:
    """A greater value is stricter."""
    return _toward(new > old)


def turned_on(old: bool, new: bool) -> Change:
    """Stricter where it is on."""
    return _toward(bool(new) and not old)


def turned_off(old: bool, new: bool) -> Change:
    """Stricter where it is off."""
    return _toward(bool(old) and not new)


def there(old: Any, new: Any) -> Change:
    """Stricter where there was nothing before; another one may be anything."""
    return _toward(not old)


def ordered(*strictest_first: Any) -> Judge:
    """Stricter towards the front of a list of values."""
    return lambda old, new: _toward(strictest_first.index(new) < strictest_first.index(old))


def fewer(old: Iterable[Any], new: Iterable[Any]) -> Change:
    """Fewer entries let fewer in; another order is nothing."""
    before, after = set(old), set(new)
    return Change.NEUTRAL if before == after else _toward(after < before)


def restriction(old: Iterable[Any], new: Iterable[Any]) -> Change:
    """As `fewer`, where the empty list means everything."""
    return fewer(old, new) if old and new else _toward(bool(new))


def _toward(is_stricter: bool) -> Change:
    return Change.STRENGTHEN if is_stricter else Change.WEAKEN
