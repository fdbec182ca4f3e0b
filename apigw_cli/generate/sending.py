"""What the upstream would be asked, for people: no secret of the request or the configuration is in it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus, urlsplit

import orjson

from apigw_cli.config import secrecy
from apigw_cli.generate import caller
from apigw_cli.generate.probe import Probe, Request, raw
from apigw_cli.integrations.outgoing import passed_on, rewritten
from apigw_cli.snapshot.model import HttpIntegration, Route, Snapshot
from apigw_cli.snapshot.schemes import ApiKeys

_SHORT = 4  # characters; what is shorter is hidden where it stands, and not looked for elsewhere
_LONGEST = 2000  # characters of a body that are shown


@dataclass(frozen=True, slots=True)
class Sent:
    """The upstream's request: `target` is path and query, `body` None where there is none.

    Beside these headers go `told`: what says who asks and by which way. `known` False: what depends on who calls is
    missing, for that is not known here.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: str | None
    told: tuple[str, ...]
    known: bool


class Veil:
    """Hides what a request holds of secrets, wherever it turns up again: copied, or written as a URL has it."""

    def __init__(self, request: Request, route: Route, snapshot: Snapshot) -> None:
        keys = [scheme for scheme in caller.schemes(route, snapshot) if isinstance(scheme, ApiKeys)]
        self._names = {scheme.parameter.lower() for scheme in keys}
        found = {form for text in self._secrets(request) if len(text) >= _SHORT for form in _forms(text)}
        self._hidden = sorted(found, key=len, reverse=True)

    def text(self, text: str) -> str:
        for secret in self._hidden:
            text = text.replace(secret, secrecy.MASK)
        return text

    def value(self, name: str, text: str) -> str:
        """What stands under a name."""
        return secrecy.MASK if text and self._is_secret(name) else self.text(text)

    def url(self, url: str) -> str:
        rest, sign, query = url.partition("?")
        query, mark, fragment = query.partition("#")
        return self.text(rest) + sign + (self.query(query) if sign else "") + mark + self.text(fragment)

    def query(self, query: str) -> str:
        pairs = (pair.partition("=") for pair in query.split("&"))
        return "&".join(name + sign + self.value(unquote_plus(name), value) for name, sign, value in pairs)

    def body(self, data: bytes, kind: str) -> str:
        """JSON as it is, less what stands under telling names; of any other body its size and type alone."""
        try:
            text = orjson.dumps(self._json(orjson.loads(data))).decode()
        except (ValueError, TypeError, RecursionError):
            return f"{len(data)} bytes{f' of {kind}' if kind else ''}"
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(data)} bytes)"

    def _json(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: self._json(child, key) for key, child in value.items()}
        if isinstance(value, list):
            return [self._json(child, name) for child in value]
        if self._is_secret(name) and value not in (None, "") and not isinstance(value, bool):
            return secrecy.MASK
        return self.text(value) if isinstance(value, str) else value

    def _is_secret(self, name: str) -> bool:
        return name.lower() in self._names or secrecy.is_secret(name)

    def _secrets(self, request: Request) -> Iterator[str]:
        for name, value in request.headers:
            if self._is_secret(name):
                yield from _parts(name, value)
        for pair in request.query.split("&"):
            name, _, value = pair.partition("=")
            if self._is_secret(unquote_plus(name)):
                yield from (value, unquote_plus(value))
        try:
            data = orjson.loads(request.body or b"null")
        except ValueError:
            return
        yield from self._of_json(data)

    def _of_json(self, data: Any) -> Iterator[str]:
        """However deep it is nested."""
        left: list[tuple[str, Any]] = [("", data)]
        while left:
            name, value = left.pop()
            if isinstance(value, dict):
                left += value.items()
            elif isinstance(value, list):
                left += [(name, child) for child in value]
            elif isinstance(value, (str, int, float)) and not isinstance(value, bool) and self._is_secret(name):
                yield str(value)


def _parts(name: str, value: str) -> Iterator[str]:
    """A credential as it stands, without its scheme, user and password apart, each cookie's value."""
    yield value
    kind, _, rest = value.partition(" ")
    yield rest.strip()
    if kind.lower() == "basic":
        try:
            yield from base64.b64decode(rest.strip(), validate=True).decode("utf-8", "replace").split(":", 1)[1:]
        except (binascii.Error, ValueError):
            return
    if name == "cookie":
        yield from (pair.partition("=")[2].strip() for pair in value.split(";"))


def _forms(text: str) -> Iterator[str]:
    """How a value may be written: as it is, in a URL, in JSON, and read as another charset."""
    data = raw(text)
    readable = _text(data)
    yield from (text, readable, data.decode("latin-1"), quote(data), quote(data, safe=""), quote_plus(data))
    yield orjson.dumps(readable).decode()[1:-1]


def sent(route: Route, probe: Probe, snapshot: Snapshot, veil: Veil, known: bool) -> Sent | None:
    """The upstream's request after all steps have seen it; None where no upstream is asked."""
    integration = route.integration
    if not isinstance(integration, HttpIntegration):
        return None
    upstream = snapshot.upstreams[integration.upstream]
    path = probe.path[len(integration.strip) :] or "/"
    method, query = probe.method, probe.query
    if probe.rewrite is not None:
        method, path, query = rewritten(probe, probe.rewrite, path)
    host = probe.host if upstream.preserve_host else urlsplit(upstream.targets[0]).netloc.rpartition("@")[2]
    lines = passed_on(probe.headers, probe.remove) + b"".join(probe.extra)
    if probe.has_body:
        lines += b"Content-Length: %d\r\n" % len(probe.body)
    pairs = [(name, value.strip()) for name, _, value in (_text(line).partition(":") for line in lines.splitlines())]
    kind = next((value for name, value in pairs if name.lower() == "content-type"), "")
    target = veil.text(path) + (f"?{veil.query(_text(query))}" if query else "")
    shown = (("Host", host), *((name, veil.value(name, value)) for name, value in pairs))
    body = veil.body(probe.body, kind) if probe.has_body else None
    return Sent(_text(method), target, shown, body, _told(snapshot), known)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _told(snapshot: Snapshot) -> tuple[str, ...]:
    """What the gateway says of the client itself (`gateway/forwarding.py`)."""
    style = snapshot.proxy.forwarded
    names = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"] if style != "rfc7239" else []
    names += ["Forwarded"] if style != "x" else []
    names += ["Via"] if snapshot.proxy.via else []
    return (*names, "X-Request-Id")
