"""The step of `request`, what a change of it does to protection, and how it reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

from msgspec import Struct, to_builtins

from apigw_cli.config import secrecy, template
from apigw_cli.config.template import Value
from apigw_cli.policies.interface import Change as Verdict
from apigw_cli.policies.interface import Exchange, Problem, Reason, Refusal, Runtime, Step, Whole, needs_an_upstream
from apigw_cli.policies.judging import judged
from apigw_cli.policies.request import body, headers, target
from apigw_cli.policies.request.change import Change, Edit, Unsuitable
from apigw_cli.policies.request.model import Request
from apigw_cli.policies.templates import writing
from apigw_cli.policies.templates.documents import PLAIN
from apigw_cli.policies.templates.problems import of_template
from apigw_cli.snapshot.model import Route

_KINDS = {"headers": "header", "query": "query parameter", "cookies": "cookie", "body": "body member"}


class _Policy:
    name = "request"
    order = 78
    model: type[Struct] = Request
    derived = False
    neutral: ClassVar = {"add": "what is added stands beside what the client sends, and keeps nothing of it back"}

    def compile(self, value: Request, route: Route, runtime: Runtime) -> Step | None:
        edits = tuple(_edits(value, route.path))
        if not edits:
            return None
        return _step(value, edits, "cache" in route.policies)

    def idle(self, route: Route) -> str:
        return needs_an_upstream(route)

    def problems(self, value: Request, route: Route) -> Iterator[Problem]:
        """Values that requests of this route do not have."""
        yield from of_template(to_builtins(value), route.path)

    def compare(self, old: Request | None, new: Request | None) -> Verdict:
        """What is set or removed no client can send: an upstream may rely on that. Another target may be anything."""
        return judged(self.reasons(old, new))

    def reasons(self, old: Request | None, new: Request | None) -> Iterator[Reason]:
        yield from _of_what_is_kept(_kept_from_clients(old), _kept_from_clients(new))
        for name, what in (("method", "method"), ("path", "path"), ("prefix", "path")):
            if getattr(old, name, None) != getattr(new, name, None):
                yield Reason(Verdict.WEAKEN, f"the upstream is asked with another {what}")
        if _whole_body(old) != _whole_body(new):
            yield Reason(Verdict.WEAKEN, "the upstream gets another body")
        if old is not None and new is not None and old.max_body != new.max_body:
            larger = new.max_body > old.max_body
            text = "larger bodies are read here" if larger else "larger bodies are refused than before"
            yield Reason(Verdict.WEAKEN if larger else Verdict.STRENGTHEN, text)

    def describe(self, value: Request) -> str:
        return ", ".join(_words(value))


POLICY = _Policy()


# --- the step


def _edits(value: Request, path: str) -> Iterator[Edit]:
    if value.method is not None:
        yield target.of_method(value.method)
    if value.path is not None:
        yield target.of_path(value.path, path)
    if value.prefix is not None:
        yield target.of_prefix(value.prefix)
    if value.query is not None:
        yield target.of_query(value.query, path)
    if value.headers is not None:
        yield headers.of_headers(value.headers, path)
    if value.cookies is not None:
        yield headers.of_cookies(value.cookies, path)
    if value.body is not None and value.body.json is not None:
        yield body.of_json(value.body.json, path, value.types_body)
    elif value.body is not None and value.body.form is not None:
        yield body.of_form(value.body.form, path, value.types_body)
    elif value.body is not None and value.body.text is not None:
        yield body.of_text(value.body.text, value.body.type or PLAIN, path, value.types_body)
    elif value.body is not None:
        yield body.of_members(value.body, path)


def _step(value: Request, edits: tuple[Edit, ...], is_cached: bool) -> Step:
    whole = Whole(value.max_body)
    maximum = value.max_body
    reads = any(name.startswith("request.body") for name in writing.names(to_builtins(value)))
    replaces = value.makes_body
    changes = value.body is not None and not replaces
    asks = reads or changes or replaces

    def step(exchange: Exchange) -> Refusal | Whole | None:
        content = None
        try:
            if asks and exchange.has_body:
                is_json = (reads or changes) and body.is_declared_json(exchange)
                if changes and not is_json:
                    raise Unsuitable(415, "the request's body is not declared as JSON")
                if is_json or replaces:
                    if not exchange.complete:
                        return whole
                    content = body.read(exchange, maximum) if is_json else None
            change = Change(exchange, content, is_cached)
            for edit in edits:
                edit(change)
            change.keep()
        except Unsuitable as error:
            return error.refusal()
        return None

    return step


# --- what a change of it does


def _kept_from_clients(value: Request | None) -> dict[str, Any]:
    """What clients cannot send, each with what is sent in its place (None: nothing)."""
    found: dict[str, Any] = {}
    for name, kind in _KINDS.items():
        edits = getattr(value, name, None)
        if edits is None:
            continue
        fold = str.lower if name == "headers" else str
        for old, new in getattr(edits, "rename", {}).items():
            found[f"{kind} {fold(old)}"] = None
            found[f"{kind} {fold(new)}"] = f"what the client sends as {fold(old)}"
        found |= {f"{kind} {fold(one)}": None for one in edits.remove}
        found |= {f"{kind} {fold(one)}": text for one, text in edits.set.items()}
    return found


def _of_what_is_kept(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Reason]:
    for what in sorted(before.keys() - after.keys()):
        yield Reason(Verdict.WEAKEN, f"clients can send {what} themselves: an upstream may believe them")
    for what in sorted(after.keys() - before.keys()):
        yield Reason(Verdict.STRENGTHEN, f"clients cannot send {what} any more")
    for what in sorted(before.keys() & after.keys()):
        if before[what] != after[what]:
            yield Reason(Verdict.WEAKEN, f"the upstream is told something else in {what}")


def _whole_body(value: Request | None) -> Any:
    body = value.body if value is not None else None
    return (body.json, body.form, body.text, body.type) if body is not None else (None,) * 4


# --- how it reads


def _words(value: Request) -> Iterator[str]:
    if value.method is not None:
        yield f"method {value.method}"
    if value.path is not None:
        yield f"path {value.path}"
    if value.prefix is not None:
        yield f"path {value.prefix.old} → {value.prefix.new}"
    for name, kind in _KINDS.items():
        edits = getattr(value, name)
        if edits is None:
            continue
        for old, new in getattr(edits, "rename", {}).items():
            yield f"{kind} {old} → {new}"
        for one, text in (*edits.set.items(), *getattr(edits, "add", {}).items()):
            yield f"+ {kind} {one}: {shown(one, text)}"
        for one in edits.remove:
            yield f"- {kind} {one}"
    if value.makes_body:
        yield "a body made here"


def shown(name: str, written: Any) -> str:
    """A template for people; what stands beside its values may be a credential."""
    if not isinstance(written, str):
        return json.dumps(secrecy.masked(written, name), ensure_ascii=False)
    only_values = all(isinstance(part, Value) and not part.default for part in template.parts(written))
    return written if only_values else secrecy.shown(name, written)
