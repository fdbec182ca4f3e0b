"""An authorizer: a server that is asked whether a request may go on, as Envoy asks one (ext_authz, HTTP service).

It gets the client's method, path, query and Host, the address in X-Forwarded-For, the credential in its place and the
headers that `send` names; never a body. Its answer decides:

    200        allow: headers that `allow_headers` names go to the upstream in place of the client's own, those that
               its X-Envoy-Auth-Headers-To-Remove lists do not go there
    3xx, 4xx   deny: this answer is the client's, with its body and the headers that may pass
    the rest   2xx denies with 403; 5xx, no answer in time, one that is too large: `on_failure`

Answers are remembered for `ttl`, by everything that the server was told. Where nobody answers nobody is let in,
unless `on_failure: allow` says so; also then no client can send what only the authorizer says.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from urllib.parse import quote, urlsplit

from apigw_cli.policies.auth.asking import Answer, Connections, Failed, Header
from apigw_cli.policies.auth.caller import API_KEY, BEARER, Caller, Check, Denied, Later, Outcome, bearer_error
from apigw_cli.policies.auth.credential import finder
from apigw_cli.policies.interface import Exchange, Refusal, Runtime
from apigw_cli.snapshot.schemes import Authorizer

REMEMBERED = 4096
SMALL = 2048  # bytes of a body that is remembered
LARGEST_BODY, LARGEST_HEADERS = 64 * 1024, 8 * 1024
CONNECTIONS = 100

_TO_REMOVE = b"x-envoy-auth-headers-to-remove"
_ALWAYS = frozenset((b"www-authenticate", b"location", b"content-type"))
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
# What frames a message or belongs to a connection is nobody's to set, add or remove (RFC 9110, section 7.6.1).
_OURS = frozenset(
    (
        *(b"connection", b"content-length", b"expect", b"host", b"keep-alive", b"proxy-authenticate", b"te"),
        *(b"proxy-authorization", b"proxy-connection", b"trailer", b"transfer-encoding", b"upgrade"),
    )
)
_PRINTABLE = bytes(range(0x21, 0x7F)).decode("ascii")
_REASONS = {401: "unauthorized", 407: "unauthorized"}

UNAVAILABLE = Denied(503, None, "Service Unavailable: who calls cannot be checked now")


@dataclass(frozen=True, slots=True)
class _Question:
    method: bytes
    target: bytes  # path and query
    headers: tuple[Header, ...]
    credential: bytes

    def digest(self) -> bytes:
        """Stands for the question where it is remembered: credentials are not."""
        parts = (self.method, self.target, self.credential, *(part for pair in self.headers for part in pair))
        return sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).digest()


def compile(scheme: Authorizer, runtime: Runtime) -> Check:  # noqa: A001
    server = runtime.services.get(("authorizer", scheme), lambda: Server(scheme, runtime.clock))
    find = finder(scheme.location, scheme.parameter, scheme.name)
    asks_always = scheme.location == "authorization"  # it knows the challenge, we do not
    bearer = scheme.location == "bearer"
    missing = Denied(401, BEARER if bearer else API_KEY)
    unreadable = bearer_error("invalid_request", "the Authorization header cannot be read", 400) if bearer else missing
    question = partial(_question, scheme, urlsplit(scheme.url).path.rstrip("/"))

    def check(exchange: Exchange) -> Outcome:
        credential = find(exchange)
        if not credential and not asks_always:
            return missing if credential is None else unreadable
        return server.check(question(exchange, credential or b""))

    return check


def _question(scheme: Authorizer, prefix: str, exchange: Exchange, credential: bytes) -> _Question:
    wanted = {*(name.encode() for name in scheme.send), b"host", *_of_credential(scheme)}
    headers = [(name, value) for name, value in exchange.headers if name in wanted]
    if exchange.client_ip:
        headers.append((b"x-forwarded-for", exchange.client_ip.encode()))
    target = _printable((prefix + exchange.path).encode("utf-8", "surrogateescape")).replace(b"?", b"%3F")
    target += b"?" + _printable(exchange.query) if exchange.query else b""
    return _Question(exchange.method, target, tuple(headers), credential)


def _printable(text: bytes) -> bytes:
    """What a request line may hold stays as it is, the rest is escaped."""
    return quote(text, safe=_PRINTABLE).encode("ascii")


def _of_credential(scheme: Authorizer) -> tuple[bytes, ...]:
    places = {"header": scheme.parameter.lower(), "cookie": "cookie", "query": ""}
    place = places.get(scheme.location, "authorization")
    return (place.encode(),) if place else ()


class Server:
    """One authorizer: its connections, what it said lately, what it is being asked. `clock`: nanoseconds."""

    def __init__(self, scheme: Authorizer, clock: Callable[[], int]) -> None:
        self._scheme = scheme
        self._clock = clock
        self._ttl = int(scheme.ttl * 1e9)
        self._connections = Connections(scheme.url, CONNECTIONS, LARGEST_HEADERS, LARGEST_BODY)
        self._allowed = frozenset(name.encode() for name in scheme.allow_headers)
        self._to_client = _ALWAYS | {name.encode() for name in scheme.deny_headers}
        self._known: dict[bytes, tuple[int, Caller | Denied]] = {}
        self._running: dict[bytes, asyncio.Task[Caller | Denied]] = {}

    def check(self, question: _Question) -> Outcome:
        if not self._ttl:
            return Later(partial(self._outcome, question))
        digest = question.digest()
        known = self._known.get(digest)
        if known is not None and self._clock() < known[0]:
            return known[1]
        return Later(partial(self._ask_once, question, digest))

    async def _ask_once(self, question: _Question, digest: bytes) -> Caller | Denied:
        """The same question is asked once for all who wait."""
        running = self._running.get(digest)
        if running is None:
            running = asyncio.get_running_loop().create_task(self._outcome(question, digest))
            self._running[digest] = running
            running.add_done_callback(lambda _: self._running.pop(digest))
        await asyncio.wait((running,))  # goes on for the others when this request is gone
        return UNAVAILABLE if running.cancelled() else running.result()

    async def _outcome(self, question: _Question, digest: bytes = b"") -> Caller | Denied:
        name = f"{self._scheme.name}:{sha256(question.credential).hexdigest()[:16]}"
        try:
            status, headers, body = await self._ask(question)
        except (Failed, OSError):  # TimeoutError is one
            return Caller(name, remove=self._allowed) if self._scheme.on_failure == "allow" else UNAVAILABLE
        outcome = self._allow(name, headers) if status == 200 else self._deny(status, headers, body)
        if digest and len(body) <= SMALL:
            while len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known.pop(digest, None)
            self._known[digest] = (self._clock() + self._ttl, outcome)
        return outcome

    async def _ask(self, question: _Question) -> Answer:
        """Status, headers (names in lower case) and body of the answer. Raises Failed, OSError."""
        if not all(_VALUE.fullmatch(value) for _, value in question.headers):
            raise Failed("a header that cannot be passed on")
        named = any(name == b"host" for name, _ in question.headers)
        host = () if named else ((b"host", urlsplit(self._scheme.url).netloc.encode()),)
        lines = b"".join(b"%b: %b\r\n" % pair for pair in (*host, *question.headers))
        request = b"%b %b HTTP/1.1\r\n%bContent-Length: 0\r\n\r\n" % (question.method, question.target, lines)
        async with asyncio.timeout(self._scheme.timeout):
            answer = await self._connections.ask(request, head_only=question.method == b"HEAD")
        if answer[0] >= 500 or any(name == b"content-encoding" for name, _ in answer[1]):
            raise Failed("an error, or a body that is coded, which was not asked for")
        return answer

    def _allow(self, name: str, headers: list[Header]) -> Caller:
        told = dict(headers)
        lines = [
            b"%b: %b\r\n" % (header, value)
            for header, value in headers
            if header in self._allowed and header not in _OURS and _VALUE.fullmatch(value)
        ]
        gone = {one.strip(b" \t").lower() for one in told.get(_TO_REMOVE, b"").split(b",")}
        gone = {one for one in gone if _NAME.fullmatch(one) and one not in _OURS}
        who = told.get(self._scheme.principal.encode(), b"").decode("utf-8", "replace")
        if who and len(who) <= 200 and who.isprintable():
            name = f"{self._scheme.name}:{who}"
        scopes = told.get(self._scheme.scopes.encode(), b"").decode("utf-8", "replace").split()
        return Caller(name, frozenset(scopes), headers=b"".join(lines), remove=self._allowed | gone)

    def _deny(self, status: int, headers: list[Header], body: bytes) -> Denied:
        if not 300 <= status < 500:
            return Denied(403)
        lines = tuple(
            b"%b: %b\r\n" % (header.title(), value)
            for header, value in headers
            if header in self._to_client and header not in _OURS and _VALUE.fullmatch(value)
        )
        refusal = Refusal(status, "", lines, _REASONS.get(status, "forbidden"), body)
        return Denied(401 if status == 401 else 403, refusal=refusal)

    def close(self) -> None:
        self._connections.close()
