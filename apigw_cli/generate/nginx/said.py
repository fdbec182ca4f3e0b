"""What the policies for answers come to in nginx: lines to add, and an upstream's to hide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import to_builtins

from apigw_cli.generate.nginx.answers import Line
from apigw_cli.generate.nginx.cors import HIDDEN, Origins
from apigw_cli.generate.nginx.values import Values, gaps
from apigw_cli.generate.nginx.words import header_variable, literal, quoted
from apigw_cli.policies import security_headers
from apigw_cli.policies.response.headers import FOR_SHARED, depends_on
from apigw_cli.policies.response.model import Headers, Response, rules
from apigw_cli.policies.security_headers import SecurityHeaders
from apigw_cli.policies.templates import writing

_HSTS = "strict-transport-security"
_OURS = ("server", "content-type")  # of nginx itself
_FILES = (*_OURS, "etag", "last-modified", "accept-ranges")  # what it says of a file


@dataclass(slots=True)
class Said:
    """`hidden`: headers of upstreams that do not pass, by name in lower case; `gaps`: pairs of policy and text."""

    lines: list[Line] = field(default_factory=list)
    hidden: dict[str, str] = field(default_factory=dict)
    gaps: list[tuple[str, str]] = field(default_factory=list)

    def hide(self, name: str) -> None:
        self.hidden.setdefault(name.lower(), name)

    @property
    def hides(self) -> list[str]:
        """The directives. A level with one inherits none of the same kind."""
        if not self.hidden:
            return []
        names = {"x-request-id": "X-Request-Id"} | self.hidden
        passed = ["proxy_pass_header Date;"] if "server" in names else []
        return [*passed, *(f"proxy_hide_header {quoted(name)};" for name in names.values())]


def of_route(
    values: Mapping[str, Any], path: str, caller: str | None, files: bool, maker: Values, origins: Origins
) -> Said:
    """All that the policies of a route say. `files`: a site answers, not an upstream."""
    said = Said()
    if "response" in values:
        for rule in rules(values["response"]):
            _response(said, rule, path, caller, files, maker)
    if "security_headers" in values:
        _security(said, values["security_headers"])
    if "cors" in values:
        _cors(said, origins.lines(values["cors"]))
    return said


def _response(said: Said, value: Response, path: str, caller: str | None, files: bool, maker: Values) -> None:
    """Headers of all answers; what is about some of them, their statuses and their bodies nginx does not do."""
    if value.changes_body:
        _gap(said, "nginx does not change bodies: clients see the upstream's, with what is to be left out")
    if value.status:
        _gap(said, "nginx does not change statuses: clients see the upstream's")
    if value.on is not None:
        _gap(said, "nginx does not tell statuses apart: no header is changed")
    elif value.headers is not None:
        _told(said, value.headers, files)
        _edits(said, value.headers, path, caller, files, maker)


def _told(said: Said, edits: Headers, files: bool) -> None:
    """What caches on the way are told of values of one request, unless the edits say it themselves."""
    fields, private = depends_on(writing.names(to_builtins(edits)))
    own = {name.lower() for name in (*edits.set, *edits.remove, *edits.rename.values())}
    if "vary" not in own:
        said.lines += [Line("Vary", literal(name), rf"(?:^|,)[ \t]*{re.escape(name)}[ \t]*(?:,|$)") for name in fields]
    if private:
        for name in FOR_SHARED:
            said.hide(name)
    if private and "cache-control" not in own:
        said.lines.append(Line("Cache-Control", literal("private"), r"(?:^|,)[ \t]*(?:private|no-store)[ \t]*(?:,|$)"))


def _edits(said: Said, edits: Headers, path: str, caller: str | None, files: bool, maker: Values) -> None:
    for old, new in edits.rename.items():
        said.hide(old)
        said.hide(new)
        variable = header_variable(old, "upstream_http")
        if variable is None or {old.lower(), new.lower()} & set(_FILES if files else _OURS):
            _gap(said, f"nginx cannot rename {old}: it is left out")
        else:
            said.lines.append(Line(new, variable, late=True))
            _gap(said, f"of several headers {old} nginx renames the first")
    for name in edits.remove:
        if name.lower() in (_FILES if files else ("server",)):
            _gap(said, f"nginx says {name} itself: that is not removed")
        said.hide(name)
    for kind, texts in (("set", edits.set), ("add", edits.add)):
        for name, written in texts.items():
            text = maker.text(written, path, caller)
            if text is None or name.lower() in (_FILES if files else _OURS):
                why = "says it itself" if text is not None else "has no such value"
                _gap(said, f"nginx {why}: {name} is not {kind}")
                continue
            if kind == "set":
                said.hide(name)
            for message in gaps(written):
                _gap(said, message)
            said.lines.append(Line(name, text))


def _gap(said: Said, message: str) -> None:
    said.gaps.append(("response", message))


def _security(said: Said, value: SecurityHeaders) -> None:
    there = {line.name.lower() for line in said.lines}
    for name, text in security_headers.said(value).items():
        if name.lower() not in there:
            stands = None if name.lower() in said.hidden else ""
            said.lines.append(Line(name, literal(text), stands))
        elif any(line.late and line.name.lower() == name.lower() for line in said.lines):
            said.gaps.append(
                ("security_headers", f"nginx says {name} only where an upstream says what it is renamed from")
            )
    said.hide("Strict-Transport-Security")  # this nginx speaks plain HTTP (RFC 6797, section 7.2)
    said.lines = [line for line in said.lines if line.name.lower() != _HSTS]


def _cors(said: Said, lines: list[Line]) -> None:
    """What others say of it is replaced."""
    said.lines = [line for line in said.lines if not line.name.lower().startswith("access-control-")]
    for name in HIDDEN:
        said.hide(name)
    said.lines += _with_vary(said, lines)


def _with_vary(said: Said, lines: list[Line]) -> Iterator[Line]:
    own = any(line.name.lower() == "vary" for line in said.lines)
    for line in lines:
        yield Line(line.name, line.value) if own and line.name == "Vary" else line
