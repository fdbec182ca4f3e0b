"""A shared HTTP cache, the pure part: what may be stored, for how long it is fresh, what a request gets of it.

No sockets and no clock: bytes and times come in, decisions go out (`docs/caching.md` has the states). RFC 9111 is the
law here, with RFC 9110 (conditions, ranges), RFC 5861 (stale-*), RFC 9211 (Cache-Status), RFC 9213 (targeted fields).
"""
