"""Where a credential stands in a request. A finder gives None where it is missing or there are several.

A credential that is sent twice counts as none, for the upstream may read the other one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote_to_bytes

from apigw_cli.errors import InputError
from apigw_cli.policies.interface import Exchange

Finder = Callable[[Exchange], bytes | None]

_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, section 2.1: b64token


def finder(location: str, parameter: str, scheme: str) -> Finder:
    """What finds the credential of a scheme. Raises InputError for a place that is not known."""
    makers: dict[str, Callable[[str], Finder]] = {"header": in_header, "query": in_query, "cookie": in_cookie}
    if location in makers:
        return makers[location](parameter)
    if location == "bearer":
        return bearer
    if location == "authorization":
        return in_header("authorization")
    raise InputError(f'security scheme "{scheme}": a credential in "{location}" is not one that is checked')


def in_header(name: str) -> Finder:
    wanted = name.lower().encode("utf-8")

    def find(exchange: Exchange) -> bytes | None:
        found = None
        for header, value in exchange.headers:
            if header == wanted:
                if found is not None:
                    return None
                found = value
        return found

    return find


def in_query(name: str) -> Finder:
    wanted = name.encode("utf-8")

    def find(exchange: Exchange) -> bytes | None:
        pairs = (pair.partition(b"=") for pair in exchange.query.split(b"&"))
        return _only(_form_decoded(value) for key, _, value in pairs if _form_decoded(key) == wanted)

    return find


def in_cookie(name: str) -> Finder:
    wanted = name.encode("utf-8")

    def find(exchange: Exchange) -> bytes | None:
        headers = (value for header, value in exchange.headers if header == b"cookie")
        pairs = (pair.strip(b" \t").partition(b"=") for value in headers for pair in value.split(b";"))
        return _only(value for key, _, value in pairs if key == wanted)

    return find


def bearer(exchange: Exchange) -> bytes | None:
    """The token of `Authorization: Bearer …`; b"" where the header cannot be read as that or stands there twice."""
    return of_authorization(exchange, b"bearer", _TOKEN)


def of_authorization(exchange: Exchange, scheme: bytes, form: re.Pattern[bytes]) -> bytes | None:
    """The credentials of an authentication scheme (RFC 9110, section 11.6.2); None where another one was used."""
    values = [value for header, value in exchange.headers if header == b"authorization"]
    parts = [value.strip(b" \t").split(b" ", 1) for value in values]
    if not any(part[0].lower() == scheme for part in parts):
        return None
    if len(parts) != 1 or len(parts[0]) != 2:
        return b""
    rest = parts[0][1].strip(b" ")
    return rest if form.fullmatch(rest) else b""


def _form_decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" ")) if b"%" in text or b"+" in text else text


def _only(values: Iterator[bytes]) -> bytes | None:
    found = next(values, None)
    return found if next(values, None) is None else None
