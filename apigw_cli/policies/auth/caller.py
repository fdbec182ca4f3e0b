"""What the check of one security scheme says of a request: who calls, why nobody does, or that it has to wait.

    Check(exchange) ─▶ Caller | Denied | Later      Later.start() ─await─▶ Caller | Denied

A challenge is the value of `WWW-Authenticate` (RFC 9110, section 11.6.1) that a 401 sends.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from apigw_cli.policies.interface import Exchange, Refusal

REALM = "apigw"
API_KEY = f'ApiKey realm="{REALM}"'
BEARER = f'Bearer realm="{REALM}"'


@dataclass(frozen=True, slots=True)
class Caller:
    """Who proved to be who. `headers` are lines for the upstream, `remove` names of headers not to be forwarded."""

    name: str
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, Any] | None = None
    usage_plan: str | None = None
    headers: bytes = b""
    remove: frozenset[bytes] = frozenset()
    expires: float | None = None  # seconds since 1970
    plain: bool = field(init=False)  # nothing but a name is told

    def __post_init__(self) -> None:
        told = self.claims is not None or self.usage_plan is not None or self.headers or self.remove
        object.__setattr__(self, "plain", not told)


@dataclass(frozen=True, slots=True)
class Denied:
    """Why a scheme is not satisfied.

    `status`: 401 no credential or one that does not hold, 400 one that cannot be read, 403 one that holds and does not
    suffice, 503 one that cannot be checked now. `refusal` is an answer that is to be sent as it is.
    """

    status: int = 401
    challenge: str | None = None
    message: str | None = None
    refusal: Refusal | None = None


class Later(NamedTuple):
    """The check has to wait; `start` is called where it does."""

    start: Callable[[], Coroutine[Any, Any, Caller | Denied]]


Outcome = Caller | Denied | Later
Check = Callable[[Exchange], Outcome]


@dataclass(frozen=True, slots=True)
class Need:
    """One scheme that an alternative asks for, with the scopes (or roles) that the caller must have."""

    check: Check
    scopes: frozenset[str] = frozenset()
    bearer: bool = False  # the answer to too few scopes is RFC 6750's
    insufficient: Denied = field(init=False)

    def __post_init__(self) -> None:
        listed = " ".join(sorted(self.scopes))
        challenge = f'{BEARER}, error="insufficient_scope", scope="{listed}"' if self.bearer else None
        object.__setattr__(self, "insufficient", Denied(403, challenge, "Forbidden: the credential lacks a scope"))


def bearer_error(error: str, description: str, status: int = 401) -> Denied:
    """RFC 6750, section 3.1."""
    challenge = f'{BEARER}, error="{error}", error_description="{description}"'
    return Denied(status, challenge, f"{_TITLES[status]}: {description}")


_TITLES = {400: "Bad Request", 401: "Unauthorized"}
