"""`compress` in nginx: gzip, by types that are named one by one."""

from __future__ import annotations

from collections.abc import Iterator

from apigw_cli.integrations import folder
from apigw_cli.policies.compression.policy import TYPES, Compress, fitting

_HTML = "text/html"  # nginx compresses it whatever is written
# What APIs answer with, beside the types that files have: nginx takes no wildcard but for all types.
_KNOWN = (
    *("application/problem+json", "application/hal+json", "application/ld+json", "application/vnd.api+json"),
    *("application/geo+json", "application/feed+json", "application/schema+json", "application/merge-patch+json"),
    *("application/problem+xml", "application/atom+xml", "application/rss+xml", "application/soap+xml"),
    *("application/x-ndjson", "application/javascript", "application/wasm", "text/event-stream", "text/yaml"),
)


def lines(value: Compress) -> list[str]:
    """The directives of a location; none where the coding that nginx has is not wanted."""
    if value.codings is not None and "gzip" not in value.codings:
        return []
    return [
        "gzip on;",
        "gzip_vary on;",
        "gzip_proxied any;",
        "gzip_comp_level 6;",
        f"gzip_min_length {value.min_size};",
        f"gzip_types {' '.join(_types(value)) or _HTML};",
    ]


def _types(value: Compress) -> list[str]:
    wanted = tuple(value.types if value.types is not None else TYPES)
    fits = fitting(wanted)
    known = {kind.partition(";")[0] for kind in folder.types().values()} | set(_KNOWN)
    named = [one for one in wanted if "*" not in one]
    found = dict.fromkeys([*named, *sorted(kind for kind in known if fits(kind.encode()))])
    return [kind for kind in found if kind != _HTML]


def gaps(value: Compress) -> Iterator[str]:
    """What nginx does differently."""
    if not lines(value):
        yield f"nginx has gzip alone, not {', '.join(value.codings or ())}: answers are not compressed"
        return
    yield (
        "nginx has gzip alone, for 200, 403 and 404, for types that it is told by name, "
        "and does not heed no-transform or the weight of identity"
    )
    if not fitting(tuple(value.types if value.types is not None else TYPES))(_HTML.encode()):
        yield "nginx compresses text/html too"
