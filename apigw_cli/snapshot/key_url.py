"""Which URLs the gateway may ask for what it trusts: encrypted ones, and those of this machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def without_credentials(url: str) -> str:
    """A URL without what stands before its `@`, for messages."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}…@{rest.rpartition('@')[2]}" if "@" in rest else url


def problem_of(url: str, *, encrypted: bool = True) -> str | None:
    """Why a URL may not be asked, or None. `encrypted`: https://, but for this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("https", "http") or not host:
        return "is not an https:// URL" if encrypted else "is not an http:// or https:// URL"
    if parts.username or parts.password:
        return "holds credentials"
    if parts.fragment:
        return "has a fragment"
    if encrypted and parts.scheme == "http" and not is_loopback(url):
        return "must be https://, for it is not on this machine"
    return None
