"""`redirect`: the route is somewhere else. Who it sends where is decided here, never by a request.

The origin (scheme, host, port) of `to` is what the configuration says; of a request's values only the host may stand
in it, and that only where the API names its hosts. A value is (part of) one path segment or one query parameter, so no
value makes `//evil.example` of a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, Struct

from apigw_cli.config import template
from apigw_cli.config.template import Part, Value, takes
from apigw_cli.policies.interface import Change, Exchange, Problem, Reason, Refusal, Runtime, Step
from apigw_cli.policies.judging import judged
from apigw_cli.policies.templates import writing
from apigw_cli.policies.templates.problems import of_template
from apigw_cli.policies.templates.reading import Subject
from apigw_cli.routing.path import normalise
from apigw_cli.snapshot.model import Route

_SCHEME = re.compile(r"https?://")
_AUTHORITY = re.compile(r"[A-Za-z0-9._~\[\]:-]*")
_QUERY = re.compile(r"[!$%-;=?-Z_a-z~]*")  # as it may stand in a URL (RFC 3986, sections 3.4 and 3.5), `#` not
_OUTSIDE = re.compile(rb"[^!$%-;=?-Z_a-z~]")
_MISSING = Refusal(400, "the address to go to cannot be made of this request", (), "unsuitable_request")


class Redirect(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Send clients to another address."""

    to: Annotated[
        str,
        takes("request", "auth"),
        Meta(
            description="A path, or a URL of http or https, e.g. https://new.example${request.path}.",
            examples=["/a", "/b/${request.path}", "https://a.example", "/c?d=1"],
        ),
    ]
    status: Annotated[
        Literal[301, 302, 303, 307, 308],
        Meta(description="307 and 308 keep method and body; 301 and 308 are for good."),
    ] = 308
    keep_query: Annotated[bool, Meta(description="Send the client's query along.")] = True

    def __post_init__(self) -> None:
        sections_of(self.to)


@dataclass(frozen=True, slots=True)
class Sections:
    """A template of an address. `fragment` with its `#`."""

    origin: tuple[Part, ...]
    path: tuple[Part, ...]
    query: tuple[Part, ...]
    fragment: str


def sections_of(to: str) -> Sections:
    """Raises ValueError for what could lead anywhere, or nowhere."""
    left = list(template.parts(to))
    if any(value.name.startswith("request.body") for value in template.values(to)):
        raise ValueError("the body is not read for a redirect")
    origin = _take_origin(left)
    path, sign = _take(left, "?#")
    query: list[Part] = []
    if sign == "?":
        query, sign = _take(left, "#")
    fragment = "#" + "".join(_plain(left, "a fragment")) if sign == "#" else ""
    _check_path(path, bool(origin), to)
    for text in (*(part for part in query if isinstance(part, str)), fragment[1:]):
        if not _QUERY.fullmatch(text):
            raise ValueError(f"{to!r} has characters that no URL has: write them as %XX")
    return Sections(tuple(origin), tuple(path), tuple(query), fragment)


def _take_origin(left: list[Part]) -> list[Part]:
    first = left[0] if left and isinstance(left[0], str) else ""
    scheme = _SCHEME.match(first)
    if scheme is None:
        return []
    origin: list[Part] = [scheme[0]]
    left[0] = first[scheme.end() :]
    while left:
        part = left[0]
        if isinstance(part, Value):
            if part.name == "request.path":
                break
            if part.name != "request.host" or part.default is not None:
                raise ValueError(f"${{{part.name}}} may not say which host to go to")
            origin.append(left.pop(0))
            continue
        authority = _AUTHORITY.match(part)
        assert authority is not None
        origin.append(authority[0])
        left[0] = part[authority.end() :]
        if left[0]:
            break
        left.pop(0)
    if not any(isinstance(part, Value) or part for part in origin[1:]):
        raise ValueError("there is no host in it")
    return origin


def _take(left: list[Part], signs: str) -> tuple[list[Part], str]:
    """What stands before the first of these signs, and the sign."""
    taken: list[Part] = []
    while left:
        part = left.pop(0)
        found = re.search(f"[{signs}]", part) if isinstance(part, str) else None
        if found is None or not isinstance(part, str):
            taken.append(part)
            continue
        taken.append(part[: found.start()])
        left.insert(0, part[found.end() :])
        return taken, found[0]
    return taken, ""


def _plain(parts: list[Part], what: str) -> list[str]:
    if any(isinstance(part, Value) for part in parts):
        raise ValueError(f"no value can stand in {what}")
    return [part for part in parts if isinstance(part, str)]


def _check_path(path: list[Part], has_origin: bool, to: str) -> None:
    shape = "".join(part if isinstance(part, str) else "/x" if part.name == "request.path" else "x" for part in path)
    if not shape and has_origin:
        return
    if not shape.startswith("/") or (path and isinstance(path[0], Value) and not has_origin):
        raise ValueError(f'{to!r} must begin with "/", "http://" or "https://"')
    if not shape.isascii() or normalise(shape.encode("ascii")) != shape:
        raise ValueError(f"{to!r} is no address as it should be: no dot segments, no empty ones")


class _Policy:
    name = "redirect"
    order = 65
    model: type[Struct] = Redirect
    derived = False
    answers = True

    def compile(self, value: Redirect, route: Route, runtime: Runtime) -> Step | None:
        return _step(value, sections_of(value.to), route.path)

    def problems(self, value: Redirect, route: Route) -> Iterator[Problem]:
        yield from of_template({"to": value.to}, route.path)
        named = any(isinstance(part, Value) for part in sections_of(value.to).origin)
        if named and not route.hosts:
            hint = "name the API's hosts, or write the host to go to"
            yield Problem(("to",), "${request.host} may be any host here: clients say it", hint)

    def compare(self, old: Redirect | None, new: Redirect | None) -> Change:
        """Where clients are sent may be anybody's: each other address weakens; so does sending their query along."""
        return judged(self.reasons(old, new))

    def reasons(self, old: Redirect | None, new: Redirect | None) -> Iterator[Reason]:
        if old is None or new is None:
            if old != new:
                yield Reason(Change.WEAKEN, "the route is answered from elsewhere")
            return
        if old.to != new.to:
            yield Reason(Change.WEAKEN, "clients are sent to another address")
        if old.status != new.status:
            yield Reason(Change.WEAKEN, "clients may send another method or body there")
        if old.keep_query != new.keep_query:
            sent = new.keep_query
            text = "what clients say in the query goes along" if sent else "the query does not go along any more"
            yield Reason(Change.WEAKEN if sent else Change.STRENGTHEN, text)

    def describe(self, value: Redirect) -> str:
        return f"{value.status} to {value.to}" + ("" if value.keep_query else " without the query")


def _step(value: Redirect, sections: Sections, path: str) -> Step:
    origin = writing.of_parts(sections.origin, path, str)
    target = writing.of_parts(sections.path, path, writing.as_path)
    query = writing.of_parts(sections.query, path, writing.as_query)
    end = sections.fragment.encode("ascii")

    def step(exchange: Exchange) -> Refusal:
        subject = Subject(exchange)
        texts = origin.make(subject), target.make(subject), query.make(subject)
        if texts[0] is None or texts[1] is None or texts[2] is None or not _is_sound(texts[1]):
            return _MISSING
        asked = [texts[2].encode("ascii")] if texts[2] else []
        if value.keep_query and exchange.query:
            asked.append(_OUTSIDE.sub(lambda match: b"%%%02X" % match[0][0], exchange.query))
        address = (texts[0] + texts[1]).encode("ascii") + (b"?" + b"&".join(asked) if asked else b"") + end
        return Refusal(value.status, "", (b"Location: %b\r\n" % address,), body=b"")

    return step


def _is_sound(path: str) -> bool:
    """Whether everybody reads it as the one path that it is."""
    return not path or normalise(path.encode("ascii")) == path


POLICY = _Policy()
