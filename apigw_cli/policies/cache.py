"""`cache`: answers that are kept and given to others who ask the same (docs/caching.md).

`mode: http` goes by what the answers themselves say (RFC 9111). `mode: ttl` keeps every good answer for so long, by
parameters that are chosen, as the API cache of AWS does. The look-up is no step: the gateway asks the cache where it
would have asked the upstream (`gateway/caching.py`), after all steps have let the request pass. What is a step is the
permission to have an answer fetched anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar, Literal
from urllib.parse import unquote_to_bytes

from msgspec import Meta, Struct

from apigw_cli.caching import fields
from apigw_cli.caching.rules import Rules
from apigw_cli.config.values import BYTES, DURATION, parse_duration
from apigw_cli.policies import cache_changes
from apigw_cli.policies.interface import Change, Exchange, Reason, Refusal, Runtime, Step, needs_an_upstream
from apigw_cli.policies.judging import judged
from apigw_cli.routing.methods import ANY
from apigw_cli.snapshot.model import Route

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"
PARAMETER = rf"^(query|header|cookie):{_NAME}$"
_FORBIDDEN = Refusal(403, "You may not have this answer fetched anew", (), "forbidden")
_WARNING = b'Warning: 199 apigw "Cache-Control was not obeyed: no permission to invalidate"\r\n'
_HOUR = 3600


Time = Annotated[str, Meta(pattern=DURATION)]


class Invalidation(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who may have an answer fetched anew with `Cache-Control: max-age=0`."""

    allow: Annotated[
        Literal["nobody", "anyone"] | list[str],
        Meta(description="nobody, anyone, or the names of callers (as authentication gives them)."),
    ] = "nobody"
    otherwise: Annotated[
        Literal["reject", "warn", "ignore"],
        Meta(description="For all others. reject: 403. warn: from the cache, with a Warning. ignore: from the cache."),
    ] = "ignore"


class Cache(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Keep answers and give them to others who ask the same."""

    mode: Annotated[
        Literal["http", "ttl"],
        Meta(description="http: as the answers say (RFC 9111). ttl: all good answers, for `ttl`."),
    ] = "http"
    ttl: Annotated[
        Time | None, Meta(description="With mode: ttl, how long answers are kept. Default: 5m, at most 1h.")
    ] = None
    key_parameters: Annotated[
        list[Annotated[str, Meta(pattern=PARAMETER)]] | None,
        Meta(
            description="With mode: ttl, what tells answers apart: the path, and query:NAME, header:NAME, cookie:NAME."
        ),
    ] = None
    invalidation: Annotated[
        Invalidation | None, Meta(description="With mode: ttl, who may have an answer fetched anew. Default: nobody.")
    ] = None
    per_caller: Annotated[bool, Meta(description="Each caller has answers of their own.")] = False
    max_object: Annotated[
        int, Meta(description="Bytes that a kept answer's body may have.", ge=0, le=1 << 30, extra=BYTES)
    ] = 1 << 20
    heuristic: Annotated[
        bool, Meta(description="Keep answers that say nothing of freshness for a tenth of the time since their change.")
    ] = True
    stale_while_revalidate: Annotated[
        Time | None, Meta(description="Use an answer so long after its freshness while it is fetched anew.")
    ] = None
    stale_if_error: Annotated[
        Time | None,
        Meta(
            description="Use an answer so long after its freshness when the upstream fails. Default: 1m for what was "
            "fresh; with mode: ttl none."
        ),
    ] = None
    collapse: Annotated[
        Time, Meta(description="How long requests wait for one that asks the same. 0s: they do not.")
    ] = "5s"
    client_directives: Annotated[
        Literal["honour", "ignore"],
        Meta(description="Whether the Cache-Control of requests counts: clients may then have answers fetched anew."),
    ] = "honour"

    def __post_init__(self) -> None:
        if self.mode == "http":
            self._check_http()
        else:
            self._check_ttl()
        for one in self.key_parameters or ():
            if not re.fullmatch(PARAMETER.removesuffix("$"), one):
                raise ValueError(
                    f"{one!r} is not query:NAME, header:NAME or cookie:NAME; the path is always told apart"
                )
        for name in ("ttl", "stale_while_revalidate", "stale_if_error"):
            parse_duration(getattr(self, name) or "0s")
        if parse_duration(self.collapse) > 30:
            raise ValueError("collapse is at most 30s")

    def _check_http(self) -> None:
        for name in ("ttl", "key_parameters", "invalidation"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} needs mode: ttl")

    def _check_ttl(self) -> None:
        if self.ttl is not None and not 0 <= parse_duration(self.ttl) <= _HOUR:
            raise ValueError("ttl lies between 0s and 1h")
        for name, default in (("heuristic", True), ("client_directives", "honour"), ("stale_while_revalidate", None)):
            if getattr(self, name) != default:
                raise ValueError(f"{name} needs mode: http")


def rules(value: Cache) -> Rules:
    """The policy as the cache goes by it."""
    ttl = None if value.mode == "http" else float(parse_duration(value.ttl or "5m"))
    return Rules(
        ttl,
        value.max_object,
        value.heuristic,
        float(parse_duration(value.stale_while_revalidate or "0s")),
        _stale_error(value),
        value.per_caller,
        value.mode == "http" and value.client_directives == "honour",
        float(parse_duration(value.collapse)),
    )


def _stale_error(value: Cache) -> float | None:
    if value.stale_if_error is not None:
        return float(parse_duration(value.stale_if_error))
    return None if value.mode == "http" else 0.0


Chosen = Callable[[Exchange], bytes]


def chosen(value: Cache) -> Chosen:
    """What of a request, beside its path and host, tells answers apart."""
    if value.key_parameters is None:
        return lambda exchange: exchange.query
    parts = [one.partition(":") for one in sorted(set(value.key_parameters))]
    readers = [_READERS[kind](name.encode()) for kind, _, name in parts]

    def key(exchange: Exchange) -> bytes:
        found = [one for read in readers for one in read(exchange)]
        # Each with its length: no value can pass for two.
        return b"".join(b"%d:%b" % (len(one), one) for one in found)

    return key


Reader = Callable[[Exchange], list[bytes]]


def _query(name: bytes) -> Reader:
    """All that some server could take for this parameter counts, or one would answer by what the key does not have."""
    wanted = _folded(name)

    def read(exchange: Exchange) -> list[bytes]:
        pairs = exchange.query.replace(b";", b"&").split(b"&")
        found = [pair for pair in pairs if _folded(pair.partition(b"=")[0]) == wanted]
        return [b"%d" % len(found), *found]

    return read


def _folded(name: bytes) -> bytes:
    """Decoded, without case, as PHP reads it: cut at `[`, spaces and dots as `_`."""
    if not name.isalnum():
        decoded = unquote_to_bytes(name.replace(b"+", b" ")).strip()
        name = re.split(rb"[\[\0]", decoded, maxsplit=1)[0].translate(_AS_UNDERSCORE)
    return name.lower()


_AS_UNDERSCORE = bytes.maketrans(b" .", b"__")


def _header(name: bytes) -> Reader:
    low = name.lower().replace(b"_", b"-")

    def read(exchange: Exchange) -> list[bytes]:
        found = [value for key, value in exchange.headers if key.replace(b"_", b"-") == low]
        return [b"%d" % len(found), *found]

    return read


def _cookie(name: bytes) -> Reader:
    def read(exchange: Exchange) -> list[bytes]:
        pairs = (
            pair.strip().partition(b"=")
            for key, value in exchange.headers
            if key == b"cookie"
            for pair in value.split(b";")
        )
        found = [value for key, sign, value in pairs if sign and key == name]
        return [b"%d" % len(found), *found]

    return read


_READERS: dict[str, Callable[[bytes], Reader]] = {"query": _query, "header": _header, "cookie": _cookie}


def wants_anew(exchange: Exchange) -> bool:
    """Whether a client asks to have an answer fetched anew (AWS: `Cache-Control: max-age=0`)."""
    value = exchange.header(b"cache-control")
    if value is None:
        return False
    found = fields.directives(value)
    return b"no-cache" in found or fields.of_directive(found, b"max-age") == 0


def may_invalidate(value: Cache, exchange: Exchange) -> bool:
    """Whether that client may."""
    allow = value.invalidation.allow if value.invalidation is not None else "nobody"
    return allow == "anyone" or (allow != "nobody" and exchange.principal is not None and exchange.principal in allow)


class _Policy:
    name = "cache"
    order = 70
    model: type[Struct] = Cache
    derived = False
    refuses = False
    looks_up = True
    neutral: ClassVar = {
        "ttl": "how old an answer may be: nobody gets one that was not meant for them",
        "max_object": "how large a kept answer may be: the memory for all of them is bounded",
        "heuristic": "how old an answer may be: nobody gets one that was not meant for them",
        "stale_while_revalidate": "how old an answer may be: nobody gets one that was not meant for them",
        "stale_if_error": "how old an answer may be: nobody gets one that was not meant for them",
        "collapse": "how long requests wait for one another: the answers are the same",
        "client_directives": "whether a client's word has an answer fetched anew, as it would be without a cache",
        "otherwise": "what others are told, who may not have an answer fetched anew",
    }

    def compile(self, value: Cache, route: Route, runtime: Runtime) -> Step | None:
        """A step only where the permission to invalidate has something to refuse or to say."""
        if value.invalidation is None or not self.asks_permission(value):
            return None
        rejects = value.invalidation.otherwise == "reject"

        def step(exchange: Exchange) -> Refusal | None:
            if wants_anew(exchange) and not may_invalidate(value, exchange):
                if rejects:
                    return _FORBIDDEN
                exchange.answer_extra.append(_WARNING)
            return None

        return step

    def asks_permission(self, value: Cache) -> bool:
        """Whether clients that may not invalidate hear of it."""
        return value.invalidation is not None and value.invalidation.otherwise != "ignore"

    def idle(self, route: Route) -> str:
        return needs_an_upstream(route)

    def compare(self, old: Cache | None, new: Cache | None) -> Change:
        """Less apart, kept against what the answers say, or more who may invalidate: weaker."""
        return judged(self.reasons(old, new))

    def reasons(self, old: Cache | None, new: Cache | None) -> Iterator[Reason]:
        return cache_changes.reasons(old, new)

    def describe_answers(self, value: Cache, route: Route) -> str:
        return "kept for others, before what follows changes it" if route.method in ("GET", "HEAD", ANY) else ""

    def describe(self, value: Cache) -> str:
        made = rules(value)
        words = ["kept as answers say"] if made.ttl is None else [f"kept {made.ttl:g}s by {_parameters(value)}"]
        words += ["per caller"] if value.per_caller else []
        words += [f"stale {made.stale_revalidate:g}s while fetched"] if made.stale_revalidate else []
        words += [f"stale {made.stale_error:g}s on errors"] if made.stale_error else []
        words += [f"up to {value.max_object} bytes"] if value.max_object != 1 << 20 else []
        words += [f"invalidated by {_allowed(value)}"] if value.invalidation is not None else []
        return ", ".join(words)


def key_in_words(value: Cache) -> str:
    """What requests are told apart by (`gateway/cache_keys.py`), beside what Vary names."""
    own = ", caller" if value.per_caller else ""
    return f"scheme, host, {_parameters(value).replace('+', ', ')}{own}"


def _parameters(value: Cache) -> str:
    return "+".join(("path", *(value.key_parameters if value.key_parameters is not None else ("query",))))


def _allowed(value: Cache) -> str:
    allow = value.invalidation.allow if value.invalidation is not None else "nobody"
    return allow if isinstance(allow, str) else ", ".join(allow)


POLICY = _Policy()
