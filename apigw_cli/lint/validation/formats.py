"""The formats that ajv-formats checks (RFC 3339, 3986, 5321, 6570, 6901; OpenAPI's own); others are not checked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from apigw_cli.lint import regex

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_TIME = re.compile(r"(\d\d):(\d\d):(\d\d)(\.\d+)?(z|[+-]\d\d(?::?\d\d)?)?", re.ASCII | re.IGNORECASE)
_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_HEX = "%[0-9a-f]{2}"
_UNIT = rf"(?:[a-z0-9\-._~!$&'()*+,;=:@]|{_HEX})"
_AUTHORITY = (
    rf"(?:(?:[a-z0-9\-._~!$&'()*+,;=:]|{_HEX})*@)?(?:\[[0-9a-f:.]+\]|(?:[a-z0-9\-._~!$&'()*+,;=]|{_HEX})*)(?::\d*)?"
)
_HIERARCHY = rf"(?:/?/{_AUTHORITY}(?:/{_UNIT}*)*|/(?:{_UNIT}+(?:/{_UNIT}*)*)?|{_UNIT}+(?:/{_UNIT}*)*)"
_QUERY = rf"(?:\?(?:{_UNIT}|[/?])*)?(?:\#(?:{_UNIT}|[/?])*)?"
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"


def _is_date(text: str) -> bool:
    found = _DATE.fullmatch(text)
    if not found:
        return False
    year, month, day = map(int, found.groups())
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= month <= 12 and 1 <= day <= (29 if month == 2 and leap else _DAYS[month])


def _is_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    if not found:
        return False
    hour, minute, second = map(int, found.groups()[:3])
    return (hour <= 23 and minute <= 59 and second <= 59) or (hour, minute, second) == (23, 59, 60)


def _is_date_time(text: str) -> bool:
    parts = re.split(r"[tT\s]", text)
    return len(parts) == 2 and _is_date(parts[0]) and _is_time(parts[1])


def _pattern(source: str, flags: int = re.IGNORECASE | re.ASCII) -> Callable[[str], bool]:
    compiled: list[re.Pattern[str]] = []  # when it is first needed

    def check(text: str) -> bool:
        if len(text) > 100_000:
            return False
        if not compiled:
            compiled.append(re.compile(source, flags))
        return compiled[0].fullmatch(text) is not None

    return check


_is_any_uri = _pattern(rf"[a-z][a-z0-9+\-.]*:{_HIERARCHY}{_QUERY}")


def _is_uri(text: str) -> bool:
    return ("/" in text or ":" in text) and _is_any_uri(text)


def _is_ip(kind: type[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            kind(text)
        except ValueError:
            return False
        return "%" not in text

    return check


def _is_regex(text: str) -> bool:
    if re.search(r"[^\\]\\Z", text):
        return False
    try:
        regex.of_source(text)
    except regex.PatternError:
        return False
    return True


def _is_base64(text: str) -> bool:
    line = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
    return any(line.fullmatch(part) for part in re.split(r"[\n\r\u2028\u2029]", text))


OF_TEXT: dict[str, Callable[[str], bool]] = {
    "date": _is_date,
    "time": _is_time,
    "date-time": _is_date_time,
    "duration": _pattern(
        r"P(?!\Z)(?:(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?|(?:\d+W)?)", re.ASCII
    ),
    "uri": _is_uri,
    "uri-reference": _pattern(rf"(?:[a-z][a-z0-9+\-.]*:)?(?:{_HIERARCHY})?{_QUERY}"),
    "uri-template": _pattern(
        rf"(?:(?:[^\x00-\x20\"'<>%\\^`{{|}}]|{_HEX})|\{{[+#./;?&=,!@|]?(?:[a-z0-9_]|{_HEX})+(?::[1-9][0-9]{{0,3}}|\*)?"
        rf"(?:,(?:[a-z0-9_]|{_HEX})+(?::[1-9][0-9]{{0,3}}|\*)?)*\}})*"
    ),
    "url": _pattern(
        r"(?:https?|ftp)://(?:[^\s/@]+@)?[^\s/:.]+(?:\.[^\s/:.]+)+(?::\d{2,5})?(?:/[^\s]*)?", re.IGNORECASE
    ),
    "email": _pattern(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}"),
    "hostname": _pattern(
        r"(?=.{1,253}\.?\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-0-9a-z]{0,61}[0-9a-z])?)*\.?"
    ),
    "ipv4": _pattern(r"(?:(?:25[0-5]|2[0-4]\d|[01]?\d\d?)\.){3}(?:25[0-5]|2[0-4]\d|[01]?\d\d?)"),
    "ipv6": _is_ip(ipaddress.IPv6Address),
    "regex": _is_regex,
    "uuid": _pattern(r"(?:urn:uuid:)?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"),
    "json-pointer": _pattern(r"(?:/(?:[^~/]|~0|~1)*)*"),
    "json-pointer-uri-fragment": _pattern(rf"#(?:/(?:[a-z0-9_\-.!$&'()*+,;:=@]|{_HEX}|~0|~1)*)*"),
    "relative-json-pointer": _pattern(r"(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^~/]|~0|~1)*)*)"),
    "byte": _is_base64,
}


def _is_int32(value: Any) -> bool:
    return float(value).is_integer() and -(2**31) <= value < 2**31


OF_NUMBERS: dict[str, Callable[[Any], bool]] = {
    "int32": _is_int32,
    "int64": lambda value: float(value).is_integer(),
}
