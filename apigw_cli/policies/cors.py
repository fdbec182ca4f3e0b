"""`cors`: which other sites' scripts may call and read the answers (Fetch standard, section 3.3; docs/cors.md).

The gateway answers preflights itself, before authentication, and what an upstream says of CORS is replaced: one place
decides. On all other answers, the gateway's own refusals too, it says whether a script of that origin may read them.
CORS keeps no caller out: it tells browsers what their scripts may see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from apigw_cli.config.values import DURATION, parse_duration
from apigw_cli.openapi.operations import METHODS
from apigw_cli.policies.answer_filter import AnswerFilter, Head, name_of, vary
from apigw_cli.policies.interface import Change, Exchange, Reason, Refusal, Runtime
from apigw_cli.policies.judging import Setting, differences, fewer, judged, neutral, plain, turned_off
from apigw_cli.routing.methods import ANY
from apigw_cli.snapshot.model import Route

EVERY = "*"
ORDER = 20  # on a request's way: after address lists, before authentication

_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?P<port>:([0-9]{1,5}|\*))?"
)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"
_TOKENS = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_ASKED_MAXIMUM = 4096  # bytes of Access-Control-Request-Headers that are repeated
_REFUSED = Refusal(403, "scripts of this origin may not call", (b"Vary: Origin\r\n",), "cors_origin")
_VARY = b"Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\r\n"

Token = Annotated[str, Meta(pattern=f"^{_TOKEN}$")]


class Cors(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which other sites' scripts may call, and what they may send and read."""

    origins: Annotated[
        list[str],
        Meta(
            description="scheme://host[:port]; https://*.example.com for its sub-domains; http://localhost:* for every "
            "port; null; or * alone for every origin.",
            examples=[["https://app.example.com", "https://*.example.com"]],
            min_length=1,
        ),
    ]
    methods: Annotated[list[Token] | None, Meta(description="Methods. Default: those that the path declares.")] = None
    headers: Annotated[
        list[Token] | None, Meta(description="Request headers that scripts may send. Default: whatever they ask for.")
    ] = None
    expose: Annotated[
        list[Token], Meta(description="Answer headers that scripts may read beside the safelisted; * for all.")
    ] = []
    credentials: Annotated[bool, Meta(description="Scripts may call with cookies and certificates.")] = False
    max_age: Annotated[
        str, Meta(description="How long browsers may remember a preflight's answer.", pattern=DURATION)
    ] = "10m"
    private_network: Annotated[
        bool, Meta(description="Public sites may call although the gateway is in a private network.")
    ] = False

    def __post_init__(self) -> None:
        for origin in self.origins:
            _check_origin(origin)
        if EVERY in self.origins and len(self.origins) > 1:
            raise ValueError("origins: * stands alone")
        if self.credentials and (EVERY in self.origins or "null" in self.origins):
            raise ValueError(
                "credentials: true needs origins by name: with * or null any site could read what is the caller's"
            )
        if self.credentials and EVERY in self.expose:
            raise ValueError("credentials: true needs expose to name headers: browsers take * literally then")
        for name in (*(self.methods or ()), *(self.headers or ()), *self.expose):
            if not re.fullmatch(_TOKEN, name):
                raise ValueError(f"{name!r} is no method or header name")
        for name in self.methods or ():
            if name != name.upper() and name.lower() in METHODS:
                raise ValueError(f"methods: {name!r} is none, {name.upper()} is (they are told apart by case)")
        if self.headers is not None and EVERY in self.headers:
            raise ValueError("headers: leave it out to allow whatever scripts ask for; * does not cover Authorization")
        if not 0 <= parse_duration(self.max_age) <= 86400:
            raise ValueError("max_age lies between 0s and 24h")


def _check_origin(text: str) -> None:
    if text in (EVERY, "null"):
        return
    match = _ORIGIN.fullmatch(text.lower())
    if match is None:
        hint = ": an origin has no path" if "/" in text.partition("://")[2] else ""
        raise ValueError(f"{text!r} is not an origin{hint} (https://app.example.com, https://*.example.com)")
    port = (match["port"] or ":1")[1:]
    if port != EVERY and not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not an origin: there is no port {port}")


def _canonical(text: str) -> str:
    """As browsers write it: lower case, without the scheme's own port."""
    low = text.lower()
    match = _ORIGIN.fullmatch(low)
    port = _DEFAULT_PORTS.get(match["scheme"]) if match is not None else None
    return low.removesuffix(port) if port is not None else low


Allows = Callable[[bytes], bool]


def allows(origins: list[str]) -> Allows:
    """Whether an `Origin`, as a browser sends it, is among them. A pattern takes sub-domains, not the domain itself."""
    if EVERY in origins:
        return lambda origin: True
    texts = [_canonical(text) for text in origins]
    exact = frozenset(text.encode("ascii") for text in texts if "*" not in text)
    patterns = [re.compile(pattern(text).encode("ascii")) for text in texts if "*" in text]

    def allowed(origin: bytes) -> bool:
        return origin in exact or any(one.fullmatch(origin) for one in patterns)

    return allowed


def pattern(text: str) -> str:
    """A regular expression for what an entry of `origins` takes, but for `*` alone, as a browser sends it."""
    scheme, _, rest = _canonical(text).partition("://")
    ports = rest.endswith(":*")
    rest = rest.removesuffix(":*")
    under = rest.startswith("*.")
    host = re.escape(rest.removeprefix("*."))
    labels = r"(?:[a-z0-9_-]+\.)+" if under else ""
    sign = "://" if rest else ""  # none: `null`
    return f"{re.escape(scheme)}{sign}{labels}{host}{'(?::[0-9]{1,5})?' if ports else ''}"


def filtering(value: Cors) -> AnswerFilter:
    """What the answers of a route say of CORS, in place of what an upstream says."""
    allowed = allows(value.origins)
    every = EVERY in value.origins
    said = _said(value)

    def edit(exchange: Exchange, head: Head) -> Head:
        lines = [line for line in head.lines if not name_of(line).startswith(b"access-control-")]
        origin = exchange.header(b"origin")
        if not every:
            lines = vary(lines, b"Origin")
        if every:
            lines.append(b"Access-Control-Allow-Origin: *\r\n" + said)
        elif origin is not None and allowed(origin):
            lines.append(b"Access-Control-Allow-Origin: %b\r\n%b" % (origin, said))
        return Head(head.status, head.reason, lines, head.length, head.own)

    return edit


def _said(value: Cors) -> bytes:
    lines = b"Access-Control-Allow-Credentials: true\r\n" if value.credentials else b""
    if value.expose:
        lines += f"Access-Control-Expose-Headers: {', '.join(value.expose)}\r\n".encode("ascii")
    return lines


def is_preflight(exchange: Exchange) -> bool:
    """An OPTIONS request of a browser that asks before a script may call (Fetch, section 3.3.3)."""
    return exchange.header(b"origin") is not None and exchange.header(b"access-control-request-method") is not None


Answer = Callable[[Exchange], Refusal | tuple[bytes, ...]]


def preflight(value: Cors, route: Route) -> Answer:
    """What a preflight for a route is told: header lines of a 204, or a refusal.

    A method that the route does not take, or a header that is not listed, is no refusal: the browser sees that it is
    missing from the lists, and says so to whoever looks for the reason.
    """
    allowed = allows(value.origins)
    every = EVERY in value.origins
    seconds = int(parse_duration(value.max_age))
    fixed = (b"Access-Control-Max-Age: %d\r\n" % seconds) + (
        b"Access-Control-Allow-Credentials: true\r\n" if value.credentials else b""
    )
    headers = _list_of(b"Headers", value.headers) if value.headers is not None else None

    def answer(exchange: Exchange) -> Refusal | tuple[bytes, ...]:
        origin = exchange.header(b"origin") or b""
        if not allowed(origin):
            return _REFUSED
        lines = [
            b"Access-Control-Allow-Origin: %b\r\n" % (b"*" if every else origin),
            fixed,
            _methods(value, route, exchange),
            _asked(exchange) if headers is None else headers,
            _VARY,
        ]
        if value.private_network and exchange.header(b"access-control-request-private-network") == b"true":
            lines.append(b"Access-Control-Allow-Private-Network: true\r\n")
        return tuple(lines)

    return answer


def _methods(value: Cors, route: Route, exchange: Exchange) -> bytes:
    if value.methods is not None:
        return _list_of(b"Methods", value.methods)
    asked = (exchange.header(b"access-control-request-method") or b"").decode("latin-1")
    is_taken = asked == route.method or (asked == "HEAD" and route.method == "GET") or route.method == ANY
    return _list_of(b"Methods", [asked if is_taken and re.fullmatch(_TOKEN, asked) else route.method])


def _list_of(what: bytes, names: list[str]) -> bytes:
    return b"Access-Control-Allow-%b: %b\r\n" % (what, ", ".join(names).encode("ascii")) if names else b""


def _asked(exchange: Exchange) -> bytes:
    """The names that the script wants to send, where they are names and not too many."""
    asked = (exchange.header(b"access-control-request-headers") or b"").strip()
    fits = len(asked) <= _ASKED_MAXIMUM and _TOKENS.fullmatch(asked)
    return b"Access-Control-Allow-Headers: %b\r\n" % asked if fits else b""


# --- what a change does


def _origins(old: list[str], new: list[str]) -> Change:
    if set(map(_canonical, old)) == set(map(_canonical, new)):
        return Change.NEUTRAL
    return Change.STRENGTHEN if all(_covers(old, one) for one in new) else Change.WEAKEN


def _covers(origins: list[str], one: str) -> bool:
    text = _canonical(one)
    if EVERY in origins or text in map(_canonical, origins):
        return True
    return "*" not in text and allows(origins)(text.encode("ascii"))


def _permitted(old: list[str] | None, new: list[str] | None) -> Change:
    """None: all of them."""
    if old is None or new is None:
        return Change.STRENGTHEN if old is None else Change.WEAKEN
    return fewer([one.lower() for one in old], [one.lower() for one in new])


def _all_or(names: list[str] | None) -> str:
    return "all" if names is None else plain(names)


_TABLE = {
    "origins": Setting("origins", _origins, "scripts of more sites can read answers", "scripts of fewer sites can"),
    "methods": Setting("methods", _permitted, "scripts may use more methods", show=_all_or),
    "headers": Setting("headers", _permitted, "scripts may send more headers", show=_all_or),
    "expose": Setting("expose", fewer, "scripts may read more headers"),
    "credentials": Setting("credentials", turned_off, "scripts may call as the person who is logged in"),
    "max_age": Setting("max_age", neutral, "it says how long browsers remember, not what they may"),
    "private_network": Setting("private_network", turned_off, "public sites reach into a private network"),
}


class _Policy:
    name = "cors"
    order = ORDER
    answer_order = 90
    meets_requests = True
    model: type[Struct] = Cors
    derived = False
    neutral: ClassVar = {"max_age": "it says how long browsers remember a preflight, not what they may do"}

    def compile(self, value: Cors, route: Route, runtime: Runtime) -> None:
        """No step: preflights do not come by a route's way (`gateway/preflights.py`)."""

    def filter(self, value: Cors, route: Route, runtime: Runtime) -> AnswerFilter:
        return filtering(value)

    def compare(self, old: Cors | None, new: Cors | None) -> Change:
        """More origins, methods or headers, or credentials: scripts of others may do or see more."""
        return judged(self.reasons(old, new))

    def reasons(self, old: Cors | None, new: Cors | None) -> Iterator[Reason]:
        if old is None or new is None:
            if new is not None:
                yield Reason(Change.WEAKEN, f"scripts of {plain(new.origins)} can read answers")
            elif old is not None:
                yield Reason(Change.STRENGTHEN, "the gateway lets no other site's scripts read answers")
            return
        for found in differences({Cors: _TABLE}, old, new):
            yield Reason(found.change, f"{found.path}: {found.why} ({found.words[0]} → {found.words[1]})")

    def describe_answers(self, value: Cors, route: Route) -> str:
        return "says which scripts may read it"

    def describe(self, value: Cors) -> str:
        words = [f"scripts of {', '.join(value.origins) if value.origins != [EVERY] else 'every origin'}"]
        words += ["with credentials"] if value.credentials else []
        words += [f"methods {', '.join(value.methods)}"] if value.methods is not None else []
        words += [f"headers {', '.join(value.headers) or 'none'}"] if value.headers is not None else []
        words += [f"exposes {', '.join(value.expose)}"] if value.expose else []
        words += [f"remembered {value.max_age}"] if value.max_age != "10m" else []
        words += ["into the private network"] if value.private_network else []
        return "; ".join(words)


POLICY = _Policy()
