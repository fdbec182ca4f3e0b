"""What the user may write of `response`."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, to_builtins

from apigw_cli.config.template import takes
from apigw_cli.config.values import BYTES
from apigw_cli.policies.header_edits import HeaderName, check_line, check_name, check_twice
from apigw_cli.policies.request.model import MEBIBYTE, MediaType, Pointer, check_members, check_whole
from apigw_cli.policies.response import statuses
from apigw_cli.policies.templates import writing

# Of the gateway alone: which request this was, and how the body came to be as it is.
_OURS = frozenset(("x-request-id", "content-encoding", "content-range", "age", "date"))
_WORDS = takes("request", "auth", "response")

Template = Annotated[str, _WORDS]
Tree = Annotated[Any, _WORDS]
From = Annotated[str, Meta(pattern=statuses.PATTERN, examples=["404", "5xx", "201"])]


class Headers(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Headers of answers, in this order: rename, remove, set, add."""

    set: Annotated[dict[HeaderName, Template], Meta(description="Replace the answer's header of that name.")] = {}
    add: Annotated[dict[HeaderName, Template], Meta(description="Add to the answer's headers.")] = {}
    remove: Annotated[list[HeaderName], Meta(description="Leave the answer's headers of these names out.")] = []
    rename: Annotated[dict[HeaderName, HeaderName], Meta(description="The answer's header → the name it gets.")] = {}

    def __post_init__(self) -> None:
        for name in (*self.set, *self.add, *self.remove, *self.rename, *self.rename.values()):
            check_name(name)
            if name.lower() in _OURS:
                raise ValueError(f"header {name} is the gateway's own")
        check_twice("header", [*self.set, *self.remove], list(self.add), self.rename)
        for name, written in (*self.set.items(), *self.add.items()):
            check_line(name, written)


class Body(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Members of a JSON body by JSON pointer, in this order: rename, remove, set; or a whole new body."""

    set: Annotated[
        dict[Pointer, Tree], Meta(description="Pointer → value; objects on the way are made. `-` ends a list.")
    ] = {}
    remove: Annotated[list[Pointer], Meta(description="Leave these out; `*` is every item of a list.")] = []
    rename: Annotated[dict[Pointer, Pointer], Meta(description="Move what is there to another place.")] = {}
    json: Annotated[Tree, Meta(description="In place of the answer's body: this, as JSON.")] = None
    text: Annotated[
        Annotated[Template, Meta(examples=["a", "b"])] | None,
        Meta(description="In place of the answer's body: this text; its values are escaped for `type`."),
    ] = None
    type: Annotated[MediaType | None, Meta(description="The Content-Type of `text`; default: text/plain.")] = None

    def __post_init__(self) -> None:
        check_members(self.set, self.remove, self.rename)
        check_whole({"json": self.json, "text": self.text}, self.type, self.changes_members)

    @property
    def changes_members(self) -> bool:
        return bool(self.set or self.remove or self.rename)

    @property
    def makes_one(self) -> bool:
        """A whole new body, whatever the upstream's is."""
        return self.json is not None or self.text is not None


class Response(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Change what goes to the client. Texts may hold `${request.…}` (not its body), `${auth.…}`, `${response.…}`."""

    on: Annotated[
        list[int | str] | None,
        Meta(
            description="Which answers, by the status that they come with: 404, 2xx, … Default: all.",
            examples=[[200], ["2xx"], [404, "5xx"]],
        ),
    ] = None
    status: Annotated[
        dict[From, Annotated[int, Meta(ge=200, le=599)]],
        Meta(description="Status → status, e.g. {404: 204, 5xx: 502}; one alone goes before its class."),
    ] = {}
    headers: Annotated[Headers | None, Meta(description="Headers to set, add, remove, rename.")] = None
    body: Annotated[Body | None, Meta(description="Members of a JSON body to set, remove, rename; or a new one.")] = (
        None
    )
    own: Annotated[
        bool, Meta(description="Change status and body of the gateway's own refusals and errors too, not only headers.")
    ] = False
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
        statuses.check(self.on, self.status)
        if any(name.startswith("request.body") for name in writing.names(to_builtins(self))):
            raise ValueError("an answer cannot have values of the request's body, which is gone by then")
        if self.makes_body and self.headers is not None:
            named = (*self.headers.add, *self.headers.rename.values())
            if "content-type" in {name.lower() for name in named}:
                raise ValueError("body says what Content-Type it has: set another, but add none and rename none to it")

    @property
    def makes_body(self) -> bool:
        return self.body is not None and self.body.makes_one

    @property
    def changes_body(self) -> bool:
        return self.body is not None and (self.body.makes_one or self.body.changes_members)

    @property
    def reads_body(self) -> bool:
        """The upstream's body has to be read for it."""
        if self.body is not None and self.body.changes_members:
            return True
        return any(name.startswith("response.body") for name in writing.names(to_builtins(self)))

    @property
    def types_body(self) -> bool:
        """Which Content-Type a new body has is said under `headers`."""
        return self.headers is not None and any(name.lower() == "content-type" for name in self.headers.set)


Value = Response | list[Response]


def rules(value: Value | None) -> list[Response]:
    """What may be written as one: for each answer the first whose `on` names its status counts."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
