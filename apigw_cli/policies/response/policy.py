"""The step and the filter of `response`, what a change of it does to protection, and how it reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import to_builtins

from apigw_cli.policies.answer_filter import AnswerFilter
from apigw_cli.policies.interface import Change, Exchange, Problem, Reason, Runtime, Step
from apigw_cli.policies.judging import judged
from apigw_cli.policies.request.policy import shown
from apigw_cli.policies.response import statuses
from apigw_cli.policies.response.filtering import Changes, FirstThatFits
from apigw_cli.policies.response.model import Headers, Response, Value, rules
from apigw_cli.policies.templates.problems import of_template
from apigw_cli.snapshot.model import Route

# Of another body than the one that the client gets: asked here, or of no use.
_CONDITIONS = frozenset((b"if-none-match", b"if-modified-since", b"if-range", b"range"))
_SAFE = (b"GET", b"HEAD")


class _Policy:
    name = "response"
    order = 81
    answer_order = 15
    model: Any = Value
    derived = False
    refuses = False

    def compile(self, value: Value, route: Route, runtime: Runtime) -> Step | None:
        """What is asked of the upstream so that its answer can be read: all of it, and not compressed."""
        uncoded = any(rule.reads_body for rule in rules(value))
        whole = any(rule.changes_body for rule in rules(value))
        if not uncoded and not whole:
            return None

        def step(exchange: Exchange) -> None:
            if uncoded:
                exchange.remove.add(b"accept-encoding")
            if whole and exchange.method in _SAFE:
                exchange.remove.update(_CONDITIONS)

        return step

    def filter(self, value: Value, route: Route, runtime: Runtime) -> AnswerFilter | None:
        if not any(map(_changes_something, rules(value))):
            return None
        made = [Changes(rule, route.path) for rule in rules(value)]
        return made[0] if len(made) == 1 else FirstThatFits(made)

    def problems(self, value: Value, route: Route) -> Iterator[Problem]:
        """Values that requests of this route do not have, and rules that no answer meets."""
        yield from of_template(to_builtins(value), route.path)
        met: frozenset[int] = frozenset()
        for index, rule in enumerate(rules(value)):
            meant = statuses.among(rule.on)
            if meant <= met:
                yield Problem((index,), "no answer meets this: those before are for the same statuses", "see on")
            met |= meant

    def compare(self, old: Value | None, new: Value | None) -> Change:
        """What is left out of answers nobody sees; headers tell browsers and caches what they may do."""
        return judged(self.reasons(old, new))

    def reasons(self, old: Value | None, new: Value | None) -> Iterator[Reason]:
        """Of each status: what was done with its answers, and is now."""
        said: dict[Reason, None] = {}
        for before, after in _pairs(old, new):
            said |= dict.fromkeys(_of_rule(before, after))
        yield from said

    def describe(self, value: Value) -> str:
        return "; ".join(", ".join(_words(rule)) for rule in rules(value))


POLICY = _Policy()


# --- what a change of it does

_OTHERWISE = {
    "status": "clients get other statuses",
    "own": "the gateway's own refusals are changed in another way",
}


def _changes_something(rule: Response) -> bool:
    return rule.headers not in (None, Headers()) or bool(rule.status) or rule.changes_body


def _pairs(old: Value | None, new: Value | None) -> list[tuple[Response | None, Response | None]]:
    """Of every status the rule that counted, and the one that does; each pair once."""
    before, after = (_by_status(rules(one)) for one in (old, new))
    pairs = ((before.get(status), after.get(status)) for status in sorted(before.keys() | after.keys()))
    found = {(id(one), id(other)): (one, other) for one, other in pairs}
    return list(found.values())


def _by_status(listed: list[Response]) -> dict[int, Response]:
    return {status: rule for rule in reversed(listed) for status in statuses.among(rule.on)}


def _of_rule(old: Response | None, new: Response | None) -> Iterator[Reason]:
    yield from _of_headers(_edits(old), _edits(new))
    yield from _of_members(_members(old), _members(new))
    if _whole_body(old) != _whole_body(new):
        yield Reason(Change.WEAKEN, "clients get another body")
    for name, text in _OTHERWISE.items():
        if len({str(getattr(one or Response(), name)) for one in (old, new)}) > 1:
            yield Reason(Change.WEAKEN, text)
    if old is not None and new is not None and old.max_body != new.max_body:
        larger = new.max_body > old.max_body
        text = "larger answers are read here" if larger else "larger answers are refused than before"
        yield Reason(Change.WEAKEN if larger else Change.STRENGTHEN, text)


def _edits(value: Response | None) -> dict[str, Any]:
    """What is said of each header."""
    edits = value.headers if value is not None else None
    found: dict[str, Any] = {}
    if edits is None:
        return found
    for kind in ("set", "add", "rename"):
        for name, text in getattr(edits, kind).items():
            found.setdefault(name.lower(), []).append((kind, text))
    for name in edits.remove:
        found.setdefault(name.lower(), []).append("remove")
    return found


def _of_headers(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Reason]:
    for what in sorted(before.keys() | after.keys()):
        if before.get(what) == after.get(what):
            continue
        if "remove" in before.get(what, ()) and what not in after:
            yield Reason(Change.WEAKEN, f"answers show the header {what}, which was left out")
        else:
            yield Reason(Change.WEAKEN, f"answers say something else in {what}: browsers and caches may rely on it")


def _members(value: Response | None) -> dict[str, Any]:
    """Members that clients do not see as the upstream says them, each with what they see (None: nothing)."""
    body = value.body if value is not None else None
    if body is None:
        return {}
    found: dict[str, Any] = dict.fromkeys((*body.remove, *body.rename))
    found |= {new: ("rename", old) for old, new in body.rename.items()}
    return found | {pointer: ("set", data) for pointer, data in body.set.items()}


def _of_members(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Reason]:
    for what in sorted(before.keys() - after.keys()):
        yield Reason(Change.WEAKEN, f"answers show the member {what}, which was left out or replaced")
    for what in sorted(after.keys() - before.keys()):
        yield Reason(Change.STRENGTHEN, f"answers do not show the upstream's member {what} any more")
    for what in sorted(before.keys() & after.keys()):
        if before[what] != after[what]:
            yield Reason(Change.WEAKEN, f"answers say something else in the member {what}")


def _whole_body(value: Response | None) -> Any:
    body = value.body if value is not None else None
    return (body.json, body.text, body.type) if body is not None else (None,) * 3


# --- how it reads


def _words(value: Response) -> Iterator[str]:
    if value.on is not None:
        yield f"answers of {', '.join(map(str, value.on))}"
    for before, after in value.status.items():
        yield f"answer {before} → {after}"
    for edits, kind in ((value.headers, "answer"), (value.body, "answer member")):
        if edits is None:
            continue
        yield from (f"{kind} {old} → {new}" for old, new in edits.rename.items())
        for name, text in (*edits.set.items(), *getattr(edits, "add", {}).items()):
            yield f"{kind} + {name}: {shown(name, text)}"
        yield from (f"{kind} - {name}" for name in edits.remove)
    if value.makes_body:
        yield "an answer's body made here"
    if value.own:
        yield "the gateway's own answers too"
