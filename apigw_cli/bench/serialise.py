"""Values as they stand in a request: parameters by style, bodies by media type. OpenAPI 3.1.1, 4.8.12; 2.0's
`collectionFormat` is one of these styles by another name.

`Pair`s are percent-encoded already, names and values.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from typing import Any

import orjson

Pair = tuple[str, str]

DEFAULT_STYLES = {"path": "simple", "header": "simple", "query": "form", "cookie": "form"}
_DELIMITERS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C", "tabDelimited": "%09"}
_RESERVED = ":/?#[]@!$&'()*+,;="
_COLLECTIONS = {"csv": "form", "ssv": "spaceDelimited", "tsv": "tabDelimited", "pipes": "pipeDelimited"}


class Style:
    """How one parameter is written."""

    def __init__(self, data: dict[str, Any]) -> None:
        """`data`: the parameter object, of any version."""
        place = str(data.get("in"))
        self.name = str(data.get("name"))
        self.style = str(data.get("style") or DEFAULT_STYLES.get(place, "form"))
        explode = data.get("explode")
        self.explode = explode if isinstance(explode, bool) else self.style in ("form", "deepObject", "cookie")
        if "schema" not in data and "content" not in data:  # OpenAPI 2.0
            collection = str(data.get("collectionFormat") or "csv")
            self.explode = collection == "multi"
            self.style = _COLLECTIONS.get(collection, "form") if place in ("query", "formData") else "simple"
        self.as_json = isinstance(data.get("content"), dict)
        self._safe = _RESERVED.replace("#", "").replace("&", "") if data.get("allowReserved") is True else ""

    def quoted(self, value: Any) -> str:
        return urllib.parse.quote(text(value), safe=self._safe)

    # -- path and header

    def in_path(self, value: Any) -> str:
        """What replaces `{name}` in the path."""
        if self.as_json:
            return self.quoted(json_text(value))
        if self.style == "label":
            return "." + self._joined(value, "." if self.explode else ",", self.quoted)
        if self.style == "matrix":
            return self._matrix(value)
        return self._joined(value, ",", self.quoted)

    def in_header(self, value: Any) -> str:
        return json_text(value) if self.as_json else self._joined(value, ",", text)

    def _joined(self, value: Any, delimiter: str, write: Callable[[Any], str]) -> str:
        if isinstance(value, dict):
            if self.explode:
                return delimiter.join(f"{write(key)}={write(one)}" for key, one in value.items())
            return ",".join(write(part) for pair in value.items() for part in pair)
        return delimiter.join(map(write, value)) if isinstance(value, list) else write(value)

    def _matrix(self, value: Any) -> str:
        if isinstance(value, dict) and self.explode:
            return "".join(f";{self.quoted(key)}={self.quoted(one)}" for key, one in value.items())
        if isinstance(value, list) and self.explode:
            return "".join(f";{self.name}={self.quoted(one)}" for one in value)
        return f";{self.name}={self._joined(value, ',', self.quoted)}"

    # -- query, cookie and forms

    def pairs(self, value: Any) -> list[Pair]:
        """What stands in a query, a cookie or a form."""
        name = urllib.parse.quote(self.name, safe="")
        if self.as_json:
            return [(name, self.quoted(json_text(value)))]
        if isinstance(value, dict | list) and self.style == "deepObject":
            return list(deep(self.name, value, self.quoted))
        delimiter = _DELIMITERS.get(self.style, ",")
        if isinstance(value, list):
            if self.explode:
                return [(name, self.quoted(one)) for one in value]
            return [(name, delimiter.join(map(self.quoted, value)))]
        if isinstance(value, dict):
            if self.explode:
                return [(urllib.parse.quote(key, safe=""), self.quoted(one)) for key, one in value.items()]
            return [(name, delimiter.join(self.quoted(part) for pair in value.items() for part in pair))]
        return [(name, self.quoted(value))]


def deep(name: str, value: Any, write: Callable[[Any], str]) -> list[Pair]:
    """`name[key][0]=…`: one level of objects is in the specification, more is how servers read it."""
    if isinstance(value, dict):
        return [pair for key, one in value.items() for pair in deep(f"{name}[{key}]", one, write)]
    if isinstance(value, list):
        return [pair for number, one in enumerate(value) for pair in deep(f"{name}[{number}]", one, write)]
    return [(urllib.parse.quote(name, safe=""), write(value))]


def text(value: Any) -> str:
    """A single value; what has parts is JSON."""
    if isinstance(value, str):
        return value
    return json_text(value)


def json_text(value: Any) -> str:
    return orjson.dumps(value).decode()


# -- bodies


def form(value: dict[str, Any], encoding: dict[str, Any]) -> bytes:
    """`application/x-www-form-urlencoded`; `encoding` is the Encoding Object of each property, where there is one."""
    found: list[Pair] = []
    for name, one in value.items():
        given = encoding.get(name)
        data = (
            {"style": "form", "schema": {}} | (given if isinstance(given, dict) else {}) | {"name": name, "in": "query"}
        )
        found += Style(data).pairs(one)
    return "&".join(f"{name}={one}" for name, one in found).encode()


def multipart(value: dict[str, Any], boundary: str) -> bytes:
    """`multipart/form-data` (RFC 7578): a part for each property, for each item of an array; objects are JSON."""
    parts = []
    for name, one in value.items():
        for item in one if isinstance(one, list) else [one]:
            kind = "\r\nContent-Type: application/json" if isinstance(item, dict) else ""
            quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{quoted}"{kind}\r\n\r\n'
            parts.append(f"{head}{text(item)}\r\n")
    return "".join([*parts, f"--{boundary}--\r\n"]).encode()
