"""The one request of a run, from what was typed: target, headers and body, encoded once."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from apigw_cli import __version__
from apigw_cli.bench import template
from apigw_cli.bench.call import Message, Target
from apigw_cli.errors import InputError, UsageError

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OURS = {"content-length", "transfer-encoding"}
_SAFE = "/?:@!$&'()*+,;=%-._~[]"

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """Method, target, headers and body."""

    method: str
    target: Target
    headers: tuple[Header, ...]
    body: bytes = b""

    def encode(self, *, keep_alive: bool = True) -> bytes:
        """The bytes to write, HTTP/1.1. Host, User-Agent, Accept and the length are added where not given."""
        message = self.message(keep_alive=keep_alive)
        if message.values:
            raise UsageError("{{…}} has no meaning here: all requests of such a run are the same")
        return message.head + message.body

    def message(self, *, keep_alive: bool = True) -> Message:
        """The same as a worker is told it, with places for the values of `{{…}}`."""
        return template.message(self._head(keep_alive), self.body)

    def _head(self, keep_alive: bool) -> bytes:
        own = {name.lower() for name, _ in self.headers}
        lines = [f"{self.method} {self.target.path} HTTP/1.1"]
        defaults = [("Host", authority(self.target)), ("User-Agent", f"apigw-bench/{__version__}"), ("Accept", "*/*")]
        if not keep_alive:
            defaults.append(("Connection", "close"))
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            defaults.append(("Content-Length", str(len(self.body))))
        if self.body:
            defaults.append(("Content-Type", _content_type(self.body)))
        lines += [f"{name}: {value}" for name, value in defaults if name.lower() not in own]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def host(self) -> str:
        """The host that the server sees."""
        return next((value for name, value in self.headers if name.lower() == "host"), authority(self.target))


def with_headers(request: Request, headers: tuple[Header, ...]) -> Request:
    """The same request with these headers in place of its own of the same names."""
    own = {name.lower() for name, _ in headers}
    kept = tuple(pair for pair in request.headers if pair[0].lower() not in own)
    return Request(request.method, request.target, (*kept, *headers), request.body)


def authority(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == (443 if target.tls else 80) else f"{host}:{target.port}"


def _content_type(body: bytes) -> str:
    return "application/json" if template.is_json(body) else "text/plain"


def parse_url(text: str) -> Target:
    """A URL as typed. Raises UsageError with what is expected."""
    if "://" not in text:
        raise UsageError(f"the URL {text!r} has no scheme", hint=f"did you mean http://{text} ?")
    try:
        parts = urllib.parse.urlsplit(template.mark(text))
        port = parts.port
        host = (
            (parts.hostname or "").encode("idna").decode() if not (parts.hostname or "").isascii() else parts.hostname
        )
    except (ValueError, UnicodeError) as error:
        raise UsageError(f"{text!r} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise UsageError(f"the scheme {parts.scheme!r} is neither http nor https")
    if not host:
        raise UsageError(f"{text!r} names no host", hint="a URL looks like http://127.0.0.1:8080/v1/pets")
    if template.is_marked(parts.netloc):
        hint = "{{…}} may stand in the path and query"
        raise UsageError(f"{text!r}: the host is the same for all requests", hint=hint)
    if parts.username is not None:
        raise UsageError("a URL with a user name is not taken", hint="give credentials with -H 'Authorization: …'")
    path = urllib.parse.quote(parts.path or "/", safe=_SAFE)
    if parts.query:
        path += "?" + urllib.parse.quote(parts.query, safe=_SAFE)
    tls = parts.scheme == "https"
    return Target(text, host, port or (443 if tls else 80), tls, path)


def parse_header(text: str) -> Header:
    """`Name: value`. Raises UsageError for what is none."""
    name, colon, value = template.mark(text).partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _TOKEN.fullmatch(name):
        raise UsageError(f"{text!r} is not a header", hint="write it as -H 'Name: value'")
    if _UNPRINTABLE.search(value):
        raise UsageError(f"the header {name} has a control character in its value")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise UsageError(f"the header {name} has a character outside of Latin-1 in its value") from None
    if name.lower() in _OURS:
        raise UsageError(f"the header {name} is set from the body", hint="leave it out")
    return name, value


def parse_method(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise UsageError(f"{text!r} is not a method", hint="GET, POST, …")
    return text.upper()


def read_body(text: str) -> bytes:
    """The body of `--data`: the text itself, or `@FILE`, with `{{…}}` marked. Raises InputError, UsageError."""
    if not text.startswith("@"):
        return template.mark(text).encode()
    try:
        body = Path(text[1:]).read_bytes()
        return template.mark(body.decode()).encode()
    except UnicodeDecodeError:
        return body  # no text, so nothing stands in it that could be meant as a place for a value
    except OSError as error:
        raise InputError(f"cannot read {text[1:]}: {error.strerror}") from None
