"""Edits of a JSON body, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apigw_cli.policies.interface import Exchange
from apigw_cli.policies.request.change import Change, Edit, Unsuitable
from apigw_cli.policies.request.model import Body
from apigw_cli.policies.templates import documents, members, writing
from apigw_cli.policies.validation import strict_json
from apigw_cli.policies.validation.bodies import MediaType, is_json
from apigw_cli.policies.validation.codings import TooLarge, inflated, known, named

_JSON_LINE = b"Content-Type: application/json\r\n"
_FORM_LINE = b"Content-Type: application/x-www-form-urlencoded\r\n"
# What says something of the body's bytes, which are others now.
_OF_BYTES = frozenset((b"content-encoding", b"content-md5", b"digest", b"content-digest", b"repr-digest"))
_NO_TEXT = "a value that goes to the upstream is no text"


def is_declared_json(exchange: Exchange) -> bool:
    """Whether the body says that it is JSON."""
    kind = exchange.header(b"content-type")
    return kind is not None and is_json(MediaType.of(kind).essence)


def read(exchange: Exchange, maximum: int) -> Any:
    """The value of a JSON body that is all here. Raises Unsuitable."""
    data = exchange.content()
    coding = named(exchange.headers)
    if coding is not None:
        try:
            plain = inflated(data, coding, maximum)
        except TooLarge:
            raise Unsuitable(413, f"the request's body is larger than {maximum} bytes, decompressed") from None
        except ValueError as error:
            raise Unsuitable(400, f"the request's body cannot be decompressed: {error}") from None
        if plain is None:
            raise Unsuitable(415, f"the request's body may be compressed with {known()}, once")
        data = plain
    try:
        strict_json.loads(data)
        return writing.loads(data)
    except strict_json.NotJson as error:
        raise Unsuitable(400, f"the request's body is no JSON: {error}") from None
    except ValueError:  # thousands of digits
        raise Unsuitable(400, "the request's body has a number that nobody can read") from None


def of_json(data: Any, path: str, typed: bool = False) -> Edit:
    """A whole new body; `typed`: what type it has is said elsewhere.

    Raises InputError for values that requests of this path do not have.
    """
    make = writing.tree(data, path)

    return _whole(lambda change: _dumped(make(change)), b"" if typed else _JSON_LINE)


def of_form(fields: dict[str, str], path: str, typed: bool = False) -> Edit:
    """The same of form fields. Raises InputError for values that requests of this path do not have."""
    texts = [
        (writing.as_query(name), writing.text(written, path, writing.as_query, writing.as_query))
        for name, written in fields.items()
    ]

    def make(change: Change) -> bytes:
        values = ((name, text.make(change)) for name, text in texts)
        return "&".join(f"{name}={value}" for name, value in values if value is not None).encode("ascii")

    return _whole(make, b"" if typed else _FORM_LINE)


def of_text(written: str, kind: str, path: str, typed: bool = False) -> Edit:
    """The same of text. Raises InputError for values that requests of this path do not have."""
    return _whole(documents.document(written, kind, path), b"" if typed else documents.content_type(kind))


def _whole(make: Callable[[Change], bytes], content_type: bytes) -> Edit:
    def edit(change: Change) -> None:
        if change.exchange.method == b"HEAD":  # which asks for what GET would, and has no body
            return
        change.changed_body = make(change)
        change.exchange.remove |= {*_OF_BYTES, b"content-type"}
        if content_type:
            change.exchange.extra.append(content_type)

    return edit


def of_members(edits: Body, path: str) -> Edit:
    """Raises InputError for values that requests of this path do not have."""
    edit_members = members.edits(edits.set, edits.remove, edits.rename, path)

    def edit(change: Change) -> None:
        if not change.exchange.has_body:
            return
        try:
            edit_members(change, change.body)
        except members.SomethingElse:
            raise Unsuitable(400, "the request's body has something else where a member is to be set") from None
        except UnicodeEncodeError:
            raise Unsuitable(400, _NO_TEXT) from None
        change.changed_body = _dumped(change.body)
        change.exchange.remove |= _OF_BYTES

    return edit


def _dumped(value: Any) -> bytes:
    try:
        return writing.dumps(value)
    except UnicodeEncodeError:
        raise Unsuitable(400, _NO_TEXT) from None
