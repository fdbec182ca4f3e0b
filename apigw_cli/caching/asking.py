"""Fields by which requests say who asks, or ask for something else than their first line does."""

from __future__ import annotations

from collections.abc import Set

# Where clients say who they are, beside what authentication here found.
CREDENTIALS = (
    *("authorization", "proxy-authorization", "x-api-key", "api-key", "x-auth-token", "x-access-token"),
    *("x-session-token", "x-session-id", "x-api-token", "x-token", "x-amz-security-token"),
)
# By these some frameworks let a request ask for another path, method, host or scheme.
OVERRIDES = (
    *("x-original-url", "x-rewrite-url", "x-original-uri", "x-forwarded-uri", "x-forwarded-path"),
    *("x-forwarded-prefix", "x-script-name", "x-original-path", "x-envoy-original-path"),
    *("x-http-method-override", "x-http-method", "x-method-override"),
    *("x-host", "x-original-host", "x-http-host-override", "x-forwarded-domain"),
    *("x-forwarded-scheme", "x-forwarded-protocol", "x-forwarded-ssl", "x-url-scheme", "front-end-https"),
)

IDENTIFYING = frozenset(name.encode() for name in CREDENTIALS)


def is_identified(principal: str | None, certificate: object | None, names: Set[bytes]) -> bool:
    """Whether a request says who asks, so that its answer may be theirs alone. `names`: of its header fields."""
    return principal is not None or certificate is not None or not IDENTIFYING.isdisjoint(names)
