"""Purging a running gateway's cache: the order, the admin port's side, and the side of `apigw cache purge`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apigw_cli.caching import tags
from apigw_cli.caching.purges import Purges
from apigw_cli.errors import EnvironmentFailure, InputError, UsageError, reason
from apigw_cli.gateway import cache_keys, guard, top

MAXIMUM = 1000  # URLs and tags of one order
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to purge: all, or what was stored for these URLs and with these tags."""

    urls: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of `apigw cache purge`. `where`: whose cache."""

    order: Order
    where: top.Options = field(default_factory=top.Options)


def read(data: Any) -> Order:
    """An order as it stands in JSON: `{"urls": […], "tags": […]}` or `{"all": true}`. Raises InputError."""
    hint = 'send {"urls": ["http://host/path"], "tags": ["pets"]} or {"all": true}'
    if not isinstance(data, dict) or not data or set(data) - {"urls", "tags", "all"}:
        raise InputError("this is no order to purge", hint=hint)
    urls, names, everything = data.get("urls", []), data.get("tags", []), data.get("all", False)
    texts = isinstance(urls, list) and isinstance(names, list) and all(isinstance(one, str) for one in (*urls, *names))
    if not texts or not isinstance(everything, bool) or everything == bool(urls or names):
        raise InputError("this is no order to purge: either all, or urls and tags", hint=hint)
    if len(urls) + len(names) > MAXIMUM:
        raise InputError(f"at most {MAXIMUM} URLs and tags at once")
    return Order(tuple(urls), tuple(names), everything)


def carry_out(order: Order, purges: Purges) -> int:
    """Use nothing of it any more, in any worker, from the return on. Returns how many orders were given.

    Raises InputError for what is no URL or tag; then nothing is purged.
    """
    marks = [_mark(url) for url in order.urls] + [tags.mark(b"tag", _tag(tag)) for tag in order.tags]
    for mark in marks:
        purges.purge(mark)
    if order.everything:
        purges.purge_all()
    return len(marks) + order.everything


def _mark(url: str) -> int:
    try:
        return cache_keys.of_url(url)
    except (ValueError, UnicodeError) as error:
        raise InputError(str(error), hint="a URL as clients write it, scheme and host included") from None


def _tag(tag: str) -> bytes:
    data = tag.encode()
    if not data or len(data) > tags.LONGEST or any(sign in b" ,\t\r\n" for sign in data):
        raise InputError(f"{tag!r} is no tag: 1 to {tags.LONGEST} bytes without space and comma")
    return data


def purge(options: Options) -> int:
    """Have a running gateway purge. Returns how many orders it carried out. Raises ApigwError."""
    import httpx

    order = options.order
    if not (order.urls or order.tags or order.everything):
        raise UsageError("nothing to purge is named", hint="--url URL, --tag TAG or --all")
    url, token = top.find(options.where), guard.token(options.where.token_file)
    headers = {"Authorization": f"Bearer {token.decode()}"} if token else {}
    data = {"all": True} if order.everything else {"urls": order.urls, "tags": order.tags}
    try:
        answer = httpx.post(f"{url}/cache/purge", json=data, headers=headers, timeout=_SECONDS, trust_env=False)
        said = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise EnvironmentFailure(f"no gateway answers at {url}: {reason(error)}") from None
    if answer.status_code == 401:
        raise EnvironmentFailure(
            f"{url} asks for a token", hint=f"--admin-token-file FILE, or export {guard.VARIABLE}=…"
        )
    if answer.status_code != 200:
        raise InputError(str(said.get("message", answer.status_code)), hint=said.get("hint"))
    return int(said["purged"])
