"""Who may speak to the admin port.

On a loopback address: programs of this machine, with a token where one is set. On any other address a token must be
set. A browser that was lured to another site's page gets nowhere: a foreign Host is refused (DNS rebinding), and so
is everything that changes something and comes from a page (it has an Origin).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.errors import EnvironmentFailure, UsageError
from apigw_cli.routing.path import normalise_host

VARIABLE = "APIGW_ADMIN_TOKEN"
_SHORTEST = 16
_LOCAL = frozenset(("127.0.0.1", "localhost", "[::1]"))


@dataclass(frozen=True, slots=True)
class Guard:
    """`token` is the SHA-256 of the bearer token, None where none is needed."""

    host: str
    token: bytes | None

    def refusal(self, fields: dict[str, str], changes: bool) -> tuple[int, str] | None:
        """The status and message for a request with these header fields, or None where it may pass."""
        if not self._is_ours(fields.get("host", "")):
            return 403, f"the admin port answers to localhost and {self.host} only, not to this Host"
        if changes and "origin" in fields:
            return 403, "a web page may not do this"
        if not self.trusts(fields):
            return 401, "the admin port asks for a token: Authorization: Bearer …"
        return None

    def trusts(self, fields: dict[str, str]) -> bool:
        """Whether the token is there, or none is asked for."""
        if self.token is None:
            return True
        kind, _, given = fields.get("authorization", "").partition(" ")
        digest = hashlib.sha256(given.strip().encode("latin-1")).digest()
        return hmac.compare_digest(digest, self.token) and kind.lower() == "bearer"

    def knows(self, fields: dict[str, str]) -> bool:
        """Whether the Host is one of ours."""
        return self._is_ours(fields.get("host", ""))

    def _is_ours(self, raw: str) -> bool:
        host = normalise_host(raw.encode("latin-1"))
        if not host:
            return False
        if host in _LOCAL or host.strip("[]") == self.host.strip("[]").lower():
            return True
        # On all addresses any of them may be meant; a page's own site has a name, never an address.
        return _is_any(self.host) and _address(host) is not None


def guard(host: str, token_file: Path | None) -> Guard:
    """The guard of an admin port on `host`. Raises UsageError where it would be open to others, or the token is bad."""
    found = token(token_file)
    if found is None and not is_loopback(host):
        raise UsageError(
            f"--admin-host {host} lets other machines speak to the admin port: a token is required",
            hint=f"--admin-token-file FILE, or the environment variable {VARIABLE}",
        )
    return Guard(host, None if found is None else hashlib.sha256(found).digest())


def token(token_file: Path | None) -> bytes | None:
    """The bearer token in the file, else in the environment; None where neither is named. Raises ApigwError."""
    if token_file is not None:
        try:
            found, where = token_file.read_bytes().strip(), str(token_file)
        except OSError as error:
            raise EnvironmentFailure(f"cannot read the admin token {token_file}: {error.strerror}") from None
    elif VARIABLE in os.environ:
        found, where = os.environ[VARIABLE].strip().encode(), f"${VARIABLE}"
    else:
        return None
    if len(found) < _SHORTEST or not all(33 <= byte < 127 for byte in found):
        hint = "make one with: openssl rand -hex 32"
        raise UsageError(f"the admin token in {where} must be {_SHORTEST} printable characters or more", hint=hint)
    return found


def is_loopback(host: str) -> bool:
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _is_any(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_unspecified


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
