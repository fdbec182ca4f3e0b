"""`response_headers`: headers to rename, remove, set or add on what goes to the client, whoever answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, Struct, to_builtins

from apigw_cli.config import secrecy, template
from apigw_cli.config.template import takes
from apigw_cli.policies.answer_filter import AnswerFilter, Head, name_of, value
from apigw_cli.policies.interface import Change, Exchange, Problem, Reason, Runtime
from apigw_cli.policies.judging import judged
from apigw_cli.policies.request_headers import HeaderName, check_name, repeated
from apigw_cli.policies.templates import writing
from apigw_cli.policies.templates.problems import of_template
from apigw_cli.policies.templates.reading import Subject
from apigw_cli.snapshot.model import Route

# Of the gateway alone: which request this was, and how the body came to be as it is.
_OURS = frozenset(("x-request-id", "content-encoding", "content-range", "age", "date"))

Template = Annotated[str, takes("request", "auth")]


class ResponseHeaders(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
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
        kept_out = [*self.set, *self.remove]
        for names in (kept_out, self.add, self.rename, [*self.rename.values(), *kept_out]):
            twice = repeated(names)
            if twice is not None:
                raise ValueError(f"header {twice} is named twice")
        for name, written in (*self.set.items(), *self.add.items()):
            _check_value(name, written)


def _check_value(name: str, written: str) -> None:
    for part in template.parts(written):
        plain = part if isinstance(part, str) else part.default or ""
        if not (plain.isascii() and plain.isprintable()):
            raise ValueError(f"the value of header {name} is not printable ASCII in one line")
        if not isinstance(part, str) and part.name.startswith("request.body"):
            raise ValueError(f"the value of header {name} cannot be of the request's body, which is gone by then")


def _filter(edits: ResponseHeaders, path: str) -> AnswerFilter:
    gone = frozenset(name.lower().encode("ascii") for name in (*edits.set, *edits.remove))
    renamed = {old.lower().encode("ascii"): new.encode("ascii") for old, new in edits.rename.items()}
    dropped = gone | {new.lower() for new in renamed.values()}
    texts = [
        (name.encode("ascii"), writing.text(written, path, writing.as_header))
        for name, written in (*edits.set.items(), *edits.add.items())
    ]
    fixed = [b"%b: %b\r\n" % (name, one.constant.encode("ascii")) for name, one in texts if one.constant is not None]
    made = [(name, one.make) for name, one in texts if one.constant is None]

    def edit(exchange: Exchange, head: Head) -> Head:
        lines = [
            b"%b: %b\r\n" % (renamed[name], value(line)) if name in renamed else line
            for line in head.lines
            if (name := name_of(line)) in renamed or name not in dropped
        ]
        lines += fixed
        if made:
            subject = Subject(exchange)
            found = ((name, make(subject)) for name, make in made)
            lines += [b"%b: %b\r\n" % (name, text.encode("ascii")) for name, text in found if text is not None]
        return Head(head.status, head.reason, lines, head.length, head.own)

    return edit


class _Policy:
    name = "response_headers"
    order = 81
    answer_order = 70
    model: type[Struct] = ResponseHeaders
    derived = False
    refuses = False

    def compile(self, value: ResponseHeaders, route: Route, runtime: Runtime) -> None:
        """No step: it is about answers."""

    def filter(self, value: ResponseHeaders, route: Route, runtime: Runtime) -> AnswerFilter | None:
        return _filter(value, route.path) if value != ResponseHeaders() else None

    def problems(self, value: ResponseHeaders, route: Route) -> Iterator[Problem]:
        yield from of_template(to_builtins(value), route.path)

    def compare(self, old: ResponseHeaders | None, new: ResponseHeaders | None) -> Change:
        """Headers of answers tell browsers and caches what they may do: another set of them may let them do more."""
        return judged(self.reasons(old, new))

    def reasons(self, old: ResponseHeaders | None, new: ResponseHeaders | None) -> Iterator[Reason]:
        before, after = _edits(old), _edits(new)
        for what in sorted(before.keys() | after.keys()):
            if before.get(what) != after.get(what):
                yield Reason(Change.WEAKEN, f"answers say something else in {what}: browsers and caches may rely on it")

    def describe(self, value: ResponseHeaders) -> str:
        words = [f"answer {old} → {new}" for old, new in value.rename.items()]
        words += [f"answer + {n}: {_shown(n, text)}" for n, text in (*value.set.items(), *value.add.items())]
        return ", ".join(words + [f"answer - {name}" for name in value.remove])


def _shown(name: str, text: str) -> str:
    return text if "${" in text else secrecy.shown(name, text)


def _edits(value: ResponseHeaders | None) -> dict[str, object]:
    if value is None:
        return {}
    found: dict[str, list[object]] = {}
    for kind in ("set", "add", "rename"):
        for name, text in getattr(value, kind).items():
            found.setdefault(name.lower(), []).append((kind, text))
    for name in value.remove:
        found.setdefault(name.lower(), []).append("remove")
    return dict(found)


POLICY = _Policy()
