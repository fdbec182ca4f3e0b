"""Where the values of `${…}` come from: for each name a function, made at load, that finds its value in a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import unquote, unquote_plus

from apigw_cli.errors import InputError
from apigw_cli.policies.interface import Exchange
from apigw_cli.routing import template


class Encoded(str):
    """A path, or several segments of one, as it is routed on: its escapes are what they are."""

    __slots__ = ()


class Answer(Protocol):
    """The head of an answer (`policies.answer_filter.Head` is one)."""

    @property
    def status(self) -> int: ...

    def first(self, name: bytes) -> bytes | None:
        """The first value of a field (name in lower case)."""


class Subject:
    """One request, and what its JSON body says (None: nothing, or there is none); and its answer, once there is one."""

    __slots__ = ("answer", "answer_body", "body", "exchange")

    def __init__(
        self, exchange: Exchange, body: Any = None, answer: Answer | None = None, answer_body: Any = None
    ) -> None:
        self.exchange = exchange
        self.body = body
        self.answer = answer
        self.answer_body = answer_body


Reader = Callable[[Subject], Any]  # a JSON value; None: it is not there


def reader(name: str, path: str) -> Reader:
    """What finds the value called `name` in requests of the route with this path template.

    Raises InputError for a variable that the path does not have.
    """
    word, _, rest = name.partition(".")
    plain = _PLAIN.get(name)
    if plain is not None:
        return plain
    if rest.startswith("body/"):
        return at_pointer(rest[4:], _PLAIN[f"{word}.body"])
    kind, _, inner = rest.partition(".")
    if kind == "path":
        return _path_variable(path, inner)
    return _NAMED[word, kind](inner)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


_PLAIN: dict[str, Reader] = {
    "request.method": lambda subject: subject.exchange.method.decode("ascii"),
    "request.host": lambda subject: subject.exchange.host or None,
    "request.path": lambda subject: Encoded(subject.exchange.path),
    "request.ip": lambda subject: subject.exchange.client_ip or None,
    "request.id": lambda subject: _text(subject.exchange.id),
    "request.body": lambda subject: subject.body,
    "response.status": lambda subject: None if subject.answer is None else subject.answer.status,
    "response.body": lambda subject: subject.answer_body,
    "auth.principal": lambda subject: subject.exchange.principal,
    "auth.plan": lambda subject: subject.exchange.usage_plan,
}


def _header(name: str) -> Reader:
    low = name.lower().encode("ascii")

    def read(subject: Subject) -> str | None:
        value = subject.exchange.header(low)
        return None if value is None else _text(value)

    return read


def _answer_header(name: str) -> Reader:
    low = name.lower().encode("ascii")

    def read(subject: Subject) -> str | None:
        value = None if subject.answer is None else subject.answer.first(low)
        return None if value is None else _text(value)

    return read


def _query(name: str) -> Reader:
    def read(subject: Subject) -> str | None:
        query = subject.exchange.query
        return query_value(query, name) if query else None

    return read


def query_value(query: bytes, name: str) -> str | None:
    """The first value of a parameter, decoded."""
    for pair in query.decode("latin-1").split("&"):
        key, _, value = pair.partition("=")
        if key == name or (("%" in key or "+" in key) and unquote_plus(key) == name):
            return unquote_plus(value) if "%" in value or "+" in value else value
    return None


def _cookie(name: str) -> Reader:
    wanted = name.encode("ascii")

    def read(subject: Subject) -> str | None:
        for key, value in subject.exchange.headers:
            if key == b"cookie":
                for pair in value.split(b";"):
                    found, sign, text = pair.strip().partition(b"=")
                    if sign and found == wanted:
                        return _text(text)
        return None

    return read


def _claim(name: str) -> Reader:
    def read(subject: Subject) -> Any:
        claims = subject.exchange.claims
        return claims.get(name) if claims else None

    return read


_NAMED: dict[tuple[str, str], Callable[[str], Reader]] = {
    ("request", "header"): _header,
    ("request", "query"): _query,
    ("request", "cookie"): _cookie,
    ("auth", "claim"): _claim,
    ("response", "header"): _answer_header,
}


def steps_of(pointer: str) -> tuple[str, ...]:
    """The steps of a JSON pointer (RFC 6901) that is not empty."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/"))


def at_pointer(pointer: str, body: Reader) -> Reader:
    """The value there in a body."""
    steps = steps_of(pointer)

    def read(subject: Subject) -> Any:
        node = body(subject)
        for step in steps:
            node = child(node, step)
        return node

    return read


def child(node: Any, step: str) -> Any:
    """What `step` leads to in an object or a list; None where that is nothing."""
    if type(node) is dict:
        return node.get(step)
    if type(node) is list:
        index = index_of(step)
        return node[index] if index is not None and index < len(node) else None
    return None


def index_of(step: str) -> int | None:
    """RFC 6901, section 4: digits without a leading zero."""
    if step.isascii() and step.isdigit() and len(step) < 10 and (step == "0" or step[0] != "0"):
        return int(step)
    return None


def path_variables(path: str) -> tuple[str, ...]:
    """The names of the variables of a path template."""
    return template.parse(path).names


def _path_variable(path: str, name: str) -> Reader:
    parsed = template.parse(path)
    if name not in parsed.names:
        known = ", ".join(parsed.names) or "none"
        raise InputError(f"the path {path} has no variable {{{name}}}", hint=f"it has: {known}")
    left = list(parsed.names)
    for position, segment in enumerate(parsed.segments, start=1):
        if segment is template.Variable:
            if left.pop(0) == name:
                return lambda subject: unquote(subject.exchange.path.split("/")[position])
        elif isinstance(segment, template.Mixed):
            count = len(segment.texts) - 1
            if name in left[:count]:
                return _mixed(segment, position, left.index(name))
            del left[:count]
    rest = len(parsed.segments) + 1
    return lambda subject: Encoded("/".join(subject.exchange.path.split("/")[rest:]))


def _mixed(segment: template.Mixed, position: int, index: int) -> Reader:
    def read(subject: Subject) -> str | None:
        values = segment.values(unquote(subject.exchange.path.split("/")[position]))
        return values[index] if values else None

    return read
