"""What the user may write of `request`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from apigw_cli.config import template
from apigw_cli.config.template import takes
from apigw_cli.config.values import BYTES
from apigw_cli.policies.header_edits import HeaderName, check_line, check_name, check_twice
from apigw_cli.policies.templates import documents
from apigw_cli.routing.path import normalise

_WORDS = takes("request", "auth")
POINTER = rf"^{template.POINTER}$"
_COOKIE = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"
MEBIBYTE = 1024 * 1024

Template = Annotated[str, _WORDS]
Tree = Annotated[Any, _WORDS]
Parameter = Annotated[str, Meta(min_length=1, max_length=200)]
Cookie = Annotated[str, Meta(pattern=_COOKIE)]
Pointer = Annotated[str, Meta(pattern=POINTER, examples=["/a", "/a/b"])]
MediaType = Annotated[str, Meta(pattern=documents.TYPE, examples=["text/plain", "text/csv"])]
Path = Annotated[str, Meta(pattern=r"^/[!-~]*$", examples=["/", "/a", "/v2"])]


class Headers(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Headers, in this order: rename, remove, set, add."""

    set: Annotated[dict[HeaderName, Template], Meta(description="Replace the client's header of that name.")] = {}
    add: Annotated[dict[HeaderName, Template], Meta(description="Add to the client's headers.")] = {}
    remove: Annotated[list[HeaderName], Meta(description="Leave the client's headers of these names out.")] = []
    rename: Annotated[dict[HeaderName, HeaderName], Meta(description="The client's header → the name it gets.")] = {}

    def __post_init__(self) -> None:
        for name in (*self.set, *self.add, *self.remove, *self.rename, *self.rename.values()):
            check_name(name)
        check_twice("header", [*self.set, *self.remove], list(self.add), self.rename)
        for name, written in (*self.set.items(), *self.add.items()):
            check_line(name, written)


class Query(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Query parameters, in this order: rename, remove, set, add."""

    set: Annotated[dict[Parameter, Template], Meta(description="Replace the client's parameter of that name.")] = {}
    add: Annotated[dict[Parameter, Template], Meta(description="Add to the client's parameters.")] = {}
    remove: Annotated[list[Parameter], Meta(description="Leave the client's parameters of these names out.")] = []
    rename: Annotated[dict[Parameter, Parameter], Meta(description="The client's parameter → the name it gets.")] = {}

    def __post_init__(self) -> None:
        check_twice("query parameter", [*self.set, *self.remove], list(self.add), self.rename)


class Cookies(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Cookies: remove, then set."""

    set: Annotated[dict[Cookie, Template], Meta(description="Replace the client's cookie of that name.")] = {}
    remove: Annotated[list[Cookie], Meta(description="Leave the client's cookies of these names out.")] = []

    def __post_init__(self) -> None:
        for name in (*self.set, *self.remove):
            if not re.fullmatch(_COOKIE.removesuffix("$"), name):
                raise ValueError(f"{name!r} is not a cookie's name")
        check_twice("cookie", [*self.set, *self.remove], [], {})


class Body(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Members of a JSON body by JSON pointer, in this order: rename, remove, set; or a whole new body."""

    set: Annotated[
        dict[Pointer, Tree], Meta(description="Pointer → value; objects on the way are made. `-` ends a list.")
    ] = {}
    remove: Annotated[list[Pointer], Meta(description="Leave these out; `*` is every item of a list.")] = []
    rename: Annotated[dict[Pointer, Pointer], Meta(description="Move what is there to another place.")] = {}
    json: Annotated[Tree, Meta(description="In place of the client's body: this, as JSON.")] = None
    form: Annotated[
        dict[Parameter, Template] | None,
        Meta(description="In place of the client's body: these fields, as application/x-www-form-urlencoded."),
    ] = None
    text: Annotated[
        Annotated[Template, Meta(examples=["a", "b"])] | None,
        Meta(description="In place of the client's body: this text; its values are escaped for `type`."),
    ] = None
    type: Annotated[MediaType | None, Meta(description="The Content-Type of `text`; default: text/plain.")] = None

    def __post_init__(self) -> None:
        check_members(self.set, self.remove, self.rename)
        check_whole({"json": self.json, "form": self.form, "text": self.text}, self.type, bool(_members(self)))

    @property
    def makes_one(self) -> bool:
        """A whole new body, whatever the client's is."""
        return self.json is not None or self.form is not None or self.text is not None


class Prefix(Struct, frozen=True, forbid_unknown_fields=True):
    """Another beginning of the path."""

    old: Annotated[Path, Meta(description="Where the client's path begins with this (whole segments) …")] = field(
        name="from"
    )
    new: Annotated[Path, Meta(description="… it begins with this upstream.")] = field(name="to")

    def __post_init__(self) -> None:
        for path in (self.old, self.new):
            _check_path(path, path)


def _members(body: Body) -> list[str]:
    return [*body.set, *body.remove, *body.rename]


def check_members(set_: dict[str, Any], remove: list[str], rename: dict[str, str]) -> None:
    """Raises ValueError for what is no pointer, or named twice."""
    for pointer in (*set_, *remove, *rename, *rename.values()):
        if not re.fullmatch(template.POINTER, pointer):
            raise ValueError(f"{pointer!r} is not a JSON pointer such as /a/b")
    check_twice("member", [*set_, *remove], [], rename)


def check_whole(made: dict[str, Any], kind: str | None, changes: bool) -> None:
    """Raises ValueError for two whole bodies, one beside changes of members, and text that does not fit its type."""
    names = [name for name, value in made.items() if value is not None]
    if len(names) > 1:
        raise ValueError(f"{' and '.join(names)} make two bodies")
    if names and changes:
        raise ValueError(f"{names[0]} makes a whole new body: set, remove and rename have nothing to change")
    if made["text"] is not None:
        documents.check(made["text"], kind or documents.PLAIN)
    elif kind is not None:
        raise ValueError("type says what text is, and there is none")


Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Request(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Change what goes to the upstream. Texts may hold `${request.…}` and `${auth.…}`."""

    method: Annotated[Method | None, Meta(description="The method that the upstream is asked with.")] = None
    path: Annotated[
        Annotated[Template, Meta(examples=["/a", "/b/${request.path}"])] | None,
        Meta(description="The whole path that the upstream is asked for, e.g. /v2/pets/${request.path.id}."),
    ] = None
    prefix: Annotated[Prefix | None, Meta(description="Another beginning of the path.")] = None
    headers: Annotated[Headers | None, Meta(description="Headers to set, add, remove, rename.")] = None
    query: Annotated[Query | None, Meta(description="Query parameters to set, add, remove, rename.")] = None
    cookies: Annotated[Cookies | None, Meta(description="Cookies to set or remove.")] = None
    body: Annotated[Body | None, Meta(description="Members of a JSON body to set, remove, rename; or a new one.")] = (
        None
    )
    max_body: Annotated[
        int,
        Meta(
            description="Bytes of a body that is read or changed here, decompressed too.",
            ge=1,
            le=64 * MEBIBYTE,
            extra=BYTES,
        ),
    ] = MEBIBYTE

    def __post_init__(self) -> None:
        if self.path is not None and self.prefix is not None:
            raise ValueError("path says the whole path: prefix has nothing to change")
        if self.path is not None:
            _check_path(self.path, _shape(self.path))
        if self.makes_body and self.headers is not None:
            named = (*self.headers.add, *self.headers.rename.values())
            if "content-type" in {name.lower() for name in named}:
                raise ValueError("body says what Content-Type it has: set another, but add none and rename none to it")
        if self.cookies is not None and self.headers is not None:
            named = (*self.headers.set, *self.headers.add, *self.headers.remove, *self.headers.rename)
            if "cookie" in {name.lower() for name in (*named, *self.headers.rename.values())}:
                raise ValueError("the header Cookie is changed by cookies already")

    @property
    def makes_body(self) -> bool:
        """The upstream gets a whole new body."""
        return self.body is not None and self.body.makes_one

    @property
    def types_body(self) -> bool:
        """Which Content-Type it has is said under `headers`."""
        return self.headers is not None and any(name.lower() == "content-type" for name in self.headers.set)


def _shape(written: str) -> str:
    """A template with plain text for its values; whole paths stand where they may."""
    return "".join(
        part if isinstance(part, str) else "/x" if part.name == "request.path" else "x"
        for part in template.parts(written)
    )


def _check_path(written: str, shape: str) -> None:
    if not shape.startswith("/"):
        raise ValueError(f'the path {written!r} must begin with "/"')
    if not shape.isascii() or normalise(shape.encode("ascii")) != shape:
        raise ValueError(f"{written!r} is no path as it is forwarded: no query, no dot segments, no empty ones")
