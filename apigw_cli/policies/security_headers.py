"""`security_headers`: what browsers are told so that they protect the pages and answers of a route.

The values are those that the OWASP Secure Headers project recommends and that break no API. What an answer says of a
name itself stands: a page knows its own policy best. `response: {headers: …}` comes before, for upstreams that
say less than is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from apigw_cli.policies.answer_filter import AnswerFilter, Head, name_of
from apigw_cli.policies.interface import Change, Exchange, Reason, Runtime
from apigw_cli.policies.judging import Setting, differences, judged, more, ordered, there, turned_on
from apigw_cli.snapshot.model import Route

_TEXT = r"^[!-~]([ -~]{0,4094}[!-~])?$"
Value = Annotated[str, Meta(pattern=_TEXT, examples=["camera=()", "img-src 'self'"])]
_REFERRER = (
    "no-referrer",
    "same-origin",
    "strict-origin",
    "strict-origin-when-cross-origin",
    "off",
)


class SecurityHeaders(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What browsers are told to protect a route's answers."""

    hsts: Annotated[
        int, Meta(description="Seconds that browsers use HTTPS alone for (Strict-Transport-Security). 0: unsaid.", ge=0)
    ] = 31536000
    hsts_subdomains: Annotated[bool, Meta(description="All hosts below this one too.")] = False
    nosniff: Annotated[bool, Meta(description="X-Content-Type-Options: nosniff.")] = True
    frame: Annotated[
        Literal["deny", "sameorigin", "off"], Meta(description="Who may show it in a frame (X-Frame-Options).")
    ] = "deny"
    referrer: Annotated[
        Literal["no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin", "off"],
        Meta(description="What other sites learn of where a visitor comes from (Referrer-Policy)."),
    ] = "no-referrer"
    csp: Annotated[
        Value | None, Meta(description="Content-Security-Policy.", examples=["default-src 'none'", "img-src 'self'"])
    ] = None
    permissions: Annotated[
        Value | None, Meta(description="Permissions-Policy.", examples=["camera=()", "geolocation=()"])
    ] = None

    def __post_init__(self) -> None:
        if self.hsts_subdomains and not self.hsts:
            raise ValueError("hsts_subdomains needs hsts")
        for text in (self.csp, self.permissions):
            if text is not None and not re.fullmatch(_TEXT.removesuffix("$"), text):
                raise ValueError(f"{text!r} is not printable ASCII in one line")


def said(value: SecurityHeaders) -> dict[str, str]:
    """Names and values of what holds with and without TLS."""
    found = {
        "X-Content-Type-Options": "nosniff" if value.nosniff else None,
        "X-Frame-Options": value.frame.upper() if value.frame != "off" else None,
        "Referrer-Policy": value.referrer if value.referrer != "off" else None,
        "Content-Security-Policy": value.csp,
        "Permissions-Policy": value.permissions,
    }
    return {name: text for name, text in found.items() if text}


def _lines(value: SecurityHeaders) -> list[tuple[bytes, bytes]]:
    """Names in lower case, and lines."""
    return [(name.lower().encode(), f"{name}: {text}\r\n".encode("ascii")) for name, text in said(value).items()]


def _filter(value: SecurityHeaders) -> AnswerFilter:
    always = _lines(value)
    below = "; includeSubDomains" if value.hsts_subdomains else ""
    hsts = (b"strict-transport-security", f"Strict-Transport-Security: max-age={value.hsts}{below}\r\n".encode())
    secured = [*always, hsts] if value.hsts else always

    def edit(exchange: Exchange, head: Head) -> Head:
        there = {name_of(line) for line in head.lines}
        wanted = secured if exchange.secure else always
        lines = [*head.lines, *(line for name, line in wanted if name not in there)]
        if not exchange.secure:  # RFC 6797, section 7.2: not to be said without TLS, by nobody
            lines = [line for line in lines if name_of(line) != hsts[0]]
        return Head(head.status, head.reason, lines, head.length, head.own)

    return edit


_TABLE = {
    "hsts": Setting("hsts", more, "browsers may go back to plain HTTP sooner"),
    "hsts_subdomains": Setting("hsts_subdomains", turned_on, "hosts below may be reached by plain HTTP"),
    "nosniff": Setting("nosniff", turned_on, "browsers may take an answer for another type"),
    "frame": Setting("frame", ordered("deny", "sameorigin", "off"), "more sites may show it in a frame"),
    "referrer": Setting("referrer", ordered(*_REFERRER), "other sites learn more of where visitors come from"),
    "csp": Setting("csp", there, "pages may load and run something else"),
    "permissions": Setting("permissions", there, "pages may use other features of a browser"),
}


class _Policy:
    name = "security_headers"
    order = 82
    answer_order = 80
    model: type[Struct] = SecurityHeaders
    derived = False
    refuses = False

    def compile(self, value: SecurityHeaders, route: Route, runtime: Runtime) -> None:
        """No step: it is about answers."""

    def filter(self, value: SecurityHeaders, route: Route, runtime: Runtime) -> AnswerFilter:
        return _filter(value)

    def compare(self, old: SecurityHeaders | None, new: SecurityHeaders | None) -> Change:
        return judged(self.reasons(old, new))

    def reasons(self, old: SecurityHeaders | None, new: SecurityHeaders | None) -> Iterator[Reason]:
        if old is None or new is None:
            if new is not None:
                yield Reason(Change.STRENGTHEN, "browsers are told to protect answers")
            elif old is not None:
                yield Reason(Change.WEAKEN, "browsers are told nothing of protection")
            return
        for found in differences({SecurityHeaders: _TABLE}, old, new):
            yield Reason(found.change, f"{found.path}: {found.why} ({found.words[0]} → {found.words[1]})")

    def describe(self, value: SecurityHeaders) -> str:
        words: list[Any] = [line.decode().partition(":")[0] for _, line in _lines(value)]
        words += ["Strict-Transport-Security over TLS"] if value.hsts else []
        return ", ".join(words) or "no security headers"


POLICY = _Policy()
