"""`request` and `request_headers` in nginx: what an upstream is asked in place of what the client asked.

Query and cookies are one text each for nginx, so each edit is a `map` from one variable to the next, over texts in
which every parameter ends in its separator. What nginx would have to encode or to find twice makes the text `BAD`, and
the request is refused with 400: no edit is left out for some clients.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from apigw_cli.config import template
from apigw_cli.generate.nginx.values import BAD, COOKIE, PATH, QUERY, Place, Values, gaps
from apigw_cli.generate.nginx.words import header_variable, in_quotes, literal, literal_regex, quoted, spelled
from apigw_cli.policies.request.model import Cookies, Headers, Prefix, Query, Request

_INCIDENTAL = {"request.id", "request.ip"}  # an upstream is told of them, but nothing else is asked for

Lines = dict[str, list[tuple[str, str]]]


@dataclass(slots=True)
class Asking:
    """What a route's upstream is asked.

    `path_template`, `caller`: of the route. `lines`: header lines by name in lower case, each a name and a parameter;
    a name with none is not sent. `added`: those that stand beside the client's own. `path`, `query`: variables, None
    for the client's own. `told`: variables that tell requests apart for a cache; `checked`: those that may be `BAD`.
    `impossible`: nginx cannot ask so; it answers 501.
    """

    path_template: str = ""
    caller: str | None = None
    lines: Lines = field(default_factory=dict)
    added: list[tuple[str, str]] = field(default_factory=list)
    method: str | None = None
    path: str | None = None
    query: str | None = None
    told: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    gaps: list[tuple[str, str]] = field(default_factory=list)
    impossible: bool = False

    @property
    def refusals(self) -> list[str]:
        """What refuses requests that nginx cannot change as wanted."""
        told = in_quotes('{"message":"Bad Request"}\n')
        return [f"if ({variable} ~ {in_quotes(chr(92) + 'n')}) {{ return 400 {told}; }}" for variable in self.checked]

    def target(self, own: str) -> str | None:
        """Path and query as they go upstream; None: as they came. `own`: the path without edits."""
        if self.path is None and self.query is None:
            return None
        return f"{self.path or own}{self.query or '$is_args$args'}"

    def headers(self, known: Lines) -> list[str]:
        """All `proxy_set_header` lines. `known`: those of every request."""
        found = known | self.lines
        for name, value in self.added:
            client = header_variable(name)
            before = found.get(name.lower(), [(name, client)] if client else [])
            found[name.lower()] = [*before, (name, value)]
        return [f"proxy_set_header {quoted(name)} {value};" for pairs in found.values() for name, value in pairs]


class Requests:
    """Makes them; the maps are those of `values`."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def of(self, request: Request | None, headers: Headers | None, path: str, caller: str | None, own: str) -> Asking:
        """For a route with this path; `own` is the variable of the path that its upstream is asked for otherwise."""
        asking = Asking(path, caller)
        if headers is not None:
            self._headers(asking, "request_headers", headers)
        if request is None:
            return asking
        if request.headers is not None:
            self._headers(asking, "request", request.headers)
        if request.body is not None:
            self._cannot(asking, "nginx does not change bodies")
        if request.method is not None:
            method = [f"default {request.method};", "HEAD HEAD;"]  # whose answer has no body, as another method's has
            asking.method = self._values.chain("$request_method", method, "method")
        if request.path is not None:
            self._path(asking, request.path)
        if request.prefix is not None:
            self._prefix(asking, request.prefix, own)
        if request.query is not None:
            self._query(asking, request.query)
        if request.cookies is not None:
            self._cookies(asking, request.cookies)
        return asking

    def _cannot(self, asking: Asking, why: str) -> None:
        asking.impossible = True
        asking.gaps.append(("request", f"{why}: it says 501"))

    # --- headers

    def _headers(self, asking: Asking, policy: str, edits: Headers) -> None:
        for name in (*edits.rename, *edits.remove, *edits.rename.values()):
            asking.lines[name.lower()] = [(name, '""')]
        for old, new in edits.rename.items():
            variable = header_variable(old)
            if variable is None:
                asking.gaps.append((policy, f"nginx has no variable for the header {old}: it is not passed on"))
                continue
            asking.gaps.append((policy, f"of several headers {old} nginx renames the first"))
            asking.lines[new.lower()] = [(new, variable)]
            asking.told.append(variable)
        for name, written in edits.set.items():
            text = self._line(asking, policy, name, written)
            asking.lines[name.lower()] = [(name, text or '""')]
        for name, written in edits.add.items():
            text = self._line(asking, policy, name, written)
            if text is not None:
                asking.added.append((name, text))
                asking.gaps += [(policy, one) for one in _of_added(name)]

    def _line(self, asking: Asking, policy: str, name: str, written: str) -> str | None:
        text = self._values.text(written, asking.path_template, asking.caller)
        if text is None:
            asking.gaps.append((policy, f"nginx has no such value: the header {name} is not sent, nor a client's own"))
            return None
        asking.gaps += [(policy, message) for message in gaps(written)]
        self._tell(asking, text, written)
        return text

    def _tell(self, asking: Asking, text: str, written: str) -> None:
        if text.startswith("$") and not {value.name for value in template.values(written)} <= _INCIDENTAL:
            asking.told.append(text)

    # --- the request line

    def _path(self, asking: Asking, written: str) -> None:
        text = self._values.text(written, asking.path_template, asking.caller, PATH)
        if text is None:
            self._cannot(asking, f"nginx cannot make the path {written}")
            return
        if not template.values(written):
            asking.path = self._values.chain('""', [f"default {text};"], "path")
            return
        lines = [f'"" {_BAD};', f"{in_quotes(DOTS)} {_BAD};", f"default {text};"]
        asking.path = self._values.chain(text, lines, "path")
        self._check(asking, asking.path)
        asking.gaps += [("request", message) for message in gaps(written)]

    def _prefix(self, asking: Asking, prefix: Prefix, own: str) -> None:
        old, new = spelled(unquote(prefix.old.rstrip("/"))), prefix.new.rstrip("/")
        lines = [
            f"default {own};",
            f"{in_quotes(f'~^{old}' + _END)} {literal(new or '/')};",
            f"{in_quotes(f'~^{old}(?<apigw_found>/.*)')} {in_quotes(_escaped(new) + '$apigw_found')};",
        ]
        asking.path = self._values.chain("$apigw_path", lines, "path")
        asking.told.append(asking.path)

    def _query(self, asking: Asking, edits: Query) -> None:
        if set(edits.rename) & set(edits.rename.values()):
            self._cannot(asking, "nginx cannot exchange names of a query")
            return
        query = self._values.chain("$args", ['"" "";', 'default "$args&";'], "query")
        for old, new in edits.rename.items():
            # What a client sends under the new name goes first, or it could not be told from what is renamed.
            query = self._without(query, _parameter(new), "&")
            query = self._without(query, _parameter(old), "&", f"{_escaped(quote(new, safe=''))}$apigw_value&")
        for name in (*edits.remove, *edits.set):
            query = self._without(query, _parameter(name), "&")
        for name, written in (*sorted(edits.set.items()), *sorted(edits.add.items())):
            query = self._with(asking, query, quote(name, safe=""), written, QUERY)
        ends = ['"" "";', f"{in_quotes('~^(?<apigw_found>.*)&' + _END)} ?$apigw_found;", f"default {query};"]
        asking.query = self._values.chain(query, ends, "query")
        self._check(asking, query)
        asking.gaps.append(("request", "nginx refuses (400) a request that has a query parameter twice that changes"))

    def _cookies(self, asking: Asking, edits: Cookies) -> None:
        found = self._values.chain("$http_cookie", ['"" "";', 'default "$http_cookie; ";'], "cookies")
        for name in (*edits.remove, *edits.set):
            found = self._without(found, f"{literal_regex(name)}{_SPACE}", ";")
        for name, written in sorted(edits.set.items()):
            found = self._with(asking, found, name, written, COOKIE)
        self._check(asking, found)
        pattern = r"~^(?<apigw_found>.*[^; \t])[; \t]*\z"
        ends = [f"{in_quotes(pattern)} $apigw_found;", 'default "";']
        asking.lines["cookie"] = [("Cookie", self._values.chain(found, ends, "cookies"))]
        asking.gaps.append(("request", "nginx refuses (400) a request that has a cookie twice that changes"))

    def _without(self, source: str, name: str, separator: str, instead: str = "") -> str:
        """`source` less the parameter, or with something else in its place."""
        ends = separator + _SPACE
        pair = f"{name}(?<apigw_value>=[^{separator}]*)?{ends}"
        others = f"(?:[^{separator}]*{ends})*?"
        twice = f"~^{others}{pair.replace('?<apigw_value>', '?:')}(?:.*{ends})?{pair}"
        once = f"~^(?<apigw_before>{others}){pair}(?<apigw_after>.*)"
        made = "${apigw_before}" + instead + "${apigw_after}"
        lines = [f"{in_quotes(twice)} {_BAD};", f"{in_quotes(once)} {in_quotes(made)};", f"default {source};"]
        return self._values.chain(source, lines, "edited")

    def _with(self, asking: Asking, source: str, name: str, written: str, place: Place) -> str:
        """`source` and one more, unless it has no value. `name` as it goes out."""
        after = "&" if place is QUERY else "; "
        text = self._values.text(written, asking.path_template, asking.caller, place)
        if text is None:
            self._cannot(asking, f"nginx cannot make {name}={written}")
            return source
        if template.values(written):
            asking.gaps += [("request", message) for message in gaps(written)]
            whole = f"{_variable(source)}{_escaped(name)}={_variable(text)}{after}"
            return self._values.chain(text, [f'"" {source};', f"default {in_quotes(whole)};"], "edited")
        constant = "".join(place.literal(str(part)) for part in template.parts(written))
        whole = f"{_variable(source)}{_escaped(f'{name}={constant}')}{after}"
        return self._values.chain(source, [f"default {in_quotes(whole)};"], "edited")

    def _check(self, asking: Asking, variable: str) -> None:
        asking.checked.append(variable)
        asking.told.append(variable)


REFUSED = "return 400 " + in_quotes('{"message":"Bad Request"}\n') + ";"
# A path that some server could read in another way.
DOTS = (
    r"~*^(?!/)|//|\\|/(?:\.|%2e){1,2}(?:/|\z)"
    r"|(?:/|%2f|%5c)(?:\.|%2e){2}(?:;[^/]*)?(?:/|%2f|%5c|%3b|\z)"
)
_BAD = in_quotes(BAD)
_END = r"\z"
_SPACE = r"[ \t]*"


def _of_added(name: str) -> Iterable[str]:
    if header_variable(name) is None:
        yield f"nginx has no variable for the header {name}: the client's own is not passed on beside the added one"
    else:
        yield f"nginx takes the first of a client's headers {name} and adds to that"


def _parameter(name: str) -> str:
    """A query parameter's name in each way that a client may write it."""
    return "".join(
        "(?:[+]|%20)" if char == " " else "%2[bB]" if char == "+" else spelled(char) if char != "/" else "(?:/|%2[fF])"
        for char in name
    )


def _variable(text: str) -> str:
    return f"${{{text[1:]}}}"


def _escaped(text: str) -> str:
    """Plain text beside variables, in quotes."""
    return text.replace("$", "${apigw_dollar}")
