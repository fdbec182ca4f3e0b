"""Edits of an answer's header lines, and what caches have to know of an answer with values of one request."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from apigw_cli.policies.answer_filter import name_of, value, vary
from apigw_cli.policies.response.model import Headers
from apigw_cli.policies.templates import writing
from apigw_cli.policies.templates.reading import Subject

LONGEST = 8 * 1024  # characters of a value that is made here; a longer one is left out
FOR_SHARED = ("CDN-Cache-Control", "Surrogate-Control")
_FOR_SHARED = frozenset(name.lower().encode() for name in FOR_SHARED)

Lines = list[bytes]
Edit = Callable[[Subject, Lines], Lines]


def names_of(edits: Headers | None) -> frozenset[bytes]:
    """What the upstream's own lines do not say, nor a trailer (in lower case)."""
    if edits is None:
        return frozenset()
    named = (*edits.set, *edits.remove, *edits.rename, *edits.rename.values())
    return frozenset(name.lower().encode("ascii") for name in named)


def of_headers(edits: Headers, path: str) -> Edit:
    """Raises InputError for values that requests of this path do not have."""
    gone = frozenset(name.lower().encode("ascii") for name in (*edits.set, *edits.remove))
    renamed = {old.lower().encode("ascii"): new.encode("ascii") for old, new in edits.rename.items()}
    dropped = gone | {new.lower() for new in renamed.values()}
    texts = [
        (name.encode("ascii"), writing.text(written, path, writing.as_header))
        for name, written in (*edits.set.items(), *edits.add.items())
    ]
    fixed = [b"%b: %b\r\n" % (name, one.constant.encode("ascii")) for name, one in texts if one.constant is not None]
    made = [(name, one.make) for name, one in texts if one.constant is None]

    def edit(subject: Subject, lines: Lines) -> Lines:
        found = [
            b"%b: %b\r\n" % (renamed[name], value(line)) if name in renamed else line
            for line in lines
            if (name := name_of(line)) in renamed or name not in dropped
        ]
        found += fixed
        for name, make in made:
            text = make(subject)
            if text is not None and len(text) <= LONGEST:
                found.append(b"%b: %b\r\n" % (name, text.strip().encode("ascii")))
        return found

    return edit


def depends_on(names: Iterable[str]) -> tuple[list[str], bool]:
    """What an answer with these values varies by, and whether it is for its caller alone."""
    found = sorted(set(names))
    asked = [name.removeprefix("request.header.") for name in found if name.startswith("request.header.")]
    asked += ["Cookie"] if any(name.startswith("request.cookie.") for name in found) else []
    return asked, any(name.startswith("auth.") or name in ("request.ip", "request.id") for name in found)


def dependence(names: Iterable[str]) -> Edit | None:
    """What caches on the way are told: values of this one caller make an answer theirs, header fields make it vary."""
    asked, private = depends_on(names)
    if not asked and not private:
        return None
    fields = [name.encode("ascii") for name in asked]

    def tell(subject: Subject, lines: Lines) -> Lines:
        for name in fields:
            lines = vary(lines, name)
        return _private(lines) if private else lines

    return tell


def _private(lines: Lines) -> Lines:
    """RFC 9111, section 5.2.2.7. What speaks to shared caches alone (RFC 9213) would go before it, and goes."""
    kept = [line for line in lines if name_of(line) not in _FOR_SHARED]
    said = b",".join(value(line).lower() for line in kept if name_of(line) == b"cache-control")
    if {b"private", b"no-store"} & {one.strip() for one in said.split(b",")}:
        return kept
    return [*kept, b"Cache-Control: private\r\n"]
