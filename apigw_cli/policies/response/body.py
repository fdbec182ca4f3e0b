"""An answer's body: how it is read, what is made of it, and what may still be said of it then."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from apigw_cli.policies.answer_filter import Head
from apigw_cli.policies.response.model import Body
from apigw_cli.policies.templates import documents, members, writing
from apigw_cli.policies.templates.reading import Subject
from apigw_cli.policies.validation import strict_json
from apigw_cli.policies.validation.bodies import MediaType, is_json
from apigw_cli.policies.validation.codings import TooLarge, inflated

JSON_LINE = b"Content-Type: application/json\r\n"
# What says something of the upstream's bytes, or how to ask for some of them.
OF_BYTES = frozenset(
    (
        *(b"accept-ranges", b"content-encoding", b"content-md5", b"content-range", b"digest", b"content-digest"),
        *(b"repr-digest", b"etag", b"trailer"),
    )
)


class Unreadable(ValueError):
    """Says why a body cannot be changed, without a word of what is in it."""


@dataclass(frozen=True, slots=True)
class Making:
    """`make` raises Unreadable. `line`: the Content-Type of a whole new body; empty where that is said elsewhere."""

    make: Callable[[Subject], bytes]
    is_whole: bool
    line: bytes = b""


def of_body(edits: Body, path: str, typed: bool) -> Making | None:
    """Raises InputError for values that requests of this path do not have."""
    if edits.json is not None:
        tree = writing.tree(edits.json, path)
        return Making(lambda subject: _dumped(tree(subject)), True, b"" if typed else JSON_LINE)
    if edits.text is not None:
        kind = edits.type or documents.PLAIN
        line = b"" if typed else documents.content_type(kind)
        return Making(documents.document(edits.text, kind, path), True, line)
    return Making(_of_members(edits, path), False) if edits.changes_members else None


def _of_members(edits: Body, path: str) -> Callable[[Subject], bytes]:
    edit = members.edits(edits.set, edits.remove, edits.rename, path)

    def make(subject: Subject) -> bytes:
        try:
            edit(subject, subject.answer_body)
        except members.SomethingElse:
            raise Unreadable("it has something else where a member is to be set") from None
        except UnicodeEncodeError:
            raise Unreadable("a value that is to be set in it is no text") from None
        return _dumped(subject.answer_body)

    return make


def _dumped(value: Any) -> bytes:
    try:
        return writing.dumps(value)
    except UnicodeEncodeError:
        raise Unreadable("a value that is to be set in it is no text") from None


def kind_of(head: Head) -> str:
    """The media type that an answer says it has."""
    said = head.first(b"content-type") or b""
    return _known(said) if len(said) < 100 else MediaType.of(said).essence


@lru_cache(256)
def _known(said: bytes) -> str:
    return MediaType.of(said).essence


def is_declared_json(head: Head) -> bool:
    return is_json(kind_of(head))


def read(head: Head, data: bytes, maximum: int) -> Any:
    """The value of a JSON body. Raises Unreadable."""
    try:
        plain = inflated(data, b",".join(head.all(b"content-encoding")), maximum)
    except TooLarge:
        raise Unreadable(f"it is larger than {maximum} bytes, decompressed") from None
    except ValueError as error:
        raise Unreadable(f"it cannot be decompressed: {error}") from None
    if plain is None:
        raise Unreadable("it has a content coding that is not known here")
    try:
        strict_json.loads(plain)
        return writing.loads(plain)
    except strict_json.NotJson as error:
        raise Unreadable(f"it is no JSON: {error}") from None
    except ValueError:  # thousands of digits
        raise Unreadable("it has a number that nobody can read") from None


def tag(data: bytes) -> bytes:
    """A strong ETag of these bytes (RFC 9110, section 8.8.3)."""
    return b'"%b"' % base64.urlsafe_b64encode(hashlib.sha256(data).digest()[:16]).rstrip(b"=")


def has(asked: list[bytes], one: bytes) -> bool:
    """Whether the values of If-None-Match name this tag, compared weakly (RFC 9110, section 13.1.2)."""
    listed = [each.strip().removeprefix(b"W/") for line in asked for each in line.split(b",")]
    return one in listed or b"*" in listed
