"""The methods that are served.

Left out: CONNECT (this is no forward proxy), PRI (HTTP/2) and the RTSP and ICE methods that parsers know.
"""

from __future__ import annotations

ANY = "ANY"  # of a route that takes every method which no other route at its path takes

SERVED = (
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY",
    "ACL", "BIND", "CHECKOUT", "COPY", "LINK", "LOCK", "M-SEARCH", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL",
    "MOVE", "NOTIFY", "PROPFIND", "PROPPATCH", "PURGE", "REBIND", "REPORT", "SEARCH", "SUBSCRIBE", "UNBIND",
    "UNLINK", "UNLOCK", "UNSUBSCRIBE",
)  # fmt: skip
