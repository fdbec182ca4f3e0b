"""Bodies of free text, whose values are escaped for what the text is: no value is ever more than text in it.

JSON           a value is (part of) a string, written as JSON escapes it (RFC 8259, section 7)
XML            text or part of an attribute's value: `&lt;`, `&#10;`; what XML 1.0 has no character for is U+FFFD
HTML           the same, and only where nothing is run or fetched: text, and attributes that are known to be harmless
text/plain     controls and line ends are spaces
all others     take no values: nobody here knows how to escape them

Where a value stands is looked at when the files are loaded, with a parser of the type. A value that is not there
leaves nothing. Always UTF-8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from typing import Any
from xml.parsers import expat

from apigw_cli.config import template
from apigw_cli.config.template import Part
from apigw_cli.policies.templates.reading import Subject
from apigw_cli.policies.templates.writing import Encode, piece
from apigw_cli.policies.validation import strict_json
from apigw_cli.policies.validation.bodies import MediaType, is_json

PLAIN = "text/plain"
TYPE = r"^[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+( *; *charset=[uU][tT][fF]-8)?$"

_TO_ESCAPE = re.compile("[^ -~\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[&<>\"']")
_MARKS = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")

# Elements of HTML whose text is no text, and attributes that nothing is run, fetched or styled by.
_RAW = frozenset(("iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "template", "xmp"))
_HARMLESS = frozenset(
    (
        *("abbr", "alt", "class", "colspan", "datetime", "dir", "for", "height", "id", "label", "lang", "max", "min"),
        *("placeholder", "rowspan", "title", "value", "width"),
    )
)
_ATTRIBUTE = r"""\s+[^\s"'<>/=]+(?:\s*=\s*(?:"[^"]*"|'[^']*'))?"""
_TAG = re.compile(rf"<[A-Za-z][A-Za-z0-9:-]*(?:{_ATTRIBUTE})*\s*/?>")
_RENDERED = ("http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg")
_STRAY = "a value stands where it could be more than text"


def as_markup(text: str) -> str:
    return _TO_ESCAPE.sub(lambda match: _MARKS.get(match[0], "\ufffd"), text)


def as_json_text(text: str) -> str:
    return json.dumps(_SURROGATES.sub("\ufffd", text), ensure_ascii=False)[1:-1]


def as_plain(text: str) -> str:
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub(" ", text))


def content_type(kind: str) -> bytes:
    """The header line; text says in which characters it is."""
    charset = "; charset=utf-8" if kind.startswith("text/") and ";" not in kind else ""
    return f"Content-Type: {kind}{charset}\r\n".encode("ascii")


def document(written: str, kind: str, path: str) -> Callable[[Subject], bytes]:
    """What makes a body of the template, for requests of the route with this path template.

    Raises InputError for values that requests of this path do not have.
    """
    encode = _language(kind)[0]
    pieces = [one if isinstance(one, str) else piece(one, path, encode) for one in template.parts(written)]

    def make(subject: Subject) -> bytes:
        texts = (one if isinstance(one, str) else one(subject) or "" for one in pieces)
        return "".join(texts).encode("utf-8", "replace")

    return make


def check(written: str, kind: str) -> None:
    """Raises ValueError for text that is not of its type, or a value that stands where it could be more than text."""
    if not re.fullmatch(TYPE.removesuffix("$"), kind):
        raise ValueError(f"{kind!r} is no media type, or one of another charset than utf-8")
    parts = template.parts(written)
    look = _language(kind)[1]
    if look is not None:
        look(*_marked(parts))
    elif any(not isinstance(part, str) for part in parts):
        known = "of JSON, XML, HTML and text/plain"
        raise ValueError(f"the text is {kind}, which takes no values: how to escape them is known {known} alone")


def _language(kind: str) -> tuple[Encode, Callable[[str, Sequence[str]], None] | None]:
    essence = MediaType.of(kind.encode("latin-1", "replace")).essence
    if is_json(essence):
        return as_json_text, _check_json
    if essence == "text/html":
        return as_markup, _check_html
    if essence in ("application/xml", "text/xml") or essence.endswith("+xml"):
        return as_markup, _check_xml
    return as_plain, _check_plain if essence == "text/plain" else None


def _marked(parts: tuple[Part, ...]) -> tuple[str, list[str]]:
    """The text with a word of its own for each value, and these words."""
    plain = "".join(part for part in parts if isinstance(part, str))
    stem = "zv"
    while stem in plain:
        stem += "v"
    marks: list[str] = []
    out: list[str] = []
    for part in parts:
        if not isinstance(part, str):
            marks.append(f"{stem}{len(marks)}z")
        out.append(part if isinstance(part, str) else marks[-1])
    return "".join(out), marks


def _check_places(found: str, marks: Sequence[str], where: str) -> None:
    if any(found.count(mark) != 1 for mark in marks):
        raise ValueError(f"{_STRAY}: {where}")


def _check_plain(text: str, marks: Sequence[str]) -> None:
    """Anything is text."""


def _check_json(text: str, marks: Sequence[str]) -> None:
    try:
        data = strict_json.loads(text.encode())
    except strict_json.NotJson as error:
        raise ValueError(
            f"the text is no JSON, each value in a string: {error}; `json` takes values of any kind"
        ) from None
    _check_places("\n".join(_strings(data)), marks, "in JSON it belongs into a string that is no name")


def _strings(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, (dict, list)):
        for one in data.values() if isinstance(data, dict) else data:
            yield from _strings(one)


def _check_xml(text: str, marks: Sequence[str]) -> None:
    found: list[str] = []
    parser = expat.ParserCreate("utf-8", " ")
    inside: list[bool] = [False]  # whether what is text here is rendered by nobody as code

    def start(name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        rendered = space in _RENDERED
        inside.append(inside[-1] or (rendered and local in _RAW))
        found.append("\n")
        for key, value in attributes.items():
            if not rendered or _is_harmless(key):
                found.append(f"{value}\n")

    def end(name: str) -> None:
        inside.pop()
        found.append("\n")

    def declared(version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise ValueError(f"the text says that its encoding is {encoding}, and it is UTF-8")

    def typed(name: str, system: str | None, public: str | None, has_subset: int) -> None:
        if has_subset:
            raise ValueError("the text declares entities: write what they stand for")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.XmlDeclHandler, parser.StartDoctypeDeclHandler = declared, typed
    parser.StartCdataSectionHandler = lambda: inside.append(True)
    parser.EndCdataSectionHandler = lambda: end("")
    parser.CharacterDataHandler = lambda data: None if inside[-1] else found.append(data)
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise ValueError(f"the text is no XML: {error}") from None
    _check_places("".join(found), marks, "in XML it belongs into text or an attribute's value")


def _is_harmless(attribute: str) -> bool:
    return attribute in _HARMLESS or attribute.startswith(("aria-", "data-"))


def _check_html(text: str, marks: Sequence[str]) -> None:
    if not marks:
        return
    looking = _Html()
    looking.feed(text)
    looking.close()
    where = "in HTML it belongs into text, or in quotes into an attribute such as title, value or class"
    _check_places("".join(looking.found), marks, where)


class _Html(HTMLParser):
    """Finds what is text, and what is the quoted value of a harmless attribute."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._within = ""  # the outermost element whose text is no text

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append("\n")
        if not self._within and _TAG.fullmatch(self.get_starttag_text() or ""):
            self.found += [f"{value}\n" for name, value in attrs if value is not None and _is_harmless(name)]
        if tag in _RAW and not self._within:  # `<script/>` is open to browsers
            self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self.found.append("\n")
        if tag == self._within:
            self._within = ""

    def handle_data(self, data: str) -> None:
        if "<" in data and not self._within:  # of a tag that is none: readers differ on what follows
            self._within = data
        if not self._within:
            self.found.append(data)
