"""The step and the filter of `response`, what a change of it does to protection, and how it reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct, to_builtins

from apigw_cli.policies.answer_filter import AnswerFilter
from apigw_cli.policies.interface import Change, Exchange, Problem, Reason, Runtime, Step
from apigw_cli.policies.judging import judged
from apigw_cli.policies.request.policy import shown
from apigw_cli.policies.response.filtering import Changes
from apigw_cli.policies.response.model import Headers, Response
from apigw_cli.policies.templates.problems import of_template
from apigw_cli.snapshot.model import Route

# Of another body than the one that the client gets: asked here, or of no use.
_CONDITIONS = frozenset((b"if-none-match", b"if-modified-since", b"if-range", b"range"))
_SAFE = (b"GET", b"HEAD")


class _Policy:
    name = "response"
    order = 81
    answer_order = 15
    model: type[Struct] = Response
    derived = False
    refuses = False

    def compile(self, value: Response, route: Route, runtime: Runtime) -> Step | None:
        """What is asked of the upstream so that its answer can be read: all of it, and not compressed."""
        uncoded, whole = value.reads_body, value.changes_body
        if not uncoded and not whole:
            return None

        def step(exchange: Exchange) -> None:
            if uncoded:
                exchange.remove.add(b"accept-encoding")
            if whole and exchange.method in _SAFE:
                exchange.remove.update(_CONDITIONS)

        return step

    def filter(self, value: Response, route: Route, runtime: Runtime) -> AnswerFilter | None:
        if value.headers in (None, Headers()) and not value.status and not value.changes_body:
            return None
        return Changes(value, route.path)

    def problems(self, value: Response, route: Route) -> Iterator[Problem]:
        """Values that requests of this route do not have."""
        yield from of_template(to_builtins(value), route.path)

    def compare(self, old: Response | None, new: Response | None) -> Change:
        """What is left out of answers nobody sees; headers tell browsers and caches what they may do."""
        return judged(self.reasons(old, new))

    def reasons(self, old: Response | None, new: Response | None) -> Iterator[Reason]:
        yield from _of_headers(_edits(old), _edits(new))
        yield from _of_members(_members(old), _members(new))
        if _whole_body(old) != _whole_body(new):
            yield Reason(Change.WEAKEN, "clients get another body")
        before, after = (_rest(one) for one in (old, new))
        for name, text in _OTHERWISE.items():
            if before[name] != after[name]:
                yield Reason(Change.WEAKEN, text)
        if old is not None and new is not None and old.max_body != new.max_body:
            larger = new.max_body > old.max_body
            text = "larger answers are read here" if larger else "larger answers are refused than before"
            yield Reason(Change.WEAKEN if larger else Change.STRENGTHEN, text)

    def describe(self, value: Response) -> str:
        return ", ".join(_words(value))


POLICY = _Policy()


# --- what a change of it does

_OTHERWISE = {
    "on": "answers of other statuses are changed: what was left out of some may be shown again",
    "status": "clients get other statuses",
    "own": "the gateway's own refusals are changed in another way",
}


def _rest(value: Response | None) -> dict[str, Any]:
    return {name: getattr(value if value is not None else Response(), name) for name in _OTHERWISE}


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
